//! A tenant's quotas, silences, retention and time intervals, and those that rules name: what applies to an action beside the rules.

mod interval;
mod own_interval;
mod quota;
mod record;
mod retention;
mod silence;
#[cfg(test)]
mod tests;

pub(crate) use interval::Intervals;
pub(crate) use record::{Loaded, load};
pub(crate) use retention::{MAX_UNSEEN_MS, event_ttl_seconds, state_ttl_seconds};

use crate::action::Arrival;
use crate::circuit;
use crate::effect::Effects;
use crate::ids;
use crate::progress::Progress;
use crate::record::Decided;
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::turn::Turn;
use acteon_rules::{Decision, Subject, Verdict};
use acteon_schemas::{
    CommandKind, Dispatch, DispatchContext, MAX_NAME_BYTES, Metadata, Outcome, OutcomeDetail, OverageBehavior,
};
use interval::Muting;
use quota::Check;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use uuid::Uuid;

/// Most labels of a definition.
const MAX_LABELS: usize = 32;
/// `action_type` of the notification that a quota is exceeded.
const NOTIFICATION: &str = "quota_notification";

/// The quotas that an action counts for, if it is admitted.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    /// Whether it counts: once, when its walk begins.
    counts: bool,
    checks: Vec<Check>,
}

impl Allowance {
    /// The strictest quota that is exceeded.
    fn exceeded(&self) -> Option<&Check> {
        self.checks.iter().filter(|check| check.is_over()).min_by_key(|check| check.rank())
    }

    fn blocking(&self) -> Option<&Check> {
        self.exceeded().filter(|check| matches!(check.behavior, OverageBehavior::Block { .. }))
    }
}

/// Looks the tenant's policy up, and counts nothing yet. An action over a quota that blocks ends here.
pub(crate) fn before<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    arrival: &Arrival<'_>,
    subject: &Subject<'_>,
) -> Result<ControlFlow<Outcome, Allowance>, StateError> {
    let scope = (subject.namespace, subject.tenant);
    let Some(policy) = load(turn, scope.0, scope.1)? else { return Ok(ControlFlow::Continue(Allowance::default())) };
    // What goes on behind the rule that held it was counted when it came.
    if arrival.resume.is_some() {
        return Ok(ControlFlow::Continue(Allowance::default()));
    }
    let allowance = Allowance { counts: true, checks: quota::checks(turn, subject, &policy, None)? };
    if let Some(check) = allowance.blocking() {
        let decision = Decision::default_allow();
        let decided = Decided::new(turn, arrival, subject, &decision);
        return Ok(ControlFlow::Break(refuse(&decided, check, turn.effects)));
    }
    Ok(ControlFlow::Continue(allowance))
}

/// Looks at the quotas of the provider that the rules chose, and sends the action to another one where a quota degrades.
pub(crate) fn steer<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    subject: &mut Subject<'_>,
    decision: &mut Decision<'_>,
    allowance: &mut Allowance,
) -> Result<(), StateError> {
    if !allowance.counts || decision.verdict == Verdict::Chain {
        return Ok(());
    }
    let Some(policy) = load(turn, subject.namespace, subject.tenant)? else { return Ok(()) };
    allowance.checks.extend(quota::checks(turn, subject, &policy, Some(&subject.provider))?);
    let fallback = match allowance.exceeded().map(|check| &check.behavior) {
        Some(OverageBehavior::Degrade { fallback_provider }) if *fallback_provider != *subject.provider => {
            fallback_provider.clone()
        }
        _ => return Ok(()),
    };
    let left = std::mem::replace(&mut subject.provider, Cow::Owned(fallback)).into_owned();
    // It counts for the provider that it goes to.
    allowance.checks.retain(|check| check.provider.is_none() || check.is_over());
    let others = quota::checks(turn, subject, &policy, Some(&subject.provider))?;
    allowance.checks.extend(others);
    if matches!(decision.verdict, Verdict::Allow | Verdict::DefaultAllow) {
        decision.verdict = Verdict::Reroute { from: left };
    }
    Ok(())
}

