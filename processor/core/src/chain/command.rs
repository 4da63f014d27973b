//! Commands about chains.

use super::kept::{self, Head, Status};
use super::run::{self, Run};
use super::view;
use crate::action::{Arrival, subject};
use crate::effect::Effects;
use crate::input::Input;
use crate::keys::{self, Store};
use crate::record::Decided;
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::{ids, value};
use acteon_rules::Decision;
use acteon_schemas::{Action, Command, CommandKind, Page};
use serde_json::{Value, json};
use std::borrow::Cow;
use uuid::Uuid;

/// All statuses that chains are shown with.
const STATUSES: [&str; 10] = [
    "running",
    "paused",
    "waiting_sub_chain",
    "waiting_parallel",
    "waiting_timer",
    "waiting_signal",
    "completed",
    "failed",
    "cancelled",
    "timed_out",
];

/// Carries out a command about chains.
pub(crate) fn carry_out<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    input: &Input<'_>,
) -> Result<Reply, StateError> {
    let scope = (command.namespace.as_str(), command.tenant.as_str());
    match &command.command {
        CommandKind::StartChain { chain, action } => start(turn, scope, input, chain, action),
        CommandKind::CancelChain { chain_id, reason, cancelled_by } => {
            let by = cancelled_by.as_deref().or(command.issued_by.as_deref());
            cancel(turn, scope, chain_id, reason.as_deref(), by)
        }
        CommandKind::PauseChain { chain_id } => pause(turn, scope, chain_id, true),
        CommandKind::ResumeChain { chain_id } => pause(turn, scope, chain_id, false),
        CommandKind::Signal { chain_id, signal: name, payload } => signal(turn, scope, chain_id, name, payload),
        CommandKind::ListChains { status, page } => list(turn.state, scope.0, scope.1, status.as_deref(), page),
        CommandKind::ShowChain { chain_id, with_definition } => show(turn.state, scope, chain_id, *with_definition),
        other => Ok(Reply::invalid(format!("`{}` is not about chains", other.name()))),
    }
}

/// `start_chain`: no rule looks at the action.
fn start<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    (namespace, tenant): (&str, &str),
    input: &Input<'_>,
    chain: &str,
    action: &Value,
) -> Result<Reply, StateError> {
    let text = action.to_string();
    let action = match Action::decode(text.as_bytes()) {
        Ok(action) => action,
        Err(error) => return Ok(Reply::invalid(format!("`action`: {error}"))),
    };
    if action.namespace != namespace || action.tenant != tenant {
        let message = format!(
            "`action` belongs to {}/{}, and the command to {namespace}/{tenant}: they must be the same",
            action.namespace, action.tenant
        );
        return Ok(Reply::invalid(message));
    }
    let Some(definition) = turn.definitions.chains.get(chain) else {
        return Ok(Reply::not_found(format!(
            "there is no chain `{chain}`; it is configured under [[chains.definitions]]"
        )));
    };
    let payload: Value = match serde_json::from_str(action.payload.get()) {
        Ok(payload) => payload,
        Err(error) => return Ok(Reply::invalid(format!("`action.payload`: {error}"))),
    };
    let action_id = match &action.id {
        Some(id) => Cow::Borrowed(&**id),
        None => Cow::Owned(ids::action_id(input.origin())),
    };
    let arrival = Arrival {
        action: &action,
        action_id: &action_id,
        // The command has records of its own, with ids made from its id and the same coordinates.
        identity: ids::derived(&ids::identity(namespace, tenant, &action_id, input.origin()), "start_chain"),
        origin: input.origin(),
        came: &payload,
        resume: None,
        released_by: None,
        holds: 0,
    };
    let subject = subject(&action, &action_id, &payload);
    let decision = Decision::default_allow();
    let decided = Decided::new(turn, &arrival, &subject, &decision);
    let id = super::begin(turn, &decided, definition)?;
    Ok(Reply::done(json!({
        "chain_id": id, "chain_name": definition.name, "action_id": action_id,
        "total_steps": definition.steps.len(), "first_step": definition.steps.first().map(|step| &step.name),
    })))
}

