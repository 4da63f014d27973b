//! Events of actions that no `state_machine` rule takes in: they go to their provider all the same.

use super::notice::Reason;
use super::plan::plan;
use super::{Arriving, Event, Scope, decode, fingerprint, key, put, read, record, take_in};
use crate::effect::Effects;
use crate::held::{Held, Release};
use crate::record::Decided;
use crate::state::{State, StateError};
use crate::turn::Turn;
use acteon_rules::{ResumePoint, RuleAction, Verdict};
use std::borrow::Cow;

/// Whether the action goes to a provider or into a chain now, and has not done so before.
fn goes_on(decided: &Decided<'_, '_>) -> bool {
    !was_told(decided)
        && matches!(
            decided.decision.verdict,
            Verdict::Allow | Verdict::DefaultAllow | Verdict::Reroute { .. } | Verdict::Chain
        )
}

/// Whether it goes into a group: it is told of with that, and never goes on by itself.
fn is_grouped(decided: &Decided<'_, '_>) -> bool {
    !was_told(decided)
        && matches!(decided.decision.rule.map(|rule| &rule.action), Some(RuleAction::Group { .. }))
        && decided.decision.verdict == Verdict::Capture
}

fn was_told(decided: &Decided<'_, '_>) -> bool {
    matches!(decided.arrival.released_by, Some(Release::Event | Release::Group))
}

/// Keeps the event of an admitted action: of a type that a machine tracks, or with a `fingerprint` or a `status` of its
/// own. A move that its machine does not allow is recorded, and nothing else.
pub(crate) fn track<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
) -> Result<(), StateError> {
    let subject = decided.subject;
    let tracking = turn.definitions.state_machines.tracking(subject.action_type);
    // Groups look after the ends of their events themselves: a grouped action has one here where a machine asks for it.
    let has_event = goes_on(decided) || (tracking.is_some() && is_grouped(decided));
    if !has_event {
        return Ok(());
    }
    let given = subject.fingerprint.filter(|fingerprint| !fingerprint.is_empty());
    let status = subject.status.filter(|status| !status.is_empty());
    let fingerprint = match (given, tracking) {
        (Some(given), _) => fingerprint::limited(given),
        (None, Some(machine)) if fingerprint::has_value(&machine.tracked_fields, subject) => {
            Cow::Owned(fingerprint::of_fields(&machine.tracked_fields, subject))
        }
        (None, None) if status.is_some() => Cow::Owned(fingerprint::of_labels(subject)),
        _ => return Ok(()),
    };
    // One that an event has held, and something else after it, has been taken in.
    if decided.arrival.holds > 0 && subject.metadata.get("fingerprint").map(String::as_str) == Some(&*fingerprint) {
        return Ok(());
    }
    let scope = Scope { namespace: subject.namespace, tenant: subject.tenant };
    let entry = read(turn.state, &key(scope, &fingerprint))?;
    let event = decode(entry.as_deref())?;
    let machine = event.as_ref().and_then(|event| event.machine(turn.definitions)).or(tracking);
    let source = decided.arrival.origin;
    let plan = match plan(event.as_ref(), machine, status) {
        Ok(plan) => plan,
        Err(problem) => {
            if let Some(mut event) = event {
                record::refused(turn, scope, &mut event, ("INVALID_TRANSITION", &problem), source);
                put(turn, scope, &mut event, None)?;
            }
            return Ok(());
        }
    };
    let arriving = Arriving {
        fingerprint: &fingerprint,
        action_type: subject.action_type,
        labels: subject.metadata,
        machine,
        held: decided_held(decided),
    };
    let mut event: Event<'_> = take_in(event, arriving, &plan, turn.now);
    // Its provider hears of it by the action itself.
    event.notified_at = Some(turn.now);
    if plan.changes() {
        record::changed(turn, scope, &mut event, &plan, (Reason::Action, source));
    }
    put(turn, scope, &mut event, Some(subject.metadata))
}

/// The action as the rules left it: notifications of its event go where it went, and no rule looks at them again.
fn decided_held<'a>(decided: &'a Decided<'a, '_>) -> Held<'a> {
    let mut held = Held::of(decided);
    held.resume.get_or_insert_with(|| ResumePoint {
        rule: String::new(),
        priority: i32::MAX,
        file: char::MAX.to_string(),
        line: u32::MAX,
        captured: true,
    });
    held
}
