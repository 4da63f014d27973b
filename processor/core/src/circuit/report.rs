//! What results mean for circuits: reports to their keepers, and calls that go on to a fallback.

use super::MAX_FALLBACKS;
use super::route::route;
use crate::effect::Effects;
use crate::ids;
use crate::turn::Turn;
use acteon_schemas::error_code::{CIRCUIT_OPEN, counts_for_circuit};
use acteon_schemas::{
    CIRCUITS_NAMESPACE, Command, CommandKind, Dispatch, ProviderResult, ResultStatus, partition_of, tenant_key,
};
use std::borrow::Cow;

/// Whether a result says that no call was made since the circuit is open.
pub(crate) fn is_open_failure(result: &ProviderResult<'_>) -> bool {
    matches!(&result.result, ResultStatus::Failed(error) if error.code == CIRCUIT_OPEN)
}

/// Tells the keeper of a provider's circuit what came of a call, where that can change it: while nothing fails, nothing is
/// told.
pub(crate) fn report<S, E: Effects>(turn: &mut Turn<'_, S, E>, result: &ProviderResult<'_>) {
    let circuits = &turn.definitions.circuits;
    if circuits.definition(&result.provider).is_none() {
        return;
    }
    let code = match &result.result {
        ResultStatus::Failed(error) if !counts_for_circuit(&error.code) => return,
        ResultStatus::Failed(error) => Some(error.code.to_string()),
        ResultStatus::Delivered(_) => {
            let state = circuits.state(&result.provider);
            let counts = state.is_some_and(|state| state.failures > 0 || state.opened_at.is_some());
            if !counts && result.probe.is_none() {
                return;
            }
            None
        }
    };
    let partition = partition_of(tenant_key(CIRCUITS_NAMESPACE, &result.provider).as_bytes(), turn.task.partitions);
    let command = Command {
        id: ids::report_id(&result.dispatch_id, &result.provider, result.retry),
        namespace: CIRCUITS_NAMESPACE.to_owned(),
        tenant: result.provider.to_string(),
        issued_at: turn.now,
        issued_by: None,
        command: CommandKind::ReportCall { success: code.is_none(), probe: result.probe, code },
    };
    turn.effects.command(partition, &command);
}

/// Sends a call that a connector did not make, since the circuit is open, to the provider's fallback. Returns whether there
/// was one to send it to; else the result names all that were passed over.
pub(crate) fn pass_on<S, E: Effects>(turn: &mut Turn<'_, S, E>, result: &mut ProviderResult<'_>) -> bool {
    if !is_open_failure(result) {
        return false;
    }
    let definitions = turn.definitions;
    let refused = result.provider.clone();
    let fallback = definitions.circuits.definition(&refused).and_then(|circuit| circuit.fallback_provider.as_deref());
    let chosen = result.passed_over.first().cloned().unwrap_or_else(|| refused.clone());
    result.passed_over.push(refused);
    let Some(fallback) = fallback else { return false };
    let route = match route(definitions, turn.now, fallback) {
        Ok(route) => route,
        Err(open) => {
            result.passed_over.extend(open.into_iter().map(|name| Cow::Owned(name.to_owned())));
            return false;
        }
    };
    result.passed_over.extend(route.passed_over.iter().map(|name| Cow::Owned((*name).to_owned())));
    // Between two definitions the fallbacks may have been turned round.
    let again = result.passed_over.iter().any(|name| *name == route.provider);
    if again || result.passed_over.len() > MAX_FALLBACKS {
        return false;
    }
    let Some(raw) = &result.dispatch else { return false };
    let Ok(mut dispatch) = serde_json::from_str::<Dispatch<'_>>(raw.get()) else { return false };
    dispatch.original_provider.get_or_insert(chosen);
    dispatch.provider = Cow::Borrowed(route.provider);
    dispatch.passed_over.clone_from(&result.passed_over);
    dispatch.probe = route.probe;
    dispatch.task = turn.task.partition;
    turn.effects.dispatch(&dispatch);
    true
}
