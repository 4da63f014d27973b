//! What is to become of an event, and whether it may.

use super::Event;
use super::machine::{MAX_STATE_BYTES, StateMachine};
use acteon_schemas::TransitionEffects;

/// The state of a new free-form event whose action names none.
const OPEN: &str = "open";

/// States in which a free-form event is over, in any case of letters.
const TERMINAL_STATES: [&str; 12] = [
    "canceled",
    "cancelled",
    "closed",
    "completed",
    "delivered",
    "done",
    "expired",
    "failed",
    "ok",
    "recovered",
    "rejected",
    "resolved",
];

/// A move that is allowed.
#[derive(Debug)]
pub(super) struct Plan<'m> {
    /// The state before; `None` for a new event.
    pub(super) previous: Option<String>,
    pub(super) new: String,
    /// Whether the provider is told of it.
    pub(super) notify: bool,
    /// What else the machine says of it.
    pub(super) effects: Option<&'m TransitionEffects>,
}

impl Plan<'_> {
    /// Whether it is a move at all: an event may be told of again in the state that it has.
    pub(super) fn changes(&self) -> bool {
        self.previous.as_deref() != Some(self.new.as_str())
    }
}

/// Whether an event in this state is over.
pub(super) fn is_terminal(machine: Option<&StateMachine>, state: &str) -> bool {
    match machine {
        Some(machine) => machine.is_terminal(state),
        None => TERMINAL_STATES.iter().any(|terminal| terminal.eq_ignore_ascii_case(state)),
    }
}

/// Plans how an event gets to `wanted`; where that is `None`, it stays where it is, or begins.
///
/// # Errors
/// Why that is not allowed, naming what is.
pub(super) fn plan<'m>(
    event: Option<&Event<'_>>,
    machine: Option<&'m StateMachine>,
    wanted: Option<&str>,
) -> Result<Plan<'m>, String> {
    let wanted = wanted.filter(|state| !state.is_empty());
    // A state that the machine does not know, since it was changed or the event was free-form: the machine begins anew.
    let known = event.map(|event| event.state.as_str());
    let placed = known.filter(|state| machine.is_none_or(|machine| machine.declares(state)));
    let new = wanted.or(placed).or_else(|| machine.map(|machine| machine.initial_state.as_str())).unwrap_or(OPEN);
    let moved = |effects: Option<&'m TransitionEffects>, notify| Plan {
        previous: known.map(str::to_owned),
        new: new.to_owned(),
        notify,
        effects,
    };
    if placed == Some(new) {
        return Ok(moved(None, false));
    }
    let Some(machine) = machine else {
        if new.len() > MAX_STATE_BYTES {
            return Err(format!("a state of {} bytes; {MAX_STATE_BYTES} are allowed", new.len()));
        }
        return Ok(moved(None, false));
    };
    if !machine.declares(new) {
        return Err(machine.undeclared(new));
    }
    match placed {
        None => Ok(moved(None, machine.notify_on_create)),
        Some(from) => match machine.transition(from, new) {
            Some(effects) => Ok(moved(Some(effects), effects.notify)),
            None => Err(machine.refused(from, new)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_form_events_are_over_in_states_that_everyone_knows() {
        for state in ["resolved", "Resolved", "delivered", "CLOSED", "ok"] {
            assert!(is_terminal(None, state), "{state}");
        }
        for state in ["firing", "open", "placed", "shipped"] {
            assert!(!is_terminal(None, state), "{state}");
        }
    }

    #[test]
    fn free_form_events_go_anywhere_but_to_endless_names() {
        let start = plan(None, None, None).map(|plan| (plan.previous, plan.new, plan.notify));
        assert_eq!(start, Ok((None, "open".to_owned(), false)));
        assert_eq!(plan(None, None, Some("")).map(|plan| plan.new), Ok("open".to_owned()));
        let long = "x".repeat(MAX_STATE_BYTES + 1);
        assert!(plan(None, None, Some(&long)).is_err_and(|problem| problem.contains("256 are allowed")));
    }
}
