use crate::definitions::Definitions;
use crate::effect::Effects;
use crate::gates::Gates;
use crate::ids;
use crate::input::{Input, InputKind, Task};
use crate::record::{Decided, failure_details};
use crate::state::{State, StateError};
use crate::step::Stepped;
use acteon_rules::{Decision, RuleAction, Subject, Verdict};
use acteon_schemas::{Action, DecodeError, Dispatch, Outcome, OutcomeDetail, RetryAfter, partition_of, tenant_key};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use std::borrow::Cow;

/// Decides about one action.
pub(crate) fn decide<S: State>(
    definitions: &Definitions,
    task: Task,
    state: &mut S,
    now: i64,
    input: &Input<'_>,
    effects: &mut impl Effects,
) -> Result<Stepped, StateError> {
    let action = match Action::decode(input.value.unwrap_or_default()) {
        Ok(action) => action,
        Err(error) => return Ok(dead_letter(&error, effects)),
    };
    if input.kind == InputKind::Action {
        let key = tenant_key(&action.namespace, &action.tenant);
        let home = partition_of(key.as_bytes(), task.partitions);
        if home != task.partition {
            effects.repartition(home, &key);
            return Ok(Stepped::Repartitioned);
        }
    }
    let payload: Value = match serde_json::from_str(action.payload.get()) {
        Ok(payload) => payload,
        Err(error) => return Ok(dead_letter(&DecodeError::from(error), effects)),
    };
    let action_id = match &action.id {
        Some(id) => Cow::Borrowed(&**id),
        None => Cow::Owned(ids::action_id(input.origin())),
    };
    let mut subject = subject(&action, &action_id, &payload);
    let mut gates = Gates::new(state, now);
    let decision = definitions.rules.walk(&mut subject, now, None, &mut gates, None)?;
    let decided = Decided {
        input,
        action: &action,
        action_id: &action_id,
        identity: ids::identity(&action.namespace, &action.tenant, &action_id, input.origin()),
        subject: &subject,
        decision: &decision,
        audit_payload: definitions.audit_store_payload.then(|| definitions.redaction.apply(&action.payload, &payload)),
        definitions_version: definitions.version,
        now,
    };
    Ok(Stepped::Decided(conclude(definitions, task, &decided, gates, effects)))
}

/// The action as rules see it.
pub(crate) fn subject<'s>(action: &'s Action<'_>, action_id: &'s str, payload: &'s Value) -> Subject<'s> {
    Subject {
        id: action_id,
        namespace: &action.namespace,
        tenant: &action.tenant,
        provider: Cow::Borrowed(&action.provider),
        action_type: &action.action_type,
        payload: Cow::Borrowed(payload),
        metadata: &action.metadata.0,
        dedup_key: action.dedup_key.as_deref(),
        status: action.status.as_deref(),
        fingerprint: action.fingerprint.as_deref(),
        extra: &action.extra,
    }
}

fn dead_letter(error: &DecodeError, effects: &mut impl Effects) -> Stepped {
    effects.dead_letter(acteon_schemas::DeadLetterReason {
        code: error.kind.code().to_owned(),
        message: error.to_string(),
    });
    Stepped::DeadLettered
}

/// Turns a decision into effects. What the gates counted is kept only where the action goes on.
fn conclude<S: State>(
    definitions: &Definitions,
    task: Task,
    decided: &Decided<'_, '_>,
    gates: Gates<'_, S>,
    effects: &mut impl Effects,
) -> Outcome {
    let decision = decided.decision;
    match &decision.verdict {
        Verdict::Deny | Verdict::DefaultDeny | Verdict::Suppress => block(decided, effects),
        Verdict::Deduplicated => {
            decided.tell(Outcome::Deduplicated, OutcomeDetail::Deduplicated, None, effects);
            Outcome::Deduplicated
        }
        Verdict::Throttled => {
            let wait = gates.retry_after_ms.unwrap_or_default();
            let retry_after = RetryAfter::from_millis(wait);
            // Whole seconds for those who count in them, rounded up: waiting that long is enough.
            let details = json!({"retry_after_secs": wait.div_ceil(1000), "retry_after_ms": wait});
            decided.tell(Outcome::Throttled, OutcomeDetail::Throttled { retry_after }, Some(details), effects);
            Outcome::Throttled
        }
        Verdict::Allow | Verdict::DefaultAllow | Verdict::Reroute { .. } => {
            if let Some((code, message)) = refusal(definitions, decided) {
                return fail(decided, code, &message, effects);
            }
            gates.apply();
            dispatch(task, decided, effects);
            Outcome::Dispatched
        }
        Verdict::Chain | Verdict::Capture | Verdict::Delayed => {
            // Definitions that ask for these are refused when they are compiled.
            let message = "the rule asks for what this version does not perform";
            fail(decided, "NOT_SUPPORTED", message, effects)
        }
    }
}

