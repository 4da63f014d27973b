use crate::action::Arrival;
use crate::circuit::Route;
use crate::definitions::Definitions;
use crate::effect::Effects;
use crate::held::Held;
use crate::ids;
use crate::keys::Store;
use crate::state::{State, StateError};
use crate::turn::Turn;
use acteon_rules::{Decision, Rule, Subject, Verdict};
use acteon_schemas::{Action, AuditLabels, AuditPhase, AuditRecord, Outcome, OutcomeDetail, OutcomeRecord};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json, to_value};
use std::borrow::Cow;

/// Everything that the records of one decided action share.
pub(crate) struct Decided<'a, 'r> {
    pub(crate) arrival: &'a Arrival<'a>,
    pub(crate) subject: &'a Subject<'a>,
    pub(crate) decision: &'a Decision<'r>,
    pub(crate) definitions: &'a Definitions,
    pub(crate) now: i64,
    /// Whether it is about a copy, which nobody waits for the answer of.
    pub(crate) copy: bool,
    /// When its audit record may be deleted.
    pub(crate) expires_at: Option<i64>,
    /// The quota that it exceeds and passes all the same, for the audit record.
    pub(crate) note: Option<Value>,
}

impl<'a, 'r> Decided<'a, 'r> {
    pub(crate) fn new<'t: 'a, S, E>(
        turn: &Turn<'t, S, E>,
        arrival: &'a Arrival<'a>,
        subject: &'a Subject<'a>,
        decision: &'a Decision<'r>,
    ) -> Self {
        Self {
            arrival,
            subject,
            decision,
            definitions: turn.definitions,
            now: turn.now,
            copy: false,
            expires_at: turn.audit_expires_at(),
            note: None,
        }
    }

    /// The action's own provider, where another one is called.
    pub(crate) fn original_provider<'d>(&'d self, route: Option<&Route<'d>>) -> Option<Cow<'d, str>> {
        match &self.decision.verdict {
            Verdict::Reroute { from } => Some(Cow::Borrowed(from)),
            _ => route.and_then(Route::chosen).map(Cow::Borrowed),
        }
    }

    pub(crate) fn released_by(&self) -> Option<Cow<'static, str>> {
        self.arrival.released_by.map(|by| Cow::Borrowed(by.tag()))
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
        self.tell_of(outcome, detail, audit_details, effects);
    }

    /// As [`Self::tell`], with details that need not be made a value of first: what most actions come to is told this way.
    /// Their fields stand in the order of names, as a value's do.
    pub(crate) fn tell_of(
        &self,
        outcome: Outcome,
        detail: OutcomeDetail<'_>,
        audit_details: Option<impl Serialize>,
        effects: &mut impl Effects,
    ) {
        self.record(None, outcome, detail, audit_details, effects);
    }

    /// The same for an action that goes to a provider.
    pub(crate) fn tell_sent(
        &self,
        route: &Route<'_>,
        detail: OutcomeDetail<'_>,
        audit_details: Option<Value>,
        effects: &mut impl Effects,
    ) {
        self.record(Some(route), Outcome::Dispatched, detail, audit_details, effects);
    }

    fn record(
        &self,
        route: Option<&Route<'_>>,
        outcome: Outcome,
        detail: OutcomeDetail<'_>,
        audit_details: Option<impl Serialize>,
        effects: &mut impl Effects,
    ) {
        self.audit(route, outcome, self.details(audit_details), effects);
        effects.outcome(&OutcomeRecord {
            action_id: Cow::Borrowed(self.arrival.action_id),
            namespace: Cow::Borrowed(&self.arrival.action.namespace),
            tenant: Cow::Borrowed(&self.arrival.action.tenant),
            provider: Cow::Borrowed(self.provider(route)),
            action_type: Cow::Borrowed(&self.arrival.action.action_type),
            outcome,
            rule: self.rule(),
            detail,
            is_final: outcome != Outcome::Dispatched && !self.copy,
            released_by: self.released_by(),
            chain_id: None,
            decided_at: self.now,
            source: self.arrival.origin.clone(),
        });
    }

    /// The provider that is called, or would be.
    fn provider<'d>(&'d self, route: Option<&Route<'d>>) -> &'d str {
        route.map_or(&*self.subject.provider, |route| route.provider)
    }

    /// `outcome_details` of the audit record: those given, with the note beside them.
    fn details(&self, given: Option<impl Serialize>) -> Option<Box<RawValue>> {
        let Some(note) = &self.note else { return given.and_then(|given| to_raw_value(&given).ok()) };
        let mut all = given.and_then(|given| to_value(given).ok()).unwrap_or_else(|| json!({}));
        all["quota"] = note.clone();
        to_raw_value(&all).ok()
    }

    fn audit(
        &self,
        route: Option<&Route<'_>>,
        outcome: Outcome,
        details: Option<Box<RawValue>>,
        effects: &mut impl Effects,
    ) {
        let done = outcome != Outcome::Dispatched;
        effects.audit(&AuditRecord {
            id: Cow::Owned(ids::audit_id(&self.arrival.identity)),
            phase: AuditPhase::Decided,
            action_id: Cow::Borrowed(self.arrival.action_id),
            namespace: Cow::Borrowed(&self.arrival.action.namespace),
            tenant: Cow::Borrowed(&self.arrival.action.tenant),
            provider: Cow::Borrowed(self.provider(route)),
            original_provider: self.original_provider(route),
            action_type: Cow::Borrowed(&self.arrival.action.action_type),
            verdict: Cow::Borrowed(if route.and_then(Route::chosen).is_some() {
                "reroute"
            } else {
                self.decision.tag()
            }),
            matched_rule: self.rule(),
            admitted_by: names(&self.decision.admitted_by),
            rewritten_by: names(&self.decision.rewritten_by),
            outcome,
            outcome_details: details.map(Cow::Owned),
            action_payload: self
                .definitions
                .audit_store_payload
                .then(|| self.definitions.redaction.apply(&self.arrival.action.payload, self.arrival.came)),
            metadata: self.labels(),
            dispatched_at: self.now,
            completed_at: done.then_some(self.now),
            duration_ms: done.then_some(0),
            expires_at: self.expires_at,
            released_by: self.released_by(),
            chain_id: None,
            caller_id: self.named("caller_id"),
            signer_id: self.named("signer_id"),
            kid: self.named("kid"),
            definitions_version: self.definitions.version,
            source: self.arrival.origin.clone(),
        });
    }

    /// A name that the action carries beside its own fields.
    fn named(&self, field: &str) -> Option<Cow<'_, str>> {
        Action::name_in(&self.arrival.action.extra, field).map(Cow::Borrowed)
    }

    /// The action's labels with what a replay needs beside the payload.
    fn labels(&self) -> AuditLabels<'_> {
        AuditLabels {
            labels: Cow::Borrowed(&self.arrival.action.metadata),
            dedup_key: self.arrival.action.dedup_key.as_deref().map(Cow::Borrowed),
            fingerprint: self.arrival.action.fingerprint.as_deref().map(Cow::Borrowed),
            status: self.arrival.action.status.as_deref().map(Cow::Borrowed),
        }
    }
}

