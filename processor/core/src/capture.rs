//! What a decision does with an action beside dispatching it: holding it, starting a chain, sending copies.

use crate::action::Arrival;
use crate::approval;
use crate::chain;
use crate::circuit;
use crate::dispatch::dispatch;
use crate::effect::Effects;
use crate::event;
use crate::record::Decided;
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::{action, group, ids, queue, recurring, schedule, template};
use acteon_rules::{Decision, RuleAction, Verdict};
use acteon_schemas::{Outcome, error_code};
use std::borrow::Cow;

/// Holds the action, as the rule says that decided.
pub(crate) fn hold<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
) -> Result<Outcome, StateError> {
    if let Some(asked) = decided.decision.rule.and_then(group::Asked::of) {
        return group::capture(turn, decided, &asked);
    }
    if let Some(said) = event::Said::of(decided) {
        return event::capture(turn, decided, &said);
    }
    let rule = decided.decision.rule;
    match rule.map(|rule| &rule.action) {
        Some(RuleAction::Schedule { delay_ms }) => {
            let due = turn.now.saturating_add_unsigned(*delay_ms);
            Ok(schedule::capture(turn, decided, schedule::Kind::Schedule, due, None))
        }
        Some(RuleAction::RequestApproval { .. }) => Ok(approval::capture(turn, decided)),
        // A throttle delays it.
        _ => {
            let given = rule.map(|rule| queue::given(turn.state, turn.now, rule, decided.subject)).transpose()?;
            let (place, due) = given.flatten().unzip();
            Ok(schedule::capture(turn, decided, schedule::Kind::Throttle, due.unwrap_or(turn.now), place))
        }
    }
}

/// Starts the chain that the deciding rule names.
pub(crate) fn start_chain<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
) -> Result<Outcome, StateError> {
    let chain = match decided.decision.rule.map(|rule| &rule.action) {
        Some(RuleAction::Chain { chain }) => chain,
        _ => "",
    };
    chain::start(turn, decided, chain)
}

/// Sends the copies that rules with `continue: true` ask for, each with ids of its own. One that can't be sent fails alone.
pub(crate) fn copies<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
) -> Result<(), StateError> {
    for copy in &decided.decision.copies {
        let original = decided.arrival;
        let identity = ids::derived(&original.identity, &format!("copy/{}", copy.rule.name));
        let arrival = Arrival { identity, ..*original };
        let mut subject = action::subject(original.action, original.action_id, original.came);
        subject.provider = Cow::Borrowed(&copy.provider);
        if let Some(payload) = &copy.payload {
            subject.payload = Cow::Owned(payload.clone());
        }
        let mut decision = Decision::default_allow();
        decision.verdict = copy.verdict.clone();
        decision.rule = Some(copy.rule);
        let copied = Decided { copy: true, ..Decided::new(turn, &arrival, &subject, &decision) };
        match (&copy.verdict, action::refusal(turn, &copied)) {
            (Verdict::Chain, _) => {
                let started = start_chain(turn, &copied)? == Outcome::ChainStarted;
                if started && original.released_by.is_some() {
                    let scope = (&*original.action.namespace, &*original.action.tenant);
                    recurring::follow_copy(turn, scope, original.action_id, identity)?;
                }
            }
            (_, Some((code, message))) => {
                action::fail(&copied, code, &message, turn.effects);
            }
            (_, None) => send(turn, &copied)?,
        }
    }
    Ok(())
}

fn send<S: State, E: Effects>(turn: &mut Turn<'_, S, E>, copied: &Decided<'_, '_>) -> Result<(), StateError> {
    match (template::of_action(turn, copied)?, circuit::choose(copied)) {
        (Err(message), _) => {
            action::fail(copied, error_code::VALIDATION, &message, turn.effects);
        }
        (Ok(rendered), Ok(route)) => dispatch(turn.task, copied, &route, rendered, turn.effects),
        (Ok(_), Err(passed_over)) => {
            circuit::refuse(copied, &passed_over, turn.effects);
        }
    }
    Ok(())
}