/// Does something to the chain that a command names, and answers with what it then is.
fn act<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    (namespace, tenant): (&str, &str),
    chain_id: &str,
    act: impl FnOnce(&mut Run<'_, '_, S, E>) -> Result<Option<Reply>, StateError>,
) -> Result<Reply, StateError> {
    let not_found = || Reply::not_found(format!("no chain `{chain_id}` in {namespace}/{tenant}"));
    let Ok(id) = Uuid::try_parse(chain_id) else { return Ok(not_found()) };
    match run::with(turn, (namespace, tenant), id, act)? {
        None => return Ok(not_found()),
        Some(Some(refused)) => return Ok(refused),
        Some(None) => {}
    }
    show(turn.state, (namespace, tenant), chain_id, false)
}

impl<S: State, E: Effects> Run<'_, '_, S, E> {
    /// Why a command can't be carried out, where the chain is over.
    pub(super) fn over(&self, what: &str) -> Option<Reply> {
        let status = self.head.status;
        (status != Status::Running)
            .then(|| Reply::conflict(format!("chain {} is {}; it can't {what}", self.head.id, status.tag())))
    }
}

/// `cancel_chain`.
fn cancel<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    chain_id: &str,
    reason: Option<&str>,
    by: Option<&str>,
) -> Result<Reply, StateError> {
    act(turn, scope, chain_id, |run| {
        run.drive()?;
        if let Some(over) = run.over("be cancelled") {
            return Ok(Some(over));
        }
        let reason = super::limits::cut(reason.unwrap_or("cancelled by command"), super::limits::MAX_ERROR_BYTES);
        run.cancel(reason, by.map(|by| super::limits::cut(by, super::limits::MAX_NAME_BYTES)))?;
        Ok(None)
    })
}

/// `pause_chain` and `resume_chain`; the sub-chain that the chain waits for does the same.
fn pause<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    chain_id: &str,
    paused: bool,
) -> Result<Reply, StateError> {
    act(turn, scope, chain_id, |run| {
        run.drive()?;
        if let Some(over) = run.over(if paused { "be paused" } else { "be resumed" }) {
            return Ok(Some(over));
        }
        if run.head.paused == paused {
            let is = if paused { "paused already" } else { "not paused" };
            return Ok(Some(Reply::conflict(format!("chain {chain_id} is {is}"))));
        }
        run.pause(paused)?;
        Ok(None)
    })
}

/// `signal`.
fn signal<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    chain_id: &str,
    signal: &str,
    payload: &Value,
) -> Result<Reply, StateError> {
    act(turn, scope, chain_id, |run| run.signal(signal, payload))
}

/// `show_chain`.
fn show<S: State>(
    state: &mut S,
    (namespace, tenant): (&str, &str),
    chain_id: &str,
    with_definition: bool,
) -> Result<Reply, StateError> {
    let found = match Uuid::try_parse(chain_id) {
        Ok(id) => kept::get(state, namespace, tenant, &id)?,
        Err(_) => None,
    };
    let Some(head) = found else {
        return Ok(Reply::not_found(format!("no chain `{chain_id}` in {namespace}/{tenant}")));
    };
    let definition = view::definition(state, &head)?;
    let mut shown = view::detail(state, &head, &definition)?;
    if with_definition {
        shown["definition"] = json!(definition);
    }
    Ok(Reply::done(shown))
}

/// `list_chains`.
fn list(
    state: &mut impl State,
    namespace: &str,
    tenant: &str,
    status: Option<&str>,
    page: &Page,
) -> Result<Reply, StateError> {
    if let Some(status) = status.filter(|status| !STATUSES.contains(status)) {
        return Ok(Reply::invalid(format!("no chain has the status `{status}`; use one of {}", STATUSES.join(", "))));
    }
    let mut prefix = Vec::with_capacity(64);
    keys::scoped(&mut prefix, Store::Chain, namespace, tenant);
    crate::page::list(state, &prefix, page, "chains", |_, entry| {
        let (_, head): (_, Head) = value::decode(entry, Store::Chain)?;
        let wanted = status.is_none_or(|status| view::status(&head) == status);
        Ok(wanted.then(|| view::summary(&head)))
    })
}
