mod committing;
mod firing;
mod sending;

use crate::clock::Clock;
use crate::commit::Transaction;
use crate::log::{InRecord, InTopic, LogError, Sink};
use crate::metrics::Tally;
use crate::outbox::{Origin, Outbox};
use crate::store::Store;
use crate::task::{Phase, Task};
use crate::worker::{Trouble, WorkerConfig};
use acteon_core::{Definitions, Effects, Input, InputKind, StateError, StepError, Stepped, step};
use acteon_schemas::{Coordinates, DeadLetterReason, MAX_DERIVED_BYTES, headers};
use committing::Flight;
use rustc_hash::FxHashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Most inputs remembered as refused by the broker; more than one at a time is rare.
const MAX_REFUSED: usize = 1_000;

/// What makes an input of a transaction itself, should it come again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Identity {
    /// A record, by its place.
    Record(InTopic, i32, i64),
    /// A timer, by its task, time and entry.
    Timer(i32, i64, Vec<u8>),
}

/// The input with a number, if there is one.
fn numbered(inputs: &[Identity], number: u32) -> Option<Identity> {
    usize::try_from(number).ok().and_then(|number| inputs.get(number)).cloned()
}

/// Why an input is set aside: a dead letter's code, and the reason in words.
type Problem = (&'static str, String);

/// Where a worker decides: its tasks, and the transaction that their effects go into.
pub(crate) struct Desk<O, S, C> {
    pub(crate) config: WorkerConfig,
    pub(crate) clock: C,
    /// Wall time at the beginning of the turn, in milliseconds since 1970: records taken together share it.
    pub(crate) now: i64,
    pub(crate) tasks: FxHashMap<i32, Task<S>>,
    pub(crate) sink: Option<O>,
    /// The open transaction.
    pub(crate) transaction: Option<Transaction>,
    /// The one that is being committed.
    pub(crate) flight: Option<Flight>,
    /// The open transaction's inputs, by number.
    inputs: Vec<Identity>,
    /// Inputs whose effects the broker refuses, with its reason.
    refused: FxHashMap<Identity, String>,
    outbox: Outbox,
    tally: Tally,
    /// The entry whose timer is being fired, as it was before.
    entry: Vec<u8>,
}

impl<O, S: Store, C: Clock> Desk<O, S, C> {
    pub(crate) fn new(config: WorkerConfig, clock: C) -> Self {
        Self {
            config,
            now: clock.wall(),
            clock,
            tasks: FxHashMap::default(),
            sink: None,
            transaction: None,
            flight: None,
            inputs: Vec::new(),
            refused: FxHashMap::default(),
            outbox: Outbox::default(),
            tally: Tally::default(),
            entry: Vec::new(),
        }
    }

    /// The tasks in a phase.
    pub(crate) fn tasks_in(&self, wanted: impl Fn(&Phase) -> bool) -> impl Iterator<Item = i32> {
        self.tasks.iter().filter(move |(_, task)| wanted(&task.phase)).map(|(partition, _)| *partition)
    }

    pub(crate) fn reset(&mut self, partition: i32) {
        if let Some(task) = self.tasks.get_mut(&partition) {
            task.reset();
        }
    }

    /// Drops the producers with the open transaction and the one that is being committed, and everything that is not known
    /// to be committed: whatever becomes of it, the tasks find it in the log.
    pub(crate) fn abort<G>(&mut self)
    where
        O: Sink<G>,
    {
        if let Some(mut sink) = self.sink.take()
            && let Err(error) = sink.abort()
        {
            tracing::debug!(%error, "transaction not aborted, its successor will fence it");
        }
        self.transaction = None;
        self.flight = None;
        self.inputs.clear();
        self.outbox.clear();
        self.tally.clear();
        self.tasks.values_mut().for_each(Task::reset);
    }

    /// Decides about one record and sends its effects.
    pub(crate) fn process<G>(&mut self, record: &InRecord<'_>, definitions: &Definitions) -> Result<(), Trouble>
    where
        O: Sink<G>,
    {
        let Some(task) = self.tasks.get_mut(&record.partition) else { return Ok(()) };
        // Records can arrive that were fetched before the task was told where to go on.
        if task.phase != Phase::Running || record.offset < task.positions[record.topic as usize] {
            return Ok(());
        }
        let expected = task.positions[record.topic as usize];
        if record.topic == InTopic::Actions && record.offset > expected {
            // Markers and aborted records of senders that use transactions, or what retention has deleted.
            let passed_over = record.offset - expected;
            tracing::debug!(partition = record.partition, expected, passed_over, "actions have no records here");
        }
        self.open()?;
        // Taken out for a moment: what is decided refers to it.
        let topics = std::mem::take(&mut self.config.topics);
        let result = self.decide(record, input(record, &topics), definitions);
        self.config.topics = topics;
        result
    }

    fn decide<G>(&mut self, record: &InRecord<'_>, input: Input<'_>, definitions: &Definitions) -> Result<(), Trouble>
    where
        O: Sink<G>,
    {
        let identity = Identity::Record(record.topic, record.partition, record.offset);
        let attempt = match self.refused.remove(&identity) {
            Some(reason) => Err(("EFFECT_REFUSED", reason)),
            None => self.attempt(record.partition, &input, definitions)?,
        };
        let stepped = attempt.unwrap_or_else(|problem| self.set_aside(record.partition, &input.source, problem));
        if let Some(task) = self.tasks.get_mut(&record.partition) {
            task.positions[record.topic as usize] = record.offset + 1;
        }
        let origin = Origin { source: input.source, key: record.key, value: record.value, headers: &record.headers };
        self.keep(record.partition, identity, &origin, stepped)
    }

    /// Takes a step into the open transaction.
    fn keep<G>(
        &mut self,
        partition: i32,
        identity: Identity,
        origin: &Origin<'_>,
        stepped: Stepped,
    ) -> Result<(), Trouble>
    where
        O: Sink<G>,
    {
        let number = u32::try_from(self.inputs.len()).unwrap_or(u32::MAX);
        self.inputs.push(identity);
        let mut bytes = self.outbox.keep(origin, number);
        if let Some(task) = self.tasks.get_mut(&partition) {
            bytes += task.overlay.keep_step();
        }
        self.tally.count(stepped);
        self.tally.count_circuits(self.outbox.circuits());
        if let Some(open) = &mut self.transaction {
            open.records += 1;
            open.bytes += bytes;
        }
        Ok(self.send_early(partition)?)
    }

    /// Begins a transaction where none is open.
    fn open<G>(&mut self) -> Result<(), LogError>
    where
        O: Sink<G>,
    {
        if self.transaction.is_none() {
            self.sink.as_mut().ok_or_else(no_producer)?.begin()?;
            self.transaction = Some(Transaction { began: self.clock.monotonic(), ..Transaction::default() });
        }
        Ok(())
    }

    /// Runs the step. Whatever is wrong with the input or its state is a reason to set it aside.
    fn attempt(
        &mut self,
        partition: i32,
        input: &Input<'_>,
        definitions: &Definitions,
    ) -> Result<Result<Stepped, Problem>, Trouble> {
        let Some(task) = self.tasks.get_mut(&partition) else { return Err(no_task(partition).into()) };
        let now = task.clock.advance(self.now);
        self.outbox.begin(partition, now);
        let whom = acteon_core::Task { partition, partitions: self.config.partitions };
        let (overlay, outbox) = (&mut task.overlay, &mut self.outbox);
        let began = self.tally.start_step(&self.clock);
        let result = catch_unwind(AssertUnwindSafe(|| step(definitions, whom, overlay, now, input, outbox)));
        self.tally.end_step(began, &self.clock);
        let too_large = |what: &str, bytes: usize| {
            let message = format!("{what} has {bytes} bytes; the limit is {MAX_DERIVED_BYTES}");
            Ok(Err(("EFFECT_TOO_LARGE", message)))
        };
        match result {
            Ok(Ok(stepped)) => match (self.outbox.oversize(), task.overlay.largest_in_step()) {
                (Some(bytes), _) => too_large("an effect", bytes),
                (None, bytes) if bytes > MAX_DERIVED_BYTES => too_large("an entry of the state", bytes),
                _ => Ok(Ok(stepped)),
            },
            Ok(Err(StepError(StateError::Store(reason)))) => Err(LogError::Fatal(reason).into()),
            Ok(Err(StepError(error @ StateError::Corrupt { .. }))) => Ok(Err(("CORRUPT_STATE", error.to_string()))),
            Err(panic) => Ok(Err(("PANIC", panic_message(&*panic)))),
        }
    }

    /// Replaces whatever a step left by a dead letter.
    fn set_aside(&mut self, partition: i32, source: &Coordinates<'_>, (code, message): Problem) -> Stepped {
        tracing::error!(%source, code, reason = message, "input set aside");
        if let Some(task) = self.tasks.get_mut(&partition) {
            task.overlay.drop_step();
            let now = task.clock.advance(self.now);
            self.outbox.begin(partition, now);
        }
        self.outbox.dead_letter(DeadLetterReason { code: code.to_owned(), message });
        Stepped::DeadLettered
    }

    /// An input's effects are refused for good: it is set aside when it comes again.
    fn refuse(&mut self, input: Option<Identity>, reason: String) {
        if let Some(input) = input
            && self.refused.len() < MAX_REFUSED
        {
            self.refused.insert(input, reason);
        }
    }
}

fn no_producer() -> LogError {
    LogError::Retriable("there is no producer yet".to_owned())
}

fn no_task(partition: i32) -> LogError {
    LogError::Retriable(format!("task {partition} is not here any more"))
}

fn input<'i>(record: &'i InRecord<'_>, topics: &'i [String; 4]) -> Input<'i> {
    let kind = match record.topic {
        InTopic::Actions => InputKind::Action,
        InTopic::Repartition => InputKind::Repartitioned,
        InTopic::Commands => InputKind::Command,
        InTopic::Results => InputKind::Result,
    };
    let origin = record.headers.iter().find(|(name, _)| *name == headers::ORIGIN);
    let origin = origin.and_then(|(_, text)| Coordinates::parse(std::str::from_utf8(text).ok()?));
    Input {
        kind,
        source: Coordinates {
            topic: topics[record.topic as usize].as_str().into(),
            partition: record.partition,
            offset: record.offset,
        },
        origin: origin.filter(|_| kind == InputKind::Repartitioned),
        value: record.value,
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the decision core panicked: {}", text.unwrap_or_else(|| "no message".to_owned()))
}

#[cfg(test)]
mod tests;
