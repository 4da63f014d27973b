use crate::effect::Effects;
use crate::ids;
use crate::input::Input;
use acteon_rules::{Decision, Rule, Subject, Verdict};
use acteon_schemas::{Action, AuditLabels, AuditPhase, AuditRecord, Outcome, OutcomeDetail, OutcomeRecord};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use std::borrow::Cow;
use uuid::Uuid;

/// Everything that the records of one decided action share.
pub(crate) struct Decided<'a, 'r> {
    pub(crate) input: &'a Input<'a>,
    pub(crate) action: &'a Action<'a>,
    pub(crate) action_id: &'a str,
    pub(crate) identity: Uuid,
    pub(crate) subject: &'a Subject<'a>,
    pub(crate) decision: &'a Decision<'r>,
    /// The payload as audit records may show it.
    pub(crate) audit_payload: Option<Cow<'a, RawValue>>,
    pub(crate) definitions_version: i64,
    pub(crate) now: i64,
}

impl Decided<'_, '_> {
    pub(crate) fn original_provider(&self) -> Option<Cow<'_, str>> {
        match &self.decision.verdict {
            Verdict::Reroute { from } => Some(Cow::Borrowed(from)),
            _ => None,
        }
    }

    fn rule(&self) -> Option<Cow<'_, str>> {
        self.decision.rule.map(|rule| Cow::Borrowed(rule.name.as_str()))
    }

    /// Emits the outcome and the audit record of the decision.
    pub(crate) fn tell(
        &self,
        outcome: Outcome,
        detail: OutcomeDetail<'_>,
        audit_details: Option<Value>,
        effects: &mut impl Effects,
    ) {
        self.audit(outcome, audit_details, effects);
        effects.outcome(&OutcomeRecord {
            action_id: Cow::Borrowed(self.action_id),
            namespace: Cow::Borrowed(&self.action.namespace),
            tenant: Cow::Borrowed(&self.action.tenant),
            provider: Cow::Borrowed(&self.subject.provider),
            action_type: Cow::Borrowed(&self.action.action_type),
            outcome,
            rule: self.rule(),
            detail,
            is_final: outcome != Outcome::Dispatched,
            released_by: None,
            chain_id: None,
            decided_at: self.now,
            source: self.input.origin().clone(),
        });
    }

    fn audit(&self, outcome: Outcome, details: Option<Value>, effects: &mut impl Effects) {
        let done = outcome != Outcome::Dispatched;
        effects.audit(&AuditRecord {
            id: Cow::Owned(ids::audit_id(&self.identity)),
            phase: AuditPhase::Decided,
            action_id: Cow::Borrowed(self.action_id),
            namespace: Cow::Borrowed(&self.action.namespace),
            tenant: Cow::Borrowed(&self.action.tenant),
            provider: Cow::Borrowed(&self.subject.provider),
            original_provider: self.original_provider(),
            action_type: Cow::Borrowed(&self.action.action_type),
            verdict: Cow::Borrowed(verdict_tag(&self.decision.verdict)),
            matched_rule: self.rule(),
            admitted_by: names(&self.decision.admitted_by),
            rewritten_by: names(&self.decision.rewritten_by),
            outcome,
            outcome_details: details.and_then(|value| to_raw_value(&value).ok()).map(Cow::Owned),
            action_payload: self.audit_payload.as_ref().map(|payload| Cow::Borrowed(payload.as_ref())),
            metadata: self.labels(),
            dispatched_at: self.now,
            completed_at: done.then_some(self.now),
            duration_ms: done.then_some(0),
            expires_at: None,
            released_by: None,
            chain_id: None,
            definitions_version: self.definitions_version,
            source: self.input.origin().clone(),
        });
    }

    /// The action's labels with what a replay needs beside the payload.
    fn labels(&self) -> AuditLabels<'_> {
        AuditLabels {
            labels: Cow::Borrowed(&self.action.metadata),
            dedup_key: self.action.dedup_key.as_deref().map(Cow::Borrowed),
            fingerprint: self.action.fingerprint.as_deref().map(Cow::Borrowed),
            status: self.action.status.as_deref().map(Cow::Borrowed),
        }
    }
}

fn names<'r>(rules: &[&'r Rule]) -> Vec<Cow<'r, str>> {
    rules.iter().map(|rule| Cow::Borrowed(rule.name.as_str())).collect()
}

/// The audit tag of a verdict.
pub(crate) fn verdict_tag(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Allow | Verdict::DefaultAllow => "allow",
        Verdict::Deny | Verdict::DefaultDeny => "deny",
        Verdict::Suppress => "suppress",
        Verdict::Deduplicated => "deduplicate",
        Verdict::Throttled | Verdict::Delayed => "throttle",
        Verdict::Reroute { .. } => "reroute",
        Verdict::Chain => "chain",
        Verdict::Capture => "capture",
    }
}

/// `outcome_details` of a failure.
pub(crate) fn failure_details(code: &str, message: &str, retryable: bool, attempts: u32) -> Value {
    json!({"code": code, "message": message, "retryable": retryable, "attempts": attempts})
}
