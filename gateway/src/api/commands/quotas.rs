//! Quotas: how many actions a tenant may send.

mod answers;

use super::Scope;
use super::ask::{Answer, ask};
use super::merge::{find, merged};
use crate::api::body::Json;
use crate::api::openapi::{Change, Question, Refused};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::{CommandKind, OverageBehavior, QuotaDefinition};
use answers::{Overage, QuotaChange, QuotaDetail, QuotaList, QuotaUsage};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What a change can name.
const FIELDS: [&str; 9] = [
    "provider",
    "principal",
    "per_principal",
    "max_actions",
    "window",
    "overage_behavior",
    "enabled",
    "description",
    "labels",
];
/// What `/usage` shows of a quota.
const USAGE: [&str; 8] =
    ["namespace", "tenant", "used", "limit", "remaining", "window", "resets_at", "overage_behavior"];

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, update, remove)).routes(routes!(usage))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateQuota)]
struct Quota {
    namespace: String,
    tenant: String,
    id: Option<String>,
    provider: Option<String>,
    principal: Option<String>,
    #[serde(default)]
    per_principal: bool,
    max_actions: u64,
    window: Window,
    #[schema(value_type = Option<Overage>)]
    overage_behavior: Option<OverageBehavior>,
    enabled: Option<bool>,
    description: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// A window as it is sent, and as it is shown.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "`window` must be hourly, daily, weekly, monthly or a number of seconds")]
enum Window {
    Name(String),
    Seconds(u64),
    Custom { custom: Custom },
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CustomWindow)]
struct Custom {
    seconds: u64,
}

impl Window {
    fn text(self) -> String {
        match self {
            Self::Name(name) => name,
            Self::Seconds(seconds) | Self::Custom { custom: Custom { seconds } } => seconds.to_string(),
        }
    }
}

impl Quota {
    fn split(self) -> (Scope, QuotaDefinition) {
        let quota = QuotaDefinition {
            id: self.id,
            provider: self.provider,
            max_actions: self.max_actions,
            window: self.window.text(),
            overage_behavior: self.overage_behavior,
            enabled: self.enabled,
            description: self.description,
            labels: self.labels,
            principal: self.principal,
            per_principal: self.per_principal,
        };
        (Scope { namespace: self.namespace, tenant: self.tenant }, quota)
    }
}

async fn found(api: &Api, scope: Scope, id: &str) -> Result<Value, ApiError> {
    find(ask(api, scope, CommandKind::ListQuotas {}).await?.value()?, "quotas", "quota", id)
}

/// Quotas
#[utoipa::path(get, path = "/v1/quotas", tag = "quotas", params(Scope), responses(
    (status = 200, description = "All of the tenant", body = QuotaList),
    Question,
))]
async fn list(State(api): State<Api>, Params(scope): Params<Scope>) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ListQuotas {}).await
}

/// One quota and its usage
#[utoipa::path(get, path = "/v1/quotas/{id}", tag = "quotas", params(("id" = String, Path), Scope), responses(
    (status = 200, description = "As it is now", body = QuotaDetail),
    Question, Refused<404>,
))]
async fn show(
    State(api): State<Api>,
    Segments(id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<axum::Json<Value>, ApiError> {
    found(&api, scope, &id).await.map(axum::Json)
}

/// What a quota has counted
#[utoipa::path(get, path = "/v1/quotas/{id}/usage", tag = "quotas", params(("id" = String, Path), Scope), responses(
    (status = 200, description = "As it is now", body = QuotaUsage),
    Question, Refused<404>,
))]
async fn usage(
    State(api): State<Api>,
    Segments(id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<axum::Json<Value>, ApiError> {
    let quota = found(&api, scope, &id).await?;
    let shown: Map<String, Value> = USAGE.iter().map(|name| ((*name).to_owned(), quota[*name].clone())).collect();
    Ok(axum::Json(Value::Object(shown)))
}

/// Makes a quota
#[utoipa::path(post, path = "/v1/quotas", tag = "quotas", request_body = Quota, responses(
    (status = 201, description = "The quota", body = QuotaDetail),
    Change, Refused<404>, Refused<409>,
))]
async fn create(State(api): State<Api>, Json(body): Json<Quota>) -> Result<Response, ApiError> {
    let (scope, quota) = body.split();
    Ok(ask(&api, scope, CommandKind::SetQuota { quota }).await?.with(StatusCode::CREATED))
}

/// Changes a quota
///
/// What the body leaves out stays as it is. Its scope is in the query or in the body.
#[utoipa::path(put, path = "/v1/quotas/{id}", tag = "quotas", params(("id" = String, Path), super::MaybeScope), request_body = QuotaChange, responses(
    (status = 200, description = "The quota", body = QuotaDetail),
    Change, Refused<404>, Refused<409>,
))]
async fn update(
    State(api): State<Api>,
    Segments(id): Segments<String>,
    Params(query): Params<super::MaybeScope>,
    Json(change): Json<Map<String, Value>>,
) -> Result<Answer, ApiError> {
    let scope = query.or_of(&change)?;
    let found = found(&api, scope.clone(), &id).await?;
    let (_, quota) = merged::<Quota>(&found, &FIELDS, change)?.split();
    let quota = QuotaDefinition { id: Some(id), ..quota };
    ask(&api, scope, CommandKind::SetQuota { quota }).await
}

/// Deletes a quota
#[utoipa::path(delete, path = "/v1/quotas/{id}", tag = "quotas", params(("id" = String, Path), Scope), responses(
    (status = 200, description = "The quota as it was", body = QuotaDetail),
    Change, Refused<404>,
))]
async fn remove(
    State(api): State<Api>,
    Segments(quota_id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::DeleteQuota { quota_id }).await
}
