//! Actions that are held until a time.

use super::ask::{Answer, ask};
use super::{ListParams, Scope};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::CommandKind;
use axum::extract::State;
use axum::routing::{delete, get};
use utoipa_axum::router::OpenApiRouter;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().route("/v1/scheduled", get(list)).route("/v1/scheduled/{id}", delete(cancel))
}

async fn list(State(api): State<Api>, Params(query): Params<ListParams>) -> Result<Answer, ApiError> {
    let (scope, _, page) = query.split();
    ask(&api, scope, CommandKind::ListScheduled { page }).await
}

async fn cancel(
    State(api): State<Api>,
    Segments(action_id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::CancelScheduled { action_id }).await
}
