//! Audit records of events: moves that no action's own record tells of.

use super::notice::Reason;
use super::plan::Plan;
use super::{Event, Scope};
use crate::effect::Effects;
use crate::ids;
use crate::progress::Progress;
use crate::turn::Turn;
use acteon_schemas::{Coordinates, Outcome};
use serde_json::{Value, json};

/// Records that an event moved, by what and where the input stood that moved it.
pub(super) fn changed<S, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    scope: Scope<'_>,
    event: &mut Event<'_>,
    plan: &Plan<'_>,
    by: (Reason, &Coordinates<'_>),
) {
    let details = json!({
        "fingerprint": event.fingerprint,
        "state_machine": event.state_machine,
        "previous_state": plan.previous,
        "new_state": plan.new,
        "reason": by.0.tag(),
    });
    progress(turn, scope, event, details, by.1);
}

/// Records that an action which goes on to its provider asks for a move that is not allowed.
pub(super) fn refused<S, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    scope: Scope<'_>,
    event: &mut Event<'_>,
    (code, message): (&str, &str),
    source: &Coordinates<'_>,
) {
    let details = json!({
        "fingerprint": event.fingerprint,
        "state_machine": event.state_machine,
        "previous_state": event.state,
        "new_state": event.state,
        "reason": Reason::Action.tag(),
        "refused": {"code": code, "message": message},
    });
    progress(turn, scope, event, details, source);
}

fn progress<S, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    scope: Scope<'_>,
    event: &mut Event<'_>,
    details: Value,
    source: &Coordinates<'_>,
) {
    let number = event.next_record();
    let id = ids::derived(&event.held.identity, &format!("event_changed/{number}"));
    Progress {
        id,
        action_id: &event.held.action_id,
        namespace: scope.namespace,
        tenant: scope.tenant,
        provider: &event.held.provider,
        action_type: &event.action_type,
        verdict: "state_machine",
        rule: None,
        outcome: Outcome::EventChanged,
        details,
        began: turn.now,
        source,
    }
    .tell(turn);
}
