use crate::log::{InRecord, OutRecord, OutTopic, SendError, Sink, Tag};
use acteon_core::Effects;
use acteon_schemas::{AuditRecord, Coordinates, DeadLetter, DeadLetterReason, Dispatch, OutcomeRecord, headers};
use serde::Serialize;
use smallvec::SmallVec;
use std::ops::Range;

/// Largest value of an effect, in bytes: an input at its limit, with room for what a decision adds. The topology gives
/// the topics that processors write a larger `max.message.bytes`.
pub(crate) const MAX_EFFECT_BYTES: usize = 1024 * 1024 + 512 * 1024;
/// W3C trace context, carried from an input to its effects.
const TRACEPARENT: &str = "traceparent";

/// The effects of one step, serialised and not yet sent: a step's effects are sent all or none.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    arena: Vec<u8>,
    pending: Vec<Pending>,
    partition: i32,
    now: i64,
}

#[derive(Debug)]
struct Pending {
    kind: Kind,
    partition: Option<i32>,
    key: Bytes,
    value: Bytes,
}

#[derive(Debug)]
enum Kind {
    Outcome,
    Audit,
    Dispatch { provider: String },
    Repartition,
    DeadLetter { reason: DeadLetterReason },
}

/// Where a record's bytes are.
#[derive(Debug)]
enum Bytes {
    Arena(Range<usize>),
    /// The input's own.
    Input,
}

impl Outbox {
    /// Empties it for the next step.
    pub(crate) fn begin(&mut self, partition: i32, now: i64) {
        self.arena.clear();
        self.pending.clear();
        self.partition = partition;
        self.now = now;
    }

    /// The size in bytes of the largest effect where it is over the limit.
    pub(crate) fn oversize(&self) -> Option<usize> {
        let size = |pending: &Pending| match &pending.value {
            Bytes::Arena(range) => range.len(),
            Bytes::Input => 0,
        };
        self.pending.iter().map(size).max().filter(|size| *size > MAX_EFFECT_BYTES)
    }

    /// Sends the effects of an input; returns the bytes sent.
    pub(crate) fn send<G>(
        &self,
        input: &InRecord<'_>,
        source_topic: &str,
        tag: Tag,
        sink: &mut impl Sink<G>,
    ) -> Result<usize, SendError> {
        let mut bytes = 0;
        for pending in &self.pending {
            let key = self.slice(&pending.key, input.key);
            let value = self.slice(&pending.value, input.value);
            let made = self.headers(&pending.kind, input, source_topic);
            let mut headers: SmallVec<[(&str, &[u8]); 8]> =
                made.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            let whole = matches!(pending.kind, Kind::Repartition | Kind::DeadLetter { .. });
            headers.extend(input.headers.iter().filter(|(name, _)| whole || *name == TRACEPARENT).copied());
            bytes += value.map_or(0, <[u8]>::len);
            let topic = match &pending.kind {
                Kind::Outcome => OutTopic::Outcomes,
                Kind::Audit => OutTopic::Audit,
                Kind::Dispatch { provider } => OutTopic::Dispatch(provider),
                Kind::Repartition => OutTopic::Repartition,
                Kind::DeadLetter { .. } => OutTopic::Dlq,
            };
            sink.send(&OutRecord { topic, partition: pending.partition, key, value, headers: &headers }, tag)?;
        }
        Ok(bytes)
    }

    fn slice<'b>(&'b self, bytes: &Bytes, own: Option<&'b [u8]>) -> Option<&'b [u8]> {
        match bytes {
            Bytes::Arena(range) => Some(&self.arena[range.clone()]),
            Bytes::Input => own,
        }
    }

    /// The headers that a record has beside its input's.
    fn headers(&self, kind: &Kind, input: &InRecord<'_>, topic: &str) -> SmallVec<[(&'static str, String); 5]> {
        let source = || Coordinates { topic: topic.into(), partition: input.partition, offset: input.offset };
        match kind {
            Kind::Outcome | Kind::Audit | Kind::Dispatch { .. } => SmallVec::new(),
            Kind::Repartition => SmallVec::from_iter([(headers::ORIGIN, source().to_string())]),
            Kind::DeadLetter { reason } => DeadLetter::to_headers(&source(), reason, self.now).into(),
        }
    }

    fn push(&mut self, kind: Kind, namespace: &str, tenant: &str, record: &impl Serialize) {
        let start = self.arena.len();
        for part in [namespace, ":", tenant] {
            self.arena.extend_from_slice(part.as_bytes());
        }
        let key = start..self.arena.len();
        // Records hold strings, numbers and JSON text alone, and a vector takes all that is written to it.
        if let Err(error) = serde_json::to_writer(&mut self.arena, record) {
            tracing::error!(%error, "record not serialised");
        }
        let value = key.end..self.arena.len();
        // Everything of a tenant has the task's partition number; a dispatch topic may have another count.
        let partition = match kind {
            Kind::Dispatch { .. } => None,
            _ => Some(self.partition),
        };
        self.pending.push(Pending { kind, partition, key: Bytes::Arena(key), value: Bytes::Arena(value) });
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
        self.push(Kind::Dispatch { provider }, &record.namespace, &record.tenant, record);
    }

    fn repartition(&mut self, partition: i32, key: &str) {
        let start = self.arena.len();
        self.arena.extend_from_slice(key.as_bytes());
        let key = Bytes::Arena(start..self.arena.len());
        self.pending.push(Pending { kind: Kind::Repartition, partition: Some(partition), key, value: Bytes::Input });
    }

    fn dead_letter(&mut self, reason: DeadLetterReason) {
        let kind = Kind::DeadLetter { reason };
        let partition = Some(self.partition);
        self.pending.push(Pending { kind, partition, key: Bytes::Input, value: Bytes::Input });
    }
}