fn names<'r>(rules: &[&'r Rule]) -> Vec<Cow<'r, str>> {
    rules.iter().map(|rule| Cow::Borrowed(rule.name.as_str())).collect()
}

/// `outcome_details` of a failure.
pub(crate) fn failure_details(code: &str, message: &str, retryable: bool, attempts: u32) -> Value {
    json!({"code": code, "message": message, "retryable": retryable, "attempts": attempts})
}

/// Tells what became of a held action that does not go on.
///
/// `what` sets its records apart from others of the same action.
pub(crate) fn tell_held<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    held: &Held<'_>,
    store: Store,
    what: &str,
    outcome: Outcome,
    detail: OutcomeDetail<'_>,
) -> Result<(), StateError> {
    end_held(turn, held, store, End { what, rule: None, outcome, detail, details: None })
}

/// How a held action ends that does not go on.
pub(crate) struct End<'e> {
    /// What sets its records apart from others of the same action.
    pub(crate) what: &'e str,
    /// The rule that held it.
    pub(crate) rule: Option<&'e str>,
    pub(crate) outcome: Outcome,
    pub(crate) detail: OutcomeDetail<'e>,
    /// `outcome_details` of the audit record.
    pub(crate) details: Option<Value>,
}

/// Tells how a held action ended.
pub(crate) fn end_held<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    held: &Held<'_>,
    store: Store,
    end: End<'_>,
) -> Result<(), StateError> {
    let definitions = turn.definitions;
    let action = held.action(store)?;
    crate::policy::load(turn, &action.namespace, &action.tenant)?;
    let came: Value = serde_json::from_str(action.payload.get())
        .map_err(|_| StateError::Corrupt { store: store.name(), problem: "the held payload can't be decoded" })?;
    let arrival = Arrival {
        action: &action,
        action_id: &held.action_id,
        identity: ids::derived(&held.identity, end.what),
        origin: &held.origin,
        came: &came,
        resume: None,
        released_by: None,
        holds: held.holds,
    };
    let mut subject = crate::action::subject(&action, &held.action_id, &came);
    subject.provider = Cow::Borrowed(&held.provider);
    let mut decision = Decision::default_allow();
    decision.rule = end.rule.and_then(|name| definitions.rules.rule(name));
    Decided::new(turn, &arrival, &subject, &decision).tell(end.outcome, end.detail, end.details, turn.effects);
    crate::recurring::follow(turn, (&action.namespace, &action.tenant), &held.action_id, None, end.outcome)
}