fn block(decided: &Decided<'_, '_>, effects: &mut impl Effects) -> Outcome {
    let decision: &Decision<'_> = decided.decision;
    let rule = decision.rule.map_or("default", |rule| rule.name.as_str());
    let reason = match decision.rule.map(|rule| &rule.action) {
        Some(RuleAction::Suppress { reason: Some(reason) }) => Some(Cow::Borrowed(reason.as_str())),
        _ => None,
    };
    let details = json!({ "rule": rule });
    let detail = OutcomeDetail::Suppressed { rule: Cow::Borrowed(rule), reason };
    decided.tell(Outcome::Suppressed, detail, Some(details), effects);
    Outcome::Suppressed
}

/// Why an admitted action can't be dispatched, if it can't.
fn refusal(definitions: &Definitions, decided: &Decided<'_, '_>) -> Option<(&'static str, String)> {
    let provider = &*decided.subject.provider;
    if !definitions.providers.contains(provider) {
        let message = format!("no provider named `{provider}` is configured; add it under [[providers]]");
        return Some(("PROVIDER_NOT_FOUND", message));
    }
    if decided.action.dispatch_at.is_some() {
        let message = "`dispatch_at` is not performed by this version; send the action when it is due".to_owned();
        return Some(("NOT_SUPPORTED", message));
    }
    None
}

fn fail(decided: &Decided<'_, '_>, code: &'static str, message: &str, effects: &mut impl Effects) -> Outcome {
    let detail = OutcomeDetail::Failed { code: code.into(), message: message.into(), retryable: false, attempts: 0 };
    decided.tell(Outcome::Failed, detail, Some(failure_details(code, message, false, 0)), effects);
    Outcome::Failed
}

fn dispatch(task: Task, decided: &Decided<'_, '_>, effects: &mut impl Effects) {
    let (action, subject) = (decided.action, decided.subject);
    let dispatch_id = ids::dispatch_id(&decided.identity);
    let payload = match &subject.payload {
        // Nothing changed it: it is passed on as it came.
        Cow::Borrowed(_) => Cow::Borrowed(&*action.payload),
        Cow::Owned(rewritten) => to_raw_value(rewritten).map_or_else(|_| action.payload.clone(), Cow::Owned),
    };
    effects.dispatch(&Dispatch {
        dispatch_id: Cow::Borrowed(&dispatch_id),
        action_id: Cow::Borrowed(decided.action_id),
        namespace: Cow::Borrowed(&action.namespace),
        tenant: Cow::Borrowed(&action.tenant),
        provider: Cow::Borrowed(&subject.provider),
        original_provider: decided.original_provider(),
        action_type: Cow::Borrowed(&action.action_type),
        payload,
        metadata: Cow::Borrowed(&action.metadata),
        dedup_key: action.dedup_key.clone(),
        status: action.status.clone(),
        fingerprint: action.fingerprint.clone(),
        created_at: action.created_at.clone(),
        extra: action.extra.clone(),
        rule: decided.decision.rule.map(|rule| Cow::Borrowed(rule.name.as_str())),
        context: None,
        released_by: None,
        decided_at: decided.now,
        task: task.partition,
        source: decided.input.origin().clone(),
    });
    let detail = OutcomeDetail::Dispatched { dispatch_id: Cow::Borrowed(&dispatch_id) };
    decided.tell(Outcome::Dispatched, detail, None, effects);
}
