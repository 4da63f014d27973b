use crate::log::{OutRecord, OutTopic, SendError, Sink, Tag};
use acteon_core::{Effects, OtherDeadLetter};
use acteon_schemas::{
    AuditRecord, CircuitState, Command, Coordinates, DeadLetter, DeadLetterHolds, DeadLetterReason, Definition,
    Dispatch, MAX_DERIVED_BYTES, OutcomeRecord, headers,
};
use serde::Serialize;
use smallvec::SmallVec;
use std::ops::Range;

/// W3C trace context, carried from an input to its effects.
const TRACEPARENT: &str = "traceparent";

/// Effects are handed to the producer when so many bytes have gathered, or at the commit: what is handed over at once is
/// sent in few large batches, without making a lone record wait for company.
pub(crate) const SEND_CHUNK_BYTES: usize = 512 * 1024;

/// What effects take from their input: where it stands, and its own bytes.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) source: Coordinates<'a>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [(&'a str, &'a [u8])],
}

/// The effects of a transaction that the producer has not been given yet. A step's effects are kept all or none.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    arena: Vec<u8>,
    pending: Vec<Pending>,
    /// Where the step's effects begin, in `arena` and `pending`.
    step: (usize, usize),
    partition: i32,
    now: i64,
    /// What the step does about circuits.
    circuits: CircuitCounts,
}

/// How often a step did something about circuits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CircuitCounts {
    /// Dispatches to a fallback.
    pub(crate) fallbacks: u64,
    /// Circuits that opened or closed.
    pub(crate) transitions: u64,
}

#[derive(Debug)]
struct Pending {
    kind: Kind,
    partition: Option<i32>,
    key: Bytes,
    value: Bytes,
    headers: Vec<(String, Vec<u8>)>,
    /// The transaction's input that it is an effect of.
    input: u32,
}

#[derive(Debug)]
enum Kind {
    Outcome,
    Audit,
    Dispatch {
        provider: String,
    },
    Command,
    Circuit,
    Repartition,
    DeadLetter {
        reason: DeadLetterReason,
    },
    /// A dead letter that is not the input.
    OtherDeadLetter {
        source: Coordinates<'static>,
        holds: DeadLetterHolds,
        attempts: Option<u32>,
        reason: DeadLetterReason,
    },
}

impl Pending {
    fn new(kind: Kind, partition: Option<i32>, key: Bytes, value: Bytes) -> Self {
        Self { kind, partition, key, value, headers: Vec::new(), input: 0 }
    }
}

/// Where a record's bytes are.
#[derive(Debug, Clone)]
enum Bytes {
    None,
    Arena(Range<usize>),
    /// The input's own, until the step is kept.
    Input,
}

impl Outbox {
    /// Begins a step; what an unfinished one has left is dropped.
    pub(crate) fn begin(&mut self, partition: i32, now: i64) {
        self.arena.truncate(self.step.0);
        self.pending.truncate(self.step.1);
        self.partition = partition;
        self.now = now;
        self.circuits = CircuitCounts::default();
    }

    /// What the step that was kept last did about circuits.
    pub(crate) fn circuits(&self) -> CircuitCounts {
        self.circuits
    }

    /// The size in bytes of the step's largest effect where it is over the limit.
    pub(crate) fn oversize(&self) -> Option<usize> {
        let size = |pending: &Pending| match &pending.value {
            Bytes::Arena(range) => range.len(),
            Bytes::None | Bytes::Input => 0,
        };
        self.pending[self.step.1..].iter().map(size).max().filter(|size| *size > MAX_DERIVED_BYTES)
    }

    /// Keeps the step's effects, as those of the transaction's input with this number; returns their bytes.
    pub(crate) fn keep(&mut self, input: &Origin<'_>, number: u32) -> usize {
        let before = self.step.0;
        for place in self.step.1..self.pending.len() {
            let headers = self.headers(&self.pending[place].kind, input);
            let key = self.own(self.pending[place].key.clone(), input.key);
            let value = self.own(self.pending[place].value.clone(), input.value);
            let pending = &mut self.pending[place];
            (pending.key, pending.value, pending.headers, pending.input) = (key, value, headers, number);
        }
        self.step = (self.arena.len(), self.pending.len());
        self.arena.len() - before
    }

    /// Whether so much has gathered that the producer shall have it.
    pub(crate) fn is_full(&self) -> bool {
        self.arena.len() >= SEND_CHUNK_BYTES
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.arena.clear();
        self.pending.clear();
        self.step = (0, 0);
    }

    /// Hands everything to the producer.
    ///
    /// # Errors
    /// The number of the input whose effect was not taken, and why.
    pub(crate) fn send<G>(&mut self, sink: &mut impl Sink<G>) -> Result<(), (u32, SendError)> {
        for pending in &self.pending {
            let headers: SmallVec<[(&str, &[u8]); 8]> =
                pending.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            let topic = match &pending.kind {
                Kind::Outcome => OutTopic::Outcomes,
                Kind::Audit => OutTopic::Audit,
                Kind::Dispatch { provider } => OutTopic::Dispatch(provider),
                Kind::Command => OutTopic::Commands,
                Kind::Circuit => OutTopic::Definitions,
                Kind::Repartition => OutTopic::Repartition,
                Kind::DeadLetter { .. } | Kind::OtherDeadLetter { .. } => OutTopic::Dlq,
            };
            let (key, value) = (self.slice(&pending.key), self.slice(&pending.value));
            let record = OutRecord { topic, partition: pending.partition, key, value, headers: &headers };
            sink.send(&record, Tag::Input(pending.input)).map_err(|error| (pending.input, error))?;
        }
        self.clear();
        Ok(())
    }

