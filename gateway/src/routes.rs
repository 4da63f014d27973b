use crate::api::{self, Api, ApiError};
use crate::view::audit::AuditView;
use crate::{Component, Metrics, Probes, Readiness, counters};
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
    api: Option<Api>,
}

/// All routes; those of the API where this process has one.
pub(crate) fn router(probes: Probes, metrics: Metrics, api: Option<Api>) -> Router {
    let routes = api.as_ref().map_or_else(Router::new, api::router);
    let watched = Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics_json))
        .route("/metrics/prometheus", get(metrics_prometheus))
        .with_state(Shared { probes, metrics, api });
    routes.merge(watched).fallback(not_found).method_not_allowed_fallback(api::method_not_allowed)
}

async fn health(State(shared): State<Shared>) -> Json<Value> {
    Json(json!({ "status": "ok", "metrics": counters::from_prometheus(&shared.metrics.render()) }))
}

async fn ready(State(shared): State<Shared>) -> (StatusCode, Json<Readiness>) {
    let mut components = (shared.probes.readiness)().components;
    components.extend(shared.api.as_ref().map(component));
    components.extend(shared.api.as_ref().and_then(Api::audit_view).map(AuditView::component));
    let readiness = Readiness::of(components);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

async fn metrics_json(State(shared): State<Shared>) -> Json<Value> {
    Json(counters::from_prometheus(&shared.metrics.render()))
}

async fn metrics_prometheus(State(shared): State<Shared>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], shared.metrics.render())
}

/// How the API is doing.
fn component(api: &Api) -> Component {
    let trouble = match api.opened() {
        None => Some("waits for Kafka".to_owned()),
        Some(desk) => desk.failed(),
    };
    Component {
        name: "gateway".to_owned(),
        ready: trouble.is_none(),
        reason: trouble.unwrap_or_else(|| "follows the outcomes".to_owned()),
        tasks: Vec::new(),
    }
}

async fn not_found(uri: Uri) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("there is no {}", uri.path()))
}
