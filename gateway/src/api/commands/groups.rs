//! Groups of events that are told of as one.

use super::ask::{Answer, ask};
use super::{ListParams, Scope};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::CommandKind;
use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().route("/v1/groups", get(list)).route("/v1/groups/{key}", get(show).delete(flush))
}

/// `total` is what clients read; it is the number of groups in this part of the list.
async fn list(State(api): State<Api>, Params(query): Params<ListParams>) -> Result<Json<Value>, ApiError> {
    let (scope, _, page) = query.split();
    let mut groups = ask(&api, scope, CommandKind::ListGroups { page }).await?.value()?;
    groups["total"] = groups["count"].clone();
    Ok(Json(groups))
}

async fn show(
    State(api): State<Api>,
    Segments(group): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ShowGroup { group }).await
}

async fn flush(
    State(api): State<Api>,
    Segments(group): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::FlushGroup { group }).await
}
