//! Actions that are held until a time.

use super::ask::{Answer, ask};
use super::{ListParams, Scope};
use crate::api::openapi::{Change, Question, Refused};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::CommandKind;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(cancel))
}

/// An action that is held until a time.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Scheduled {
    id: String,
    action_id: String,
    provider: String,
    action_type: String,
    /// `schedule` or `throttle`.
    held_by: String,
    scheduled_for: String,
    created_at: String,
}

/// A part of the actions that are held until a time.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ScheduledList {
    count: usize,
    scheduled: Vec<Scheduled>,
    /// What the next part begins `after`; absent where there is none.
    next: Option<String>,
}

/// An action that was called off.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CalledOff {
    action_id: String,
    scheduled_for: String,
    /// Always `cancelled`.
    status: String,
}

/// Actions that are held until a time
#[utoipa::path(get, path = "/v1/scheduled", tag = "scheduled", params(ListParams), responses(
    (status = 200, description = "In the order of their ids", body = ScheduledList),
    Question,
))]
async fn list(State(api): State<Api>, Params(query): Params<ListParams>) -> Result<Answer, ApiError> {
    let (scope, _, page) = query.split();
    ask(&api, scope, CommandKind::ListScheduled { page }).await
}

/// Calls off an action that is held
#[utoipa::path(delete, path = "/v1/scheduled/{id}", tag = "scheduled", params(("id" = String, Path, description = "Its own or the action's"), Scope), responses(
    (status = 200, description = "It will not be sent", body = CalledOff),
    Change, Refused<404>, Refused<409>,
))]
async fn cancel(
    State(api): State<Api>,
    Segments(action_id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::CancelScheduled { action_id }).await
}