    fn slice(&self, bytes: &Bytes) -> Option<&[u8]> {
        match bytes {
            Bytes::Arena(range) => Some(&self.arena[range.clone()]),
            Bytes::None | Bytes::Input => None,
        }
    }

    /// Copies the input's own bytes, which are gone when the record is sent.
    fn own(&mut self, bytes: Bytes, own: Option<&[u8]>) -> Bytes {
        match (bytes, own) {
            (Bytes::Input, None) => Bytes::None,
            (Bytes::Input, Some(own)) => {
                let start = self.arena.len();
                self.arena.extend_from_slice(own);
                Bytes::Arena(start..self.arena.len())
            }
            (other, _) => other,
        }
    }

    /// The headers of an effect: its own, and of its input's all or the trace context alone.
    fn headers(&self, kind: &Kind, input: &Origin<'_>) -> Vec<(String, Vec<u8>)> {
        let own = |(name, value): (&str, String)| (name.to_owned(), value.into_bytes());
        let (mut headers, whole): (Vec<_>, bool) = match kind {
            Kind::Outcome | Kind::Audit | Kind::Dispatch { .. } | Kind::Command | Kind::Circuit => (Vec::new(), false),
            Kind::OtherDeadLetter { source, holds, attempts, reason } => {
                let mut list: Vec<_> = DeadLetter::to_headers(source, reason, self.now).into_iter().map(own).collect();
                list.push(own((headers::HOLDS, holds.as_str().to_owned())));
                list.extend(attempts.map(|attempts| own((headers::ATTEMPTS, attempts.to_string()))));
                (list, false)
            }
            Kind::Repartition => (vec![own((headers::ORIGIN, input.source.to_string()))], true),
            Kind::DeadLetter { reason } => {
                (DeadLetter::to_headers(&input.source, reason, self.now).into_iter().map(own).collect(), true)
            }
        };
        let carried = input.headers.iter().filter(|(name, _)| whole || *name == TRACEPARENT);
        headers.extend(carried.map(|(name, value)| ((*name).to_owned(), value.to_vec())));
        headers
    }

    /// Takes a record of a tenant. Everything of a tenant has the task's partition number.
    fn push(&mut self, kind: Kind, namespace: &str, tenant: &str, record: &impl Serialize) {
        self.push_to(kind, Some(self.partition), &[namespace, ":", tenant], record);
    }

    fn push_to(&mut self, kind: Kind, partition: Option<i32>, key: &[&str], record: &impl Serialize) {
        let start = self.arena.len();
        for part in key {
            self.arena.extend_from_slice(part.as_bytes());
        }
        let key = start..self.arena.len();
        // Records hold strings, numbers and JSON text alone, and a vector takes all that is written to it.
        if let Err(error) = serde_json::to_writer(&mut self.arena, record) {
            tracing::error!(%error, "record not serialised");
        }
        let value = key.end..self.arena.len();
        self.pending.push(Pending::new(kind, partition, Bytes::Arena(key), Bytes::Arena(value)));
    }
}

impl Effects for Outbox {
    fn outcome(&mut self, record: &OutcomeRecord<'_>) {
        self.push(Kind::Outcome, &record.namespace, &record.tenant, record);
    }

    fn audit(&mut self, record: &AuditRecord<'_>) {
        self.push(Kind::Audit, &record.namespace, &record.tenant, record);
    }

    fn dispatch(&mut self, record: &Dispatch<'_>) {
        let provider = record.provider.to_string();
        self.circuits.fallbacks += u64::from(!record.passed_over.is_empty());
        // A dispatch topic may have another partition count. The calls that may try a circuit come together, so that one
        // connector sees them all and lets one of them through.
        let partition = record.probe.map(|_| 0);
        self.push_to(Kind::Dispatch { provider }, partition, &[&record.namespace, ":", &record.tenant], record);
    }

    fn command(&mut self, partition: i32, record: &Command) {
        self.push_to(Kind::Command, Some(partition), &[&record.namespace, ":", &record.tenant], record);
    }

    fn circuit(&mut self, record: &CircuitState, turned: bool) {
        self.circuits.transitions += u64::from(turned);
        let definition = Definition::Circuit(record.clone());
        self.push_to(Kind::Circuit, Some(0), &[&definition.key()], &definition);
    }

    fn repartition(&mut self, partition: i32, key: &str) {
        let start = self.arena.len();
        self.arena.extend_from_slice(key.as_bytes());
        let key = Bytes::Arena(start..self.arena.len());
        self.pending.push(Pending::new(Kind::Repartition, Some(partition), key, Bytes::Input));
    }

    fn dead_letter(&mut self, reason: DeadLetterReason) {
        let kind = Kind::DeadLetter { reason };
        let partition = Some(self.partition);
        self.pending.push(Pending::new(kind, partition, Bytes::Input, Bytes::Input));
    }

    fn bury(&mut self, letter: OtherDeadLetter<'_>) {
        let start = self.arena.len();
        self.arena.extend_from_slice(letter.key.as_bytes());
        let key = start..self.arena.len();
        self.arena.extend_from_slice(letter.value);
        let value = key.end..self.arena.len();
        let OtherDeadLetter { source, holds, attempts, reason, .. } = letter;
        let kind = Kind::OtherDeadLetter { source: source.clone().into_owned(), holds, attempts, reason };
        self.pending.push(Pending::new(kind, Some(self.partition), Bytes::Arena(key), Bytes::Arena(value)));
    }
}
