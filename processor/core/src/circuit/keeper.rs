//! The task that keeps a provider's circuit: it counts, and tells all others.

use super::machine::{Event, fold, fresh};
use crate::effect::Effects;
use crate::keys::{self, Store};
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::time::rfc3339;
use crate::turn::Turn;
use crate::value;
use acteon_schemas::error_code::EXECUTION_FAILED;
use acteon_schemas::{CIRCUITS_NAMESPACE, CircuitDefinition, CircuitState, Command, CommandKind};
use serde_json::{Value, json};

/// Longest time that an operator may open a circuit for, in seconds (30 days); without a time it stays open until it is
/// reset.
const MAX_TRIP_SECONDS: u64 = 30 * 24 * 3600;
/// Longest reason, in bytes.
const MAX_REASON_BYTES: usize = 1_024;
/// The reason where an operator gives none.
const TRIPPED: &str = "tripped by an operator";

fn key(provider: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    keys::scoped(&mut key, Store::Circuit, CIRCUITS_NAMESPACE, provider);
    key
}

fn load(state: &mut impl State, provider: &str) -> Result<CircuitState, StateError> {
    match state.get(&key(provider))? {
        None => Ok(fresh(provider)),
        Some(stored) => Ok(value::decode(stored, Store::Circuit)?.1),
    }
}

/// Takes an event in; the circuit as it stands then.
fn take<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    provider: &str,
    definition: &CircuitDefinition,
    event: Event<'_>,
) -> Result<CircuitState, StateError> {
    let before = load(turn.state, provider)?;
    let Some(after) = fold(&before, definition, turn.now, event) else { return Ok(before) };
    turn.state.put(&key(provider), &value::encode(value::NEVER, &after));
    turn.effects.circuit(&after, before.opened_at.is_some() != after.opened_at.is_some());
    Ok(after)
}

/// Takes in what a task has told of a call. It has no answer.
pub(crate) fn take_report<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
) -> Result<(), StateError> {
    let CommandKind::ReportCall { success, probe, code } = &command.command else { return Ok(()) };
    let provider = command.tenant.as_str();
    // A provider that has lost its circuit meanwhile has nothing to count.
    let definition = turn.definitions.circuits.definition(provider);
    let Some(definition) = definition.filter(|_| command.namespace == CIRCUITS_NAMESPACE) else { return Ok(()) };
    let event = if *success {
        Event::Succeeded { probe: *probe }
    } else {
        Event::Failed { probe: *probe, code: code.as_deref().unwrap_or(EXECUTION_FAILED) }
    };
    take(turn, provider, definition, event).map(drop)
}

/// Opens or closes a circuit for an operator.
pub(crate) fn command<S: State, E: Effects>(turn: &mut Turn<'_, S, E>, command: &Command) -> Result<Reply, StateError> {
    if command.namespace != CIRCUITS_NAMESPACE {
        return Ok(Reply::invalid(format!(
            "circuits belong to no tenant: send the command with the namespace `{CIRCUITS_NAMESPACE}` and the \
             provider's name as tenant"
        )));
    }
    let provider = command.tenant.as_str();
    if !turn.definitions.providers.contains(provider) {
        return Ok(Reply::not_found(format!("no provider named `{provider}` is configured")));
    }
    let Some(definition) = turn.definitions.circuits.definition(provider) else {
        return Ok(Reply::not_found(format!(
            "provider `{provider}` has no circuit: enable [circuit_breaker] for it, and publish the configuration"
        )));
    };
    let event = match &command.command {
        CommandKind::TripCircuit { seconds, reason } => {
            if seconds.is_some_and(|seconds| !(1..=MAX_TRIP_SECONDS).contains(&seconds)) {
                return Ok(Reply::invalid(format!("`seconds` must be from 1 to {MAX_TRIP_SECONDS}")));
            }
            let reason = reason.as_deref().filter(|reason| !reason.is_empty()).unwrap_or(TRIPPED);
            if reason.len() > MAX_REASON_BYTES {
                return Ok(Reply::invalid(format!(
                    "`reason` has {} bytes; give at most {MAX_REASON_BYTES}",
                    reason.len()
                )));
            }
            let until = seconds.map(|seconds| turn.now.saturating_add_unsigned(seconds * 1000));
            Event::Tripped { until, reason }
        }
        _ => Event::Reset,
    };
    let state = take(turn, provider, definition, event)?;
    Ok(Reply::done(shown(&state, turn.now)))
}

fn shown(state: &CircuitState, now: i64) -> Value {
    json!({
        "provider": state.provider, "state": state.phase(now).as_str(), "failures": state.failures,
        "opened_at": state.opened_at.map(rfc3339), "probe_at": state.probe_at.map(rfc3339), "reason": state.reason,
    })
}
