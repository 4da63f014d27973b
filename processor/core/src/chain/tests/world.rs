//! A task with connectors that answer as they are told, on a clock that the test moves.

use crate::definitions::{Definitions, DefinitionsError, Parts};
use crate::effect::Recorder;
use crate::input::{Input, InputKind, Task};
use crate::keys::{self, Store};
use crate::state::MemoryState;
use crate::step::{Stepped, step};
use acteon_schemas::{Coordinates, RuleFile, RulesDefinition, SettingsDefinition};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

pub(super) const START: i64 = 1_772_463_600_000;
const TASK: Task = Task { partition: 0, partitions: 1 };

/// Compiles chains, with a rule for each that starts it with actions of its name as their type.
pub(super) fn definitions(chains: &[Value], providers: &[&str]) -> Result<Definitions, DefinitionsError> {
    let rules = chains.iter().map(|chain| {
        let name = chain["name"].as_str().unwrap();
        format!(
            "  - {{name: start-{name}, condition: {{field: action.action_type, eq: {name}}}, \
                 action: {{type: chain, chain: {name}}}}}\n"
        )
    });
    let text = format!("rules:\n{}", rules.collect::<String>());
    let rules = RulesDefinition {
        evaluation: "cascade".into(),
        default: "allow".into(),
        default_timezone: "UTC".into(),
        files: vec![RuleFile { name: "rules.yaml".into(), text }],
    };
    let chains = chains.iter().map(|chain| serde_json::from_value(chain.clone()).unwrap()).collect();
    let providers = providers.iter().map(|name| (*name).to_owned()).collect();
    let settings = SettingsDefinition { completed_chain_ttl_seconds: Some(3600), ..SettingsDefinition::default() };
    Definitions::compile(3, Parts { rules, settings, providers, chains, ..Parts::default() })
}

/// A chain of steps that call the provider `p`, for tests that change some of them.
pub(super) fn chain(steps: Value) -> Value {
    json!({"name": "c", "steps": steps})
}

/// A step that calls the provider `p`, with what else it has.
pub(super) fn call(name: &str, more: Value) -> Value {
    let mut step = json!({"name": name, "provider": "p", "action_type": "do"});
    for (key, value) in more.as_object().unwrap() {
        step[key] = value.clone();
    }
    step
}

/// How a provider answers.
pub(super) fn failed(code: &str, retryable: bool) -> Value {
    json!({"failed": {"code": code, "message": "no", "retryable": retryable}})
}

pub(super) fn body(body: Value) -> Value {
    json!({"delivered": {"status": "success", "body": body, "headers": {}}})
}

pub(super) struct World {
    pub(super) definitions: Definitions,
    pub(super) state: MemoryState,
    pub(super) now: i64,
    pub(super) all: Recorder,
    /// What steps get, by the name behind the slash; others get `{"logged": true}`. The last answer stays.
    pub(super) answers: BTreeMap<String, VecDeque<Value>>,
    /// Dispatches whose result is not in.
    pub(super) open: VecDeque<Value>,
    offset: i64,
}

impl World {
    pub(super) fn new(chains: &[Value]) -> Self {
        let mut providers = vec!["p", "q"];
        providers.extend(super::paths::PROVIDERS);
        Self {
            definitions: definitions(chains, &providers).unwrap(),
            state: MemoryState::default(),
            now: START,
            all: Recorder::default(),
            answers: BTreeMap::new(),
            open: VecDeque::new(),
            offset: 0,
        }
    }

    pub(super) fn answer(&mut self, step: &str, answers: impl IntoIterator<Item = Value>) {
        self.answers.insert(step.to_owned(), answers.into_iter().collect());
    }

    /// Feeds an input, twice: the same state must give the same writes and effects.
    pub(super) fn feed(&mut self, kind: InputKind, value: &[u8]) -> Stepped {
        let source = Coordinates { topic: format!("{kind:?}").into(), partition: 0, offset: self.offset };
        let input = Input { kind, source, origin: None, value: Some(value) };
        self.offset += 1;
        let (mut state, mut effects) = (self.state.clone(), Recorder::default());
        let again = step(&self.definitions, TASK, &mut state, self.now, &input, &mut effects).unwrap();
        let mut found = Recorder::default();
        let stepped = step(&self.definitions, TASK, &mut self.state, self.now, &input, &mut found).unwrap();
        assert_eq!((again, &state, &effects), (stepped, &self.state, &found), "a step is not deterministic");
        self.open.extend(found.dispatches.iter().cloned());
        self.all.outcomes.extend(found.outcomes);
        self.all.audit.extend(found.audit);
        self.all.dispatches.extend(found.dispatches);
        self.all.dead_letters.extend(found.dead_letters);
        self.all.other_dead_letters.extend(found.other_dead_letters);
        stepped
    }

