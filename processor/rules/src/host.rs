//! What a walk asks of its surroundings.

use serde_json::Value;

use crate::rule::Rule;
use crate::subject::Subject;
use crate::value::FieldValue;

/// What a gate says about an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The action passes.
    Admit,
    /// The action is a duplicate, or over the limit.
    Refuse,
    /// The action is over the limit of a `throttle` rule with `mode: delay`, and waits its turn.
    Hold,
}

/// A question that conditions ask of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// `has_active_event(event_type, label_value)`: whether an event of that type, with a label
    /// of that value, is in a state that isn't terminal. Answers a boolean.
    HasActiveEvent,
    /// `get_event_state(fingerprint)`: the event's state. Answers a string, or null.
    GetEventState,
    /// `event_in_state(fingerprint, state)`. Answers a boolean.
    EventInState,
    /// `state_seen: key` with `within_seconds`: whether an earlier action of the tenant came to
    /// this predicate of this rule, with this key, in the last seconds. Answers a boolean.
    ///
    /// Arguments: the key as written, which tells the predicates of a rule apart; the value of
    /// each field that it names, if it names any; the seconds.
    StateSeen,
    /// `state_counter: key` with `within_seconds`: how many actions of the tenant came to this
    /// predicate of this rule, with this key, in the last seconds, this one included. Answers a
    /// number. Arguments as those of [`Self::StateSeen`].
    StateCounter,
}

impl Function {
    /// The functions that rules call by name.
    pub(crate) const NAMED: &'static [Self] = &[Self::HasActiveEvent, Self::GetEventState, Self::EventInState];

    /// The name in rule files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HasActiveEvent => "has_active_event",
            Self::GetEventState => "get_event_state",
            Self::EventInState => "event_in_state",
            Self::StateSeen => "state_seen",
            Self::StateCounter => "state_counter",
        }
    }

    /// What the arguments mean, in order.
    pub(crate) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::HasActiveEvent => &["event_type", "label_value"],
            Self::GetEventState => &["fingerprint"],
            Self::EventInState => &["fingerprint", "state"],
            Self::StateSeen | Self::StateCounter => &["key", "within_seconds"],
        }
    }

    /// Whether a call counts the action in: the host is asked once a walk, rule and key.
    #[must_use]
    pub fn counts(self) -> bool {
        matches!(self, Self::StateSeen | Self::StateCounter)
    }

    /// Whether the function answers a boolean, and so needs no operator.
    pub(crate) fn is_boolean(self) -> bool {
        matches!(self, Self::HasActiveEvent | Self::EventInState | Self::StateSeen)
    }
}

/// What a walk asks of its surroundings: state, which rules have none of.
///
/// A host that changes nothing makes a dry run.
pub trait Host {
    /// Why the host could not answer. Ends the walk.
    type Error;

    /// Asks a `deduplicate` or `throttle` rule's state about the action, and counts it in.
    /// [`Gate::Hold`] is an answer for a `throttle` rule with [`crate::ThrottleMode::Delay`] alone.
    ///
    /// # Errors
    /// The state cannot be read.
    fn gate(&mut self, rule: &Rule, subject: &Subject<'_>) -> Result<Gate, Self::Error>;

    /// Answers a function that a condition of `rule` calls.
    ///
    /// Those that count ([`Function::counts`]) count the action in, and are asked at most once a
    /// walk for one rule and the same arguments. Others must not change state, and must answer
    /// alike within one walk.
    ///
    /// # Errors
    /// The state cannot be read.
    fn call(
        &mut self,
        rule: &Rule,
        function: Function,
        args: &[FieldValue<'_>],
        subject: &Subject<'_>,
    ) -> Result<Value, Self::Error>;
}
