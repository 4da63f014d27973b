//! What operators ask of groups.

use crate::effect::Effects;
use crate::group::flush::{self, Cause, Stored};
use crate::group::head::Group;
use crate::keys::{self, Store};
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::time;
use crate::turn::Turn;
use acteon_schemas::Page;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

/// Most events that `show_group` tells of: its answer is one record.
const MAX_SHOWN: usize = 1_000;

fn prefix(namespace: &str, tenant: &str) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(64);
    keys::scoped(&mut prefix, Store::Group, namespace, tenant);
    prefix
}

/// Finds a group by its id or its key, or says why it can't.
fn find(
    state: &mut impl State,
    namespace: &str,
    tenant: &str,
    wanted: &str,
) -> Result<Result<(Vec<u8>, Group), Reply>, StateError> {
    let mut found: Option<(Vec<u8>, Group)> = None;
    for key in state.scan(&prefix(namespace, tenant), keys::MAX_SCAN)? {
        let Some(entry) = state.get(&key)? else { continue };
        let group = Group::decode(entry)?;
        if group.id.to_string() == wanted {
            return Ok(Ok((key, group)));
        }
        if group.group_key == wanted {
            if let Some((_, other)) = &found {
                let message =
                    format!("`{wanted}` is the key of several groups, {} and {}: give an id", other.id, group.id);
                return Ok(Err(Reply::conflict(message)));
            }
            found = Some((key, group));
        }
    }
    Ok(found.ok_or_else(|| Reply::not_found(format!("no group `{wanted}` in {namespace}/{tenant}"))))
}

/// `flush_group`.
pub(crate) fn flush<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    namespace: &str,
    tenant: &str,
    wanted: &str,
) -> Result<Reply, StateError> {
    let (key, mut group) = match find(turn.state, namespace, tenant, wanted)? {
        Ok(found) => found,
        Err(refused) => return Ok(refused),
    };
    let size = group.size;
    if flush::look(turn, &key, &mut group, Cause::Command)?.is_none() {
        return Ok(Reply::conflict(format!("group `{wanted}` has no event to tell of")));
    }
    Ok(Reply::done(json!({
        "group_id": group.id.to_string(), "event_count": size, "notified": true, "status": "flushed",
    })))
}

fn shown(group: &Group) -> Value {
    json!({
        "group_id": group.id.to_string(),
        "group_key": group.group_key,
        "rule": group.rule,
        "provider": group.provider,
        "event_count": group.size,
        "state": if group.pending > 0 { "pending" } else { "notified" },
        "notify_at": group.tells.then(|| time::rfc3339(group.due)),
        "created_at": time::rfc3339(group.created_at),
    })
}

/// A group, as a view of all groups keeps it.
#[derive(Debug, Clone)]
pub struct GroupSummary {
    /// Scope.
    pub namespace: String,
    /// Scope.
    pub tenant: String,
    /// Its id.
    pub group_id: String,
    /// Its fields and their values, for people.
    pub group_key: String,
    /// As `list_groups` shows it, as JSON.
    pub shown: Box<RawValue>,
}

/// The group that an entry of [`Store::Group`] holds.
///
/// # Errors
/// The entry can't be decoded.
pub fn group_of(entry: &[u8]) -> Result<GroupSummary, StateError> {
    let group = Group::decode(entry)?;
    let broken = |_| StateError::Corrupt { store: Store::Group.name(), problem: "it can't be shown" };
    let shown = to_raw_value(&shown(&group)).map_err(broken)?;
    let Group { namespace, tenant, id, group_key, .. } = group;
    Ok(GroupSummary { namespace, tenant, group_id: id.to_string(), group_key, shown })
}

/// `list_groups`.
pub(crate) fn list(state: &mut impl State, namespace: &str, tenant: &str, page: &Page) -> Result<Reply, StateError> {
    crate::page::list(state, &prefix(namespace, tenant), page, "groups", |_, entry| {
        Ok(Some(shown(&Group::decode(entry)?)))
    })
}

/// `show_group`.
pub(crate) fn show(state: &mut impl State, namespace: &str, tenant: &str, wanted: &str) -> Result<Reply, StateError> {
    let (key, group) = match find(state, namespace, tenant, wanted)? {
        Ok(found) => found,
        Err(refused) => return Ok(refused),
    };
    let stored = Stored::load(state, &key)?;
    let events = stored.events()?;
    let events = || events.iter().take(MAX_SHOWN).map(|found| &found.event);
    let names: Vec<&str> = events().map(|event| event.fingerprint.as_deref().unwrap_or(&event.action_id)).collect();
    let details: Vec<Value> = events()
        .map(|event| {
            json!({
                "action_id": event.action_id, "action_type": event.action_type, "fingerprint": event.fingerprint,
                "status": event.status, "ends_at": event.ends_at.map(time::rfc3339),
                "received_at": time::rfc3339(event.received_at), "notified": event.told,
            })
        })
        .collect();
    Ok(Reply::done(json!({
        "group": shown(&group), "labels": group.labels, "events": names, "event_details": details,
    })))
}