    /// Starts the chain of a name by its rule, and returns its id.
    pub(super) fn start(&mut self, chain: &str, payload: Value) -> String {
        let action = json!({"id": format!("a-{}", self.offset), "namespace": "n", "tenant": "t", "provider": "p",
            "action_type": chain, "payload": payload, "metadata": {"region": "eu"}});
        assert_eq!(
            self.feed(InputKind::Action, action.to_string().as_bytes()),
            Stepped::Decided(acteon_schemas::Outcome::ChainStarted)
        );
        let told = self.all.outcomes.iter().rev().find_map(|outcome| outcome["detail"].get("ChainStarted"));
        told.unwrap()["chain_id"].as_str().unwrap().to_owned()
    }

    /// Gives one open dispatch its result.
    pub(super) fn give(&mut self, dispatch: &Value, result: &Value) -> Stepped {
        let mut record = json!({"attempts": 1, "started_at": self.now, "duration_ms": 5, "result": result});
        for key in [
            "dispatch_id",
            "action_id",
            "namespace",
            "tenant",
            "provider",
            "action_type",
            "rule",
            "context",
            "decided_at",
            "source",
        ] {
            record[key] = dispatch[key].clone();
        }
        self.feed(InputKind::Result, record.to_string().as_bytes())
    }

    /// The step that a dispatch is of.
    pub(super) fn step_of(dispatch: &Value) -> &str {
        dispatch["context"]["chain"]["step"].as_str().unwrap_or("notice")
    }

    /// Answers open dispatches until there are none.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            let Some(dispatch) = self.open.pop_front() else { return };
            let step = Self::step_of(&dispatch).rsplit('/').next().unwrap().to_owned();
            let result = match self.answers.get_mut(&step) {
                Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
                Some(answers) => answers.front().cloned().unwrap(),
                None => body(json!({"logged": true})),
            };
            self.now += 10;
            self.give(&dispatch, &result);
        }
        panic!("it never ends");
    }

    /// Moves the clock, firing what comes due on the way.
    pub(super) fn advance(&mut self, ms: i64) {
        let until = self.now + ms;
        for _ in 0..10_000 {
            let due =
                self.state.0.iter().filter_map(|(key, value)| Some((keys::due_at(key, value)?, key.clone()))).min();
            let Some((due, key)) = due.filter(|(due, _)| *due <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(due);
            self.feed(InputKind::Timer, &key);
        }
        panic!("timers fire for ever");
    }

    /// Starts a chain and answers everything.
    pub(super) fn run(&mut self, chain: &str, payload: Value) -> Value {
        let id = self.start(chain, payload);
        self.settle();
        self.show(&id)
    }

    /// Sends a command: what it led to, or the code of its refusal.
    pub(super) fn command(&mut self, command: &Value) -> Result<Value, (String, String)> {
        let record = json!({"id": format!("cmd-{}", self.offset), "namespace": "n", "tenant": "t", "issued_at": self.now,
            "issued_by": "ann", "command": command});
        assert_eq!(self.feed(InputKind::Command, record.to_string().as_bytes()), Stepped::Commanded);
        let answer = &self.all.outcomes.last().unwrap()["detail"];
        match answer.get("CommandRefused") {
            Some(refused) => {
                Err((refused["code"].as_str().unwrap().to_owned(), refused["message"].as_str().unwrap().to_owned()))
            }
            None => Ok(answer["CommandDone"]["result"].clone()),
        }
    }

    pub(super) fn show(&mut self, id: &str) -> Value {
        self.command(&json!({"show_chain": {"chain_id": id}})).unwrap()
    }

    /// Audit records of chains, as `step outcome` lines.
    pub(super) fn told(&self) -> Vec<String> {
        let progress = self.all.audit.iter().filter(|record| record["phase"] == "progress");
        progress
            .map(|record| {
                let details = &record["outcome_details"];
                let step = details["step"].as_str().or_else(|| details["chain_name"].as_str()).unwrap_or("-");
                format!("{step} {}", record["outcome"].as_str().unwrap())
            })
            .collect()
    }

    /// How many entries chains have in the state.
    pub(super) fn entries(&self) -> usize {
        let of_chains = |key: &&Vec<u8>| matches!(Store::of(key), Some(Store::Chain | Store::ChainPart));
        self.state.0.keys().filter(of_chains).count()
    }
}

/// A step as it is shown.
pub(super) fn step_named<'v>(chain: &'v Value, name: &str) -> &'v Value {
    chain["steps"].as_array().unwrap().iter().find(|step| step["name"] == name).unwrap()
}
