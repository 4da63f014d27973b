use crate::dispatch::dispatch;
use crate::effect::Effects;
use crate::gates::{Gates, Pending};
use crate::held::Release;
use crate::input::{Input, InputKind};
use crate::record::{Decided, failure_details};
use crate::state::{State, StateError};
use crate::step::Stepped;
use crate::turn::Turn;
use crate::{capture, circuit, event, ids, policy, recurring, schedule, template, time};
use acteon_rules::{Decision, ResumePoint, RuleAction, Subject, Verdict};
use acteon_schemas::{
    Action, Coordinates, DecodeError, Outcome, OutcomeDetail, RetryAfter, error_code, partition_of, tenant_key,
};
use serde::Serialize;
use serde_json::Value;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ops::ControlFlow;
use uuid::Uuid;

/// An action that is about to be decided: for the first time, or as it goes on after having been held.
pub(crate) struct Arrival<'a> {
    pub(crate) action: &'a Action<'a>,
    pub(crate) action_id: &'a str,
    /// What its records' ids are made from.
    pub(crate) identity: Uuid,
    /// The input that it came with.
    pub(crate) origin: &'a Coordinates<'a>,
    /// The payload as it came.
    pub(crate) came: &'a Value,
    /// Where the walk goes on.
    pub(crate) resume: Option<&'a ResumePoint>,
    pub(crate) released_by: Option<Release>,
    /// How many times it has been held.
    pub(crate) holds: u32,
}

/// `outcome_details` of an action over a throttle's limit.
#[derive(Serialize)]
struct ThrottledDetails {
    retry_after_ms: u64,
    retry_after_secs: u64,
}

/// `outcome_details` of an action that a rule blocks.
#[derive(Serialize)]
struct BlockedDetails<'r> {
    rule: &'r str,
}

/// Decides about one action.
pub(crate) fn decide<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    input: &Input<'_>,
) -> Result<Stepped, StateError> {
    let action = match Action::decode(input.value.unwrap_or_default()) {
        Ok(action) => action,
        Err(error) => return Ok(dead_letter(&error, turn.effects)),
    };
    if input.kind == InputKind::Action {
        let key = tenant_key(&action.namespace, &action.tenant);
        let home = partition_of(key.as_bytes(), turn.task.partitions);
        if home != turn.task.partition {
            turn.effects.repartition(home, &key);
            return Ok(Stepped::Repartitioned);
        }
    }
    let payload: Value = match serde_json::from_str(action.payload.get()) {
        Ok(payload) => payload,
        Err(error) => return Ok(dead_letter(&DecodeError::from(error), turn.effects)),
    };
    let action_id = match &action.id {
        Some(id) => Cow::Borrowed(&**id),
        None => Cow::Owned(ids::action_id(input.origin())),
    };
    let arrival = Arrival {
        action: &action,
        action_id: &action_id,
        identity: ids::identity(&action.namespace, &action.tenant, &action_id, input.origin()),
        origin: input.origin(),
        came: &payload,
        resume: None,
        released_by: None,
        holds: 0,
    };
    let subject = subject(&action, &action_id, &payload);
    policy::load(turn, &action.namespace, &action.tenant)?;
    if let Some(at) = &action.dispatch_at {
        return Ok(Stepped::Decided(at_its_time(turn, &arrival, subject, at)?));
    }
    Ok(Stepped::Decided(go(turn, &arrival, subject)?))
}

/// Holds an action that asks to be performed later; one whose time has come goes on at once.
fn at_its_time<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    arrival: &Arrival<'_>,
    subject: Subject<'_>,
    at: &str,
) -> Result<Outcome, StateError> {
    match time::parse_rfc3339(at) {
        None => {
            let message = format!("`dispatch_at`: `{at}` is not a time such as 2026-03-02T10:00:00Z");
            refuse(turn, arrival, &subject, "INVALID_DISPATCH_AT", &message)
        }
        Some(due) if due > turn.now.saturating_add(schedule::MAX_DISPATCH_AHEAD_MS) => {
            let days = schedule::MAX_DISPATCH_AHEAD_MS / (24 * 3600 * 1000);
            let message = format!("`dispatch_at`: {at} is more than {days} days ahead");
            refuse(turn, arrival, &subject, "INVALID_DISPATCH_AT", &message)
        }
        Some(due) if due > turn.now => Ok(schedule::hold_until(turn, arrival, due)),
        Some(_) => go(turn, arrival, subject),
    }
}

