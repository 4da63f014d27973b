//! Acteon in memory: partitions, a clock and providers around the decision core.

use crate::setup::Setup;
use crate::snapshot;
use crate::stub::Providers;
use acteon_core::{Definitions, DefinitionsError, Input, InputKind, MemoryState, Recorder, StepError, Stepped, Task};
use acteon_core::{due_at, step};
use acteon_schemas::{CircuitState, Coordinates, DeadLetterReason, Dispatch, partition_of, tenant_key};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// Most inputs that one step of a scenario may lead to: a definition that goes round in circles ends here.
const MAX_INPUTS_PER_STEP: u64 = 2_000_000;
/// Most partitions of a run.
const MAX_PARTITIONS: u16 = 256;

/// How a scenario is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// Partitions of the topics, from 1 to 256; others are taken for the nearest of them.
    pub partitions: u16,
    /// Whether the definitions are compiled anew, and the state is written out and read back into a fresh one, after every
    /// input and timer.
    pub restored: bool,
}

impl Default for Mode {
    /// One partition, straight.
    fn default() -> Self {
        Self { partitions: 1, restored: false }
    }
}

/// Why a run can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error(transparent)]
    Step(#[from] StepError),
    #[error(transparent)]
    Definitions(#[from] DefinitionsError),
    #[error("more than {MAX_INPUTS_PER_STEP} inputs in one step: something goes round in circles")]
    Endless,
    #[error("a dispatch can't be read back: {0}")]
    Dispatch(#[from] serde_json::Error),
}

/// What a step of a scenario has led to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) outcomes: Vec<Value>,
    pub(crate) audit: Vec<Value>,
    pub(crate) dispatched: Vec<Value>,
    pub(crate) dead_letters: Vec<Value>,
    /// Offset of each input that was refused as a whole, and why.
    pub(crate) refused: Vec<(i64, DeadLetterReason)>,
}

/// A record under way.
struct Pending {
    kind: InputKind,
    partition: i32,
    origin: Coordinates<'static>,
    value: Vec<u8>,
}

/// The whole.
pub(crate) struct Engine<'s> {
    setup: &'s Setup,
    mode: Mode,
    pub(crate) definitions: Definitions,
    /// Circuits as their keepers have told of them last.
    circuits: BTreeMap<String, CircuitState>,
    tasks: Vec<MemoryState>,
    pub(crate) now: i64,
    next_offset: i64,
    pub(crate) providers: Providers,
    pub(crate) told: Told,
    pending: VecDeque<Pending>,
    inputs: u64,
}

impl<'s> Engine<'s> {
    pub(crate) fn new(setup: &'s Setup, mode: Mode, start: i64) -> Result<Self, EngineError> {
        let partitions = mode.partitions.clamp(1, MAX_PARTITIONS);
        Ok(Self {
            setup,
            mode: Mode { partitions, ..mode },
            definitions: Definitions::compile(0, setup.parts.clone())?,
            circuits: BTreeMap::new(),
            tasks: vec![MemoryState::default(); usize::from(partitions)],
            now: start,
            next_offset: 0,
            providers: Providers::new(setup.log_providers.clone()),
            told: Told::default(),
            pending: VecDeque::new(),
            inputs: 0,
        })
    }

    /// Forgets what the step before was told.
    pub(crate) fn begin(&mut self) {
        self.told = Told::default();
        self.inputs = 0;
    }

    fn task(&self, partition: i32) -> Task {
        Task { partition, partitions: i32::from(self.mode.partitions) }
    }

    /// The partition that a tenant belongs to.
    pub(crate) fn home(&self, namespace: &str, tenant: &str) -> i32 {
        partition_of(tenant_key(namespace, tenant).as_bytes(), i32::from(self.mode.partitions))
    }

    /// The state of a tenant's partition.
    pub(crate) fn state(&mut self, namespace: &str, tenant: &str) -> &mut MemoryState {
        let home = usize::try_from(self.home(namespace, tenant)).unwrap_or(0);
        &mut self.tasks[home]
    }

    /// Sends an action and waits until all is quiet; its offset. It may come in on any partition.
    pub(crate) fn dispatch(&mut self, value: Vec<u8>) -> Result<i64, EngineError> {
        let partition = i32::try_from(self.next_offset % i64::from(self.mode.partitions)).unwrap_or(0);
        self.send(InputKind::Action, partition, value)
    }

    /// Sends a command and waits until all is quiet; its offset.
    pub(crate) fn command(&mut self, namespace: &str, tenant: &str, value: Vec<u8>) -> Result<i64, EngineError> {
        self.send(InputKind::Command, self.home(namespace, tenant), value)
    }

    fn send(&mut self, kind: InputKind, partition: i32, value: Vec<u8>) -> Result<i64, EngineError> {
        let origin = self.origin(kind);
        let offset = origin.offset;
        self.pending.push_back(Pending { kind, partition, origin, value });
        self.settle()?;
        Ok(offset)
    }

