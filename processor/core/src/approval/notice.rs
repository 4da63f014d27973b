//! The notification of a request: the one place where the signature of its links is.

use super::Approval;
use super::link::Target;
use crate::circuit;
use crate::effect::Effects;
use crate::record::Decided;
use crate::state::State;
use crate::turn::Turn;
use crate::{ids, time};
use acteon_schemas::{Dispatch, DispatchContext, Metadata};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, json};
use std::borrow::Cow;

/// `action_type` of the notification.
const NOTIFICATION: &str = "approval_notification";

/// When links expire, in seconds since 1970: not before the request does.
fn link_expiry(expires_at: i64) -> i64 {
    expires_at.div_euclid(1000) + i64::from(expires_at.rem_euclid(1000) != 0)
}

/// Has a provider tell a person, with links to decide by.
///
/// # Errors
/// Why nobody is told.
pub(super) fn notify<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
    target: Target<'_>,
    approval: &Approval<'_>,
    provider: &str,
) -> Result<(), String> {
    if !turn.definitions.providers.contains(provider) {
        return Err(format!("no provider named `{provider}` is configured"));
    }
    let definitions = turn.definitions;
    let route = circuit::route(definitions, turn.now, provider).map_err(|open| circuit::message(&open))?;
    let query = target
        .query(&turn.definitions.secrets.approval_keys, link_expiry(approval.expires_at))
        .ok_or("no key signs links: set [server] approval_secret")?;
    let external_url = turn.definitions.settings.external_url.as_deref();
    let approve = target.url(external_url, "approve") + &query;
    let reject = target.url(external_url, "reject") + &query;
    let action = decided.arrival.action;
    let expires_at = time::rfc3339(approval.expires_at);
    let message = approval.message.as_deref().unwrap_or("An action waits for approval");
    let body = format!(
        "{message}\n\nAction {} ({}) of {}/{} for provider {} waits for a decision until {expires_at}.\n\nApprove: \
         {approve}\nReject: {reject}\n",
        approval.action_id, action.action_type, action.namespace, action.tenant, approval.provider,
    );
    let payload = json!({
        "subject": format!("Approval required: {message}"), "body": body, "message": message,
        "approval_url": approve, "reject_url": reject, "approval_id": target.id,
        "action_id": approval.action_id, "action_type": action.action_type, "namespace": action.namespace,
        "tenant": action.tenant, "expires_at": expires_at,
    });
    let payload = to_raw_value(&payload).unwrap_or_else(|_| RawValue::NULL.to_owned());
    turn.effects.dispatch(&Dispatch {
        dispatch_id: Cow::Owned(ids::derived(&decided.arrival.identity, "approval/notice").to_string()),
        action_id: Cow::Borrowed(decided.arrival.action_id),
        namespace: Cow::Borrowed(&action.namespace),
        tenant: Cow::Borrowed(&action.tenant),
        provider: Cow::Borrowed(route.provider),
        original_provider: route.chosen().map(Cow::Borrowed),
        action_type: Cow::Borrowed(NOTIFICATION),
        payload: Cow::Owned(payload),
        metadata: Cow::Owned(Metadata::default()),
        dedup_key: None,
        status: None,
        fingerprint: None,
        created_at: None,
        extra: Map::new(),
        rendered_by: None,
        rule: Some(Cow::Borrowed(&approval.rule)),
        context: Some(DispatchContext::Notice { of: "approval".to_owned() }),
        released_by: None,
        passed_over: route.passed_over(),
        retry: 0,
        probe: route.probe,
        decided_at: turn.now,
        task: turn.task.partition,
        source: decided.arrival.origin.clone(),
    });
    Ok(())
}