/// The action as rules see it.
pub(crate) fn subject<'s>(action: &'s Action<'_>, action_id: &'s str, payload: &'s Value) -> Subject<'s> {
    Subject {
        id: action_id,
        namespace: &action.namespace,
        tenant: &action.tenant,
        provider: Cow::Borrowed(&action.provider),
        action_type: &action.action_type,
        payload: Cow::Borrowed(payload),
        metadata: &action.metadata.0,
        dedup_key: action.dedup_key.as_deref(),
        status: action.status.as_deref(),
        fingerprint: action.fingerprint.as_deref(),
        extra: &action.extra,
    }
}

fn dead_letter(error: &DecodeError, effects: &mut impl Effects) -> Stepped {
    effects.dead_letter(acteon_schemas::DeadLetterReason {
        code: error.kind.code().to_owned(),
        message: error.to_string(),
    });
    Stepped::DeadLettered
}

/// Walks the rules with an action, and does what they say.
pub(crate) fn go<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    arrival: &Arrival<'_>,
    mut subject: Subject<'_>,
) -> Result<Outcome, StateError> {
    let outcome = walk(turn, arrival, &mut subject)?;
    if arrival.released_by.is_some() {
        let scope = (&*arrival.action.namespace, &*arrival.action.tenant);
        recurring::follow(turn, scope, arrival.action_id, Some(arrival.identity), outcome)?;
    }
    Ok(outcome)
}

fn walk<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    arrival: &Arrival<'_>,
    subject: &mut Subject<'_>,
) -> Result<Outcome, StateError> {
    let definitions = turn.definitions;
    let mut allowance = match policy::before(turn, arrival, subject)? {
        ControlFlow::Continue(allowance) => allowance,
        ControlFlow::Break(outcome) => return Ok(outcome),
    };
    let mut gates = Gates::new(turn.state, turn.now);
    let mut decision = definitions.rules.walk(subject, turn.now, arrival.resume, &mut gates, None)?;
    let (pending, retry_after_ms) = gates.end();
    policy::steer(turn, subject, &mut decision, &mut allowance)?;
    let note = policy::note(&allowance, subject.tenant);
    let decided = Decided { note, ..Decided::new(turn, arrival, subject, &decision) };
    conclude(turn, &decided, allowance, pending, retry_after_ms)
}

