//! Quotas: how many actions a tenant may send.

use super::Scope;
use super::ask::{Answer, ask};
use super::merge::{find, merged};
use crate::api::body::Json;
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::{CommandKind, OverageBehavior, QuotaDefinition};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa_axum::router::OpenApiRouter;

/// What a change can name.
const FIELDS: [&str; 7] = ["provider", "max_actions", "window", "overage_behavior", "enabled", "description", "labels"];
/// What `/usage` shows of a quota.
const USAGE: [&str; 8] =
    ["namespace", "tenant", "used", "limit", "remaining", "window", "resets_at", "overage_behavior"];

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .route("/v1/quotas", get(list).post(create))
        .route("/v1/quotas/{id}", get(show).put(update).delete(remove))
        .route("/v1/quotas/{id}/usage", get(usage))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
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
    overage_behavior: Option<OverageBehavior>,
    enabled: Option<bool>,
    description: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// A window as it is sent, and as it is shown.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "`window` must be hourly, daily, weekly, monthly or a number of seconds")]
enum Window {
    Name(String),
    Seconds(u64),
    Custom { custom: Custom },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
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
    fn split(self) -> Result<(Scope, QuotaDefinition), ApiError> {
        if self.per_principal || self.principal.is_some() {
            let message = "`principal` and `per_principal` are not available in this version: quotas are a tenant's";
            return Err(ApiError::unprocessable("UNSUPPORTED", message));
        }
        let quota = QuotaDefinition {
            id: self.id,
            provider: self.provider,
            max_actions: self.max_actions,
            window: self.window.text(),
            overage_behavior: self.overage_behavior,
            enabled: self.enabled,
            description: self.description,
            labels: self.labels,
        };
        Ok((Scope { namespace: self.namespace, tenant: self.tenant }, quota))
    }
}

async fn found(api: &Api, scope: Scope, id: &str) -> Result<Value, ApiError> {
    find(ask(api, scope, CommandKind::ListQuotas {}).await?.value()?, "quotas", "quota", id)
}

async fn list(State(api): State<Api>, Params(scope): Params<Scope>) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ListQuotas {}).await
}

async fn show(
    State(api): State<Api>,
    Segments(id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<axum::Json<Value>, ApiError> {
    found(&api, scope, &id).await.map(axum::Json)
}

async fn usage(
    State(api): State<Api>,
    Segments(id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<axum::Json<Value>, ApiError> {
    let quota = found(&api, scope, &id).await?;
    let shown: Map<String, Value> = USAGE.iter().map(|name| ((*name).to_owned(), quota[*name].clone())).collect();
    Ok(axum::Json(Value::Object(shown)))
}

async fn create(State(api): State<Api>, Json(body): Json<Quota>) -> Result<Response, ApiError> {
    let (scope, quota) = body.split()?;
    Ok(ask(&api, scope, CommandKind::SetQuota { quota }).await?.with(StatusCode::CREATED))
}

/// What the body leaves out stays as it is. Its scope is in the query or in the body.
async fn update(
    State(api): State<Api>,
    Segments(id): Segments<String>,
    Params(query): Params<super::MaybeScope>,
    Json(change): Json<Map<String, Value>>,
) -> Result<Answer, ApiError> {
    let scope = query.or_of(&change)?;
    let found = found(&api, scope.clone(), &id).await?;
    let (_, quota) = merged::<Quota>(&found, &FIELDS, change)?.split()?;
    let quota = QuotaDefinition { id: Some(id), ..quota };
    ask(&api, scope, CommandKind::SetQuota { quota }).await
}

async fn remove(
    State(api): State<Api>,
    Segments(quota_id): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::DeleteQuota { quota_id }).await
}
