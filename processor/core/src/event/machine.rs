//! State machines, compiled and checked.

use acteon_rules::FieldPath;
use acteon_schemas::{StateMachineDefinition, StateTimeout, TrackDefinition, TransitionDefinition, TransitionEffects};
use std::collections::{BTreeMap, BTreeSet};

/// Most states of one machine.
const MAX_STATES: usize = 100;
/// Most transitions of one machine.
const MAX_TRANSITIONS: usize = 1_000;
/// Longest name of a machine or a state, in bytes.
pub(crate) const MAX_STATE_BYTES: usize = 256;
/// Longest timeout and longest repeat interval, in seconds (366 days).
const MAX_SECONDS: u64 = 366 * 24 * 3600;
/// Most action types that one machine tracks.
const MAX_TRACKED_TYPES: usize = 100;
/// Most fields of a fingerprint.
const MAX_FINGERPRINT_FIELDS: usize = 16;
/// Most labels that a transition adds to its notification.
const MAX_EFFECT_LABELS: usize = 64;
/// The state in which an event is not told again, where the machine does not say.
const ACKNOWLEDGED: &str = "acknowledged";

/// What is wrong with a state machine, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("state machine `{machine}`: `{key}`: {problem}")]
pub struct MachineError {
    /// Its name.
    pub machine: String,
    /// The key.
    pub key: String,
    /// What is wrong with its value, and what to do.
    pub problem: String,
}

/// A state machine.
#[derive(Debug)]
pub(crate) struct StateMachine {
    pub(crate) name: String,
    pub(crate) initial_state: String,
    states: Vec<String>,
    /// The moves that are allowed: from, to, and what they lead to.
    transitions: BTreeMap<String, BTreeMap<String, TransitionEffects>>,
    timeouts: BTreeMap<String, Timeout>,
    terminal: BTreeSet<String>,
    acknowledged: BTreeSet<String>,
    pub(crate) notify_on_create: bool,
    repeat_ms: Option<i64>,
    tracked_types: BTreeSet<String>,
    pub(crate) tracked_fields: Vec<FieldPath>,
}

/// A move that time makes.
#[derive(Debug)]
pub(crate) struct Timeout {
    pub(crate) after_ms: i64,
    pub(crate) to: String,
    pub(crate) effects: TransitionEffects,
}

/// State machines by name.
#[derive(Debug, Default)]
pub(crate) struct StateMachines(BTreeMap<String, StateMachine>);

impl StateMachines {
    /// Compiles all machines.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub(crate) fn compile(definitions: Vec<StateMachineDefinition>) -> Result<Self, Vec<MachineError>> {
        let (mut machines, mut errors) = (BTreeMap::new(), Vec::new());
        let mut trackers: BTreeMap<String, String> = BTreeMap::new();
        for definition in definitions {
            let mut check = Check { machine: definition.name.clone(), errors: Vec::new() };
            if machines.contains_key(&definition.name) {
                check.error("name", "two machines have this name; rename one");
            }
            let track = definition.track.as_ref();
            for action_type in track.iter().flat_map(|track| &track.action_types) {
                if let Some(other) = trackers.insert(action_type.clone(), definition.name.clone()) {
                    let problem = format!("`{other}` tracks `{action_type}` already; one machine can");
                    check.error("track.action_types", problem);
                }
            }
            let machine = compile(definition, &mut check);
            errors.append(&mut check.errors);
            machines.insert(machine.name.clone(), machine);
        }
        if errors.is_empty() { Ok(Self(machines)) } else { Err(errors) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&StateMachine> {
        self.0.get(name)
    }

    /// The machine that makes events of actions of this type.
    pub(crate) fn tracking(&self, action_type: &str) -> Option<&StateMachine> {
        self.0.values().find(|machine| machine.tracked_types.contains(action_type))
    }
}

impl StateMachine {
    pub(crate) fn declares(&self, state: &str) -> bool {
        self.states.iter().any(|declared| declared == state)
    }

    /// What a move leads to; `None` where it is not allowed.
    pub(crate) fn transition(&self, from: &str, to: &str) -> Option<&TransitionEffects> {
        self.transitions.get(from)?.get(to)
    }