/// Turns a decision into effects. What the gates counted is kept only where the action goes on.
fn conclude<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
    allowance: policy::Allowance,
    pending: SmallVec<[Pending; 2]>,
    retry_after_ms: Option<u64>,
) -> Result<Outcome, StateError> {
    let decision = decided.decision;
    match &decision.verdict {
        Verdict::Deny | Verdict::DefaultDeny | Verdict::Suppress => return Ok(block(decided, turn.effects)),
        Verdict::Deduplicated => {
            decided.tell(Outcome::Deduplicated, OutcomeDetail::Deduplicated, None, turn.effects);
            return Ok(Outcome::Deduplicated);
        }
        Verdict::Throttled => {
            let wait = retry_after_ms.unwrap_or_default();
            let retry_after = RetryAfter::from_millis(wait);
            // Whole seconds for those who count in them, rounded up: waiting that long is enough.
            let details = ThrottledDetails { retry_after_ms: wait, retry_after_secs: wait.div_ceil(1000) };
            let detail = OutcomeDetail::Throttled { retry_after };
            decided.tell_of(Outcome::Throttled, detail, Some(details), turn.effects);
            return Ok(Outcome::Throttled);
        }
        Verdict::Allow
        | Verdict::DefaultAllow
        | Verdict::Reroute { .. }
        | Verdict::Chain
        | Verdict::Capture
        | Verdict::Delayed => {}
    }
    if let Some(refused) = policy::after(turn, decided, &allowance)? {
        return Ok(refused);
    }
    let refused = match refusal(turn, decided) {
        None => event::refusal(turn, decided)?,
        refused => refused,
    };
    if let Some((code, message)) = refused {
        return Ok(fail(decided, code, &message, turn.effects));
    }
    let rendered = match &decision.verdict {
        Verdict::Capture | Verdict::Delayed | Verdict::Chain => None,
        _ => match template::of_action(turn, decided)? {
            Ok(rendered) => rendered,
            Err(message) => return Ok(fail(decided, error_code::VALIDATION, &message, turn.effects)),
        },
    };
    let route = match circuit::choose(decided) {
        Ok(route) => route,
        Err(passed_over) => return Ok(circuit::refuse(decided, &passed_over, turn.effects)),
    };
    for Pending { key, value } in pending {
        turn.state.put(&key, &value);
    }
    policy::count(turn, decided, allowance)?;
    capture::copies(turn, decided)?;
    event::track(turn, decided)?;
    match &decision.verdict {
        Verdict::Capture | Verdict::Delayed => capture::hold(turn, decided),
        Verdict::Chain => capture::start_chain(turn, decided),
        _ => {
            dispatch(turn.task, decided, &route, rendered, turn.effects);
            Ok(Outcome::Dispatched)
        }
    }
}

fn block(decided: &Decided<'_, '_>, effects: &mut impl Effects) -> Outcome {
    let decision: &Decision<'_> = decided.decision;
    let rule = decision.rule.map_or("default", |rule| rule.name.as_str());
    let reason = match decision.rule.map(|rule| &rule.action) {
        Some(RuleAction::Suppress { reason: Some(reason) }) => Some(Cow::Borrowed(reason.as_str())),
        _ => None,
    };
    let detail = OutcomeDetail::Suppressed { rule: Cow::Borrowed(rule), reason };
    decided.tell_of(Outcome::Suppressed, detail, Some(BlockedDetails { rule }), effects);
    Outcome::Suppressed
}

/// Why an admitted action can't be dispatched, if it can't.
pub(crate) fn refusal<S, E>(turn: &Turn<'_, S, E>, decided: &Decided<'_, '_>) -> Option<(&'static str, String)> {
    if !matches!(decided.decision.verdict, Verdict::Allow | Verdict::DefaultAllow | Verdict::Reroute { .. }) {
        return None;
    }
    let provider = &*decided.subject.provider;
    if turn.definitions.providers.contains(provider) {
        return None;
    }
    let message = format!("no provider named `{provider}` is configured; add it under [[providers]]");
    Some(("PROVIDER_NOT_FOUND", message))
}

/// Tells that an action could not be performed.
pub(crate) fn fail(
    decided: &Decided<'_, '_>,
    code: &'static str,
    message: &str,
    effects: &mut impl Effects,
) -> Outcome {
    let detail = OutcomeDetail::Failed { code: code.into(), message: message.into(), retryable: false, attempts: 0 };
    decided.tell(Outcome::Failed, detail, Some(failure_details(code, message, false, 0)), effects);
    Outcome::Failed
}

/// Tells that an action could not be performed, before any rule has looked at it.
pub(crate) fn refuse<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    arrival: &Arrival<'_>,
    subject: &Subject<'_>,
    code: &'static str,
    message: &str,
) -> Result<Outcome, StateError> {
    let decision = Decision::default_allow();
    Ok(fail(&Decided::new(turn, arrival, subject, &decision), code, message, turn.effects))
}

/// Tells what became of an action that no rule has looked at.
pub(crate) fn tell_unwalked<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    arrival: &Arrival<'_>,
    outcome: Outcome,
    detail: OutcomeDetail<'_>,
    details: Option<Value>,
) {
    let decision = Decision::default_allow();
    let subject = subject(arrival.action, arrival.action_id, arrival.came);
    Decided::new(turn, arrival, &subject, &decision).tell(outcome, detail, details, turn.effects);
}
