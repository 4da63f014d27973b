//! Long retries: a dispatch that its connector has given up for now is kept, and made again minutes or hours later, with
//! the same idempotency key.
//!
//! What is kept is the result that told of the failure: it holds the dispatch. The timer in front of it is the time of the
//! retry. Chains have retries of their own, and notices none.

mod command;
#[cfg(test)]
mod tests;

pub(crate) use command::{cancel, list, now, replay};

use crate::circuit;
use crate::effect::Effects;
use crate::ids;
use crate::keys::{self, Store};
use crate::progress::Progress;
use crate::result::finish;
use crate::state::{State, StateError};
use crate::step::Stepped;
use crate::turn::Turn;
use crate::{time, value};
use acteon_schemas::{
    Dispatch, LongRetryDefinition, MAX_DERIVED_BYTES, Outcome, OutcomeDetail, ProviderError, ProviderResult,
    ResultStatus, error_code,
};
use serde_json::json;
use std::borrow::Cow;

/// Most dispatches of one tenant that wait for a retry at a time; a further one fails.
pub(crate) const MAX_WAITING: u64 = 10_000;
/// The longest jitter, as a part of the wait that it is added to.
const JITTER_PART: u64 = 10;
/// Begins the rest of the key of a dispatch that waits.
const WAITING: u8 = b'd';
/// The rest of the key of how many wait.
const COUNT: u8 = b'n';

fn key(namespace: &str, tenant: &str, dispatch_id: &str) -> Vec<u8> {
    let mut key = prefix(namespace, tenant, WAITING);
    let start = key.len();
    key.extend_from_slice(dispatch_id.as_bytes());
    keys::limit_rest(&mut key, start);
    key
}

fn prefix(namespace: &str, tenant: &str, what: u8) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(96);
    keys::scoped(&mut prefix, Store::Retry, namespace, tenant);
    prefix.push(what);
    prefix
}

/// How many dispatches of a tenant wait.
fn count<S: State>(state: &mut S, namespace: &str, tenant: &str) -> Result<u64, StateError> {
    match state.get(&prefix(namespace, tenant, COUNT))? {
        Some(stored) => Ok(value::decode(stored, Store::Retry)?.1),
        None => Ok(0),
    }
}

fn set_count<S: State>(state: &mut S, namespace: &str, tenant: &str, count: u64) {
    let key = prefix(namespace, tenant, COUNT);
    match count {
        0 => state.delete(&key),
        _ => state.put(&key, &value::encode(value::NEVER, &count)),
    }
}

/// How long a failed dispatch waits for its next retry, in milliseconds; `retry` is how often it was made again already.
///
/// The jitter comes from the dispatch's id, so that calls which failed together do not come again together.
fn wait(definition: &LongRetryDefinition, retry: u32, asked: Option<u64>, dispatch_id: &str) -> u64 {
    let doubled = definition.initial_ms.saturating_mul(1_u64.checked_shl(retry).unwrap_or(u64::MAX));
    let wait = doubled.max(asked.unwrap_or(0)).min(definition.max_ms);
    let digest = ids::digest(format!("retry/{dispatch_id}/{retry}").as_bytes());
    let random = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    wait.saturating_add(random % (wait / JITTER_PART + 1))
}

/// Keeps a dispatch that has failed for now, where its provider has long retries and one is left. Returns whether it waits;
/// where there is only no room for it, the failure's message says so.
pub(crate) fn keep<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    result: &mut ProviderResult<'_>,
) -> Result<bool, StateError> {
    let definitions = turn.definitions;
    let ResultStatus::Failed(error) = &result.result else { return Ok(false) };
    let may_pass = error.retryable || error.code == circuit::CIRCUIT_OPEN;
    let definition =
        definitions.long_retries.get(chosen(result)).filter(|definition| result.retry < definition.max_retries);
    let (true, Some(definition)) = (may_pass, definition) else { return Ok(false) };
    let wait = wait(definition, result.retry, error.retry_after_ms, &result.dispatch_id);
    let due = turn.now.saturating_add_unsigned(wait);
    let entry = value::encode(due, result);
    let key = key(&result.namespace, &result.tenant, &result.dispatch_id);
    let waiting = count(turn.state, &result.namespace, &result.tenant)?;
    let is_new = turn.state.get(&key)?.is_none();
    let problem = if result.dispatch.is_none() {
        "its connector did not send the dispatch back".to_owned()
    } else if is_new && waiting >= MAX_WAITING {
        format!("{waiting} dispatches of this tenant wait already, which is the limit")
    } else if entry.len() > MAX_DERIVED_BYTES {
        format!("it takes {} bytes to keep; the limit is {MAX_DERIVED_BYTES}", entry.len())
    } else {
        turn.state.put(&key, &entry);
        set_count(turn.state, &result.namespace, &result.tenant, waiting + u64::from(is_new));
        tell(turn, result, due);
        return Ok(true);
    };
    if let ResultStatus::Failed(error) = &mut result.result {
        error.message = Cow::Owned(format!("{}; not made again later: {problem}", error.message));
    }
    Ok(false)
}

/// The provider that the call was meant for, whichever of its fallbacks was called.
fn chosen<'r>(result: &'r ProviderResult<'_>) -> &'r str {
    result.passed_over.first().unwrap_or(&result.provider)
}

