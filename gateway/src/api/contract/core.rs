//! The decision core behind the API, with providers that answer at once.

use crate::api::testing::{Fate, Seen};
use crate::log::Topic;
use acteon_core::{Definitions, Input, InputKind, MemoryState, Parts, Recorder, Secrets, Task, step};
use acteon_schemas::{Coordinates, Outcome, RuleFile, RulesDefinition};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Monday 2026-03-02, 15:00 UTC.
const NOW: i64 = 1_772_463_600_000;
/// All there is.
const TASK: Task = Task { partition: 0, partitions: 1 };
/// The provider whose calls fail.
const DOWN: &str = "down";

/// A task, its state and its providers.
pub(super) struct Core {
    definitions: Definitions,
    state: MemoryState,
    offset: i64,
    /// What was sent to providers.
    pub(super) dispatches: Vec<Value>,
}

impl Core {
    pub(super) fn new(rules: &str) -> Self {
        let file = RuleFile { name: "rules.yaml".to_owned(), text: rules.to_owned() };
        let rules = RulesDefinition {
            evaluation: "cascade".to_owned(),
            default: "allow".to_owned(),
            default_timezone: "UTC".to_owned(),
            files: vec![file],
        };
        let read = |value: Value| serde_json::from_value(value).unwrap();
        let parts = Parts {
            rules,
            providers: ["email", "sms", "tripped", DOWN].map(str::to_owned).into(),
            chains: vec![read(json!({"name": "ship", "steps": [
                {"name": "pack", "provider": "email", "action_type": "pack", "payload_template": {}},
                {"name": "wait", "wait_for_signal": {"signal_name": "go"}},
            ]}))],
            state_machines: vec![
                serde_json::from_value(json!({
                    "name": "alert", "initial_state": "firing", "states": ["firing", "resolved"],
                    "transitions": [{"from": "firing", "to": "resolved", "on_transition": {"notify": true}}],
                }))
                .unwrap(),
            ],
            circuits: serde_json::from_value(json!({"tripped": {
                "failure_threshold": 5, "success_threshold": 2, "recovery_timeout_ms": 60_000,
            }}))
            .unwrap(),
            time_intervals: vec![serde_json::from_value(json!({"name": "always", "time_ranges": [{}]})).unwrap()],
            secrets: Secrets { approval_keys: vec![(Some("k".to_owned()), b"secret".to_vec())] },
            ..Parts::default()
        };
        let definitions = Definitions::compile(0, parts).unwrap();
        Self { definitions, state: MemoryState::default(), offset: 0, dispatches: Vec::new() }
    }

    /// Decides about a record, and about all that this leads to; the record's last outcome.
    pub(super) fn decide(&mut self, seen: &Seen) -> Fate {
        let kind = if seen.topic == Topic::Actions { InputKind::Action } else { InputKind::Command };
        let mut inputs = VecDeque::from([(kind, seen.value.to_string())]);
        let mut answer = None;
        while let Some((kind, value)) = inputs.pop_front() {
            let effects = self.step(kind, &value);
            let own = |outcome: &&Value| outcome["action_id"] == seen.value["id"] && outcome["is_final"] == true;
            // The steps of a chain have the action's id as well, and come after its answer.
            if let Some(outcome) = effects.outcomes.iter().find(own).filter(|_| answer.is_none()) {
                let kind = Outcome::ALL.into_iter().find(|kind| outcome["outcome"] == kind.as_str()).unwrap();
                answer = Some(Fate::Outcome(kind.as_str(), outcome["detail"].clone()));
            }
            inputs.extend(effects.commands.iter().map(|(_, command)| (InputKind::Command, json!(command).to_string())));
            inputs.extend(effects.dispatches.iter().map(|dispatch| (InputKind::Result, called(dispatch).to_string())));
            self.dispatches.extend(effects.dispatches);
        }
        answer.unwrap_or(Fate::Written)
    }

    fn step(&mut self, kind: InputKind, value: &str) -> Recorder {
        self.offset += 1;
        let source = Coordinates { topic: "t".into(), partition: 0, offset: self.offset };
        let input = Input { kind, source, origin: None, value: Some(value.as_bytes()) };
        let mut effects = Recorder::default();
        step(&self.definitions, TASK, &mut self.state, NOW, &input, &mut effects).unwrap();
        assert_eq!(effects.dead_letters, [], "{value}");
        if !effects.circuits.is_empty() {
            self.definitions = self.definitions.with_circuits(0, effects.circuits.clone());
        }
        effects
    }
}

/// What a provider makes of a dispatch.
fn called(dispatch: &Value) -> Value {
    let mut result = dispatch.clone();
    for (name, value) in [("attempts", 4), ("started_at", NOW), ("duration_ms", 5)] {
        result[name] = json!(value);
    }
    result["result"] = if dispatch["provider"] == DOWN {
        result["dispatch"] = dispatch.clone();
        json!({"failed": {"code": "TIMEOUT", "message": "too slow", "retryable": true}})
    } else {
        let body = json!({"provider": dispatch["provider"], "logged": true});
        json!({"delivered": {"status": "success", "body": body, "headers": {}}})
    };
    result
}
