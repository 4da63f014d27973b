//! One task for tests of features: inputs go in, time passes, due timers fire in order.

#![allow(clippy::unwrap_used, clippy::panic)]

use crate::definitions::{Definitions, Parts};
use crate::effect::Recorder;
use crate::input::{Input, InputKind, Task};
use crate::keys;
use crate::secrets::Secrets;
use crate::state::MemoryState;
use crate::step::step;
use acteon_schemas::{Coordinates, RuleFile, RulesDefinition, SettingsDefinition};
use serde_json::{Value, json};

/// Where tests begin: Monday 2026-03-02, 15:00 UTC, 10:00 in New York.
pub(crate) const START: i64 = 1_772_463_600_000;

/// The task and its state.
pub(crate) struct Rig {
    pub(crate) definitions: Definitions,
    pub(crate) state: MemoryState,
    pub(crate) now: i64,
    offset: i64,
}

/// What definitions are made of, with the providers of most tests and one signing key.
pub(crate) fn parts(rules: &str) -> Parts {
    Parts {
        rules: RulesDefinition {
            evaluation: "cascade".into(),
            default: "allow".into(),
            default_timezone: "UTC".into(),
            files: vec![RuleFile { name: "rules.yaml".into(), text: rules.into() }],
        },
        settings: SettingsDefinition { audit_store_payload: true, ..SettingsDefinition::default() },
        providers: ["email", "sms", "webhook"].map(str::to_owned).into(),
        secrets: Secrets { approval_keys: vec![(Some("k1".to_owned()), b"secret".to_vec())] },
        ..Parts::default()
    }
}

impl Rig {
    pub(crate) fn new(parts: Parts) -> Self {
        let definitions = Definitions::compile(7, parts).unwrap();
        Self { definitions, state: MemoryState::default(), now: START, offset: 0 }
    }

    /// Any input.
    pub(crate) fn step(&mut self, kind: InputKind, value: &[u8]) -> Recorder {
        let task = Task { partition: 0, partitions: 1 };
        let input = if kind == InputKind::Timer {
            Input::timer(task, value)
        } else {
            self.offset += 1;
            let source = Coordinates { topic: "t".into(), partition: 0, offset: self.offset };
            Input { kind, source, origin: None, value: Some(value) }
        };
        let mut effects = Recorder::default();
        step(&self.definitions, task, &mut self.state, self.now, &input, &mut effects).unwrap();
        assert_eq!(effects.dead_letters, []);
        effects
    }

    /// An action of `n`/`t`.
    pub(crate) fn action(&mut self, id: &str, payload: &Value) -> Recorder {
        let action = json!({
            "id": id, "namespace": "n", "tenant": "t", "provider": "webhook", "action_type": "order", "payload": payload,
        });
        self.send(&action)
    }

    /// Any action.
    pub(crate) fn send(&mut self, action: &Value) -> Recorder {
        self.step(InputKind::Action, action.to_string().as_bytes())
    }

    /// A command of `n`/`t`, sent by `ann`: its answer, and what else it led to.
    pub(crate) fn command(&mut self, command: &Value) -> (Value, Recorder) {
        self.command_of("t", Some("ann"), command)
    }

    /// A command of a tenant. Its answer is the result, or the code and message of the refusal.
    pub(crate) fn command_of(&mut self, tenant: &str, by: Option<&str>, command: &Value) -> (Value, Recorder) {
        let id = format!("c{}", self.offset);
        let command = json!({
            "id": id, "namespace": "n", "tenant": tenant, "issued_at": 0, "issued_by": by, "command": command,
        });
        let mut effects = self.step(InputKind::Command, command.to_string().as_bytes());
        let answer = effects.outcomes.pop().unwrap();
        assert_eq!(answer["action_id"], id);
        let detail = &answer["detail"];
        let answer = detail.get("CommandDone").map_or_else(|| &detail["CommandRefused"], |done| &done["result"]);
        (answer.clone(), effects)
    }

    /// The provider's answer to a dispatch.
    pub(crate) fn result(&mut self, dispatch: &Value, delivered: bool) -> Recorder {
        let mut result = dispatch.clone();
        for (name, value) in [("attempts", 1), ("started_at", self.now), ("duration_ms", 5)] {
            result[name] = json!(value);
        }
        result["result"] = if delivered {
            json!({"delivered": {"status": "success", "body": {}}})
        } else {
            result["dispatch"] = dispatch.clone();
            json!({"failed": {"code": "TIMEOUT", "message": "too slow", "retryable": true}})
        };
        self.result_record(&result)
    }

    /// Any result.
    pub(crate) fn result_record(&mut self, result: &Value) -> Recorder {
        self.step(InputKind::Result, result.to_string().as_bytes())
    }

    /// Lets time pass until `to`: timers fire when they are due, the earliest first.
    pub(crate) fn advance_to(&mut self, to: i64) -> Recorder {
        let mut all = Recorder::default();
        for _ in 0..100_000 {
            let next =
                self.state.0.iter().filter_map(|(key, value)| Some((keys::due_at(key, value)?, key.clone()))).min();
            let Some((due, key)) = next.filter(|(due, _)| *due <= to) else {
                self.now = to;
                return all;
            };
            self.now = self.now.max(due);
            self.extend(&mut all, &key);
        }
        panic!("timers do not come to an end");
    }

    /// Fires the earliest timer late: at `at`, and no other one.
    pub(crate) fn fire_late(&mut self, at: i64) -> Recorder {
        let next = self.state.0.iter().filter_map(|(key, value)| Some((keys::due_at(key, value)?, key.clone()))).min();
        self.now = at;
        let mut all = Recorder::default();
        self.extend(&mut all, &next.unwrap().1);
        all
    }

    fn extend(&mut self, all: &mut Recorder, key: &[u8]) {
        let effects = self.step(InputKind::Timer, key);
        all.outcomes.extend(effects.outcomes);
        all.audit.extend(effects.audit);
        all.dispatches.extend(effects.dispatches);
        all.other_dead_letters.extend(effects.other_dead_letters);
    }
}

/// The kinds of outcomes.
pub(crate) fn kinds(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["outcome"].as_str().unwrap()).collect()
}
