//! Circuit breakers, opened and closed by hand.

use super::Scope;
use super::ask::ask;
use crate::api::openapi::{Question, Refused};
use crate::api::params::Segments;
use crate::api::{Api, ApiError};
use crate::clock;
use crate::view::audit::rfc3339;
use acteon_schemas::{CIRCUITS_NAMESPACE, CircuitDefinition, CircuitPhase, CircuitState, CommandKind};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    let both = || OpenApiRouter::new().routes(routes!(list)).routes(routes!(trip)).routes(routes!(reset));
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

/// A circuit in a list.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CircuitSummary {
    provider: String,
    /// `closed`, `open` or `half_open`.
    state: String,
    failure_threshold: u32,
    success_threshold: u32,
    recovery_timeout_seconds: u64,
    /// Who is called while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback_provider: Option<String>,
    /// Failures since the last success.
    failures: u32,
    /// When it was opened; absent while it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_at: Option<String>,
    /// When it may be tried; absent while it is closed, and where it is open until it is reset.
    #[serde(skip_serializing_if = "Option::is_none")]
    probe_at: Option<String>,
    /// What opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// All circuits.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CircuitList {
    circuit_breakers: Vec<CircuitSummary>,
    count: usize,
}

impl CircuitSummary {
    fn of(definition: &CircuitDefinition, provider: &str, stands: Option<&CircuitState>, now: i64) -> Self {
        Self {
            provider: provider.to_owned(),
            state: stands.map_or(CircuitPhase::Closed, |state| state.phase(now)).as_str().to_owned(),
            failure_threshold: definition.failure_threshold,
            success_threshold: definition.success_threshold,
            recovery_timeout_seconds: definition.recovery_timeout_ms / 1000,
            fallback_provider: definition.fallback_provider.clone(),
            failures: stands.map_or(0, |state| state.failures),
            opened_at: stands.and_then(|state| rfc3339(state.opened_at?)),
            probe_at: stands.and_then(|state| rfc3339(state.probe_at?)),
            reason: stands.and_then(|state| state.reason.clone()),
        }
    }
}

/// Lists how all circuits stand
#[utoipa::path(get, path = "/", tag = "circuit breakers", responses(
    (status = 200, description = "All of them, by provider", body = CircuitList),
))]
async fn list(State(api): State<Api>) -> Result<Json<CircuitList>, ApiError> {
    let (definitions, now) = (api.definitions()?, clock::now_ms());
    let circuits = &definitions.circuits;
    let shown = circuits.providers().filter_map(|provider| {
        let definition = circuits.definition(provider)?;
        Some(CircuitSummary::of(definition, provider, circuits.state(provider), now))
    });
    let circuit_breakers: Vec<_> = shown.collect();
    Ok(Json(CircuitList { count: circuit_breakers.len(), circuit_breakers }))
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
