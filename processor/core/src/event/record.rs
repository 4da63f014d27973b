//! Audit records of events: moves that no action's own record tells of.

use super::notice::Reason;
use super::plan::Plan;
use super::{Event, Scope};
use crate::effect::Effects;
use crate::ids;
use crate::turn::Turn;
use acteon_schemas::{AuditLabels, AuditPhase, AuditRecord, Coordinates, Metadata, Outcome};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use std::borrow::Cow;

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
    progress(turn, scope, event, &details, by.1);
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
    progress(turn, scope, event, &details, source);
}

fn progress<S, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    scope: Scope<'_>,
    event: &mut Event<'_>,
    details: &Value,
    source: &Coordinates<'_>,
) {
    let number = event.next_record();
    let id = ids::derived(&event.held.identity, &format!("event_changed/{number}"));
    turn.effects.audit(&AuditRecord {
        id: Cow::Owned(id.to_string()),
        phase: AuditPhase::Progress,
        action_id: Cow::Borrowed(&event.held.action_id),
        namespace: Cow::Borrowed(scope.namespace),
        tenant: Cow::Borrowed(scope.tenant),
        provider: Cow::Borrowed(&event.held.provider),
        original_provider: None,
        action_type: Cow::Borrowed(&event.action_type),
        verdict: Cow::Borrowed("state_machine"),
        matched_rule: None,
        admitted_by: Vec::new(),
        rewritten_by: Vec::new(),
        outcome: Outcome::EventChanged,
        outcome_details: to_raw_value(details).ok().map(Cow::Owned),
        action_payload: None,
        metadata: AuditLabels {
            labels: Cow::Owned(Metadata(event.labels.clone())),
            fingerprint: Some(Cow::Borrowed(&event.fingerprint)),
            status: Some(Cow::Borrowed(&event.state)),
            dedup_key: None,
        },
        dispatched_at: turn.now,
        completed_at: Some(turn.now),
        duration_ms: Some(0),
        expires_at: turn.definitions.audit_expires_at(turn.now),
        released_by: None,
        chain_id: None,
        definitions_version: turn.definitions.version,
        source: source.clone(),
    });
}
