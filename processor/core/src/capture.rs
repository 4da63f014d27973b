//! What a decision does with an action beside dispatching it: holding it, starting a chain, sending copies.

use crate::approval;
use crate::effect::Effects;
use crate::record::Decided;
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::{group, schedule};
use acteon_rules::{RuleAction, Verdict};
use acteon_schemas::Outcome;

/// Holds the action, as the rule says that decided.
pub(crate) fn hold<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
    wait_ms: Option<u64>,
) -> Result<Outcome, StateError> {
    if let Some(asked) = decided.decision.rule.and_then(group::Asked::of) {
        return group::capture(turn, decided, &asked);
    }
    let rule = decided.decision.rule.map(|rule| &rule.action);
    match rule {
        Some(RuleAction::Schedule { delay_ms }) => {
            let due = turn.now.saturating_add_unsigned(*delay_ms);
            Ok(schedule::capture(turn, decided, schedule::Kind::Schedule, due))
        }
        Some(RuleAction::Throttle { .. }) if decided.decision.verdict == Verdict::Delayed => {
            let due = turn.now.saturating_add_unsigned(wait_ms.unwrap_or_default());
            Ok(schedule::capture(turn, decided, schedule::Kind::Throttle, due))
        }
        Some(RuleAction::RequestApproval { .. }) => Ok(approval::capture(turn, decided)),
        _ => Ok(unsupported(turn, decided)),
    }
}

/// Starts the chain that the deciding rule names.
pub(crate) fn start_chain<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
) -> Result<Outcome, StateError> {
    Ok(unsupported(turn, decided))
}

/// Sends the copies that rules with `continue: true` ask for.
pub(crate) fn copies<S: State, E: Effects>(
    _turn: &mut Turn<'_, S, E>,
    _decided: &Decided<'_, '_>,
) -> Result<(), StateError> {
    Ok(())
}

/// Keeps the event that an action belongs to which goes to its provider all the same.
pub(crate) fn track<S: State, E: Effects>(
    _turn: &mut Turn<'_, S, E>,
    _decided: &Decided<'_, '_>,
) -> Result<(), StateError> {
    Ok(())
}

/// Definitions that ask for these are refused when they are compiled.
fn unsupported<S: State, E: Effects>(turn: &mut Turn<'_, S, E>, decided: &Decided<'_, '_>) -> Outcome {
    crate::action::fail(decided, "NOT_SUPPORTED", "the rule asks for what this version does not perform", turn.effects)
}
