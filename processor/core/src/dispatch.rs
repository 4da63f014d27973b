use crate::circuit::Route;
use crate::effect::Effects;
use crate::ids;
use crate::input::Task;
use crate::record::Decided;
use crate::template::Rendered;
use acteon_schemas::{Dispatch, DispatchContext, OutcomeDetail};
use serde_json::json;
use serde_json::value::to_raw_value;
use std::borrow::Cow;

/// Has the provider called that the circuits let the action go to, with the payload that the tenant's profile has made
/// where there is one.
pub(crate) fn dispatch(
    task: Task,
    decided: &Decided<'_, '_>,
    route: &Route<'_>,
    rendered: Option<Rendered>,
    effects: &mut impl Effects,
) {
    let dispatch_id = ids::dispatch_id(&decided.arrival.identity);
    let mut record = record(task, decided, route, &dispatch_id);
    if let Some(Rendered { payload, profile, extra }) = rendered {
        (record.payload, record.extra) = (Cow::Owned(payload), extra);
        record.rendered_by = Some(Cow::Owned(profile));
    }
    effects.dispatch(&record);
    let detail = OutcomeDetail::Dispatched { dispatch_id: Cow::Borrowed(&dispatch_id) };
    let details = (!route.passed_over.is_empty()).then(|| json!({"circuit_open": route.passed_over}));
    decided.tell_sent(route, detail, details, effects);
}

/// The call that a decision asks for.
fn record<'d>(task: Task, decided: &'d Decided<'_, '_>, route: &'d Route<'d>, dispatch_id: &'d str) -> Dispatch<'d> {
    let (action, subject) = (decided.arrival.action, decided.subject);
    let payload = match &subject.payload {
        // Nothing changed it: it is passed on as it came.
        Cow::Borrowed(_) => Cow::Borrowed(&*action.payload),
        Cow::Owned(rewritten) => to_raw_value(rewritten).map_or_else(|_| action.payload.clone(), Cow::Owned),
    };
    Dispatch {
        dispatch_id: Cow::Borrowed(dispatch_id),
        action_id: Cow::Borrowed(decided.arrival.action_id),
        namespace: Cow::Borrowed(&action.namespace),
        tenant: Cow::Borrowed(&action.tenant),
        provider: Cow::Borrowed(route.provider),
        original_provider: decided.original_provider(Some(route)),
        action_type: Cow::Borrowed(&action.action_type),
        payload,
        metadata: Cow::Borrowed(&action.metadata),
        dedup_key: action.dedup_key.clone(),
        status: action.status.clone(),
        fingerprint: action.fingerprint.clone(),
        created_at: action.created_at.clone(),
        extra: action.extra.clone(),
        rendered_by: None,
        rule: decided.decision.rule.map(|rule| Cow::Borrowed(rule.name.as_str())),
        context: context(decided),
        released_by: decided.released_by(),
        passed_over: route.passed_over(),
        retry: 0,
        probe: route.probe,
        decided_at: decided.now,
        task: task.partition,
        source: decided.arrival.origin.clone(),
    }
}

/// What tells the result which audit record it completes, where that is not the one of the action's own arrival.
fn context(decided: &Decided<'_, '_>) -> Option<DispatchContext> {
    let audit_id = || ids::audit_id(&decided.arrival.identity);
    if decided.copy {
        Some(DispatchContext::Copy { audit_id: audit_id() })
    } else {
        decided.arrival.released_by.map(|_| DispatchContext::Released { audit_id: audit_id() })
    }
}
