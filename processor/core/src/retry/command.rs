//! What an operator asks of dispatches that wait for a retry, and of those that have failed for good.

use super::{Unsent, WAITING, again, key, prefix, remove, send};
use crate::circuit;
use crate::effect::Effects;
use crate::keys::Store;
use crate::reply::Reply;
use crate::result::{finish, is_seen};
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::{time, value};
use acteon_schemas::{Dispatch, DispatchContext, Page, ProviderResult, ResultStatus};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Most retry numbers looked at for one that no result has come for.
const MAX_NUMBERS: u32 = 1_000;

/// `list_retries`.
pub(crate) fn list(state: &mut impl State, namespace: &str, tenant: &str, page: &Page) -> Result<Reply, StateError> {
    crate::page::list(state, &prefix(namespace, tenant, WAITING), page, "retries", |_, entry| {
        let (due, result): (_, ProviderResult<'_>) = value::decode(entry, Store::Retry)?;
        Ok(Some(shown(&result, due)))
    })
}

fn shown(result: &ProviderResult<'_>, due: i64) -> Value {
    let (code, message) = match &result.result {
        ResultStatus::Failed(error) => (&*error.code, &*error.message),
        ResultStatus::Delivered(_) => ("", ""),
    };
    json!({
        "dispatch_id": result.dispatch_id, "action_id": result.action_id, "provider": result.provider,
        "action_type": result.action_type, "code": code, "message": message, "attempts": result.attempts,
        "retry": result.retry + 1, "retry_at": time::rfc3339(due), "decided_at": time::rfc3339(result.decided_at),
    })
}

/// `retry_now`.
pub(crate) fn now<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    namespace: &str,
    tenant: &str,
    dispatch_id: &str,
) -> Result<Reply, StateError> {
    let Some(entry) = turn.state.get(&key(namespace, tenant, dispatch_id))?.map(<[u8]>::to_vec) else {
        return Ok(none(namespace, tenant, dispatch_id));
    };
    let (_, result): (_, ProviderResult<'_>) = value::decode(&entry, Store::Retry)?;
    let (provider, retry) = (result.provider.to_string(), result.retry + 1);
    let outcome = again(turn, result)?;
    Ok(Reply::done(json!({"dispatch_id": dispatch_id, "provider": provider, "retry": retry, "status": outcome})))
}

/// `cancel_retry`: it fails with its last error.
pub(crate) fn cancel<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    namespace: &str,
    tenant: &str,
    dispatch_id: &str,
    command_id: &str,
) -> Result<Reply, StateError> {
    let Some(entry) = turn.state.get(&key(namespace, tenant, dispatch_id))?.map(<[u8]>::to_vec) else {
        return Ok(none(namespace, tenant, dispatch_id));
    };
    let (_, mut result): (_, ProviderResult<'_>) = value::decode(&entry, Store::Retry)?;
    remove(turn, &result)?;
    if let ResultStatus::Failed(error) = &mut result.result {
        error.message = Cow::Owned(format!("{}; given up by command {command_id}", error.message));
    }
    let outcome = finish(turn, &result)?;
    Ok(Reply::done(json!({"dispatch_id": dispatch_id, "provider": result.provider, "status": outcome})))
}

fn none(namespace: &str, tenant: &str, dispatch_id: &str) -> Reply {
    Reply::not_found(format!("no dispatch `{dispatch_id}` waits for a retry in {namespace}/{tenant}"))
}

/// `replay_dispatch`: makes a dispatch again that has failed for good. Its retries are counted on, so that its result is
/// told from those before.
pub(crate) fn replay<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    namespace: &str,
    tenant: &str,
    dispatch: &Value,
) -> Result<Reply, StateError> {
    let text = dispatch.to_string();
    let dispatch: Dispatch<'_> = match serde_json::from_str(&text) {
        Ok(dispatch) => dispatch,
        Err(error) => return Ok(Reply::invalid(format!("`dispatch` is none: {error}"))),
    };
    if (&*dispatch.namespace, &*dispatch.tenant) != (namespace, tenant) {
        let whose = format!("{}/{}", dispatch.namespace, dispatch.tenant);
        return Ok(Reply::invalid(format!("the dispatch is one of {whose}; send the command there")));
    }
    if let Some(DispatchContext::Chain { chain_id, .. }) = &dispatch.context {
        let message =
            format!("the dispatch is a step of chain {chain_id}, which does not wait for it; start the chain again");
        return Ok(Reply::conflict(message));
    }
    let id = dispatch.dispatch_id.to_string();
    if turn.state.get(&key(namespace, tenant, &id))?.is_some() {
        return Ok(Reply::conflict(format!("dispatch `{id}` waits for a retry; make it now with retry_now")));
    }
    let mut retry = dispatch.retry.saturating_add(1);
    let last = retry.saturating_add(MAX_NUMBERS);
    while retry < last && is_seen(turn, &dispatch, retry)? {
        retry += 1;
    }
    let (action_id, provider) = (dispatch.action_id.to_string(), dispatch.provider.to_string());
    match send(turn, dispatch, retry) {
        Ok(()) => Ok(Reply::done(json!({
            "dispatch_id": id, "action_id": action_id, "provider": provider, "retry": retry, "status": "dispatched",
        }))),
        Err(Unsent::NoProvider(error)) => Ok(Reply::not_found(error.message)),
        Err(Unsent::Open(open)) => Ok(Reply::conflict(circuit::message(&open))),
    }
}
