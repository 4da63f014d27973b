use acteon_schemas::{AuditPhase, AuditRecord, Coordinates, DecodeError, MAX_DERIVED_BYTES, Outcome, check_size_of};
use chrono::{DateTime, SecondsFormat};
use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;

/// A row of the audit view. What it serialises to is a record as the HTTP API shows it.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// Partition of the audit topic that it came from.
    pub log_partition: i32,
    /// Its offset there; of the two records of one action, the first one's.
    pub log_offset: i64,
    /// The record's id; the same in both phases.
    pub id: String,
    /// Which moment the newest record that went into it told of.
    pub phase: AuditPhase,
    /// The action's id.
    pub action_id: String,
    /// Scope.
    pub namespace: String,
    /// Scope.
    pub tenant: String,
    /// The provider that received it or would have.
    pub provider: String,
    /// The action's own provider, where another one was chosen.
    pub original_provider: Option<String>,
    /// The action's type.
    pub action_type: String,
    /// What the rules said.
    pub verdict: String,
    /// The rule that decided; absent where the default did.
    pub matched_rule: Option<String>,
    /// What became of it so far.
    pub outcome: Outcome,
    /// The chain that it belongs to.
    pub chain_id: Option<String>,
    /// What had held the action until now.
    pub released_by: Option<String>,
    /// Who sent the action, as far as it says.
    pub caller_id: Option<String>,
    /// Who signed it, as far as it says.
    pub signer_id: Option<String>,
    /// The key that it says it was signed with.
    pub kid: Option<String>,
    /// When it was decided, in milliseconds since 1970.
    pub dispatched_at: i64,
    /// When its last outcome was known, in milliseconds since 1970.
    pub completed_at: Option<i64>,
    /// From decision to last outcome, in milliseconds.
    pub duration_ms: Option<i64>,
    /// When it may be deleted, in milliseconds since 1970; absent where it is to be kept.
    pub expires_at: Option<i64>,
    /// Offset in the definitions topic of the rule set that decided.
    pub definitions_version: i64,
    /// The input that it tells of.
    pub source: Coordinates<'static>,
    /// The rules that let it pass and that changed it, as a JSON object; absent where there were none.
    pub verdict_details: Option<Box<RawValue>>,
    /// More about the outcome, as JSON.
    pub outcome_details: Option<Box<RawValue>>,
    /// The payload as it came in, redacted, as JSON; absent where it is not stored.
    pub action_payload: Option<Box<RawValue>>,
    /// Labels, and what a replay needs, as a JSON object; absent where there are none.
    pub metadata: Option<Box<RawValue>>,
}

impl AuditEntry {
    /// Decodes the value of the record at an offset of a partition of the audit topic.
    ///
    /// # Errors
    /// The value is empty, too large, or no audit record.
    pub fn decode(partition: i32, offset: i64, value: &[u8]) -> Result<Self, DecodeError> {
        check_size_of(value, MAX_DERIVED_BYTES)?;
        let record: AuditRecord<'_> = serde_json::from_slice(value)?;
        Ok(Self::of(partition, offset, record))
    }

