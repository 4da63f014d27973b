//! The action of one occurrence.

use super::Recurring;
use crate::action::{Arrival, subject};
use crate::effect::Effects;
use crate::held::Release;
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::{ids, time};
use acteon_schemas::{Action, Outcome};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use std::borrow::Cow;
use uuid::Uuid;

/// What stands between the recurring action's id and the occurrence's time in an action's id.
const SEPARATOR: char = '@';

/// The id of an occurrence's action: the same whenever, and however often, it is asked for.
pub(super) fn action_id(recurring_id: &str, at: i64) -> String {
    format!("{recurring_id}{SEPARATOR}{}", time::rfc3339(at))
}

/// The recurring action that an action with this id may be an occurrence of.
pub(super) fn recurring_id(action_id: &str) -> Option<&str> {
    let (id, at) = action_id.rsplit_once(SEPARATOR)?;
    time::parse_rfc3339(at).map(|_| id)
}

impl Recurring {
    /// What the records of an occurrence derive their ids from.
    pub(super) fn identity(&self, action_id: &str) -> Uuid {
        ids::identity(&self.namespace, &self.tenant, action_id, &self.origin)
    }

    /// The payload of the occurrence at a time.
    pub(super) fn payload(&self, at: i64) -> Value {
        let mut payload = self.definition.action.payload.clone();
        fill(&mut payload, &time::rfc3339(at), &self.id);
        payload
    }

    /// The action of an occurrence, with its id and payload.
    pub(super) fn action<'o>(&'o self, action_id: &'o str, payload: &Value, at: i64) -> Action<'o> {
        let action = &self.definition.action;
        Action {
            id: Some(Cow::Borrowed(action_id)),
            namespace: Cow::Borrowed(&self.namespace),
            tenant: Cow::Borrowed(&self.tenant),
            provider: Cow::Borrowed(&action.provider),
            action_type: Cow::Borrowed(&action.action_type),
            payload: Cow::Owned(to_raw_value(payload).unwrap_or_else(|_| RawValue::NULL.to_owned())),
            metadata: action.metadata.clone(),
            dedup_key: action.dedup_key.as_deref().map(Cow::Borrowed),
            status: None,
            fingerprint: None,
            created_at: Some(Cow::Owned(time::rfc3339(at))),
            dispatch_at: None,
            extra: Map::new(),
        }
    }

    /// Sends the action of the occurrence at a time through the rules.
    pub(super) fn run<S: State, E: Effects>(&self, turn: &mut Turn<'_, S, E>, at: i64) -> Result<Outcome, StateError> {
        let action_id = action_id(&self.id, at);
        let payload = self.payload(at);
        let action = self.action(&action_id, &payload, at);
        let arrival = Arrival {
            action: &action,
            action_id: &action_id,
            identity: self.identity(&action_id),
            origin: &self.origin,
            came: &payload,
            resume: None,
            released_by: Some(Release::Recurring),
            holds: 0,
        };
        crate::action::go(turn, &arrival, subject(&action, &action_id, &payload))
    }
}

/// Puts the occurrence's time and the recurring action's id where strings ask for them.
fn fill(value: &mut Value, execution_time: &str, recurring_id: &str) {
    match value {
        Value::String(text) if text.contains("{{") => {
            for (name, with) in [("execution_time", execution_time), ("recurring_id", recurring_id)] {
                for asked in [format!("{{{{{name}}}}}"), format!("{{{{ {name} }}}}")] {
                    if text.contains(&asked) {
                        *text = text.replace(&asked, with);
                    }
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, execution_time, recurring_id)),
        Value::Object(map) => map.values_mut().for_each(|item| fill(item, execution_time, recurring_id)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strings_are_filled_wherever_they_are() {
        let mut value = json!({
            "a": "at {{execution_time}} by {{ recurring_id }}", "b": [{"c": "{{recurring_id}}{{recurring_id}}"}],
            "d": "{{other}} {execution_time}", "n": 1,
        });
        fill(&mut value, "T", "R");
        assert_eq!(value, json!({"a": "at T by R", "b": [{"c": "RR"}], "d": "{{other}} {execution_time}", "n": 1}));
    }

    #[test]
    fn an_action_tells_what_it_is_an_occurrence_of() {
        let id = action_id("a@b", 1_772_463_600_000);
        assert_eq!(id, "a@b@2026-03-02T15:00:00Z");
        assert_eq!(recurring_id(&id), Some("a@b"));
        for other in ["plain", "ann@example.com", "a@"] {
            assert_eq!(recurring_id(other), None, "{other}");
        }
    }
}
