use crate::chain;
use crate::circuit;
use crate::effect::{Effects, OtherDeadLetter};
use crate::input::Input;
use crate::keys::{self, Store};
use crate::progress::Progress;
use crate::record::failure_details;
use crate::state::{State, StateError};
use crate::step::Stepped;
use crate::turn::Turn;
use crate::value;
use crate::{ids, policy, retry};
use acteon_schemas::{
    AuditLabels, AuditPhase, AuditRecord, DeadLetterHolds, DeadLetterReason, DecodeError, Dispatch, DispatchContext,
    MAX_RESULT_BYTES, MAX_RESULT_DEPTH, Outcome, OutcomeDetail, OutcomeRecord, ProviderResult, ResultStatus,
    check_depth_of, check_size_of, tenant_key,
};
use serde_json::json;
use serde_json::value::to_raw_value;
use std::borrow::Cow;

/// How long a result is remembered, in milliseconds (24 hours): a connector that was cut off may send one again when it
/// comes back.
pub const SEEN_TTL_MS: u64 = 24 * 3600 * 1000;

fn decode(bytes: &[u8]) -> Result<ProviderResult<'_>, DecodeError> {
    check_size_of(bytes, MAX_RESULT_BYTES)?;
    check_depth_of(bytes, MAX_RESULT_DEPTH)?;
    Ok(serde_json::from_slice(bytes)?)
}

/// Turns a provider's result into the action's last outcome. A second result for the same call is dropped.
pub(crate) fn complete<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    input: &Input<'_>,
) -> Result<Stepped, StateError> {
    let now = turn.now;
    let mut result = match decode(input.value.unwrap_or_default()) {
        Ok(result) => result,
        Err(error) => {
            let code = error.kind.code().to_owned();
            turn.effects.dead_letter(DeadLetterReason { code, message: error.to_string() });
            return Ok(Stepped::DeadLettered);
        }
    };
    policy::load(turn, &result.namespace, &result.tenant)?;
    let call = Call {
        scope: (&result.namespace, &result.tenant),
        dispatch_id: &result.dispatch_id,
        provider: &result.provider,
        passed_over: !result.passed_over.is_empty(),
        retry: result.retry,
    };
    let key = call.seen_key();
    if value::is_set(turn.state.get(&key)?, Store::Seen, now)? {
        return Ok(Stepped::Repeated);
    }
    let mut remembered = Vec::with_capacity(9);
    value::begin(&mut remembered, now.saturating_add_unsigned(SEEN_TTL_MS));
    turn.state.put(&key, &remembered);
    circuit::report(turn, &result);
    if circuit::pass_on(turn, &mut result) {
        return Ok(Stepped::PassedOn);
    }

    match &result.context {
        Some(DispatchContext::Chain { chain_id, step, visit, attempt }) => {
            let answered = chain::Answered { chain_id, step, visit: *visit, attempt: *attempt };
            let taken = chain::complete(turn, &result, answered)?;
            return Ok(taken.map_or(Stepped::Stale, Stepped::Completed));
        }
        Some(DispatchContext::Notice { of }) => return Ok(Stepped::Completed(notice(turn, &result, of))),
        Some(DispatchContext::Copy { .. } | DispatchContext::Released { .. }) | None => {}
    }
    if retry::keep(turn, &mut result)? {
        return Ok(Stepped::Completed(Outcome::RetryScheduled));
    }
    Ok(Stepped::Completed(finish(turn, &result)?))
}

/// What tells the results of one dispatch from each other: it has a further one for each fallback that it went to, and for
/// each time that it was made again.
struct Call<'c> {
    scope: (&'c str, &'c str),
    dispatch_id: &'c str,
    provider: &'c str,
    /// Whether others were passed over for the provider.
    passed_over: bool,
    retry: u32,
}

impl Call<'_> {
    fn seen_key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(96);
        keys::scoped(&mut key, Store::Seen, self.scope.0, self.scope.1);
        let start = key.len();
        key.extend_from_slice(self.dispatch_id.as_bytes());
        if self.passed_over || self.retry > 0 {
            keys::push_text(&mut key, self.provider);
            key.extend_from_slice(&self.retry.to_be_bytes());
        }
        keys::limit_rest(&mut key, start);
        key
    }
}

