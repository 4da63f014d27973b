//! Commands on events.

use super::notice::{Reason, notify};
use super::plan::plan;
use super::{Event, Scope, decode, fingerprint, key, put, read, record};
use crate::effect::Effects;
use crate::keys::{self, Store};
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::{page, time, value};
use acteon_schemas::{Coordinates, Page};
use serde_json::{Map, Value, json};

fn unknown(scope: Scope<'_>, fingerprint: &str) -> Reply {
    Reply::not_found(format!("no event `{fingerprint}` in {}/{}", scope.namespace, scope.tenant))
}

/// `transition`.
pub(crate) fn transition<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    scope: Scope<'_>,
    wanted: &str,
    to: &str,
    source: &Coordinates<'_>,
) -> Result<Reply, StateError> {
    let entry = read(turn.state, &key(scope, &fingerprint::limited(wanted)))?;
    let Some(mut event) = decode(entry.as_deref())? else { return Ok(unknown(scope, wanted)) };
    let plan = match plan(Some(&event), event.machine(turn.definitions), Some(to)) {
        Ok(plan) => plan,
        Err(problem) => return Ok(Reply::conflict(format!("event `{}`: {problem}", event.fingerprint))),
    };
    let reply = Reply::done(json!({
        "fingerprint": event.fingerprint, "previous_state": plan.previous, "new_state": plan.new, "notify": plan.notify,
    }));
    // Whoever asks for what is so already has what they want, and nobody is told again.
    if !plan.changes() {
        return Ok(reply);
    }
    event.enter(&plan, turn.now);
    record::changed(turn, scope, &mut event, &plan, (Reason::Command, source));
    let number = event.next_record();
    if plan.notify {
        event.notified_at = Some(turn.now);
    }
    put(turn, scope, &mut event, None)?;
    if plan.notify {
        notify(turn, &event, &plan, Reason::Command, number)?;
    }
    Ok(reply)
}

/// `list_events`: those in a state, where one is named.
pub(crate) fn list(
    state: &mut impl State,
    scope: Scope<'_>,
    in_state: Option<&str>,
    page: &Page,
) -> Result<Reply, StateError> {
    let mut prefix = Vec::with_capacity(64);
    keys::scoped(&mut prefix, Store::Event, scope.namespace, scope.tenant);
    page::list(state, &prefix, page, "events", |_, entry| {
        let (_, event): (_, Event<'_>) = value::decode(entry, Store::Event)?;
        let is_wanted = in_state.is_none_or(|wanted| wanted == event.state);
        Ok(is_wanted.then(|| Value::Object(summary(&event))))
    })
}

/// `show_event`.
pub(crate) fn show(state: &mut impl State, scope: Scope<'_>, wanted: &str) -> Result<Reply, StateError> {
    let entry = read(state, &key(scope, &fingerprint::limited(wanted)))?;
    let Some(entry) = entry else { return Ok(unknown(scope, wanted)) };
    let (due, event): (_, Event<'_>) = value::decode(&entry, Store::Event)?;
    let mut shown = summary(&event);
    shown.insert("labels".to_owned(), json!(event.labels));
    shown.insert("provider".to_owned(), json!(event.held.provider));
    shown.insert("action_id".to_owned(), json!(event.held.action_id));
    shown.insert("active".to_owned(), json!(event.active));
    shown.insert("changed_at".to_owned(), json!(time::rfc3339(event.changed_at)));
    if let Some(at) = event.notified_at {
        shown.insert("notified_at".to_owned(), json!(time::rfc3339(at)));
    }
    if due != value::NEVER {
        shown.insert("next_due_at".to_owned(), json!(time::rfc3339(due)));
    }
    Ok(Reply::done(Value::Object(shown)))
}

fn summary(event: &Event<'_>) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("fingerprint".to_owned(), json!(event.fingerprint));
    shown.insert("state".to_owned(), json!(event.state));
    if let Some(previous) = &event.previous_state {
        shown.insert("previous_state".to_owned(), json!(previous));
    }
    shown.insert("action_type".to_owned(), json!(event.action_type));
    shown.insert("state_machine".to_owned(), json!(event.state_machine));
    shown.insert("count".to_owned(), json!(event.count));
    shown.insert("created_at".to_owned(), json!(time::rfc3339(event.created_at)));
    shown.insert("updated_at".to_owned(), json!(time::rfc3339(event.updated_at)));
    shown
}
