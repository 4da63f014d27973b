//! Chains: steps that are taken one after the other, each told of the results before it.
//!
//! A chain's head says where it stands, and nothing else decides what it does: a result, a signal, a command or its timer
//! changes the head, and then the chain is driven as far as it goes. What it has called is named by ids made from the
//! chain's id, the step, the visit and the attempt, so a chain that is driven twice from the same state does the same twice.

mod branch;
mod call;
mod check;
mod child;
pub(crate) mod command;
mod definition;
mod end;
mod graph;
mod kept;
mod limits;
mod parallel;
mod record;
mod result;
mod retry;
mod run;
mod source;
mod template;
mod view;
mod wait;

pub use definition::Chains;
pub(crate) use result::{Answered, complete};

use crate::effect::Effects;
use crate::held::Held;
use crate::record::Decided;
use crate::state::{State, StateError};
use crate::step::Stepped;
use crate::turn::Turn;
use crate::{ids, value};
use acteon_schemas::{ChainDefinition, Outcome, OutcomeDetail};
use kept::{Head, Part, Status};
use serde_json::json;
use uuid::Uuid;

/// How long an ended chain is kept where nothing else is said, in seconds (7 days).
const DEFAULT_TTL_SECONDS: u64 = 7 * 24 * 3600;

/// How long a tenant's chains are kept after they have ended, in milliseconds.
fn ttl_ms<S: State, E>(turn: &mut Turn<'_, S, E>, scope: (&str, &str)) -> Result<u64, StateError> {
    let own = crate::policy::state_ttl_seconds(turn, scope)?;
    let seconds = own.or(turn.definitions.settings.completed_chain_ttl_seconds).unwrap_or(DEFAULT_TTL_SECONDS);
    Ok(seconds.saturating_mul(1000))
}

/// The id of the chain that a decision started.
fn id_of(identity: &Uuid) -> Uuid {
    ids::derived(identity, "chain")
}

/// Starts the chain that a rule names.
pub(crate) fn start<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
    chain: &str,
) -> Result<Outcome, StateError> {
    let Some(definition) = turn.definitions.chains.get(chain) else {
        let message = format!("there is no chain `{chain}`; configure it under [[chains.definitions]]");
        return Ok(crate::action::fail(decided, "CHAIN_NOT_FOUND", &message, turn.effects));
    };
    begin(turn, decided, definition)?;
    Ok(Outcome::ChainStarted)
}

/// Begins a chain with the action of a decision, and takes the steps that need no waiting for.
fn begin<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
    definition: &ChainDefinition,
) -> Result<Uuid, StateError> {
    let (arrival, action) = (decided.arrival, decided.arrival.action);
    let id = id_of(&arrival.identity);
    let head = Head {
        namespace: action.namespace.as_ref().to_owned(),
        tenant: action.tenant.as_ref().to_owned(),
        action_id: arrival.action_id.to_owned(),
        provider: decided.subject.provider.as_ref().to_owned(),
        action_type: action.action_type.as_ref().to_owned(),
        rule: decided.decision.rule.map(|rule| rule.name.clone()),
        copy: decided.copy,
        source: arrival.origin.clone().into_owned(),
        ..Head::new(id, definition, turn.now)
    };
    let scope = (head.namespace.as_str(), head.tenant.as_str(), &id);
    kept::put_part(turn.state, scope, Part::Definition, definition);
    kept::put_part(turn.state, scope, Part::Origin, &Held::of(decided));
    turn.state.put(&kept::key(&head.namespace, &head.tenant, &id), &value::encode(value::NEVER, &head));
    let chain_id = id.to_string();
    let first = definition.steps.first().map_or("", |step| step.name.as_str());
    let steps = u32::try_from(definition.steps.len()).unwrap_or(u32::MAX);
    let details =
        json!({"chain_id": chain_id, "chain_name": definition.name, "total_steps": steps, "first_step": first});
    let detail = OutcomeDetail::ChainStarted {
        chain_id: chain_id.into(),
        chain_name: definition.name.as_str().into(),
        total_steps: steps,
        first_step: first.into(),
    };
    decided.tell(Outcome::ChainStarted, detail, Some(details), turn.effects);
    run::with(turn, (&head.namespace, &head.tenant), id, |run| run.drive())?;
    Ok(id)
}

/// Drives a chain whose time has come, or forgets one that ended long enough ago.
pub(crate) fn fire<S: State, E: Effects>(turn: &mut Turn<'_, S, E>, entry: &[u8]) -> Result<Stepped, StateError> {
    let (_, head): (_, Head) = value::decode(entry, crate::keys::Store::Chain)?;
    let scope = (head.namespace.as_str(), head.tenant.as_str());
    let Some(ended_at) = head.ended_at else {
        run::with(turn, scope, head.id, |run| run.drive())?;
        return Ok(Stepped::Fired(None));
    };
    if ended_at.saturating_add_unsigned(ttl_ms(turn, scope)?) <= turn.now {
        kept::delete(turn.state, &head)?;
    } else {
        // Its tenant's retention keeps it for longer.
        run::with(turn, scope, head.id, |_| Ok(()))?;
    }
    Ok(Stepped::Fired(None))
}

/// Whether the chain that a decision started goes on.
pub(crate) fn is_running<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    (namespace, tenant): (&str, &str),
    identity: &Uuid,
) -> Result<bool, StateError> {
    let head = kept::get(turn.state, namespace, tenant, &id_of(identity))?;
    let is_late = |head: &Head| head.expires_at.is_some_and(|at| at <= turn.now);
    Ok(head.is_some_and(|head| head.status == Status::Running && !is_late(&head)))
}

/// Calls off the chain that a decision started, if it goes on.
pub(crate) fn call_off<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    identity: &Uuid,
    reason: &str,
) -> Result<(), StateError> {
    run::with(turn, scope, id_of(identity), |run| {
        run.drive()?;
        if run.head.status == Status::Running {
            run.cancel(limits::cut(reason, limits::MAX_ERROR_BYTES), None)?;
        }
        Ok(())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests;