/// Applies the policy to an action that the rules let go on; returns its outcome where the policy does not.
pub(crate) fn after<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
    allowance: &Allowance,
) -> Result<Option<Outcome>, StateError> {
    if let Some(check) = allowance.blocking() {
        return Ok(Some(refuse(decided, check, turn.effects)));
    }
    let policy = load(turn, decided.subject.namespace, decided.subject.tenant)?;
    let silence = policy
        .as_ref()
        .and_then(|policy| policy.silences.iter().find(|silence| silence.silences(decided.subject, turn.now)));
    if let Some(silence) = silence {
        return Ok(Some(hush(decided, &silence.id, turn.effects)));
    }
    let own = policy.as_ref().map_or(&[][..], |policy| policy.intervals.as_slice());
    let muting = decided.decision.rule.and_then(|rule| turn.definitions.intervals.muting(rule, own, turn.now));
    Ok(muting.map(|muting| mute(decided, &muting, turn.effects)))
}

/// What an audit record says of the quota that an admitted action exceeds.
pub(crate) fn note(allowance: &Allowance, tenant: &str) -> Option<Value> {
    allowance.exceeded().map(|check| check.details(tenant))
}

/// Counts an admitted action, and tells of quotas that it exceeds, once a window.
pub(crate) fn count<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
    allowance: Allowance,
) -> Result<(), StateError> {
    for mut check in allowance.checks {
        if check.count(turn)? {
            tell(turn, decided, &check);
        }
    }
    Ok(())
}

fn tell<S: State, E: Effects>(turn: &mut Turn<'_, S, E>, decided: &Decided<'_, '_>, check: &Check) {
    let (arrival, subject) = (decided.arrival, decided.subject);
    let record = Progress {
        id: ids::derived(&arrival.identity, &format!("quota/{}", check.id)),
        action_id: arrival.action_id,
        namespace: subject.namespace,
        tenant: subject.tenant,
        provider: &subject.provider,
        action_type: subject.action_type,
        verdict: "quota",
        rule: None,
        outcome: Outcome::QuotaExceeded,
        details: check.details(subject.tenant),
        began: turn.now,
        source: arrival.origin,
    };
    record.tell(turn);
    if let OverageBehavior::Notify { target } = &check.behavior {
        notify(turn, decided, check, target);
    }
}

fn notify<S: State, E: Effects>(turn: &mut Turn<'_, S, E>, decided: &Decided<'_, '_>, check: &Check, target: &str) {
    let (arrival, subject) = (decided.arrival, decided.subject);
    let mut payload = check.details(subject.tenant);
    payload["namespace"] = json!(subject.namespace);
    payload["subject"] = json!(format!("Quota exceeded: {}/{}", subject.namespace, subject.tenant));
    payload["body"] = json!(format!(
        "Tenant {}/{} has used its quota {} of {} actions. Actions still pass.",
        subject.namespace, subject.tenant, check.id, check.limit
    ));
    let definitions = turn.definitions;
    let route = match circuit::route(definitions, turn.now, target) {
        Ok(route) => route,
        Err(passed_over) => return untold(turn, decided, check, &passed_over),
    };
    turn.effects.dispatch(&Dispatch {
        dispatch_id: Cow::Owned(ids::derived(&arrival.identity, &format!("quota/{}/notice", check.id)).to_string()),
        action_id: Cow::Borrowed(arrival.action_id),
        namespace: Cow::Borrowed(subject.namespace),
        tenant: Cow::Borrowed(subject.tenant),
        provider: Cow::Borrowed(route.provider),
        original_provider: route.chosen().map(Cow::Borrowed),
        action_type: Cow::Borrowed(NOTIFICATION),
        payload: Cow::Owned(to_raw_value(&payload).unwrap_or_else(|_| RawValue::NULL.to_owned())),
        metadata: Cow::Owned(Metadata::default()),
        dedup_key: None,
        status: None,
        fingerprint: None,
        created_at: None,
        extra: Map::new(),
        rendered_by: None,
        rule: None,
        context: Some(DispatchContext::Notice { of: "quota".to_owned() }),
        released_by: None,
        passed_over: route.passed_over(),
        retry: 0,
        probe: route.probe,
        decided_at: turn.now,
        task: turn.task.partition,
        source: arrival.origin.clone(),
    });
}

/// Records that nobody is told of an exceeded quota, since nobody may be called.
fn untold<S, E: Effects>(turn: &mut Turn<'_, S, E>, decided: &Decided<'_, '_>, check: &Check, passed_over: &[&str]) {
    let (arrival, subject) = (decided.arrival, decided.subject);
    let identity = ids::derived(&arrival.identity, &format!("quota/{}/notice", check.id));
    let record = Progress {
        id: ids::derived(&identity, "notice"),
        action_id: arrival.action_id,
        namespace: subject.namespace,
        tenant: subject.tenant,
        provider: passed_over.first().copied().unwrap_or_default(),
        action_type: NOTIFICATION,
        verdict: "notice",
        rule: None,
        outcome: Outcome::NoticeFailed,
        details: json!({
            "code": circuit::CIRCUIT_OPEN, "message": circuit::message(passed_over), "notice_of": "quota",
        }),
        began: turn.now,
        source: arrival.origin,
    };
    record.tell(turn);
}

