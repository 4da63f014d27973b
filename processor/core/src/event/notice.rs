//! Telling an event's provider of it: its last action goes on, with the change beside its payload.

use super::Event;
use super::plan::Plan;
use crate::effect::Effects;
use crate::held::{Held, Release, raw};
use crate::ids;
use crate::keys::Store;
use crate::state::{State, StateError};
use crate::turn::Turn;
use acteon_schemas::{Metadata, Outcome};
use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Where the change stands in the payload.
const PAYLOAD_KEY: &str = "event";
/// Where it stands in a payload that has a field of that name already.
const OTHER_PAYLOAD_KEY: &str = "acteon_event";

/// What moves an event, or has it told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Action,
    Command,
    Timeout,
    Repeat,
}

impl Reason {
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Command => "command",
            Self::Timeout => "timeout",
            Self::Repeat => "repeat",
        }
    }
}

/// Lets the event's last action go on to its provider. `number` sets the notification apart from the event's others.
pub(super) fn notify<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    event: &Event<'_>,
    plan: &Plan<'_>,
    reason: Reason,
    number: u64,
) -> Result<Outcome, StateError> {
    let held = &event.held;
    let mut action = held.action(Store::Event)?;
    label(&mut action.metadata, event, plan);
    action.fingerprint = Some(Cow::Borrowed(&event.fingerprint));
    action.status = Some(Cow::Borrowed(&event.state));
    let payload = held.payload.as_deref().unwrap_or(&*action.payload);
    let payload: Value = serde_json::from_str(payload.get())
        .map_err(|_| StateError::Corrupt { store: Store::Event.name(), problem: "the payload can't be decoded" })?;
    let payload = match payload {
        Value::Object(mut fields) => {
            let key = if fields.contains_key(PAYLOAD_KEY) { OTHER_PAYLOAD_KEY } else { PAYLOAD_KEY };
            fields.insert(key.to_owned(), Value::Object(describe(event, plan, reason)));
            to_raw_value(&fields).ok().map(Cow::Owned)
        }
        // What is no object has no room for it: the labels tell.
        _ => held.payload.clone(),
    };
    let identity = ids::derived(&held.identity, &format!("event/{number}"));
    let told = Held { action: raw(&action), payload, identity, ..held.clone() };
    told.release(turn, Release::Event, Store::Event)
}

fn label(metadata: &mut Metadata, event: &Event<'_>, plan: &Plan<'_>) {
    let labels = [
        ("fingerprint", Some(&event.fingerprint)),
        ("state_machine", event.state_machine.as_ref()),
        ("previous_state", plan.previous.as_ref()),
        ("new_state", Some(&plan.new)),
    ];
    for (name, value) in labels {
        match value {
            Some(value) => metadata.0.insert(name.to_owned(), value.clone()),
            None => metadata.0.remove(name),
        };
    }
}

fn describe(event: &Event<'_>, plan: &Plan<'_>, reason: Reason) -> Map<String, Value> {
    let mut told = Map::new();
    told.insert("fingerprint".to_owned(), json!(event.fingerprint));
    told.insert("state_machine".to_owned(), json!(event.state_machine));
    told.insert("previous_state".to_owned(), json!(plan.previous));
    told.insert("new_state".to_owned(), json!(plan.new));
    told.insert("reason".to_owned(), json!(reason.tag()));
    if let Some(effects) = plan.effects {
        if let Some(url) = &effects.webhook_url {
            told.insert("webhook_url".to_owned(), json!(url));
        }
        if !effects.metadata.is_empty() {
            told.insert("metadata".to_owned(), json!(effects.metadata));
        }
    }
    told
}
