//! How long a tenant's state and records are kept. A tenant has one policy or none; its id is `namespace:tenant`.

use super::Scope;
use super::ask::{Answer, ask};
use super::merge::{merged, no_labels};
use crate::api::body::Json;
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::{CommandKind, RetentionDefinition, tenant_key};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa_axum::router::OpenApiRouter;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .route("/v1/retention", get(list).post(create))
        .route("/v1/retention/{id}", get(show).put(update).delete(remove))
}

/// What a change can name.
const FIELDS: [&str; 6] =
    ["audit_ttl_seconds", "state_ttl_seconds", "event_ttl_seconds", "compliance_hold", "enabled", "description"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
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
    fn definition(self) -> Result<RetentionDefinition, ApiError> {
        no_labels(&self.labels)?;
        Ok(RetentionDefinition {
            audit_ttl_seconds: self.audit_ttl_seconds,
            state_ttl_seconds: self.state_ttl_seconds,
            event_ttl_seconds: self.event_ttl_seconds,
            compliance_hold: self.compliance_hold.unwrap_or(false),
            enabled: self.enabled,
            description: self.description,
        })
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

async fn list(State(api): State<Api>, Params(scope): Params<Scope>) -> Result<axum::Json<Value>, ApiError> {
    let policies = policies(&api, scope).await?;
    Ok(axum::Json(json!({ "count": policies.len(), "policies": policies })))
}

async fn show(State(api): State<Api>, Segments(id): Segments<String>) -> Result<axum::Json<Value>, ApiError> {
    let found = policies(&api, scope(&id)?).await?.pop();
    found.map(axum::Json).ok_or_else(|| not_found(&id))
}

async fn create(State(api): State<Api>, Json(body): Json<Policy>) -> Result<Response, ApiError> {
    let scope = Scope { namespace: body.namespace.clone(), tenant: body.tenant.clone() };
    let retention = body.definition()?;
    if !policies(&api, scope.clone()).await?.is_empty() {
        let id = tenant_key(&scope.namespace, &scope.tenant);
        let message = format!("there is a retention policy `{id}` already: change it with PUT /v1/retention/{id}");
        return Err(ApiError::refused("CONFLICT", &message));
    }
    let set = ask(&api, scope, CommandKind::SetRetention { retention }).await?.value()?;
    Ok((StatusCode::CREATED, axum::Json(with_id(set))).into_response())
}

/// What the body leaves out stays as it is.
async fn update(
    State(api): State<Api>,
    Segments(id): Segments<String>,
    Json(change): Json<Map<String, Value>>,
) -> Result<axum::Json<Value>, ApiError> {
    let scope = scope(&id)?;
    let found = policies(&api, scope.clone()).await?.pop().ok_or_else(|| not_found(&id))?;
    let policy: Policy = merged(&found, &FIELDS, change)?;
    let retention = policy.definition()?;
    let set = ask(&api, scope, CommandKind::SetRetention { retention }).await?.value()?;
    Ok(axum::Json(with_id(set)))
}

async fn remove(State(api): State<Api>, Segments(id): Segments<String>) -> Result<Answer, ApiError> {
    ask(&api, scope(&id)?, CommandKind::DeleteRetention {}).await
}
