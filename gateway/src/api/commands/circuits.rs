//! Circuit breakers, opened and closed by hand.

use super::Scope;
use super::ask::ask;
use crate::api::openapi::{Question, Refused};
use crate::api::params::Segments;
use crate::api::{Api, ApiError};
use acteon_schemas::{CIRCUITS_NAMESPACE, CommandKind};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    let both = || OpenApiRouter::new().routes(routes!(trip)).routes(routes!(reset));
    OpenApiRouter::new().nest("/admin/circuit-breakers", both()).nest("/v1/circuit-breakers", both())
}

/// A circuit as it is now.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Circuit {
    provider: String,
    /// `closed`, `open` or `half_open`.
    state: String,
    /// Failures that count.
    failures: u32,
    opened_at: Option<String>,
    /// When a call may try it again.
    probe_at: Option<String>,
    reason: Option<String>,
    message: String,
}

/// Commands about circuits belong to no tenant.
fn scope(provider: &str) -> Scope {
    Scope { namespace: CIRCUITS_NAMESPACE.to_owned(), tenant: provider.to_owned() }
}

/// Opens a circuit until it is reset
#[utoipa::path(post, path = "/{provider}/trip", tag = "circuit breakers", params(("provider" = String, Path)), responses(
    (status = 200, description = "It is open", body = Circuit),
    Question, Refused<404>,
))]
async fn trip(State(api): State<Api>, Segments(provider): Segments<String>) -> Result<Json<Value>, ApiError> {
    let kind = CommandKind::TripCircuit { seconds: None, reason: None };
    let state = ask(&api, scope(&provider), kind).await?.value()?;
    Ok(told(state, &format!("the circuit of {provider} is open until it is reset")))
}

/// Closes a circuit
#[utoipa::path(post, path = "/{provider}/reset", tag = "circuit breakers", params(("provider" = String, Path)), responses(
    (status = 200, description = "It is closed", body = Circuit),
    Question, Refused<404>,
))]
async fn reset(State(api): State<Api>, Segments(provider): Segments<String>) -> Result<Json<Value>, ApiError> {
    let state = ask(&api, scope(&provider), CommandKind::ResetCircuit {}).await?.value()?;
    Ok(told(state, &format!("the circuit of {provider} is closed")))
}

fn told(mut state: Value, message: &str) -> Json<Value> {
    state["message"] = json!(message);
    Json(state)
}
