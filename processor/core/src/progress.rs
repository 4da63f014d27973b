//! Audit records of what is no decision: something moved that had been begun before.

use crate::effect::Effects;
use crate::turn::Turn;
use acteon_schemas::{AuditLabels, AuditPhase, AuditRecord, Coordinates, Outcome};
use serde_json::Value;
use serde_json::value::to_raw_value;
use std::borrow::Cow;
use uuid::Uuid;

/// What such a record says.
pub(crate) struct Progress<'p> {
    /// Its id, made from what it tells of: the same whenever the same input is read.
    pub(crate) id: Uuid,
    pub(crate) action_id: &'p str,
    pub(crate) namespace: &'p str,
    pub(crate) tenant: &'p str,
    pub(crate) provider: &'p str,
    pub(crate) action_type: &'p str,
    /// The type of the rule's action, or of what else it is about.
    pub(crate) verdict: &'p str,
    pub(crate) rule: Option<&'p str>,
    pub(crate) outcome: Outcome,
    pub(crate) details: Value,
    /// When it began, in milliseconds since 1970.
    pub(crate) began: i64,
    pub(crate) source: &'p Coordinates<'p>,
}

impl Progress<'_> {
    /// Emits the record.
    pub(crate) fn tell<S, E: Effects>(&self, turn: &mut Turn<'_, S, E>) {
        let record = self.record(turn);
        turn.effects.audit(&record);
    }

    /// The record.
    pub(crate) fn record<S, E>(&self, turn: &Turn<'_, S, E>) -> AuditRecord<'_> {
        let now = turn.now;
        AuditRecord {
            id: Cow::Owned(self.id.to_string()),
            phase: AuditPhase::Progress,
            action_id: Cow::Borrowed(self.action_id),
            namespace: Cow::Borrowed(self.namespace),
            tenant: Cow::Borrowed(self.tenant),
            provider: Cow::Borrowed(self.provider),
            original_provider: None,
            action_type: Cow::Borrowed(self.action_type),
            verdict: Cow::Borrowed(self.verdict),
            matched_rule: self.rule.map(Cow::Borrowed),
            admitted_by: Vec::new(),
            rewritten_by: Vec::new(),
            outcome: self.outcome,
            outcome_details: to_raw_value(&self.details).ok().map(Cow::Owned),
            action_payload: None,
            metadata: AuditLabels::default(),
            dispatched_at: self.began,
            completed_at: Some(now),
            duration_ms: Some(u64::try_from(now.saturating_sub(self.began)).unwrap_or(0)),
            expires_at: turn.audit_expires_at(),
            released_by: None,
            chain_id: None,
            caller_id: None,
            signer_id: None,
            kid: None,
            definitions_version: turn.definitions.version,
            source: self.source.clone(),
        }
    }
}