/// Tells that a dispatch waits for a retry.
fn tell<S, E: Effects>(turn: &mut Turn<'_, S, E>, result: &ProviderResult<'_>, due: i64) {
    let ResultStatus::Failed(error) = &result.result else { return };
    let (retry, retry_at) = (result.retry + 1, time::rfc3339(due));
    let identity = ids::identity(&result.namespace, &result.tenant, &result.dispatch_id, &result.source);
    let record = Progress {
        id: ids::derived(&identity, &format!("retry/{}/{retry}", result.provider)),
        action_id: &result.action_id,
        namespace: &result.namespace,
        tenant: &result.tenant,
        provider: &result.provider,
        action_type: &result.action_type,
        verdict: "retry",
        rule: result.rule.as_deref(),
        outcome: Outcome::RetryScheduled,
        details: json!({
            "code": error.code, "message": error.message, "attempts": result.attempts, "retry": retry,
            "retry_at": retry_at, "dispatch_id": result.dispatch_id,
        }),
        began: result.decided_at,
        source: &result.source,
    };
    record.tell(turn);
    let detail = OutcomeDetail::RetryScheduled {
        code: error.code.clone(),
        message: error.message.clone(),
        attempts: result.attempts,
        retry,
        retry_at: retry_at.into(),
    };
    crate::result::tell(turn, result, Outcome::RetryScheduled, detail);
}

/// Makes a dispatch again whose time has come.
pub(crate) fn fire<S: State, E: Effects>(turn: &mut Turn<'_, S, E>, entry: &[u8]) -> Result<Stepped, StateError> {
    let (_, result): (_, ProviderResult<'_>) = value::decode(entry, Store::Retry)?;
    Ok(Stepped::Fired(Some(again(turn, result)?)))
}

/// Takes a dispatch out of those that wait.
fn remove<S: State, E>(turn: &mut Turn<'_, S, E>, result: &ProviderResult<'_>) -> Result<(), StateError> {
    let (namespace, tenant) = (&result.namespace, &result.tenant);
    turn.state.delete(&key(namespace, tenant, &result.dispatch_id));
    let left = count(turn.state, namespace, tenant)?.saturating_sub(1);
    set_count(turn.state, namespace, tenant, left);
    Ok(())
}

/// Makes a dispatch again; returns what became of it.
fn again<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    mut result: ProviderResult<'_>,
) -> Result<Outcome, StateError> {
    remove(turn, &result)?;
    let corrupt = StateError::Corrupt { store: Store::Retry.name(), problem: "the dispatch can't be decoded" };
    let Some(raw) = result.dispatch.clone() else { return Err(corrupt) };
    let Ok(dispatch) = serde_json::from_str::<Dispatch<'_>>(raw.get()) else { return Err(corrupt) };
    match send(turn, dispatch, result.retry.saturating_add(1)) {
        Ok(()) => Ok(Outcome::Dispatched),
        Err(Unsent::NoProvider(error)) => {
            result.result = ResultStatus::Failed(error);
            finish(turn, &result)
        }
        Err(Unsent::Open(open)) => {
            result.result = ResultStatus::Failed(ProviderError {
                code: circuit::CIRCUIT_OPEN.into(),
                message: circuit::message(&open).into(),
                retryable: true,
                retry_after_ms: None,
            });
            result.passed_over = open.into_iter().map(Cow::Owned).collect();
            (result.retry, result.attempts) = (result.retry.saturating_add(1), 0);
            if keep(turn, &mut result)? { Ok(Outcome::RetryScheduled) } else { finish(turn, &result) }
        }
    }
}

/// Why a dispatch was not made again.
enum Unsent {
    /// There is no such provider any more.
    NoProvider(ProviderError<'static>),
    /// Its provider's circuit is open, and so are those of the fallbacks.
    Open(Vec<String>),
}

/// Has the provider called that a dispatch was meant for in the first place, or the fallback that its circuit sends it to.
fn send<S, E: Effects>(turn: &mut Turn<'_, S, E>, mut dispatch: Dispatch<'_>, retry: u32) -> Result<(), Unsent> {
    let definitions = turn.definitions;
    let chosen = dispatch.passed_over.first().unwrap_or(&dispatch.provider).clone().into_owned();
    if !definitions.providers.contains(&chosen) {
        let message = format!("no provider named `{chosen}` is configured any more; add it under [[providers]]");
        return Err(Unsent::NoProvider(ProviderError {
            code: error_code::PROVIDER_NOT_FOUND.into(),
            message: message.into(),
            retryable: false,
            retry_after_ms: None,
        }));
    }
    let route = circuit::route(definitions, turn.now, &chosen)
        .map_err(|open| Unsent::Open(open.into_iter().map(str::to_owned).collect()))?;
    // Where a fallback was called, the circuit had made it so.
    dispatch.original_provider = dispatch.original_provider.filter(|original| *original != chosen);
    if let Some(chosen) = route.chosen() {
        dispatch.original_provider.get_or_insert_with(|| Cow::Owned(chosen.to_owned()));
    }
    dispatch.provider = Cow::Owned(route.provider.to_owned());
    dispatch.passed_over = route.passed_over.iter().map(|name| Cow::Owned((*name).to_owned())).collect();
    dispatch.probe = route.probe;
    dispatch.retry = retry;
    dispatch.task = turn.task.partition;
    turn.effects.dispatch(&dispatch);
    Ok(())
}
