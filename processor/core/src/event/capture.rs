//! `state_machine` rules: an action is taken into its event, and goes on where that notifies.

use super::notice::{Reason, notify};
use super::plan::{Plan, plan};
use super::{Arriving, Event, Scope, decode, fingerprint, key, put, read, take_in};
use crate::effect::Effects;
use crate::held::Held;
use crate::record::Decided;
use crate::state::{State, StateError};
use crate::turn::Turn;
use acteon_rules::{FieldPath, RuleAction, Verdict};
use acteon_schemas::{Outcome, OutcomeDetail};
use serde_json::json;
use std::borrow::Cow;

/// Most times that one action is held before an event takes it in: events that notify one another would recurse.
const MAX_NESTED: u32 = 16;

/// What a `state_machine` rule says.
pub(crate) struct Said<'r> {
    machine: &'r str,
    fields: &'r [FieldPath],
}

impl<'r> Said<'r> {
    /// What the deciding rule says, where it takes the action into an event.
    pub(crate) fn of(decided: &Decided<'_, 'r>) -> Option<Self> {
        match decided.decision.rule.map(|rule| &rule.action) {
            Some(RuleAction::StateMachine { state_machine, fingerprint_fields })
                if decided.decision.verdict == Verdict::Capture =>
            {
                Some(Self { machine: state_machine, fields: fingerprint_fields })
            }
            _ => None,
        }
    }
}

fn fingerprint_of<'a>(decided: &Decided<'a, '_>, fields: &[FieldPath]) -> Cow<'a, str> {
    match decided.subject.fingerprint.filter(|fingerprint| !fingerprint.is_empty()) {
        Some(given) => fingerprint::limited(given),
        None => Cow::Owned(fingerprint::of_fields(fields, decided.subject)),
    }
}

fn scope<'a>(decided: &Decided<'a, '_>) -> Scope<'a> {
    Scope { namespace: decided.subject.namespace, tenant: decided.subject.tenant }
}

/// Why the event of an action can't take it in, if it can't: a code and what is wrong. Other verdicts have no event.
pub(crate) fn refusal<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
) -> Result<Option<(&'static str, String)>, StateError> {
    let Some(said) = Said::of(decided) else { return Ok(None) };
    if decided.arrival.holds >= MAX_NESTED {
        return Ok(Some(("HELD_TOO_OFTEN", format!("the action was held {MAX_NESTED} times and more"))));
    }
    let fingerprint = fingerprint_of(decided, said.fields);
    let entry = read(turn.state, &key(scope(decided), &fingerprint))?;
    let event = decode(entry.as_deref())?;
    Ok(planned(turn, decided, event.as_ref(), &said).err())
}

fn planned<'t, S, E>(
    turn: &Turn<'t, S, E>,
    decided: &Decided<'_, '_>,
    event: Option<&Event<'_>>,
    said: &Said<'_>,
) -> Result<Plan<'t>, (&'static str, String)> {
    let Some(machine) = turn.definitions.state_machines.get(said.machine) else {
        return Err(("INVALID_TRANSITION", format!("no state machine named `{}` is defined", said.machine)));
    };
    if let Some(event) = event
        && let Some(other) = event.machine(turn.definitions).filter(|other| other.name != machine.name)
    {
        let (fingerprint, other, own) = (&event.fingerprint, &other.name, &machine.name);
        let message = format!(
            "event `{fingerprint}` belongs to state machine `{other}`, not to `{own}`; give theirs different fingerprints"
        );
        return Err(("INVALID_FINGERPRINT", message));
    }
    plan(event, Some(machine), decided.subject.status).map_err(|problem| ("INVALID_TRANSITION", problem))
}

/// Takes the action of a `state_machine` rule into its event.
pub(crate) fn capture<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
    said: &Said<'_>,
) -> Result<Outcome, StateError> {
    let scope = scope(decided);
    let fingerprint = fingerprint_of(decided, said.fields);
    let entry = read(turn.state, &key(scope, &fingerprint))?;
    let event = decode(entry.as_deref())?;
    let plan = match planned(turn, decided, event.as_ref(), said) {
        Ok(plan) => plan,
        Err((code, message)) => return Ok(crate::action::fail(decided, code, &message, turn.effects)),
    };
    let arriving = Arriving {
        fingerprint: &fingerprint,
        action_type: decided.subject.action_type,
        labels: decided.subject.metadata,
        machine: turn.definitions.state_machines.get(said.machine),
        held: Held::of(decided),
    };
    let labels = arriving.labels;
    let mut event = take_in(event, arriving, &plan, turn.now);
    let number = event.next_record();
    if plan.notify {
        event.notified_at = Some(turn.now);
    }
    put(turn, scope, &mut event, Some(labels))?;
    let details = json!({
        "fingerprint": fingerprint, "state_machine": said.machine,
        "previous_state": plan.previous, "new_state": plan.new, "notify": plan.notify,
    });
    let detail = OutcomeDetail::StateChanged {
        fingerprint: Cow::Borrowed(&fingerprint),
        previous_state: plan.previous.as_deref().map(Cow::Borrowed),
        new_state: Cow::Borrowed(&plan.new),
        notify: plan.notify,
    };
    decided.tell(Outcome::StateChanged, detail, Some(details), turn.effects);
    if plan.notify {
        notify(turn, &event, &plan, Reason::Action, number)?;
    }
    Ok(Outcome::StateChanged)
}
