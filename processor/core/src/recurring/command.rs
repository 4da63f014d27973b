//! What operators do with recurring actions.

use super::cron::Cadence;
use super::ran::Ran;
use super::{Recurring, key, occurrence, prefix};
use crate::effect::Effects;
use crate::ids;
use crate::input::Input;
use crate::keys::{self, Store};
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::{time, value};
use acteon_schemas::{Action, Command, Coordinates, MAX_NAME_BYTES, Page, RecurringDefinition};
use serde_json::{Map, Value, json};

/// Longest id, in bytes: the ids of its actions add a time to it.
const MAX_ID_BYTES: usize = 200;
/// Longest description, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 4_096;
/// Least time between two occurrences where the settings do not say, in seconds.
const DEFAULT_MIN_INTERVAL_SECONDS: u64 = 60;
/// Most recurring actions of a tenant where the settings do not say.
const DEFAULT_MAX_PER_TENANT: u32 = 100;
/// Most occurrences that one `backfill_recurring` runs.
const MAX_BACKFILL: u32 = 1_000;
/// Most bytes of the actions that one `backfill_recurring` runs: they are one transaction.
const MAX_BACKFILL_BYTES: usize = 4 * 1024 * 1024;
/// Most occurrences that one `backfill_recurring` looks at, those that have run included.
const MAX_LOOKED_AT: u32 = 10_000;

/// `create_recurring`.
pub(crate) fn create<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    input: &Input<'_>,
    definition: &RecurringDefinition,
) -> Result<Reply, StateError> {
    let (namespace, tenant) = (&command.namespace, &command.tenant);
    let origin = input.origin();
    let identity = ids::identity(namespace, tenant, &command.id, origin);
    let id = definition.id.clone().unwrap_or_else(|| ids::derived(&identity, "recurring").to_string());
    let recurring = Recurring {
        namespace: namespace.clone(),
        tenant: tenant.clone(),
        definition: RecurringDefinition { id: None, enabled: None, ..definition.clone() },
        enabled: definition.enabled.unwrap_or(true),
        created_at: turn.now,
        origin: Coordinates { topic: origin.topic.clone().into_owned().into(), ..*origin },
        execution_count: 0,
        skipped_count: 0,
        last: None,
        ran: Ran::default(),
        id,
    };
    let cadence = match check(turn, &recurring, turn.now) {
        Ok(cadence) => cadence,
        Err(problem) => return Ok(Reply::invalid(problem)),
    };
    if turn.state.get(&key(namespace, tenant, &recurring.id))?.is_some() {
        let message = format!("a recurring action `{}` exists in {namespace}/{tenant} already", recurring.id);
        return Ok(Reply::conflict(message));
    }
    let most = turn.definitions.settings.max_recurring_actions_per_tenant.unwrap_or(DEFAULT_MAX_PER_TENANT) as usize;
    if turn.state.scan(&prefix(namespace, tenant), most.min(keys::MAX_SCAN))?.len() >= most {
        let message = format!(
            "{namespace}/{tenant} has {most} recurring actions already; `max_recurring_actions_per_tenant` sets the limit"
        );
        return Ok(Reply::Refused { code: "LIMIT", message });
    }
    let next = recurring.next(&cadence, turn.now);
    recurring.put(turn.state, next);
    Ok(Reply::done(brief(&recurring, next)))
}

/// Checks a recurring action whose next occurrence comes after a moment.
///
/// # Errors
/// What is wrong, with the field's name.
fn check<S, E>(turn: &Turn<'_, S, E>, recurring: &Recurring, after: i64) -> Result<Cadence, String> {
    let definition = &recurring.definition;
    let cadence = recurring.cadence()?;
    crate::policy::check_labels(&definition.labels)?;
    let empty = String::new();
    for (field, text, most) in [
        ("id", &recurring.id, MAX_ID_BYTES),
        ("name", definition.name.as_ref().unwrap_or(&empty), MAX_NAME_BYTES),
        ("description", definition.description.as_ref().unwrap_or(&empty), MAX_DESCRIPTION_BYTES),
    ] {
        if text.len() > most {
            return Err(format!("`{field}`: has {} bytes; the limit is {most}", text.len()));
        }
    }
    if recurring.id.is_empty() {
        return Err("`id`: must not be empty".to_owned());
    }
    let first = cadence.after(after).ok_or("`cron_expression`: has no occurrence, ever")?;
    let least = turn.definitions.settings.min_recurring_interval_seconds.unwrap_or(DEFAULT_MIN_INTERVAL_SECONDS);
    if let Some(interval) = cadence.least_interval(after).map(|ms| ms / 1000)
        && interval.unsigned_abs() < least
    {
        return Err(format!(
            "`cron_expression`: two occurrences are {interval} s apart; the least that is allowed is {least} s"
        ));
    }
    if definition.max_executions == Some(0) {
        return Err("`max_executions`: must be at least 1".to_owned());
    }
    if let Some(end) = &definition.end_date {
        let end_ms = moment("end_date", end)?;
        if first > end_ms {
            return Err(format!("`end_date`: there is no occurrence until {end}"));
        }
    }
    let action_id = occurrence::action_id(&recurring.id, first);
    let action = recurring.action(&action_id, &recurring.payload(first), first);
    let bytes = serde_json::to_vec(&action).map_err(|error| format!("`action`: {error}"))?;
    Action::decode(&bytes).map_err(|error| format!("`action`: {error}"))?;
    Ok(cadence)
}

