use crate::{Metrics, Probes, Readiness, counters};
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

/// Media type of the Prometheus text format.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone)]
struct Shared {
    probes: Probes,
    metrics: Metrics,
}

pub(crate) fn router(probes: Probes, metrics: Metrics) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics_json))
        .route("/metrics/prometheus", get(metrics_prometheus))
        .fallback(not_found)
        .with_state(Shared { probes, metrics })
}

async fn health(State(shared): State<Shared>) -> Json<Value> {
    Json(json!({ "status": "ok", "metrics": counters::from_prometheus(&shared.metrics.render()) }))
}

async fn ready(State(shared): State<Shared>) -> (StatusCode, Json<Readiness>) {
    let readiness = (shared.probes.readiness)();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

async fn metrics_json(State(shared): State<Shared>) -> Json<Value> {
    Json(counters::from_prometheus(&shared.metrics.render()))
}

async fn metrics_prometheus(State(shared): State<Shared>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], shared.metrics.render())
}

/// The error body that clients parse, for a path that does not exist.
async fn not_found(uri: Uri) -> (StatusCode, Json<Value>) {
    let message = format!("there is no {}; there are /health, /ready, /metrics and /metrics/prometheus", uri.path());
    let body = json!({ "error": message, "code": "NOT_FOUND", "message": message, "retryable": false });
    (StatusCode::NOT_FOUND, Json(body))
}
