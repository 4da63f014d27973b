//! `schedule` and `dispatch_at`: an action is held until a time, and then goes on.

use crate::action::Arrival;
use crate::definitions::Definitions;
use crate::effect::Effects;
use crate::held::{Held, Release};
use crate::keys::{self, Store};
use crate::record::Decided;
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::step::Stepped;
use crate::turn::Turn;
use crate::{ids, queue, time, value};
use acteon_rules::Rule;
use acteon_schemas::{Outcome, OutcomeDetail};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

/// Longest time that an action may ask to be held by its `dispatch_at`, in milliseconds (366 days).
pub(crate) const MAX_DISPATCH_AHEAD_MS: i64 = 366 * 24 * 3600 * 1000;

/// What is kept of a scheduled action.
#[derive(Debug, Serialize, Deserialize)]
struct Scheduled<'a> {
    /// What holds it: `schedule`, or `throttle` where that delays.
    by: Kind,
    /// Its place in the queue of the throttle that holds it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    place: Option<u64>,
    /// Whether it has given way there to those before it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    gave_way: bool,
    #[serde(borrow)]
    held: Held<'a>,
}

impl Scheduled<'_> {
    /// The throttle in whose queue it waits, and its place there.
    fn queued<'d>(&self, definitions: &'d Definitions) -> Option<(&'d Rule, u64)> {
        Some((definitions.rules.rule(&self.held.resume.as_ref()?.rule)?, self.place?))
    }
}

/// What holds an action until a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Schedule,
    Throttle,
}

impl Kind {
    fn release(self) -> Release {
        match self {
            Self::Schedule => Release::Schedule,
            Self::Throttle => Release::Throttle,
        }
    }
}

fn key(namespace: &str, tenant: &str, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(96);
    keys::scoped(&mut key, Store::Scheduled, namespace, tenant);
    let start = key.len();
    key.extend_from_slice(id.as_bytes());
    keys::limit_rest(&mut key, start);
    key
}

/// The id that an action is cancelled by. Where it has a place in a queue its id begins with that: timers that come due
/// together fire in the order of their keys.
fn id(identity: &Uuid, place: Option<u64>) -> String {
    let id = ids::derived(identity, "scheduled");
    let Some(place) = place else { return id.to_string() };
    let mut bytes = *id.as_bytes();
    bytes[..6].copy_from_slice(&place.to_be_bytes()[2..]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// Holds the action of a decision until `due`; `place` is what it has in the queue of a throttle.
pub(crate) fn capture<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
    by: Kind,
    due: i64,
    place: Option<u64>,
) -> Outcome {
    let id = id(&decided.arrival.identity, place);
    put(turn, decided.arrival, &id, due, &Scheduled { by, place, gave_way: false, held: Held::of(decided) });
    let (scheduled_for, details) = told(&id, due);
    let detail = OutcomeDetail::Scheduled { action_id: id.into(), scheduled_for: scheduled_for.into() };
    decided.tell(Outcome::Scheduled, detail, Some(details), turn.effects);
    Outcome::Scheduled
}

/// Holds an action that asks for it by `dispatch_at`, before any rule looks at it.
pub(crate) fn hold_until<S: State, E: Effects>(turn: &mut Turn<'_, S, E>, arrival: &Arrival<'_>, due: i64) -> Outcome {
    let id = id(&arrival.identity, None);
    let held = Held::unwalked(arrival, turn.now);
    put(turn, arrival, &id, due, &Scheduled { by: Kind::Schedule, place: None, gave_way: false, held });
    let (scheduled_for, details) = told(&id, due);
    let detail = OutcomeDetail::Scheduled { action_id: id.into(), scheduled_for: scheduled_for.into() };
    crate::action::tell_unwalked(turn, arrival, Outcome::Scheduled, detail, Some(details));
    Outcome::Scheduled
}

fn told(id: &str, due: i64) -> (String, serde_json::Value) {
    let scheduled_for = time::rfc3339(due);
    let details = json!({"action_id": id, "scheduled_for": scheduled_for});
    (scheduled_for, details)
}

fn put<S: State, E>(turn: &mut Turn<'_, S, E>, arrival: &Arrival<'_>, id: &str, due: i64, entry: &Scheduled<'_>) {
    let key = key(&arrival.action.namespace, &arrival.action.tenant, id);
    turn.state.put(&key, &value::encode(due, entry));
}

/// Lets an action go whose time has come.
pub(crate) fn fire<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    key: &[u8],
    entry: &[u8],
) -> Result<Stepped, StateError> {
    let (_, mut scheduled): (_, Scheduled<'_>) = value::decode(entry, Store::Scheduled)?;
    if let Some(wait) = not_yet(turn, &scheduled)? {
        scheduled.gave_way = wait.gives_way;
        turn.state.put(key, &value::encode(wait.until, &scheduled));
        return Ok(Stepped::Fired(None));
    }
    turn.state.delete(key);
    let outcome = scheduled.held.release(turn, scheduled.by.release(), Store::Scheduled)?;
    Ok(Stepped::Fired(Some(outcome)))
}

/// How an action goes on waiting whose queue is behind its plan. One whose rule delays no more goes at once.
fn not_yet<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scheduled: &Scheduled<'_>,
) -> Result<Option<queue::Wait>, StateError> {
    let Some((rule, place)) = scheduled.queued(turn.definitions) else { return Ok(None) };
    let (state, now, place) = (&mut *turn.state, turn.now, (place, scheduled.gave_way));
    scheduled.held.open(Store::Scheduled, |_, _, subject| queue::leave(state, now, rule, &subject, place))
}