/// Whether the result of a dispatch has come that was made again so often.
pub(crate) fn is_seen<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    dispatch: &Dispatch<'_>,
    retry: u32,
) -> Result<bool, StateError> {
    let call = Call {
        scope: (&dispatch.namespace, &dispatch.tenant),
        dispatch_id: &dispatch.dispatch_id,
        provider: &dispatch.provider,
        passed_over: !dispatch.passed_over.is_empty(),
        retry,
    };
    value::is_set(turn.state.get(&call.seen_key())?, Store::Seen, turn.now)
}

/// Tells the last outcome of a dispatch. What has failed for good is kept in the dead-letter topic.
pub(crate) fn finish<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    result: &ProviderResult<'_>,
) -> Result<Outcome, StateError> {
    let (outcome, detail) = conclude(result);
    audit(turn, result, outcome);
    let is_copy = matches!(result.context, Some(DispatchContext::Copy { .. }));
    if result.released_by.is_some() && !is_copy {
        let scope = (&*result.namespace, &*result.tenant);
        crate::recurring::follow(turn, scope, &result.action_id, None, outcome)?;
    }
    tell(turn, result, outcome, detail);
    if let (ResultStatus::Failed(error), Some(dispatch)) = (&result.result, &result.dispatch) {
        turn.effects.bury(OtherDeadLetter {
            source: &result.source,
            key: &tenant_key(&result.namespace, &result.tenant),
            value: dispatch.get().as_bytes(),
            holds: DeadLetterHolds::Dispatch,
            attempts: Some(result.attempts),
            reason: DeadLetterReason { code: error.code.to_string(), message: error.message.to_string() },
        });
    }
    Ok(outcome)
}

/// Emits the outcome of a dispatch: the last one, or that it waits for a retry.
pub(crate) fn tell<S, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    result: &ProviderResult<'_>,
    outcome: Outcome,
    detail: OutcomeDetail<'_>,
) {
    let is_copy = matches!(result.context, Some(DispatchContext::Copy { .. }));
    turn.effects.outcome(&OutcomeRecord {
        action_id: Cow::Borrowed(&result.action_id),
        namespace: Cow::Borrowed(&result.namespace),
        tenant: Cow::Borrowed(&result.tenant),
        provider: Cow::Borrowed(&result.provider),
        action_type: Cow::Borrowed(&result.action_type),
        outcome,
        rule: result.rule.as_deref().map(Cow::Borrowed),
        detail,
        is_final: !is_copy && outcome != Outcome::RetryScheduled,
        released_by: result.released_by.clone(),
        chain_id: None,
        decided_at: turn.now,
        source: result.source.clone(),
    });
}

/// Records what came of a notification that is not an action's own: nobody waits for an outcome of it.
fn notice<S, E: Effects>(turn: &mut Turn<'_, S, E>, result: &ProviderResult<'_>, of: &str) -> Outcome {
    let (outcome, mut details) = match &result.result {
        ResultStatus::Delivered(response) => (Outcome::NoticeSent, json!({"status": response.status})),
        ResultStatus::Failed(error) => {
            (Outcome::NoticeFailed, failure_details(&error.code, &error.message, error.retryable, result.attempts))
        }
    };
    details["notice_of"] = json!(of);
    let identity = ids::identity(&result.namespace, &result.tenant, &result.dispatch_id, &result.source);
    let record = Progress {
        id: ids::derived(&identity, "notice"),
        action_id: &result.action_id,
        namespace: &result.namespace,
        tenant: &result.tenant,
        provider: &result.provider,
        action_type: &result.action_type,
        verdict: "notice",
        rule: result.rule.as_deref(),
        outcome,
        details,
        began: result.decided_at,
        source: &result.source,
    };
    record.tell(turn);
    outcome
}

fn conclude<'r>(result: &'r ProviderResult<'_>) -> (Outcome, OutcomeDetail<'r>) {
    if circuit::is_open_failure(result) {
        let (first, others) = result.passed_over.split_first().unwrap_or((&result.provider, &[]));
        let detail = OutcomeDetail::CircuitOpen { provider: first.clone(), fallback_chain: others.to_vec() };
        return (Outcome::CircuitOpen, detail);
    }
    match (&result.result, &result.original_provider) {
        (ResultStatus::Delivered(response), None) => (Outcome::Executed, OutcomeDetail::Executed(response.clone())),
        (ResultStatus::Delivered(response), Some(original)) => (
            Outcome::Rerouted,
            OutcomeDetail::Rerouted {
                original_provider: Cow::Borrowed(original),
                new_provider: Cow::Borrowed(&result.provider),
                response: response.clone(),
                circuit_open: result.passed_over.clone(),
            },
        ),
        (ResultStatus::Failed(error), _) => (
            Outcome::Failed,
            OutcomeDetail::Failed {
                code: error.code.clone(),
                message: error.message.clone(),
                retryable: error.retryable,
                attempts: result.attempts,
            },
        ),
    }
}

