//! Recurring actions: sent again and again.

mod answers;
mod body;

use super::ask::{Answer, ask};
use super::merge::merged;
use super::{ListParams, MaybeScope, Scope};
use crate::api::body::Json;
use crate::api::openapi::{Change, Question, Refused};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::CommandKind;
use answers::{Backfilled, RecurringBrief, RecurringChange, RecurringDetail, RecurringList};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use body::Body;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, remove))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(backfill))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Backfill {
    namespace: String,
    tenant: String,
    start: String,
    end: String,
    limit: Option<u32>,
}

/// Recurring actions
#[utoipa::path(get, path = "/v1/recurring", tag = "recurring", params(ListParams), responses(
    (status = 200, description = "In the order of their ids", body = RecurringList),
    Question,
))]
async fn list(State(api): State<Api>, Params(query): Params<ListParams>) -> Result<Answer, ApiError> {
    let (scope, _, page) = query.split();
    ask(&api, scope, CommandKind::ListRecurring { page }).await
}

/// One recurring action
#[utoipa::path(get, path = "/v1/recurring/{id}", tag = "recurring", params(("id" = String, Path), Scope), responses(
    (status = 200, description = "As it is now", body = RecurringDetail),
    Question, Refused<404>,
))]
async fn show(
    State(api): State<Api>,
    Segments(recurring_id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ShowRecurring { recurring_id }).await
}

/// Makes a recurring action
#[utoipa::path(post, path = "/v1/recurring", tag = "recurring", request_body = Body, responses(
    (status = 201, description = "What it is known by, and when it comes next", body = RecurringBrief),
    Change, Refused<404>, Refused<409>,
))]
async fn create(State(api): State<Api>, Json(body): Json<Body>) -> Result<Response, ApiError> {
    let (scope, recurring) = body.split()?;
    Ok(ask(&api, scope, CommandKind::CreateRecurring { recurring }).await?.with(StatusCode::CREATED))
}

/// Changes a recurring action
///
/// What the body leaves out stays as it is. Its scope is in the query or in the body.
#[utoipa::path(put, path = "/v1/recurring/{id}", tag = "recurring", params(("id" = String, Path), MaybeScope), request_body = RecurringChange, responses(
    (status = 200, description = "What it is known by, and when it comes next", body = RecurringBrief),
    Change, Refused<404>, Refused<409>,
))]
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

/// Deletes a recurring action
#[utoipa::path(delete, path = "/v1/recurring/{id}", tag = "recurring", params(("id" = String, Path), Scope), responses(
    (status = 200, description = "It comes no more", body = RecurringBrief),
    Change, Refused<404>,
))]
async fn remove(
    State(api): State<Api>,
    Segments(recurring_id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::DeleteRecurring { recurring_id }).await
}

/// Pauses a recurring action
#[utoipa::path(post, path = "/v1/recurring/{id}/pause", tag = "recurring", params(("id" = String, Path)), request_body = Scope, responses(
    (status = 200, description = "What it is known by, and when it comes next", body = RecurringBrief),
    Change, Refused<404>, Refused<409>,
))]
async fn pause(
    State(api): State<Api>,
    Segments(recurring_id): Segments<String>,
    Json(scope): Json<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::PauseRecurring { recurring_id }).await
}

/// Resumes a recurring action
#[utoipa::path(post, path = "/v1/recurring/{id}/resume", tag = "recurring", params(("id" = String, Path)), request_body = Scope, responses(
    (status = 200, description = "What it is known by, and when it comes next", body = RecurringBrief),
    Change, Refused<404>, Refused<409>,
))]
async fn resume(
    State(api): State<Api>,
    Segments(recurring_id): Segments<String>,
    Json(scope): Json<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ResumeRecurring { recurring_id }).await
}

/// Runs the occurrences of a time that has passed
#[utoipa::path(post, path = "/v1/recurring/{id}/backfill", tag = "recurring", params(("id" = String, Path)), request_body = Backfill, responses(
    (status = 200, description = "How many ran", body = Backfilled),
    Change, Refused<404>, Refused<409>,
))]
async fn backfill(
    State(api): State<Api>,
    Segments(recurring_id): Segments<String>,
    Json(body): Json<Backfill>,
) -> Result<Answer, ApiError> {
    let Backfill { namespace, tenant, start, end, limit } = body;
    ask(&api, Scope { namespace, tenant }, CommandKind::BackfillRecurring { recurring_id, start, end, limit }).await
}
