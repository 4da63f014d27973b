//! One task without a broker, on a clock that the test moves.

use acteon_core::{
    Definitions, Input, InputKind, MemoryState, PartitionClock, Parts, Recorder, Secrets, Stepped, Task, step,
};
use acteon_schemas::{
    ChainDefinition, CircuitDefinition, CircuitState, Coordinates, RuleFile, RulesDefinition, SettingsDefinition,
    StateMachineDefinition,
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What rules may name, beside the providers of the examples.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Named {
    chains: Vec<ChainDefinition>,
    state_machines: Vec<StateMachineDefinition>,
    circuits: BTreeMap<String, CircuitDefinition>,
}

/// Settings of most tests.
pub(crate) fn settings() -> SettingsDefinition {
    SettingsDefinition {
        audit_store_payload: true,
        audit_redact_fields: vec!["card.number".into()],
        audit_redact_placeholder: "[REDACTED]".into(),
        ..SettingsDefinition::default()
    }
}

/// Compiles rules for the providers of the examples.
pub(crate) fn definitions(rules: &str, default: &str) -> Definitions {
    definitions_with(rules, default, Named::default())
}

/// Compiles rules with what they name.
pub(crate) fn definitions_with(rules: &str, default: &str, named: Named) -> Definitions {
    let providers = ["email", "sms", "slack", "webhook"].map(str::to_owned).into();
    let secrets = Secrets { approval_keys: vec![(Some("k1".to_owned()), b"secret".to_vec())] };
    let rules = RulesDefinition {
        evaluation: "cascade".into(),
        default: default.into(),
        default_timezone: "UTC".into(),
        files: vec![RuleFile { name: "rules.yaml".into(), text: rules.into() }],
    };
    let Named { chains, state_machines, circuits } = named;
    let settings = settings();
    let parts = Parts { rules, settings, providers, chains, state_machines, circuits, secrets, ..Parts::default() };
    Definitions::compile(7, parts).unwrap()
}

/// Most timers that one advance fires: more are taken for one that stays due.
const MAX_FIRED: usize = 100_000;

/// A task and its state.
pub(crate) struct Driver {
    pub(crate) definitions: Definitions,
    pub(crate) state: MemoryState,
    clock: PartitionClock,
    offsets: BTreeMap<&'static str, i64>,
    /// Whether the task moves to another machine before every input.
    pub(crate) moves: bool,
}

/// The state as bytes: each key and value behind its length.
fn dump(state: &MemoryState) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in state.0.iter().flat_map(|(key, value)| [key, value]) {
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

fn load(mut bytes: &[u8]) -> MemoryState {
    let mut part = || -> Option<Vec<u8>> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (part, rest) = rest.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
        bytes = rest;
        Some(part.to_vec())
    };
    let mut state = MemoryState::default();
    while let Some(key) = part() {
        state.0.insert(key, part().unwrap());
    }
    state
}

impl Driver {
    pub(crate) fn new(definitions: Definitions) -> Self {
        Self {
            definitions,
            state: MemoryState::default(),
            clock: PartitionClock::default(),
            offsets: BTreeMap::new(),
            moves: false,
        }
    }

    /// Goes on with nothing but what the state's bytes hold.
    pub(crate) fn restart(&mut self) {
        self.clock.store(&mut self.state);
        self.state = load(&dump(&self.state));
        self.clock = PartitionClock::restore(&mut self.state).unwrap();
    }

    /// Moves the clock to a time in milliseconds since 1970, and fires every timer that comes due until then at its own
    /// time; returns what they led to, together.
    pub(crate) fn advance(&mut self, to: i64) -> Recorder {
        let task = Task { partition: 0, partitions: 1 };
        let mut all = Recorder::default();
        for _ in 0..MAX_FIRED {
            let Some((due, key)) =
                self.state.next_due().map(|(due, key)| (due, key.to_vec())).filter(|next| next.0 <= to)
            else {
                self.clock.advance(to);
                return all;
            };
            if self.moves {
                self.restart();
            }
            let now = self.clock.advance(due);
            let input = Input::timer(task, &key);
            let stepped = step(&self.definitions, task, &mut self.state, now, &input, &mut all).unwrap();
            assert_ne!(stepped, Stepped::Stale, "a due timer was ignored");
        }
        panic!("timers never come to an end")
    }

    /// Feeds one record, at a time in milliseconds since 1970.
    pub(crate) fn feed(&mut self, topic: &'static str, at: i64, value: &[u8]) -> (Stepped, Recorder) {
        let kind = match topic {
            "actions" => InputKind::Action,
            "repartition" => InputKind::Repartitioned,
            "commands" => InputKind::Command,
            "results" => InputKind::Result,
            other => panic!("no topic {other}"),
        };
        let offset = self.offsets.entry(topic).or_insert(0);
        let source = Coordinates { topic: topic.into(), partition: 0, offset: *offset };
        *offset += 1;
        let input = Input { kind, source, origin: None, value: Some(value) };
        let mut effects = Recorder::default();
        if self.moves {
            self.restart();
        }
        let now = self.clock.advance(at);
        let task = Task { partition: 0, partitions: 1 };
        let stepped = step(&self.definitions, task, &mut self.state, now, &input, &mut effects).unwrap();
        self.see(&effects.circuits);
        (stepped, effects)
    }

    /// Decides by circuits as they are told of from now on.
    fn see(&mut self, told: &[CircuitState]) {
        if let Some(last) = told.last() {
            let circuits = &self.definitions.circuits;
            let mut states: Vec<_> = circuits.providers().filter_map(|name| circuits.state(name).cloned()).collect();
            states.retain(|state| state.provider != last.provider);
            states.push(last.clone());
            self.definitions = self.definitions.with_circuits(self.definitions.version + 1, states);
        }
    }
}
