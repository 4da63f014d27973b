//! Events: what actions tell of that has a state and a life of its own, an alert or an order.
//!
//! An event belongs to a state machine, or is free-form where none is meant: then any state may follow any other. A
//! `state_machine` rule takes actions into events ([`capture`]); other actions with a `status` or a `fingerprint`, and
//! those of types that a machine tracks, make events on their way to their provider ([`track()`]).

mod active;
mod capture;
mod commands;
pub(crate) mod fingerprint;
pub(crate) mod machine;
mod notice;
mod plan;
mod query;
mod record;
mod timers;
mod track;

pub(crate) use capture::{Said, capture, refusal};
pub(crate) use commands::{list, show, transition};
pub use machine::MachineError;
pub(crate) use query::{has_active_event, in_state, state_of};
pub(crate) use timers::fire;
pub(crate) use track::track;

use crate::definitions::Definitions;
use crate::effect::Effects;
use crate::held::Held;
use crate::keys::{self, Store};
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::value;
use acteon_schemas::Action;
use machine::StateMachine;
use plan::Plan;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How long an event is kept after it has last been heard of, where the settings don't say, in seconds (7 days).
const DEFAULT_TTL_SECONDS: u64 = 7 * 24 * 3600;
/// Most bytes of the action that an event keeps for its notifications; of a larger one the payload is left out.
const MAX_KEPT_ACTION_BYTES: usize = 256 * 1024;
/// Most labels of an event that rules can find it by; the rest, in the order of their names, is not kept.
const MAX_LABELS: usize = 64;

/// Whose event: no tenant sees another's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'s> {
    pub(crate) namespace: &'s str,
    pub(crate) tenant: &'s str,
}

/// An event, as it is kept in the state.
#[derive(Debug, Serialize, Deserialize)]
struct Event<'a> {
    fingerprint: String,
    state: String,
    /// The state before; absent where there was none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    previous_state: Option<String>,
    /// Its machine; absent where it is free-form.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    state_machine: Option<String>,
    /// The type of the action that made it.
    action_type: String,
    /// The labels of its actions, the last one's where they differ.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    labels: BTreeMap<String, String>,
    /// When it was made, in milliseconds since 1970.
    created_at: i64,
    /// When it entered its state.
    changed_at: i64,
    /// When it was last heard of.
    updated_at: i64,
    /// How many actions it has taken in.
    count: u64,
    /// How many records it has led to beside those of its actions: sets their ids apart.
    records: u64,
    /// When its provider was last told of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    notified_at: Option<i64>,
    /// Whether it stands in the index of active events.
    active: bool,
    /// Its last action, which its notifications are made of.
    #[serde(borrow)]
    held: Held<'a>,
}

fn key(scope: Scope<'_>, fingerprint: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(96);
    keys::scoped(&mut key, Store::Event, scope.namespace, scope.tenant);
    let start = key.len();
    key.extend_from_slice(fingerprint.as_bytes());
    keys::limit_rest(&mut key, start);
    key
}

/// What the state holds under a key, to be decoded where it is looked at.
fn read(state: &mut impl State, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
    Ok(state.get(key)?.map(<[u8]>::to_vec))
}

fn decode(entry: Option<&[u8]>) -> Result<Option<Event<'_>>, StateError> {
    entry.map(|entry| Ok(value::decode(entry, Store::Event)?.1)).transpose()
}

impl Event<'_> {
    /// The machine that it belongs to; `None` where it has none, or that is no longer defined.
    fn machine<'d>(&self, definitions: &'d Definitions) -> Option<&'d StateMachine> {
        definitions.state_machines.get(self.state_machine.as_deref()?)
    }

    /// A number for its next record.
    fn next_record(&mut self) -> u64 {
        self.records += 1;
        self.records
    }

    fn enter(&mut self, plan: &Plan<'_>, now: i64) {
        self.updated_at = now;
        if plan.changes() {
            self.previous_state.clone_from(&plan.previous);
            self.state.clone_from(&plan.new);
            self.changed_at = now;
            self.notified_at = None;
        }
    }
}