    /// Coordinates that no other record has. They are the same over any number of partitions, and so are the ids that are
    /// made from them.
    fn origin(&mut self, kind: InputKind) -> Coordinates<'static> {
        let topic = match kind {
            InputKind::Command => "acteon.commands",
            InputKind::Result => "acteon.results",
            _ => "acteon.actions",
        };
        let offset = self.next_offset;
        self.next_offset += 1;
        Coordinates { topic: topic.into(), partition: 0, offset }
    }

    /// How the circuits of all providers that have one stand.
    pub(crate) fn circuits(&self) -> BTreeMap<String, &'static str> {
        let circuits = &self.definitions.circuits;
        let phase = |name: &str| circuits.state(name).map_or("closed", |state| state.phase(self.now).as_str());
        circuits.providers().map(|name| (name.to_owned(), phase(name))).collect()
    }

    /// Works until no record is under way and no timer is due.
    fn settle(&mut self) -> Result<(), EngineError> {
        loop {
            while let Some(record) = self.pending.pop_front() {
                self.feed(&record)?;
            }
            match self.next_timer() {
                Some((due, partition, key)) if due <= self.now => self.fire(partition, &key)?,
                _ => return Ok(()),
            }
        }
    }

    /// Moves the clock, and fires what comes due on the way.
    pub(crate) fn advance(&mut self, to: i64) -> Result<(), EngineError> {
        while let Some((due, partition, key)) = self.next_timer().filter(|(due, _, _)| *due <= to) {
            self.now = self.now.max(due);
            self.fire(partition, &key)?;
            self.settle()?;
        }
        self.now = self.now.max(to);
        Ok(())
    }

    /// The timer that is due first, of all partitions: the same one over any number of them.
    fn next_timer(&self) -> Option<(i64, i32, Vec<u8>)> {
        let entries = (0..).zip(&self.tasks).flat_map(|(partition, state)| {
            state.0.iter().filter_map(move |(key, value)| Some((due_at(key, value)?, key, partition)))
        });
        entries.min().map(|(due, key, partition)| (due, partition, key.clone()))
    }

    fn fire(&mut self, partition: i32, key: &[u8]) -> Result<(), EngineError> {
        let input = Input::timer(self.task(partition), key);
        self.step(partition, &input, None)?;
        Ok(())
    }

    fn feed(&mut self, record: &Pending) -> Result<(), EngineError> {
        let source = Coordinates { partition: record.partition, ..record.origin.clone() };
        let input =
            Input { kind: record.kind, source, origin: Some(record.origin.clone()), value: Some(&record.value) };
        self.step(record.partition, &input, Some(record))
    }

    /// One step of the core, and what it wants done.
    fn step(&mut self, partition: i32, input: &Input<'_>, record: Option<&Pending>) -> Result<(), EngineError> {
        self.inputs += 1;
        if self.inputs > MAX_INPUTS_PER_STEP {
            return Err(EngineError::Endless);
        }
        let task = self.task(partition);
        let state = &mut self.tasks[usize::try_from(partition).unwrap_or(0)];
        let mut effects = Recorder::default();
        let stepped = step(&self.definitions, task, state, self.now, input, &mut effects)?;
        if self.mode.restored {
            *state = snapshot::moved(state, self.now);
            self.definitions = Definitions::compile(0, self.setup.parts.clone())?;
        }
        self.circuits.extend(effects.circuits.iter().map(|state| (state.provider.clone(), state.clone())));
        if self.mode.restored || !effects.circuits.is_empty() {
            self.definitions = self.definitions.with_circuits(0, self.circuits.values().cloned().collect());
        }
        if let (Stepped::DeadLettered, Some(record), Some(reason)) = (stepped, record, effects.dead_letters.first()) {
            self.told.refused.push((record.origin.offset, reason.clone()));
        }
        if let Some(record) = record {
            for (partition, _) in &effects.repartitioned {
                self.pending.push_back(Pending {
                    kind: InputKind::Repartitioned,
                    partition: *partition,
                    origin: record.origin.clone(),
                    value: record.value.clone(),
                });
            }
        }
        self.take(effects)
    }

    /// Keeps what was told, and has providers answer.
    fn take(&mut self, effects: Recorder) -> Result<(), EngineError> {
        for mut dispatched in effects.dispatches {
            let text = dispatched.to_string();
            let dispatch: Dispatch<'_> = serde_json::from_str(&text)?;
            let value = self.providers.call(&dispatch, self.now);
            let origin = self.origin(InputKind::Result);
            self.pending.push_back(Pending { kind: InputKind::Result, partition: dispatch.task, origin, value });
            // The partition that waits for the answer: no part of what a scenario is about.
            if let Some(fields) = dispatched.as_object_mut() {
                fields.remove("task");
            }
            self.told.dispatched.push(dispatched);
        }
        for (partition, command) in effects.commands {
            let origin = self.origin(InputKind::Command);
            let value = serde_json::to_vec(&command)?;
            self.pending.push_back(Pending { kind: InputKind::Command, partition, origin, value });
        }
        self.told.outcomes.extend(effects.outcomes);
        self.told.audit.extend(effects.audit);
        self.told.dead_letters.extend(effects.dead_letters.iter().map(|reason| json!(reason)));
        Ok(())
    }
}