fn moment(field: &str, text: &str) -> Result<i64, String> {
    time::parse_rfc3339(text).ok_or_else(|| format!("`{field}`: `{text}` is not a time such as 2026-03-02T10:00:00Z"))
}

/// A recurring action with the time of its next occurrence, or the answer that there is none.
fn find<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    id: &str,
) -> Result<Result<(i64, Recurring), Reply>, StateError> {
    let (namespace, tenant) = (&command.namespace, &command.tenant);
    match turn.state.get(&key(namespace, tenant, id))? {
        Some(entry) => Ok(Ok(value::decode(entry, Store::Recurring)?)),
        None => Ok(Err(Reply::not_found(format!("no recurring action `{id}` in {namespace}/{tenant}")))),
    }
}

/// `update_recurring`: the next occurrence is the first one from now on; one that is due already still runs if it is one of
/// the new expression.
pub(crate) fn update<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    id: &str,
    definition: &RecurringDefinition,
) -> Result<Reply, StateError> {
    let (due, mut recurring) = match find(turn, command, id)? {
        Ok(found) => found,
        Err(reply) => return Ok(reply),
    };
    if let Some(other) = definition.id.as_deref().filter(|other| *other != id) {
        return Ok(Reply::invalid(format!("`id`: is `{other}`, and can't be changed from `{id}`")));
    }
    recurring.definition = RecurringDefinition { id: None, enabled: None, ..definition.clone() };
    recurring.enabled = definition.enabled.unwrap_or(recurring.enabled);
    recurring.ran.gap();
    let after = if due <= turn.now { due - 1 } else { turn.now };
    let cadence = match check(turn, &recurring, after) {
        Ok(cadence) => cadence,
        Err(problem) => return Ok(Reply::invalid(problem)),
    };
    let next = recurring.next(&cadence, after);
    recurring.put(turn.state, next);
    Ok(Reply::done(brief(&recurring, next)))
}

/// `delete_recurring`. Actions of past occurrences go on.
pub(crate) fn delete<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    id: &str,
) -> Result<Reply, StateError> {
    match find(turn, command, id)? {
        Ok((_, recurring)) => {
            turn.state.delete(&key(&command.namespace, &command.tenant, id));
            Ok(Reply::done(json!({"id": id, "name": recurring.definition.name, "status": "deleted"})))
        }
        Err(reply) => Ok(reply),
    }
}

/// `pause_recurring`.
pub(crate) fn pause<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    id: &str,
) -> Result<Reply, StateError> {
    match find(turn, command, id)? {
        Err(reply) => Ok(reply),
        Ok((_, recurring)) if !recurring.enabled => {
            Ok(Reply::conflict(format!("recurring action `{id}` is paused already")))
        }
        Ok((_, mut recurring)) => {
            recurring.enabled = false;
            recurring.ran.gap();
            recurring.put(turn.state, None);
            Ok(Reply::done(brief(&recurring, None)))
        }
    }
}

/// `resume_recurring`: occurrences of the pause stay passed over.
pub(crate) fn resume<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    id: &str,
) -> Result<Reply, StateError> {
    match find(turn, command, id)? {
        Err(reply) => Ok(reply),
        Ok((_, recurring)) if recurring.enabled => {
            Ok(Reply::conflict(format!("recurring action `{id}` is not paused")))
        }
        Ok((_, mut recurring)) => {
            recurring.enabled = true;
            let cadence = match recurring.cadence() {
                Ok(cadence) => cadence,
                Err(problem) => return Ok(Reply::invalid(problem)),
            };
            let next = recurring.next(&cadence, turn.now);
            recurring.put(turn.state, next);
            Ok(Reply::done(brief(&recurring, next)))
        }
    }
}

