//! Silences: times in which actions that match are not executed.

use super::Scope;
use super::ask::{Answer, ask};
use super::merge::find;
use crate::api::body::Json;
use crate::api::openapi::{Change, Question, Refused};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::{CommandKind, SilenceDefinition, SilenceMatcher};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, update, remove))
}

/// A condition of a silence; all of a silence's have to match.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Matcher {
    /// A label, or a field such as `action_type`, `provider` or `payload.host`.
    name: String,
    value: String,
    /// `equal` where absent.
    op: Option<MatcherOp>,
}

/// How a matcher compares.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MatcherOp {
    Equal,
    NotEqual,
    Regex,
    NotRegex,
}

/// A silence.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Silence {
    id: String,
    namespace: String,
    tenant: String,
    matchers: Vec<Matcher>,
    /// `pending`, `active` or `expired`.
    status: String,
    starts_at: String,
    ends_at: String,
    comment: String,
    created_by: Option<String>,
    created_at: String,
}

/// The silences of a tenant.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Silences {
    count: usize,
    silences: Vec<Silence>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SilenceList {
    namespace: String,
    tenant: String,
    #[serde(default)]
    include_expired: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateSilence)]
struct Create {
    namespace: String,
    tenant: String,
    id: Option<String>,
    #[schema(value_type = Vec<Matcher>)]
    matchers: Vec<SilenceMatcher>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    duration_seconds: Option<u64>,
    #[serde(default)]
    comment: String,
    created_by: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UpdateSilence)]
struct Update {
    namespace: String,
    tenant: String,
    ends_at: Option<String>,
    comment: Option<String>,
}

/// Silences
#[utoipa::path(get, path = "/v1/silences", tag = "silences", params(SilenceList), responses(
    (status = 200, description = "Those that are not over; all where that is asked for", body = Silences),
    Question,
))]
async fn list(State(api): State<Api>, Params(query): Params<SilenceList>) -> Result<Answer, ApiError> {
    let scope = Scope { namespace: query.namespace, tenant: query.tenant };
    ask(&api, scope, CommandKind::ListSilences { include_expired: query.include_expired }).await
}

/// One silence
#[utoipa::path(get, path = "/v1/silences/{id}", tag = "silences", params(("id" = String, Path), Scope), responses(
    (status = 200, description = "As it is now", body = Silence),
    Question, Refused<404>,
))]
async fn show(
    State(api): State<Api>,
    Segments(id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<axum::Json<Value>, ApiError> {
    let list = ask(&api, scope, CommandKind::ListSilences { include_expired: true }).await?.value()?;
    find(list, "silences", "silence", &id).map(axum::Json)
}

/// Makes a silence
#[utoipa::path(post, path = "/v1/silences", tag = "silences", request_body = Create, responses(
    (status = 201, description = "The silence", body = Silence),
    Change, Refused<409>,
))]
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

/// Changes when a silence ends, or its comment
#[utoipa::path(put, path = "/v1/silences/{id}", tag = "silences", params(("id" = String, Path)), request_body = Update, responses(
    (status = 200, description = "The silence", body = Silence),
    Change, Refused<404>, Refused<409>,
))]
async fn update(
    State(api): State<Api>,
    Segments(silence_id): Segments<String>,
    Json(body): Json<Update>,
) -> Result<Answer, ApiError> {
    let Update { namespace, tenant, ends_at, comment } = body;
    ask(&api, Scope { namespace, tenant }, CommandKind::UpdateSilence { silence_id, ends_at, comment }).await
}

/// Ends a silence
#[utoipa::path(delete, path = "/v1/silences/{id}", tag = "silences", params(("id" = String, Path), Scope), responses(
    (status = 200, description = "The silence, which is over", body = Silence),
    Change, Refused<404>, Refused<409>,
))]
async fn remove(
    State(api): State<Api>,
    Segments(silence_id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::DeleteSilence { silence_id }).await
}