/// Tells that an action is over a quota that blocks.
fn refuse(decided: &Decided<'_, '_>, check: &Check, effects: &mut impl Effects) -> Outcome {
    let tenant = decided.subject.tenant;
    let detail = OutcomeDetail::QuotaExceeded {
        tenant: Cow::Borrowed(tenant),
        limit: check.limit,
        used: check.used,
        overage_behavior: Cow::Owned(check.does()),
    };
    decided.tell(Outcome::QuotaExceeded, detail, Some(check.details(tenant)), effects);
    Outcome::QuotaExceeded
}

/// Tells that an action matched a silence.
fn hush(decided: &Decided<'_, '_>, id: &str, effects: &mut impl Effects) -> Outcome {
    let rule = decided.decision.rule.map(|rule| rule.name.as_str());
    let details = json!({"silence_id": id, "matched_rule": rule});
    let detail = OutcomeDetail::Silenced { silence_id: id.into(), matched_rule: rule.map(Cow::Borrowed) };
    decided.tell(Outcome::Silenced, detail, Some(details), effects);
    Outcome::Silenced
}

/// Tells that an action came outside the time intervals of the rule that decided about it.
fn mute(decided: &Decided<'_, '_>, muting: &Muting<'_>, effects: &mut impl Effects) -> Outcome {
    let rule = decided.decision.rule.map(|rule| rule.name.as_str());
    let details = json!({"interval": muting.interval, "reason": muting.reason, "matched_rule": rule});
    let detail = OutcomeDetail::Muted {
        interval: Cow::Borrowed(&muting.interval),
        reason: muting.reason.into(),
        matched_rule: rule.map(Cow::Borrowed),
    };
    decided.tell(Outcome::Muted, detail, Some(details), effects);
    Outcome::Muted
}

/// Carries out a command about the policy; `None` for any other.
pub(crate) fn command<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    command: &CommandKind,
    issued_by: Option<&str>,
    identity: &Uuid,
) -> Result<Option<Reply>, StateError> {
    Ok(Some(match command {
        CommandKind::SetQuota { quota } => quota::set(turn, scope, quota, identity)?,
        CommandKind::DeleteQuota { quota_id } => quota::delete(turn, scope, quota_id)?,
        CommandKind::ListQuotas {} => quota::list(turn, scope)?,
        CommandKind::SetRetention { retention } => retention::set(turn, scope, retention)?,
        CommandKind::DeleteRetention {} => retention::delete(turn, scope)?,
        CommandKind::ShowRetention {} => retention::show(turn, scope)?,
        CommandKind::CreateSilence { silence } => silence::create(turn, scope, silence, issued_by, identity)?,
        CommandKind::UpdateSilence { silence_id, ends_at, comment } => {
            silence::update(turn, scope, silence_id, ends_at.as_deref(), comment.as_deref())?
        }
        CommandKind::DeleteSilence { silence_id } => silence::delete(turn, scope, silence_id)?,
        CommandKind::ListSilences { include_expired } => silence::list(turn, scope, *include_expired)?,
        CommandKind::CreateTimeInterval { interval } => own_interval::create(turn, scope, interval)?,
        CommandKind::UpdateTimeInterval { interval } => own_interval::update(turn, scope, interval)?,
        CommandKind::DeleteTimeInterval { name } => own_interval::delete(turn, scope, name)?,
        CommandKind::ListTimeIntervals {} => own_interval::list(turn, scope)?,
        _ => return Ok(None),
    }))
}

/// Checks free labels.
pub(crate) fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), String> {
    if labels.len() > MAX_LABELS {
        return Err(format!("`labels` has {} entries; {MAX_LABELS} are allowed", labels.len()));
    }
    for (name, text) in labels {
        check_text("labels", name, 1, MAX_NAME_BYTES)?;
        check_text("labels", text, 0, MAX_NAME_BYTES)?;
    }
    Ok(())
}

/// Checks the length of a text, in bytes.
pub(crate) fn check_text(name: &str, text: &str, least: usize, most: usize) -> Result<(), String> {
    if (least..=most).contains(&text.len()) {
        return Ok(());
    }
    Err(format!("`{name}` has {} bytes; give {least} to {most}", text.len()))
}
