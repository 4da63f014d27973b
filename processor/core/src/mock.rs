//! Answers given beforehand to what rules ask of state: to try a rule out without the state that it looks at.

use crate::gates::Gates;
use crate::state::{State, StateError};
use acteon_rules::{FieldValue, Function, Gate, Host, Rule, Subject};
use serde_json::Value;
use std::collections::BTreeMap;

/// What state is taken to hold, by key. A key is:
/// - what a `state_seen` or `state_counter` predicate is about, as its rule writes it: whether it was seen, or the count;
/// - an event's fingerprint: its state, for `get_event_state` and `event_in_state`;
/// - `<event type>:<label value>`: whether there is such an event, for `has_active_event`;
/// - the name of a `deduplicate` or `throttle` rule: `admit` or `refuse`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mocks(pub BTreeMap<String, Value>);

/// Answers from mocks, and from state where there is none.
pub(crate) struct Mocked<'m, 's, S> {
    mocks: &'m Mocks,
    gates: Gates<'s, S>,
}

impl<'m, 's, S: State> Mocked<'m, 's, S> {
    pub(crate) fn new(mocks: &'m Mocks, gates: Gates<'s, S>) -> Self {
        Self { mocks, gates }
    }
}

impl<S: State> Host for Mocked<'_, '_, S> {
    type Error = StateError;

    fn gate(&mut self, rule: &Rule, subject: &Subject<'_>) -> Result<Gate, StateError> {
        match self.mocks.0.get(&rule.name).and_then(Value::as_str) {
            Some("refuse") => Ok(Gate::Refuse),
            Some("admit") => Ok(Gate::Admit),
            _ => self.gates.gate(rule, subject),
        }
    }

    fn call(
        &mut self,
        rule: &Rule,
        function: Function,
        args: &[FieldValue<'_>],
        subject: &Subject<'_>,
    ) -> Result<Value, StateError> {
        match answer(&self.mocks.0, function, args) {
            Some(answer) => Ok(answer),
            None => self.gates.call(rule, function, args, subject),
        }
    }
}

/// What mocks answer to a function; `None` where they say nothing that it could answer.
fn answer(mocks: &BTreeMap<String, Value>, function: Function, args: &[FieldValue<'_>]) -> Option<Value> {
    let text = |index: usize| args.get(index).and_then(FieldValue::as_str);
    let found = match function {
        Function::HasActiveEvent => mocks.get(&format!("{}:{}", text(0)?, text(1)?)),
        _ => mocks.get(text(0)?),
    }?;
    match function {
        Function::StateSeen | Function::HasActiveEvent => truth(found).map(Value::Bool),
        Function::StateCounter => number(found).map(Value::from),
        Function::GetEventState => found.as_str().map(Value::from),
        Function::EventInState => Some((found.as_str()? == text(1)?).into()),
    }
}

/// Texts are read, since clients send nothing else.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::state::MemoryState;
    use acteon_rules::{Options, SourceFile};
    use serde_json::json;

    const RULES: &str = r#"
rules:
  - name: seen
    condition: {state_seen: "dev-{{payload.id}}", within_seconds: 60}
    action: {type: suppress}
  - name: many
    condition: {state_counter: mails, within_seconds: 60, gt: 10}
    action: {type: deny}
  - name: down
    condition: {all: [{call: has_active_event, args: [cluster_down, "eu"]}]}
    action: {type: suppress}
  - name: once
    action: {type: deduplicate, ttl_seconds: 60}
"#;

    fn decided(mocks: &Value) -> (String, &'static str) {
        let file = SourceFile { name: "r.yaml".to_owned(), text: RULES.to_owned() };
        let rules = acteon_rules::compile(&[file], &Options::default()).unwrap().rules;
        let action =
            json!({"namespace": "n", "tenant": "t", "provider": "p", "action_type": "a", "payload": {"id": 7}});
        let mocks = Mocks(serde_json::from_value(mocks.clone()).unwrap());
        let action = action.to_string();
        let told = crate::explain_with(&rules, &mut MemoryState::default(), 0, action.as_bytes(), &mocks).unwrap();
        (told.matched_rule.unwrap_or_default(), told.verdict)
    }

    #[test]
    fn rules_are_answered_by_mocks_and_else_by_state() {
        let cases = [
            (json!({}), ("", "allow")),
            (json!({"dev-{{payload.id}}": true}), ("seen", "suppress")),
            (json!({"dev-{{payload.id}}": "true"}), ("seen", "suppress")),
            (json!({"dev-{{payload.id}}": 1}), ("", "allow")),
            (json!({"mails": "11"}), ("many", "deny")),
            (json!({"mails": 10}), ("", "allow")),
            (json!({"cluster_down:eu": true}), ("down", "suppress")),
            (json!({"cluster_down:us": true}), ("", "allow")),
            (json!({"once": "refuse"}), ("once", "deduplicate")),
            (json!({"once": "perhaps"}), ("", "allow")),
        ];
        for (mocks, expected) in cases {
            let (rule, verdict) = decided(&mocks);
            assert_eq!((rule.as_str(), verdict), expected, "{mocks}");
        }
    }
}
