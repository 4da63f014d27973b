//! Recurring actions: sent again and again.

mod body;

use super::ask::{Answer, ask};
use super::merge::merged;
use super::{ListParams, MaybeScope, Scope};
use crate::api::body::Json;
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::CommandKind;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use body::Body;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa_axum::router::OpenApiRouter;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .route("/v1/recurring", get(list).post(create))
        .route("/v1/recurring/{id}", get(show).put(update).delete(remove))
        .route("/v1/recurring/{id}/pause", post(pause))
        .route("/v1/recurring/{id}/resume", post(resume))
        .route("/v1/recurring/{id}/backfill", post(backfill))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Backfill {
    namespace: String,
    tenant: String,
    start: String,
    end: String,
    limit: Option<u32>,
}

async fn list(State(api): State<Api>, Params(query): Params<ListParams>) -> Result<Answer, ApiError> {
    let (scope, _, page) = query.split();
    ask(&api, scope, CommandKind::ListRecurring { page }).await
}

async fn show(
    State(api): State<Api>,
    Segments(recurring_id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ShowRecurring { recurring_id }).await
}

async fn create(State(api): State<Api>, Json(body): Json<Body>) -> Result<Response, ApiError> {
    let (scope, recurring) = body.split()?;
    Ok(ask(&api, scope, CommandKind::CreateRecurring { recurring }).await?.with(StatusCode::CREATED))
}

/// What the body leaves out stays as it is. Its scope is in the query or in the body.
async fn update(
    State(api): State<Api>,
    Segments(recurring_id): Segments<String>,
    Params(query): Params<MaybeScope>,
    Json(change): Json<Map<String, Value>>,
) -> Result<Answer, ApiError> {
    let scope = query.or_of(&change)?;
    let kind = CommandKind::ShowRecurring { recurring_id: recurring_id.clone() };
    let found = ask(&api, scope.clone(), kind).await?.value()?;
    let whole: Body = merged(&body::as_sent(found), &body::FIELDS, body::renamed(change))?;
    let (_, recurring) = whole.split()?;
    ask(&api, scope, CommandKind::UpdateRecurring { recurring_id, recurring }).await
}

async fn remove(
    State(api): State<Api>,
    Segments(recurring_id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::DeleteRecurring { recurring_id }).await
}

async fn pause(
    State(api): State<Api>,
    Segments(recurring_id): Segments<String>,
    Json(scope): Json<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::PauseRecurring { recurring_id }).await
}

async fn resume(
    State(api): State<Api>,
    Segments(recurring_id): Segments<String>,
    Json(scope): Json<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ResumeRecurring { recurring_id }).await
}

async fn backfill(
    State(api): State<Api>,
    Segments(recurring_id): Segments<String>,
    Json(body): Json<Backfill>,
) -> Result<Answer, ApiError> {
    let Backfill { namespace, tenant, start, end, limit } = body;
    ask(&api, Scope { namespace, tenant }, CommandKind::BackfillRecurring { recurring_id, start, end, limit }).await
}
