//! Circuit breakers, opened and closed by hand.

use super::Scope;
use super::ask::ask;
use crate::api::params::Segments;
use crate::api::{Api, ApiError};
use acteon_schemas::{CIRCUITS_NAMESPACE, CommandKind};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Api> {
    let mut routes = Router::new();
    for base in ["/admin/circuit-breakers", "/v1/circuit-breakers"] {
        routes = routes
            .route(&format!("{base}/{{provider}}/trip"), post(trip))
            .route(&format!("{base}/{{provider}}/reset"), post(reset));
    }
    routes
}

/// Commands about circuits belong to no tenant.
fn scope(provider: &str) -> Scope {
    Scope { namespace: CIRCUITS_NAMESPACE.to_owned(), tenant: provider.to_owned() }
}

async fn trip(State(api): State<Api>, Segments(provider): Segments<String>) -> Result<Json<Value>, ApiError> {
    let kind = CommandKind::TripCircuit { seconds: None, reason: None };
    let state = ask(&api, scope(&provider), kind).await?.value()?;
    Ok(told(state, &format!("the circuit of {provider} is open until it is reset")))
}

async fn reset(State(api): State<Api>, Segments(provider): Segments<String>) -> Result<Json<Value>, ApiError> {
    let state = ask(&api, scope(&provider), CommandKind::ResetCircuit {}).await?.value()?;
    Ok(told(state, &format!("the circuit of {provider} is closed")))
}

fn told(mut state: Value, message: &str) -> Json<Value> {
    state["message"] = json!(message);
    Json(state)
}
