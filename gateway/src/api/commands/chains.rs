//! Chains of steps.

use super::ask::{Answer, ask};
use super::{ListParams, Scope};
use crate::api::body::Json;
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::CommandKind;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .route("/v1/chains", get(list))
        .route("/v1/chains/{id}", get(show))
        .route("/v1/chains/{id}/cancel", post(cancel))
        .route("/v1/chains/{id}/pause", post(pause))
        .route("/v1/chains/{id}/resume", post(resume))
        .route("/v1/chains/{id}/signal/{name}", post(signal))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    namespace: String,
    tenant: String,
    reason: Option<String>,
    cancelled_by: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signal {
    namespace: String,
    tenant: String,
    #[serde(default)]
    payload: Value,
}

async fn list(State(api): State<Api>, Params(query): Params<ListParams>) -> Result<Answer, ApiError> {
    let (scope, status, page) = query.split();
    ask(&api, scope, CommandKind::ListChains { status, page }).await
}

async fn show(
    State(api): State<Api>,
    Segments(chain_id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ShowChain { chain_id }).await
}

async fn cancel(
    State(api): State<Api>,
    Segments(chain_id): Segments<String>,
    Json(body): Json<Cancel>,
) -> Result<Answer, ApiError> {
    let Cancel { namespace, tenant, reason, cancelled_by } = body;
    ask(&api, Scope { namespace, tenant }, CommandKind::CancelChain { chain_id, reason, cancelled_by }).await
}

async fn pause(
    State(api): State<Api>,
    Segments(chain_id): Segments<String>,
    Json(scope): Json<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::PauseChain { chain_id }).await
}

async fn resume(
    State(api): State<Api>,
    Segments(chain_id): Segments<String>,
    Json(scope): Json<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ResumeChain { chain_id }).await
}

async fn signal(
    State(api): State<Api>,
    Segments((chain_id, signal)): Segments<(String, String)>,
    Json(body): Json<Signal>,
) -> Result<Answer, ApiError> {
    let scope = Scope { namespace: body.namespace, tenant: body.tenant };
    ask(&api, scope, CommandKind::Signal { chain_id, signal, payload: body.payload }).await
}