/// What an action brings to its event.
struct Arriving<'a> {
    fingerprint: &'a str,
    action_type: &'a str,
    labels: &'a BTreeMap<String, String>,
    machine: Option<&'a StateMachine>,
    held: Held<'a>,
}

/// Takes an action into its event, which is made where it is new.
fn take_in<'a>(event: Option<Event<'a>>, arriving: Arriving<'a>, plan: &Plan<'_>, now: i64) -> Event<'a> {
    let held = limited(arriving.held);
    let state_machine = arriving.machine.map(|machine| machine.name.clone());
    let mut event = match event {
        Some(event) => Event { held, state_machine, ..event },
        None => Event {
            fingerprint: arriving.fingerprint.to_owned(),
            state: plan.new.clone(),
            previous_state: None,
            state_machine,
            action_type: arriving.action_type.to_owned(),
            labels: BTreeMap::new(),
            created_at: now,
            changed_at: now,
            updated_at: now,
            count: 0,
            records: 0,
            notified_at: None,
            active: false,
            held,
        },
    };
    event.count += 1;
    event.enter(plan, now);
    event
}

/// The action, without its payload where it is too large to be kept with an event.
fn limited(mut held: Held<'_>) -> Held<'_> {
    let size = held.action.get().len() + held.payload.as_ref().map_or(0, |payload| payload.get().len());
    if size <= MAX_KEPT_ACTION_BYTES {
        return held;
    }
    held.payload = None;
    let without = Action::decode(held.action.get().as_bytes()).ok().and_then(|action| {
        let empty: Box<RawValue> = to_raw_value(&serde_json::Map::new()).ok()?;
        to_raw_value(&Action { payload: Cow::Owned(empty), ..action }).ok()
    });
    if let Some(without) = without {
        held.action = Cow::Owned(without);
    }
    held
}

/// Adds the labels of an action to those of its event.
fn merge_labels(labels: &mut BTreeMap<String, String>, new: &BTreeMap<String, String>) {
    labels.extend(new.iter().map(|(name, value)| (name.clone(), value.clone())));
    while labels.len() > MAX_LABELS {
        labels.pop_last();
    }
}

/// Writes an event, and keeps the index of active events in step with it. `labels` are those that an action brings.
fn put<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    scope: Scope<'_>,
    event: &mut Event<'_>,
    labels: Option<&BTreeMap<String, String>>,
) -> Result<(), StateError> {
    let machine = event.machine(turn.definitions);
    let before = active::values(event);
    if let Some(labels) = labels {
        merge_labels(&mut event.labels, labels);
    }
    event.active = !plan::is_terminal(machine, &event.state);
    active::keep(turn.state, scope, event, &before);
    let ttl = ttl_ms(turn, scope)?;
    let due = timers::Dues::of(event, machine, ttl).first(turn.now);
    turn.state.put(&key(scope, &event.fingerprint), &value::encode(due, event));
    Ok(())
}

/// Removes an event.
fn delete<S: State, E>(turn: &mut Turn<'_, S, E>, scope: Scope<'_>, event: &mut Event<'_>) {
    let before = active::values(event);
    event.active = false;
    active::keep(turn.state, scope, event, &before);
    turn.state.delete(&key(scope, &event.fingerprint));
}

/// How long a tenant's event is kept after it has last been heard of, once it is over or where it is free-form, in
/// milliseconds.
fn ttl_ms<S: State, E>(turn: &mut Turn<'_, S, E>, scope: Scope<'_>) -> Result<i64, StateError> {
    let own = crate::policy::event_ttl_seconds(turn, (scope.namespace, scope.tenant))?;
    let seconds = own.or(turn.definitions.settings.event_ttl_seconds).unwrap_or(DEFAULT_TTL_SECONDS);
    Ok(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000))
}

#[cfg(test)]
mod tests;
