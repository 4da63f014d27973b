//! How long a tenant's state and records are kept. A tenant has one policy or none; its id is `namespace:tenant`.

use super::Scope;
use super::ask::ask;
use super::merge::merged;
use crate::api::body::Json;
use crate::api::openapi::{Question, Refused};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::{CommandKind, RetentionDefinition, tenant_key};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, update, remove))
}

/// How long a tenant's state and records are kept.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetentionDetail {
    /// `namespace:tenant`.
    id: String,
    namespace: String,
    tenant: String,
    enabled: bool,
    /// While true, nothing is deleted.
    compliance_hold: bool,
    audit_ttl_seconds: Option<u64>,
    state_ttl_seconds: Option<u64>,
    event_ttl_seconds: Option<u64>,
    description: Option<String>,
    /// Absent where there are none.
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// The policies of a tenant: one or none.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetentionList {
    count: usize,
    policies: Vec<RetentionDetail>,
}

/// A change of a policy; what is left out stays as it is.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetentionChange {
    namespace: Option<String>,
    tenant: Option<String>,
    audit_ttl_seconds: Option<u64>,
    state_ttl_seconds: Option<u64>,
    event_ttl_seconds: Option<u64>,
    compliance_hold: Option<bool>,
    enabled: Option<bool>,
    description: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

/// What a change can name.
const FIELDS: [&str; 7] = [
    "audit_ttl_seconds",
    "state_ttl_seconds",
    "event_ttl_seconds",
    "compliance_hold",
    "enabled",
    "description",
    "labels",
];

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateRetention)]
struct Policy {
    namespace: String,
    tenant: String,
    audit_ttl_seconds: Option<u64>,
    state_ttl_seconds: Option<u64>,
    event_ttl_seconds: Option<u64>,
    compliance_hold: Option<bool>,
    enabled: Option<bool>,
    description: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl Policy {
    fn definition(self) -> RetentionDefinition {
        RetentionDefinition {
            audit_ttl_seconds: self.audit_ttl_seconds,
            state_ttl_seconds: self.state_ttl_seconds,
            event_ttl_seconds: self.event_ttl_seconds,
            compliance_hold: self.compliance_hold.unwrap_or(false),
            enabled: self.enabled,
            description: self.description,
            labels: self.labels,
        }
    }
}

/// The scope in an id.
fn scope(id: &str) -> Result<Scope, ApiError> {
    match id.split_once(':') {
        Some((namespace, tenant)) => Ok(Scope { namespace: namespace.to_owned(), tenant: tenant.to_owned() }),
        None => Err(not_found(id)),
    }
}

fn not_found(id: &str) -> ApiError {
    ApiError::refused("NOT_FOUND", &format!("no retention policy `{id}`; an id is `namespace:tenant`"))
}

/// A policy with its id.
fn with_id(mut policy: Value) -> Value {
    let text = |name: &str| policy[name].as_str().unwrap_or_default().to_owned();
    policy["id"] = json!(tenant_key(&text("namespace"), &text("tenant")));
    policy
}

/// The policies of a tenant: one or none.
async fn policies(api: &Api, scope: Scope) -> Result<Vec<Value>, ApiError> {
    let mut list = ask(api, scope, CommandKind::ShowRetention {}).await?.value()?;
    let policies = list["policies"].as_array_mut().map(std::mem::take).unwrap_or_default();
    Ok(policies.into_iter().map(with_id).collect())
}

/// The retention policy of a tenant
#[utoipa::path(get, path = "/v1/retention", tag = "retention", params(Scope), responses(
    (status = 200, description = "One or none", body = RetentionList),
    Question,
))]
async fn list(State(api): State<Api>, Params(scope): Params<Scope>) -> Result<axum::Json<Value>, ApiError> {
    let policies = policies(&api, scope).await?;
    Ok(axum::Json(json!({ "count": policies.len(), "policies": policies })))
}

/// One retention policy
#[utoipa::path(get, path = "/v1/retention/{id}", tag = "retention", params(("id" = String, Path, description = "`namespace:tenant`")), responses(
    (status = 200, description = "As it is now", body = RetentionDetail),
    Question, Refused<404>,
))]
async fn show(State(api): State<Api>, Segments(id): Segments<String>) -> Result<axum::Json<Value>, ApiError> {
    let found = policies(&api, scope(&id)?).await?.pop();
    found.map(axum::Json).ok_or_else(|| not_found(&id))
}

/// Makes a retention policy
#[utoipa::path(post, path = "/v1/retention", tag = "retention", request_body = Policy, responses(
    (status = 201, description = "The policy", body = RetentionDetail),
    Question, Refused<409>,
))]
async fn create(State(api): State<Api>, Json(body): Json<Policy>) -> Result<Response, ApiError> {
    let scope = Scope { namespace: body.namespace.clone(), tenant: body.tenant.clone() };
    let retention = body.definition();
    if !policies(&api, scope.clone()).await?.is_empty() {
        let id = tenant_key(&scope.namespace, &scope.tenant);
        let message = format!("there is a retention policy `{id}` already: change it with PUT /v1/retention/{id}");
        return Err(ApiError::refused("CONFLICT", &message));
    }
    let set = ask(&api, scope, CommandKind::SetRetention { retention }).await?.value()?;
    Ok((StatusCode::CREATED, axum::Json(with_id(set))).into_response())
}

/// Changes a retention policy
///
/// What the body leaves out stays as it is.
#[utoipa::path(put, path = "/v1/retention/{id}", tag = "retention", params(("id" = String, Path, description = "`namespace:tenant`")), request_body = RetentionChange, responses(
    (status = 200, description = "The policy", body = RetentionDetail),
    Question, Refused<404>, Refused<409>,
))]
async fn update(
    State(api): State<Api>,
    Segments(id): Segments<String>,
    Json(change): Json<Map<String, Value>>,
) -> Result<axum::Json<Value>, ApiError> {
    let scope = scope(&id)?;
    let found = policies(&api, scope.clone()).await?.pop().ok_or_else(|| not_found(&id))?;
    let policy: Policy = merged(&found, &FIELDS, change)?;
    let retention = policy.definition();
    let set = ask(&api, scope, CommandKind::SetRetention { retention }).await?.value()?;
    Ok(axum::Json(with_id(set)))
}

/// Deletes a retention policy
#[utoipa::path(delete, path = "/v1/retention/{id}", tag = "retention", params(("id" = String, Path, description = "`namespace:tenant`")), responses(
    (status = 200, description = "The policy as it was", body = RetentionDetail),
    Question, Refused<404>,
))]
async fn remove(State(api): State<Api>, Segments(id): Segments<String>) -> Result<axum::Json<Value>, ApiError> {
    let removed = ask(&api, scope(&id)?, CommandKind::DeleteRetention {}).await?.value()?;
    Ok(axum::Json(with_id(removed)))
}
