//! Chains of steps.

mod answers;

use super::ask::{Answer, ask};
use super::{ListParams, Scope};
use crate::api::body::Json;
use crate::api::openapi::{Change, Question, Refused};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::CommandKind;
use answers::{ChainDetail, ChainList};
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(cancel))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(signal))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CancelChain)]
struct Cancel {
    namespace: String,
    tenant: String,
    reason: Option<String>,
    cancelled_by: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignalChain)]
struct Signal {
    namespace: String,
    tenant: String,
    #[serde(default)]
    payload: Value,
}

/// Chains
#[utoipa::path(get, path = "/v1/chains", tag = "chains", params(ListParams), responses(
    (status = 200, description = "In the order of their ids", body = ChainList),
    Question,
))]
async fn list(State(api): State<Api>, Params(query): Params<ListParams>) -> Result<Answer, ApiError> {
    let (scope, status, page) = query.split();
    ask(&api, scope, CommandKind::ListChains { status, page }).await
}

/// One chain with its steps
#[utoipa::path(get, path = "/v1/chains/{id}", tag = "chains", params(("id" = String, Path), Scope), responses(
    (status = 200, description = "As it is now", body = ChainDetail),
    Question, Refused<404>,
))]
async fn show(
    State(api): State<Api>,
    Segments(chain_id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ShowChain { chain_id, with_definition: false }).await
}

/// Calls a chain off
#[utoipa::path(post, path = "/v1/chains/{id}/cancel", tag = "chains", params(("id" = String, Path)), request_body = Cancel, responses(
    (status = 200, description = "The chain as it then is", body = ChainDetail),
    Change, Refused<404>, Refused<409>,
))]
async fn cancel(
    State(api): State<Api>,
    Segments(chain_id): Segments<String>,
    Json(body): Json<Cancel>,
) -> Result<Answer, ApiError> {
    let Cancel { namespace, tenant, reason, cancelled_by } = body;
    ask(&api, Scope { namespace, tenant }, CommandKind::CancelChain { chain_id, reason, cancelled_by }).await
}

/// Holds a chain before its next step
#[utoipa::path(post, path = "/v1/chains/{id}/pause", tag = "chains", params(("id" = String, Path)), request_body = Scope, responses(
    (status = 200, description = "The chain as it then is", body = ChainDetail),
    Change, Refused<404>, Refused<409>,
))]
async fn pause(
    State(api): State<Api>,
    Segments(chain_id): Segments<String>,
    Json(scope): Json<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::PauseChain { chain_id }).await
}

/// Lets a chain go on that was paused
#[utoipa::path(post, path = "/v1/chains/{id}/resume", tag = "chains", params(("id" = String, Path)), request_body = Scope, responses(
    (status = 200, description = "The chain as it then is", body = ChainDetail),
    Change, Refused<404>, Refused<409>,
))]
async fn resume(
    State(api): State<Api>,
    Segments(chain_id): Segments<String>,
    Json(scope): Json<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ResumeChain { chain_id }).await
}

/// Gives a chain a signal that it waits for, or will
#[utoipa::path(post, path = "/v1/chains/{id}/signal/{name}", tag = "chains", params(("id" = String, Path), ("name" = String, Path)), request_body = Signal, responses(
    (status = 200, description = "The chain as it then is", body = ChainDetail),
    Change, Refused<404>, Refused<409>,
))]
async fn signal(
    State(api): State<Api>,
    Segments((chain_id, signal)): Segments<(String, String)>,
    Json(body): Json<Signal>,
) -> Result<Answer, ApiError> {
    let scope = Scope { namespace: body.namespace, tenant: body.tenant };
    ask(&api, scope, CommandKind::Signal { chain_id, signal, payload: body.payload }).await
}
