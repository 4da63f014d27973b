use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A state machine: the states that an event may be in, and how it moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateMachineDefinition {
    /// Its name, by which rules call it.
    pub name: String,
    /// The state of a new event whose action names none.
    pub initial_state: String,
    /// All states.
    pub states: Vec<String>,
    /// The moves that are allowed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub transitions: Vec<TransitionDefinition>,
    /// Moves that time makes.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub timeouts: Vec<StateTimeout>,
    /// States in which an event is over; else those without a move out of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub terminal_states: Option<Vec<String>>,
    /// Whether a new event is told to its action's provider; true where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub notify_on_create: Option<bool>,
    /// After how many seconds an event that stays in a state is told again, until it has been moved on by a person or is
    /// over; never where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub repeat_interval_seconds: Option<u64>,
    /// States in which it is not told again: somebody has seen it. `acknowledged` where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acknowledged_states: Option<Vec<String>>,
    /// Actions that make events of this machine on their way to their provider, without a rule that holds them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub track: Option<TrackDefinition>,
}

/// A move that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransitionDefinition {
    /// The state before.
    pub from: String,
    /// The state after.
    pub to: String,
    /// What it leads to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_transition: Option<TransitionEffects>,
}

/// What a move leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransitionEffects {
    /// Whether the event's provider is told.
    #[serde(default)]
    pub notify: bool,
    /// A target that the provider's call names beside its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub webhook_url: Option<String>,
    /// Labels that the call carries.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub metadata: BTreeMap<String, String>,
}

/// A move that time makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateTimeout {
    /// The state that does not last; `in_state` is read as well.
    #[serde(alias = "in_state")]
    pub state: String,
    /// After how many seconds.
    pub after_seconds: u64,
    /// The state after.
    pub transition_to: String,
    /// What it leads to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_transition: Option<TransitionEffects>,
}

/// Which actions make events without a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackDefinition {
    /// Types of the actions.
    pub action_types: Vec<String>,
    /// Fields that make the fingerprint, where the action names none.
    pub fingerprint_fields: Vec<String>,
}