fn audit<S, E: Effects>(turn: &mut Turn<'_, S, E>, result: &ProviderResult<'_>, outcome: Outcome) {
    let now = turn.now;
    let details = match &result.result {
        ResultStatus::Delivered(response) if outcome == Outcome::Rerouted => {
            let mut details = json!({
                "original_provider": result.original_provider, "new_provider": result.provider,
                "status": response.status,
            });
            if !result.passed_over.is_empty() {
                details["circuit_open"] = json!(result.passed_over);
            }
            details
        }
        ResultStatus::Delivered(response) => json!({"status": response.status}),
        ResultStatus::Failed(_) if outcome == Outcome::CircuitOpen => {
            json!({"provider": result.passed_over.first(), "fallback_chain": result.passed_over.get(1..)})
        }
        ResultStatus::Failed(error) => failure_details(&error.code, &error.message, error.retryable, result.attempts),
    };
    let verdict = if result.original_provider.is_some() { "reroute" } else { "allow" };
    let id = match &result.context {
        Some(DispatchContext::Copy { audit_id } | DispatchContext::Released { audit_id }) => {
            Cow::Borrowed(audit_id.as_str())
        }
        _ => {
            let identity = ids::identity(&result.namespace, &result.tenant, &result.action_id, &result.source);
            Cow::Owned(ids::audit_id(&identity))
        }
    };
    turn.effects.audit(&AuditRecord {
        id,
        phase: AuditPhase::Completed,
        action_id: Cow::Borrowed(&result.action_id),
        namespace: Cow::Borrowed(&result.namespace),
        tenant: Cow::Borrowed(&result.tenant),
        provider: Cow::Borrowed(&result.provider),
        original_provider: result.original_provider.as_deref().map(Cow::Borrowed),
        action_type: Cow::Borrowed(&result.action_type),
        verdict: Cow::Borrowed(verdict),
        matched_rule: result.rule.as_deref().map(Cow::Borrowed),
        admitted_by: Vec::new(),
        rewritten_by: Vec::new(),
        outcome,
        outcome_details: to_raw_value(&details).ok().map(Cow::Owned),
        action_payload: None,
        metadata: AuditLabels::default(),
        dispatched_at: result.decided_at,
        completed_at: Some(now),
        duration_ms: Some(u64::try_from(now.saturating_sub(result.decided_at)).unwrap_or(0)),
        expires_at: turn.audit_expires_at(),
        released_by: result.released_by.clone(),
        chain_id: None,
        caller_id: None,
        signer_id: None,
        kid: None,
        definitions_version: turn.definitions.version,
        source: result.source.clone(),
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use acteon_schemas::{MAX_DEPTH, MAX_RECORD_BYTES};
    use serde_json::Value;

    fn failed(payload: &Value) -> String {
        json!({
            "dispatch_id": "d", "action_id": "a", "namespace": "n", "tenant": "t", "provider": "p",
            "action_type": "x", "result": {"failed": {"code": "TIMEOUT", "message": "", "retryable": true}},
            "attempts": 1, "started_at": 1, "duration_ms": 1, "decided_at": 1, "dispatch": {"payload": payload},
            "source": {"topic": "a", "partition": 0, "offset": 1},
        })
        .to_string()
    }

    #[test]
    fn a_result_holds_the_largest_and_the_deepest_dispatch() {
        let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        let text = |bytes| json!("x".repeat(bytes));
        let most = MAX_RESULT_BYTES - failed(&text(0)).len();
        let cases = [
            (text(MAX_RECORD_BYTES), None),
            (text(most), None),
            (text(most + 1), Some("TOO_LARGE")),
            (nested(MAX_DEPTH - 1), None),
            (nested(MAX_DEPTH), Some("TOO_DEEP")),
        ];
        for (payload, code) in cases {
            let value = failed(&payload);
            assert_eq!(decode(value.as_bytes()).err().map(|error| error.kind.code()), code);
        }
    }
}