    pub(crate) fn timeout(&self, state: &str) -> Option<&Timeout> {
        self.timeouts.get(state)
    }

    pub(crate) fn is_terminal(&self, state: &str) -> bool {
        self.terminal.contains(state)
    }

    /// After how many milliseconds an event in this state is told again.
    pub(crate) fn repeat_ms(&self, state: &str) -> Option<i64> {
        self.repeat_ms.filter(|_| !self.is_terminal(state) && !self.acknowledged.contains(state))
    }

    /// Why an event can't enter a state that is not declared.
    pub(crate) fn undeclared(&self, state: &str) -> String {
        let states = quoted(self.states.iter());
        format!("state machine `{}` has no state `{state}`; its states are {states}", self.name)
    }

    /// Why a move is refused, with those that are allowed.
    pub(crate) fn refused(&self, from: &str, to: &str) -> String {
        let allowed = match self.transitions.get(from) {
            Some(targets) => format!("allowed from `{from}`: {}", quoted(targets.keys())),
            None => format!("none is allowed from `{from}`; add one to the machine if it is meant"),
        };
        format!("state machine `{}` has no transition from `{from}` to `{to}`; {allowed}", self.name)
    }
}

fn quoted<'n>(names: impl Iterator<Item = &'n String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The problems of one machine.
struct Check {
    machine: String,
    errors: Vec<MachineError>,
}

impl Check {
    fn error(&mut self, key: impl Into<String>, problem: impl Into<String>) {
        self.errors.push(MachineError { machine: self.machine.clone(), key: key.into(), problem: problem.into() });
    }

    fn name(&mut self, key: &str, name: &str) {
        if name.is_empty() || name.len() > MAX_STATE_BYTES {
            self.error(key, format!("must have 1 to {MAX_STATE_BYTES} bytes"));
        }
    }

    fn count(&mut self, key: &str, found: usize, most: usize) {
        if found > most {
            self.error(key, format!("{found} are too many; {most} are allowed"));
        }
    }

    fn declared(&mut self, key: impl Into<String>, states: &[String], state: &str) {
        if !states.iter().any(|declared| declared == state) {
            self.error(key, format!("unknown state `{state}`; declare it under `states`, or name one of those"));
        }
    }

    fn seconds(&mut self, key: impl Into<String>, seconds: u64) -> i64 {
        if seconds == 0 || seconds > MAX_SECONDS {
            self.error(key, format!("{seconds} seconds: must be from 1 to {MAX_SECONDS} (366 days)"));
        }
        i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)
    }

    fn effects(&mut self, key: &str, effects: Option<TransitionEffects>) -> TransitionEffects {
        let effects = effects.unwrap_or_default();
        if let Some(url) = &effects.webhook_url
            && !url.starts_with("https://")
            && !url.starts_with("http://")
        {
            self.error(format!("{key}.on_transition.webhook_url"), "must begin with `https://` or `http://`");
        }
        self.count(&format!("{key}.on_transition.metadata"), effects.metadata.len(), MAX_EFFECT_LABELS);
        effects
    }
}

