//! Silences: times in which actions that match are not executed.

use super::Scope;
use super::ask::{Answer, ask};
use super::merge::find;
use crate::api::body::Json;
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::{CommandKind, SilenceDefinition, SilenceMatcher};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .route("/v1/silences", get(list).post(create))
        .route("/v1/silences/{id}", get(show).put(update).delete(remove))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SilenceList {
    namespace: String,
    tenant: String,
    #[serde(default)]
    include_expired: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    namespace: String,
    tenant: String,
    id: Option<String>,
    matchers: Vec<SilenceMatcher>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    duration_seconds: Option<u64>,
    #[serde(default)]
    comment: String,
    created_by: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    namespace: String,
    tenant: String,
    ends_at: Option<String>,
    comment: Option<String>,
}

async fn list(State(api): State<Api>, Params(query): Params<SilenceList>) -> Result<Answer, ApiError> {
    let scope = Scope { namespace: query.namespace, tenant: query.tenant };
    ask(&api, scope, CommandKind::ListSilences { include_expired: query.include_expired }).await
}

async fn show(
    State(api): State<Api>,
    Segments(id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<axum::Json<Value>, ApiError> {
    let list = ask(&api, scope, CommandKind::ListSilences { include_expired: true }).await?.value()?;
    find(list, "silences", "silence", &id).map(axum::Json)
}

async fn create(State(api): State<Api>, Json(body): Json<Create>) -> Result<Response, ApiError> {
    let silence = SilenceDefinition {
        id: body.id,
        matchers: body.matchers,
        starts_at: body.starts_at,
        ends_at: body.ends_at,
        duration_seconds: body.duration_seconds,
        comment: body.comment,
        created_by: body.created_by,
    };
    let scope = Scope { namespace: body.namespace, tenant: body.tenant };
    Ok(ask(&api, scope, CommandKind::CreateSilence { silence }).await?.with(StatusCode::CREATED))
}

async fn update(
    State(api): State<Api>,
    Segments(silence_id): Segments<String>,
    Json(body): Json<Update>,
) -> Result<Answer, ApiError> {
    let Update { namespace, tenant, ends_at, comment } = body;
    ask(&api, Scope { namespace, tenant }, CommandKind::UpdateSilence { silence_id, ends_at, comment }).await
}

async fn remove(
    State(api): State<Api>,
    Segments(silence_id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::DeleteSilence { silence_id }).await
}