/// `backfill_recurring`: runs the occurrences of a time that has passed, in order, each with the id it would have had. Those
/// that have run are left out. What does not fit in one answer begins at its `next_start`.
pub(crate) fn backfill<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    id: &str,
    (start, end): (&str, &str),
    limit: Option<u32>,
) -> Result<Reply, StateError> {
    let (due, mut recurring) = match find(turn, command, id)? {
        Ok(found) => found,
        Err(reply) => return Ok(reply),
    };
    let (cadence, start, end) = match range(&recurring, turn.now, start, end, limit) {
        Ok(range) => range,
        Err(problem) => return Ok(Reply::invalid(problem)),
    };
    // One that is due already is its timer's.
    let end = end.min(due);
    let limit = limit.unwrap_or(MAX_BACKFILL);
    let (mut ran, mut left_out, mut bytes, mut next_start, mut covered) = (Vec::new(), 0_u32, 0, None, None);
    let mut next = cadence.after(start - 1);
    while let Some(at) = next.filter(|at| *at < end && recurring.ends_at().is_none_or(|last| *at <= last)) {
        let most = u32::try_from(ran.len()).unwrap_or(u32::MAX);
        if most >= limit || most + left_out >= MAX_LOOKED_AT || bytes > MAX_BACKFILL_BYTES {
            next_start = Some(time::rfc3339(at));
            break;
        }
        if recurring.ran.has(at) {
            left_out += 1;
        } else if recurring.is_used_up() {
            break;
        } else {
            recurring.execution_count += 1;
            bytes += recurring.payload(at).to_string().len();
            ran.push(at);
        }
        covered = Some((covered.map_or(at, |(first, _)| first), at));
        next = cadence.after(at);
    }
    if let Some((first, last)) = covered {
        recurring.ran.cover(first, last);
    }
    let upcoming = Some(due).filter(|_| !recurring.is_used_up());
    recurring.put(turn.state, upcoming);
    for at in &ran {
        recurring.run(turn, *at)?;
    }
    let mut done = json!({"id": id, "executed": ran.len(), "already_executed": left_out});
    if let Some(next_start) = next_start {
        done["next_start"] = json!(next_start);
    }
    Ok(Reply::done(done))
}

fn range(
    recurring: &Recurring,
    now: i64,
    start: &str,
    end: &str,
    limit: Option<u32>,
) -> Result<(Cadence, i64, i64), String> {
    let (from, to) = (moment("start", start)?, moment("end", end)?);
    if from >= to {
        return Err(format!("`end`: {end} is not after `start` {start}"));
    }
    if to > now {
        return Err(format!("`end`: {end} has not passed yet"));
    }
    if let Some(limit) = limit.filter(|limit| !(1..=MAX_BACKFILL).contains(limit)) {
        return Err(format!("`limit`: is {limit}; expected 1 to {MAX_BACKFILL}"));
    }
    Ok((recurring.cadence()?, from, to))
}

/// `list_recurring`.
pub(crate) fn list(state: &mut impl State, namespace: &str, tenant: &str, page: &Page) -> Result<Reply, StateError> {
    crate::page::list(state, &prefix(namespace, tenant), page, "recurring_actions", |_, entry| {
        let (next, recurring): (i64, Recurring) = value::decode(entry, Store::Recurring)?;
        Ok(Some(Value::Object(shown(&recurring, next))))
    })
}

/// `show_recurring`.
pub(crate) fn show<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    id: &str,
) -> Result<Reply, StateError> {
    let (next, recurring) = match find(turn, command, id)? {
        Ok(found) => found,
        Err(reply) => return Ok(reply),
    };
    let mut shown = shown(&recurring, next);
    let definition = &recurring.definition;
    for (name, value) in [
        ("payload", json!(definition.action.payload)),
        ("metadata", json!(definition.action.metadata)),
        ("dedup_key", json!(definition.action.dedup_key)),
        ("end_date", json!(definition.end_date)),
        ("max_executions", json!(definition.max_executions)),
    ] {
        shown.insert(name.to_owned(), value);
    }
    Ok(Reply::done(Value::Object(shown)))
}

fn status(recurring: &Recurring, next: Option<i64>) -> &'static str {
    match (recurring.enabled, next) {
        (false, _) => "paused",
        (true, Some(_)) => "active",
        (true, None) => "completed",
    }
}

fn brief(recurring: &Recurring, next: Option<i64>) -> Value {
    json!({
        "id": recurring.id, "name": recurring.definition.name, "next_execution_at": next.map(time::rfc3339),
        "status": status(recurring, next),
    })
}

/// As lists show it.
fn shown(recurring: &Recurring, next: i64) -> Map<String, Value> {
    let next = Some(next).filter(|next| *next != value::NEVER);
    let definition = &recurring.definition;
    let fields = [
        ("id", json!(recurring.id)),
        ("name", json!(definition.name)),
        ("namespace", json!(recurring.namespace)),
        ("tenant", json!(recurring.tenant)),
        ("cron_expr", json!(definition.cron_expression)),
        ("timezone", json!(definition.timezone.as_deref().unwrap_or("UTC"))),
        ("enabled", json!(recurring.enabled)),
        ("status", json!(status(recurring, next))),
        ("provider", json!(definition.action.provider)),
        ("action_type", json!(definition.action.action_type)),
        ("next_execution_at", json!(next.map(time::rfc3339))),
        ("last_execution_at", json!(recurring.last.as_ref().map(|last| time::rfc3339(last.at)))),
        ("execution_count", json!(recurring.execution_count)),
        ("skipped_count", json!(recurring.skipped_count)),
        ("overlap_policy", json!(definition.overlap_policy.unwrap_or(acteon_schemas::OverlapPolicy::AllowAll))),
        ("description", json!(definition.description)),
        ("created_at", json!(time::rfc3339(recurring.created_at))),
    ];
    let labels = Some(("labels", json!(definition.labels))).filter(|_| !definition.labels.is_empty());
    fields.into_iter().chain(labels).map(|(name, value)| (name.to_owned(), value)).collect()
}