    fn of(log_partition: i32, log_offset: i64, record: AuditRecord<'_>) -> Self {
        let gates = (!record.admitted_by.is_empty() || !record.rewritten_by.is_empty())
            .then(|| json!({"admitted_by": record.admitted_by, "rewritten_by": record.rewritten_by}));
        Self {
            log_partition,
            log_offset,
            id: record.id.into_owned(),
            phase: record.phase,
            action_id: record.action_id.into_owned(),
            namespace: record.namespace.into_owned(),
            tenant: record.tenant.into_owned(),
            provider: record.provider.into_owned(),
            original_provider: record.original_provider.map(Into::into),
            action_type: record.action_type.into_owned(),
            verdict: record.verdict.into_owned(),
            matched_rule: record.matched_rule.map(Into::into),
            outcome: record.outcome,
            chain_id: record.chain_id.map(Into::into),
            released_by: record.released_by.map(Into::into),
            caller_id: record.caller_id.map(Cow::into_owned),
            signer_id: record.signer_id.map(Cow::into_owned),
            kid: record.kid.map(Cow::into_owned),
            dispatched_at: record.dispatched_at,
            completed_at: record.completed_at,
            duration_ms: record.duration_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX)),
            expires_at: record.expires_at,
            definitions_version: record.definitions_version,
            source: record.source.into_owned(),
            verdict_details: gates.and_then(|gates| to_raw_value(&gates).ok()),
            outcome_details: record.outcome_details.map(Cow::into_owned),
            action_payload: record.action_payload.map(Cow::into_owned),
            metadata: (!record.metadata.is_empty()).then(|| to_raw_value(&record.metadata).ok()).flatten(),
        }
    }

    /// Takes in the record of the action's result. What the rules said stays, unless another provider took the action after
    /// they had.
    pub(crate) fn complete(&mut self, result: Self) {
        if result.verdict == REROUTE {
            self.verdict = result.verdict;
        }
        self.phase = result.phase;
        self.provider = result.provider;
        self.original_provider = result.original_provider.or_else(|| self.original_provider.take());
        self.outcome = result.outcome;
        self.outcome_details = result.outcome_details;
        self.completed_at = result.completed_at;
        self.duration_ms = result.duration_ms;
        self.expires_at = result.expires_at;
    }
}

/// The verdict of an action that went to another provider than its own.
pub(crate) const REROUTE: &str = "reroute";

/// The tag of a phase, as in the record.
pub(crate) fn phase_tag(phase: AuditPhase) -> &'static str {
    match phase {
        AuditPhase::Decided => "decided",
        AuditPhase::Completed => "completed",
        AuditPhase::Progress => "progress",
    }
}

/// A time as people and clients read it.
pub(crate) fn rfc3339(unix_ms: i64) -> Option<String> {
    DateTime::from_timestamp_millis(unix_ms).map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

impl Serialize for AuditEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("AuditEntry", 33)?;
        record.serialize_field("id", &self.id)?;
        record.serialize_field("action_id", &self.action_id)?;
        record.serialize_field("chain_id", &self.chain_id)?;
        record.serialize_field("namespace", &self.namespace)?;
        record.serialize_field("tenant", &self.tenant)?;
        record.serialize_field("provider", &self.provider)?;
        record.serialize_field("original_provider", &self.original_provider)?;
        record.serialize_field("action_type", &self.action_type)?;
        record.serialize_field("verdict", &self.verdict)?;
        record.serialize_field("matched_rule", &self.matched_rule)?;
        record.serialize_field("outcome", &self.outcome)?;
        record.serialize_field("phase", &self.phase)?;
        record.serialize_field("released_by", &self.released_by)?;
        record.serialize_field("caller_id", &self.caller_id)?;
        record.serialize_field("signer_id", &self.signer_id)?;
        record.serialize_field("kid", &self.kid)?;
        record.serialize_field("action_payload", &self.action_payload)?;
        record.serialize_field("verdict_details", &self.verdict_details)?;
        record.serialize_field("outcome_details", &self.outcome_details)?;
        match &self.metadata {
            Some(labels) => record.serialize_field("metadata", labels)?,
            None => record.serialize_field("metadata", &json!({}))?,
        }
        record.serialize_field("dispatched_at", &rfc3339(self.dispatched_at))?;
        record.serialize_field("completed_at", &self.completed_at.and_then(rfc3339))?;
        // A number always: clients in typed languages read it as one. `completed_at` tells whether it is over.
        record.serialize_field("duration_ms", &self.duration_ms.unwrap_or(0))?;
        record.serialize_field("expires_at", &self.expires_at.and_then(rfc3339))?;
        record.serialize_field("definitions_version", &self.definitions_version)?;
        record.serialize_field("source", &self.source)?;
        for absent in NOT_RECORDED {
            record.serialize_field(absent, &())?;
        }
        record.end()
    }
}

/// Fields of the original's records that clients look for and that nothing sets here.
const NOT_RECORDED: [&str; 7] = [
    "auth_method",
    "record_hash",
    "previous_hash",
    "sequence_number",
    "attachment_metadata",
    "signature",
    "canonical_hash",
];