fn compile(definition: StateMachineDefinition, check: &mut Check) -> StateMachine {
    let states = definition.states;
    check.name("name", &definition.name);
    if states.is_empty() {
        check.error("states", "a machine needs at least one state");
    }
    check.count("states", states.len(), MAX_STATES);
    for (at, state) in states.iter().enumerate() {
        check.name("states", state);
        if states[..at].contains(state) {
            check.error("states", format!("`{state}` stands there twice"));
        }
    }
    check.declared("initial_state", &states, &definition.initial_state);
    check.count("transitions", definition.transitions.len(), MAX_TRANSITIONS);
    let transitions = transitions(definition.transitions, &states, check);
    let timeouts = timeouts(definition.timeouts, &states, check);
    for (key, named) in
        [("terminal_states", &definition.terminal_states), ("acknowledged_states", &definition.acknowledged_states)]
    {
        for state in named.iter().flatten() {
            check.declared(key, &states, state);
        }
    }
    let terminal = match definition.terminal_states {
        Some(named) => named.into_iter().collect(),
        None => {
            let ends = |state: &&String| !transitions.contains_key(*state) && !timeouts.contains_key(*state);
            states.iter().filter(ends).cloned().collect()
        }
    };
    let repeat_ms = definition.repeat_interval_seconds.map(|seconds| check.seconds("repeat_interval_seconds", seconds));
    let (tracked_types, tracked_fields) = definition.track.map_or_else(Default::default, |track| tracked(track, check));
    StateMachine {
        name: definition.name,
        initial_state: definition.initial_state,
        transitions,
        timeouts,
        terminal,
        acknowledged: definition
            .acknowledged_states
            .map_or_else(|| BTreeSet::from([ACKNOWLEDGED.to_owned()]), |named| named.into_iter().collect()),
        notify_on_create: definition.notify_on_create.unwrap_or(true),
        repeat_ms,
        tracked_types,
        tracked_fields,
        states,
    }
}

fn transitions(
    definitions: Vec<TransitionDefinition>,
    states: &[String],
    check: &mut Check,
) -> BTreeMap<String, BTreeMap<String, TransitionEffects>> {
    let mut transitions: BTreeMap<String, BTreeMap<String, TransitionEffects>> = BTreeMap::new();
    for (at, transition) in definitions.into_iter().enumerate() {
        let key = format!("transitions[{at}]");
        check.declared(format!("{key}.from"), states, &transition.from);
        check.declared(format!("{key}.to"), states, &transition.to);
        if transition.from == transition.to {
            check.error(&key, format!("leads from `{}` to itself: staying in a state is no transition", transition.to));
        }
        let effects = check.effects(&key, transition.on_transition);
        let targets = transitions.entry(transition.from.clone()).or_default();
        if targets.contains_key(&transition.to) {
            check.error(&key, format!("`{}` to `{}` stands there twice", transition.from, transition.to));
        }
        targets.insert(transition.to, effects);
    }
    transitions
}

fn timeouts(definitions: Vec<StateTimeout>, states: &[String], check: &mut Check) -> BTreeMap<String, Timeout> {
    let mut timeouts = BTreeMap::new();
    for (at, timeout) in definitions.into_iter().enumerate() {
        let key = format!("timeouts[{at}]");
        check.declared(format!("{key}.state"), states, &timeout.state);
        check.declared(format!("{key}.transition_to"), states, &timeout.transition_to);
        if timeout.state == timeout.transition_to {
            check.error(
                &key,
                format!("leads from `{}` to itself; `repeat_interval_seconds` tells again", timeout.state),
            );
        }
        let after_ms = check.seconds(format!("{key}.after_seconds"), timeout.after_seconds);
        let effects = check.effects(&key, timeout.on_transition);
        if timeouts.contains_key(&timeout.state) {
            check.error(&key, format!("`{}` has a timeout already; a state can have one", timeout.state));
        }
        timeouts.insert(timeout.state, Timeout { after_ms, to: timeout.transition_to, effects });
    }
    timeouts
}

fn tracked(track: TrackDefinition, check: &mut Check) -> (BTreeSet<String>, Vec<FieldPath>) {
    if track.action_types.is_empty() {
        check.error("track.action_types", "name at least one action type");
    }
    check.count("track.action_types", track.action_types.len(), MAX_TRACKED_TYPES);
    if track.fingerprint_fields.is_empty() {
        check.error("track.fingerprint_fields", "name at least one field, such as `payload.order_id`");
    }
    check.count("track.fingerprint_fields", track.fingerprint_fields.len(), MAX_FINGERPRINT_FIELDS);
    let mut fields = Vec::with_capacity(track.fingerprint_fields.len());
    for (at, field) in track.fingerprint_fields.iter().enumerate() {
        match FieldPath::key_field(field) {
            Ok(path) => fields.push(path),
            Err(problem) => check.error(format!("track.fingerprint_fields[{at}]"), problem),
        }
    }
    (track.action_types.into_iter().collect(), fields)
}

#[cfg(test)]
mod tests;
