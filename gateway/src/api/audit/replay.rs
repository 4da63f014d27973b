//! Actions sent once more, made from their audit records. The rules decide about them anew.

use super::query;
use super::shape::{AuditFilterParams, AuditPageParams, AuditScopeParams};
use super::{Pairs, find, pairs};
use crate::api::openapi::Refused;
use crate::api::{Api, ApiError};
use crate::log::{Asks, Identity, Topic, Trace};
use crate::view::audit::AuditEntry;
use acteon_schemas::{Action, AuditPhase, Metadata};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

/// The label that names the action that another one repeats.
const REPLAYED_FROM: &str = "replayed_from";

/// What came of one replay.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Replayed {
    original_action_id: String,
    /// The id of the action that was sent, whose outcome and audit record are to be found by it.
    new_action_id: Option<String>,
    /// Whether it is written; what becomes of it is told by its outcome.
    success: bool,
    error: Option<String>,
}

/// What came of many.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AllReplayed {
    replayed: usize,
    failed: usize,
    skipped: usize,
    results: Vec<Replayed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Why a record is not replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum NoReplay {
    #[error("the audit record tells of a step of something larger, which is no action")]
    Step,
    #[error("the audit record has no payload: it was not stored")]
    NoPayload,
    #[error("another record of the same action is replayed already")]
    Repeated,
}

/// Sends an action once more
#[utoipa::path(post, path = "/v1/audit/{action_id}/replay", tag = "audit", params(("action_id" = String, Path), AuditScopeParams), responses(
    (status = 200, description = "It is written, with a new id", body = Replayed),
    Refused<404>, Refused<409>, Refused<413>, Refused<422>, Refused<429>,
))]
pub(super) async fn one(
    State(api): State<Api>,
    action_id: Result<Path<String>, PathRejection>,
    scope: Pairs,
) -> Result<Json<Replayed>, ApiError> {
    let record = find(&api, action_id, scope).await?;
    let action = again(&record).map_err(|error| ApiError::unprocessable("NOT_REPLAYABLE", error.to_string()))?;
    let new_action_id = send(&api, &action)?.written().await?;
    Ok(Json(Replayed {
        original_action_id: record.action_id,
        new_action_id: Some(new_action_id),
        success: true,
        error: None,
    }))
}

/// Sends the actions of a page of records once more, the oldest first
#[utoipa::path(post, path = "/v1/audit/replay", tag = "audit", params(AuditFilterParams, AuditPageParams), responses(
    (status = 200, description = "What came of each", body = AllReplayed),
    Refused<422>,
))]
pub(super) async fn all(State(api): State<Api>, question: Pairs) -> Result<Json<AllReplayed>, ApiError> {
    let question = query::page(pairs(question)?)?;
    let filter = question.filter.clone();
    let page = api.audit()?.store().query(question).await?;
    let next_cursor = page.next.map(|position| super::cursor::encode(position, &filter));
    let mut all = AllReplayed { next_cursor, ..AllReplayed::default() };
    let mut seen = BTreeSet::new();
    let mut sent = Vec::new();
    // The oldest first, as they came.
    for record in page.records.into_iter().rev() {
        let repeated = !seen.insert((record.namespace.clone(), record.tenant.clone(), record.action_id.clone()));
        let action = if repeated { Err(NoReplay::Repeated) } else { again(&record) };
        match action.map(|action| send(&api, &action)) {
            Ok(Ok(on_its_way)) => sent.push((record.action_id, on_its_way)),
            Ok(Err(error)) => all.fail(record.action_id, error.message),
            Err(reason) => all.skip(record.action_id, reason),
        }
    }
    for (original_action_id, on_its_way) in sent {
        match on_its_way.written().await {
            Ok(new_action_id) => all.succeed(original_action_id, new_action_id),
            Err(error) => all.fail(original_action_id, error.message),
        }
    }
    Ok(Json(all))
}

impl AllReplayed {
    fn succeed(&mut self, original_action_id: String, new_action_id: String) {
        self.replayed += 1;
        self.results.push(Replayed {
            original_action_id,
            new_action_id: Some(new_action_id),
            success: true,
            error: None,
        });
    }

    fn fail(&mut self, original_action_id: String, error: String) {
        self.failed += 1;
        self.results.push(Replayed { original_action_id, new_action_id: None, success: false, error: Some(error) });
    }

    fn skip(&mut self, original_action_id: String, reason: NoReplay) {
        self.skipped += 1;
        let error = Some(reason.to_string());
        self.results.push(Replayed { original_action_id, new_action_id: None, success: false, error });
    }
}

/// An action that waits for Kafka to have it.
struct OnItsWay {
    id: String,
    sent: crate::api::send::Sent,
}

impl OnItsWay {
    /// Its id, once it is written.
    async fn written(self) -> Result<String, ApiError> {
        self.sent.within(Duration::ZERO).await?;
        Ok(self.id)
    }
}

fn send(api: &Api, action: &Action<'_>) -> Result<OnItsWay, ApiError> {
    let id = action.id.as_deref().unwrap_or_default().to_owned();
    let value = serde_json::to_vec(action)
        .map_err(|error| ApiError::unprocessable("NOT_REPLAYABLE", format!("the action can't be written: {error}")))?;
    let identity = Identity {
        namespace: Cow::Borrowed(&action.namespace),
        tenant: Cow::Borrowed(&action.tenant),
        id: Cow::Borrowed(&id),
    };
    let sent = api.desk()?.send(Topic::Actions, identity, &value, &Trace::default(), Asks::Outcome)?;
    Ok(OnItsWay { id, sent })
}

/// The action of a record, with a new id and the provider that it asked for.
fn again(record: &AuditEntry) -> Result<Action<'_>, NoReplay> {
    if record.phase == AuditPhase::Progress {
        return Err(NoReplay::Step);
    }
    let payload = record.action_payload.as_deref().ok_or(NoReplay::NoPayload)?;
    let labels = record.metadata.as_ref().and_then(|labels| serde_json::from_str(labels.get()).ok());
    let mut labels: BTreeMap<String, String> = labels.unwrap_or_default();
    let mut kept = |name| labels.remove(name).map(Cow::Owned);
    let (dedup_key, fingerprint, status) = (kept("__dedup_key"), kept("__fingerprint"), kept("__status"));
    labels.insert(REPLAYED_FROM.to_owned(), record.action_id.clone());
    Ok(Action {
        id: Some(Cow::Owned(Uuid::new_v4().to_string())),
        namespace: Cow::Borrowed(&record.namespace),
        tenant: Cow::Borrowed(&record.tenant),
        provider: Cow::Borrowed(record.original_provider.as_deref().unwrap_or(&record.provider)),
        action_type: Cow::Borrowed(&record.action_type),
        payload: Cow::Borrowed(payload),
        metadata: Metadata(labels),
        dedup_key,
        status,
        fingerprint,
        created_at: None,
        dispatch_at: None,
        extra: serde_json::Map::new(),
    })
}
