//! Time intervals of a tenant, beside those of the configuration: rules name either.

use super::interval;
use super::record::{edit, keep, limit, load};
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::turn::Turn;
use acteon_schemas::{MAX_NAME_BYTES, TimeIntervalDefinition};
use serde_json::{Value, json};

/// Most time intervals of a tenant.
const MAX_INTERVALS: usize = 100;
/// Longest description, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 1_024;

/// `create_time_interval`.
pub(super) fn create<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    definition: &TimeIntervalDefinition,
) -> Result<Reply, StateError> {
    if let Err(problem) = check(definition) {
        return Ok(Reply::invalid(problem));
    }
    let mut policy = edit(turn, scope.0, scope.1)?;
    if policy.intervals.iter().any(|known| known.name == definition.name) {
        let name = &definition.name;
        return Ok(Reply::conflict(format!("{}/{} has a time interval `{name}` already; update it", scope.0, scope.1)));
    }
    if policy.intervals.len() >= MAX_INTERVALS {
        let message = format!("{}/{} has {MAX_INTERVALS} time intervals, which is the most", scope.0, scope.1);
        return Ok(limit(message));
    }
    policy.intervals.push(definition.clone());
    Ok(keep(turn, scope, policy, shown(scope, definition)))
}

/// `update_time_interval`.
pub(super) fn update<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    definition: &TimeIntervalDefinition,
) -> Result<Reply, StateError> {
    if let Err(problem) = check(definition) {
        return Ok(Reply::invalid(problem));
    }
    let mut policy = edit(turn, scope.0, scope.1)?;
    match policy.intervals.iter_mut().find(|known| known.name == definition.name) {
        Some(known) => known.clone_from(definition),
        None => return Ok(unknown(scope, &definition.name)),
    }
    Ok(keep(turn, scope, policy, shown(scope, definition)))
}

/// `delete_time_interval`. One of the configuration that has its name counts again.
pub(super) fn delete<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    name: &str,
) -> Result<Reply, StateError> {
    let mut policy = edit(turn, scope.0, scope.1)?;
    let Some(position) = policy.intervals.iter().position(|known| known.name == name) else {
        return Ok(unknown(scope, name));
    };
    let shown = shown(scope, &policy.intervals.remove(position));
    Ok(keep(turn, scope, policy, shown))
}

/// `list_time_intervals`.
pub(super) fn list<S: State, E>(turn: &mut Turn<'_, S, E>, scope: (&str, &str)) -> Result<Reply, StateError> {
    let policy = load(turn, scope.0, scope.1)?;
    let all: Vec<Value> =
        policy.iter().flat_map(|policy| &policy.intervals).map(|interval| shown(scope, interval)).collect();
    Ok(Reply::done(json!({"count": all.len(), "time_intervals": all})))
}

fn check(definition: &TimeIntervalDefinition) -> Result<(), String> {
    super::check_text("name", &definition.name, 1, MAX_NAME_BYTES)?;
    super::check_text("description", definition.description.as_deref().unwrap_or(""), 0, MAX_DESCRIPTION_BYTES)?;
    interval::check(definition)
}

fn unknown(scope: (&str, &str), name: &str) -> Reply {
    Reply::not_found(format!("{}/{} has no time interval `{name}` of its own", scope.0, scope.1))
}

fn shown(scope: (&str, &str), definition: &TimeIntervalDefinition) -> Value {
    let mut shown = json!(definition);
    shown["namespace"] = json!(scope.0);
    shown["tenant"] = json!(scope.1);
    shown
}