/// `cancel_scheduled`.
pub(crate) fn cancel<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    namespace: &str,
    tenant: &str,
    action_id: &str,
    command_id: &str,
) -> Result<Reply, StateError> {
    let found = find(turn.state, namespace, tenant, action_id, |held| held.action_id == action_id)?;
    let Some((key, entry)) = found else {
        return Ok(Reply::not_found(format!("no scheduled action `{action_id}` in {namespace}/{tenant}")));
    };
    let (due, scheduled): (_, Scheduled<'_>) = value::decode(&entry, Store::Scheduled)?;
    remove(turn, &key, &scheduled)?;
    let reason = format!("command {command_id}");
    let detail = OutcomeDetail::Cancelled { reason: reason.as_str().into() };
    crate::record::tell_held(turn, &scheduled.held, Store::Scheduled, "cancel", Outcome::Cancelled, detail)?;
    Ok(Reply::done(json!({
        "action_id": scheduled.held.action_id, "scheduled_for": time::rfc3339(due), "status": "cancelled",
    })))
}

/// Calls off an action that the decision with this identity holds; does nothing where it has gone on.
pub(crate) fn call_off<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    namespace: &str,
    tenant: &str,
    identity: &Uuid,
    reason: &str,
) -> Result<(), StateError> {
    let id = id(identity, None);
    let found = find(turn.state, namespace, tenant, &id, |held| held.identity == *identity)?;
    let Some((key, entry)) = found else { return Ok(()) };
    let (_, scheduled): (_, Scheduled<'_>) = value::decode(&entry, Store::Scheduled)?;
    remove(turn, &key, &scheduled)?;
    let detail = OutcomeDetail::Cancelled { reason: reason.into() };
    crate::record::tell_held(turn, &scheduled.held, Store::Scheduled, "cancel", Outcome::Cancelled, detail)
}

/// Removes an action that was called off, from the queue that it waits in as well.
fn remove<S: State, E>(turn: &mut Turn<'_, S, E>, key: &[u8], scheduled: &Scheduled<'_>) -> Result<(), StateError> {
    turn.state.delete(key);
    let Some((rule, place)) = scheduled.queued(turn.definitions) else { return Ok(()) };
    let (state, now) = (&mut *turn.state, turn.now);
    scheduled.held.open(Store::Scheduled, |_, _, subject| queue::give_up(state, now, rule, &subject, place))
}

/// Finds a scheduled action by the id of its outcome, or by what else is known of it.
fn find(
    state: &mut impl State,
    namespace: &str,
    tenant: &str,
    id: &str,
    is_it: impl Fn(&Held<'_>) -> bool,
) -> Result<Option<(Vec<u8>, Vec<u8>)>, StateError> {
    let direct = key(namespace, tenant, id);
    if let Some(entry) = state.get(&direct)? {
        let entry = entry.to_vec();
        return Ok(Some((direct, entry)));
    }
    for key in scan(state, namespace, tenant, keys::MAX_SCAN)? {
        let Some(entry) = state.get(&key)?.map(<[u8]>::to_vec) else { continue };
        let (_, scheduled): (_, Scheduled<'_>) = value::decode(&entry, Store::Scheduled)?;
        if is_it(&scheduled.held) {
            return Ok(Some((key, entry)));
        }
    }
    Ok(None)
}

fn scan(state: &mut impl State, namespace: &str, tenant: &str, limit: usize) -> Result<Vec<Vec<u8>>, StateError> {
    let mut prefix = Vec::with_capacity(64);
    keys::scoped(&mut prefix, Store::Scheduled, namespace, tenant);
    state.scan(&prefix, limit)
}

/// `list_scheduled`.
pub(crate) fn list(
    state: &mut impl State,
    namespace: &str,
    tenant: &str,
    page: &acteon_schemas::Page,
) -> Result<Reply, StateError> {
    let mut prefix = Vec::with_capacity(64);
    keys::scoped(&mut prefix, Store::Scheduled, namespace, tenant);
    crate::page::list(state, &prefix, page, "scheduled", |_, entry| {
        let (due, scheduled): (_, Scheduled<'_>) = value::decode(entry, Store::Scheduled)?;
        let action = scheduled.held.action(Store::Scheduled)?;
        Ok(Some(json!({
            "id": id(&scheduled.held.identity, scheduled.place),
            "action_id": scheduled.held.action_id,
            "provider": scheduled.held.provider,
            "action_type": action.action_type,
            "held_by": scheduled.by,
            "scheduled_for": time::rfc3339(due),
            "created_at": time::rfc3339(scheduled.held.held_at),
        })))
    })
}
