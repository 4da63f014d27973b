//! Events of state machines.

use super::ask::{Answer, ask};
use super::{ListParams, Scope};
use crate::api::body::Json;
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::CommandKind;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, put};
use serde::Deserialize;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/events", get(list))
        .route("/v1/events/{fingerprint}", get(show))
        .route("/v1/events/{fingerprint}/transition", put(transition))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transition {
    namespace: String,
    tenant: String,
    #[serde(alias = "to_state")]
    to: String,
}

async fn list(State(api): State<Api>, Params(query): Params<ListParams>) -> Result<Answer, ApiError> {
    let (scope, state, page) = query.split();
    ask(&api, scope, CommandKind::ListEvents { state, page }).await
}

async fn show(
    State(api): State<Api>,
    Segments(fingerprint): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ShowEvent { fingerprint }).await
}

async fn transition(
    State(api): State<Api>,
    Segments(fingerprint): Segments<String>,
    Json(body): Json<Transition>,
) -> Result<Answer, ApiError> {
    let scope = Scope { namespace: body.namespace, tenant: body.tenant };
    ask(&api, scope, CommandKind::Transition { fingerprint, to: body.to }).await
}
