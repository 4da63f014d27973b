//! Audit records over HTTP: lists, one action's, and their replay.

mod cursor;
pub(crate) mod query;
mod replay;
pub(crate) mod shape;
#[cfg(test)]
mod tests;

use super::{Api, ApiError};
use crate::api::openapi::Refused;
use crate::view::audit::{ActionKey, AuditEntry, AuditView, StoreError};
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use query::Given;
use serde::Serialize;
use shape::{AuditFilterParams, AuditPageParams, AuditRecord, AuditScopeParams};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A query string as it came.
pub(crate) type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(replay::all))
        .routes(routes!(show))
        .routes(routes!(replay::one))
}

/// A page of records.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuditList)]
struct List {
    #[schema(value_type = Vec<AuditRecord>)]
    records: Vec<AuditEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    limit: u32,
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Audit records, the newest first
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(AuditFilterParams, AuditPageParams), responses(
    (status = 200, description = "A page of them", body = List),
    Refused<422>,
))]
async fn list(State(api): State<Api>, pairs: Pairs) -> Result<Json<List>, ApiError> {
    let query = query::page(self::pairs(pairs)?)?;
    let (filter, limit, offset) = (query.filter.clone(), query.limit, query.offset);
    let page = api.audit()?.store().query(query).await?;
    let next_cursor = page.next.map(|position| cursor::encode(position, &filter));
    Ok(Json(List { records: page.records, total: page.total, limit, offset, next_cursor }))
}

/// The newest audit record of an action
#[utoipa::path(get, path = "/v1/audit/{action_id}", tag = "audit", params(("action_id" = String, Path), AuditScopeParams), responses(
    (status = 200, description = "The record", body = AuditRecord),
    Refused<404>,
))]
async fn show(
    State(api): State<Api>,
    action_id: Result<Path<String>, PathRejection>,
    pairs: Pairs,
) -> Result<Json<AuditEntry>, ApiError> {
    Ok(Json(find(&api, action_id, pairs).await?))
}

/// The record that tells of the action of a path.
async fn find(api: &Api, action_id: Result<Path<String>, PathRejection>, pairs: Pairs) -> Result<AuditEntry, ApiError> {
    let Path(action_id) = action_id.map_err(|error| ApiError::bad_request("INVALID_PATH", error.body_text()))?;
    let scope = Given::of(self::pairs(pairs)?, &["namespace", "tenant"])?;
    let key = ActionKey {
        action_id: action_id.clone(),
        namespace: scope.text("namespace").map(str::to_owned),
        tenant: scope.text("tenant").map(str::to_owned),
    };
    api.audit()?.store().get(key).await?.ok_or_else(|| {
        let message = format!("there is no audit record of action `{action_id}`; one is kept for a limited time");
        ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    })
}

pub(crate) fn pairs(pairs: Pairs) -> Result<Vec<(String, String)>, ApiError> {
    match pairs {
        Ok(Query(pairs)) => Ok(pairs),
        Err(error) => Err(ApiError::bad_request("INVALID_QUERY", error.body_text())),
    }
}

impl Api {
    /// The audit view.
    ///
    /// # Errors
    /// There is none here, or it has not caught up with the log yet.
    pub(crate) fn audit(&self) -> Result<&AuditView, ApiError> {
        let view = self.audit_view().ok_or_else(|| {
            ApiError::unavailable("STARTING", "this gateway is still starting: see /ready").retry_after(1)
        })?;
        view.progress().unready("audit view").map_or(Ok(view), |message| Err(ApiError::catching_up(message)))
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Busy { .. } => Self::unavailable("OVERLOADED", error.to_string()).retry_after(1),
            StoreError::TooBroad => Self::unprocessable("TOO_BROAD", error.to_string()),
            StoreError::Closed | StoreError::Failed(_) | StoreError::Open { .. } | StoreError::Newer { .. } => {
                tracing::error!(%error, "the audit store can't answer");
                Self::unavailable("AUDIT_UNAVAILABLE", error.to_string())
            }
        }
    }
}
