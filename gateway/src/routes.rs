use crate::api::openapi;
use crate::api::{self, Api, ApiError};
use crate::{Component, Metrics, Probes, Readiness, counters, http_metrics, swagger};
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

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
    let (routes, described) = api.as_ref().map(api::router).unzip();
    let (watched, watched_described) = OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(ready))
        .routes(routes!(metrics_json))
        .routes(routes!(metrics_prometheus))
        // Where Prometheus's own programs have them.
        .route("/-/healthy", get(health))
        .route("/-/ready", get(ready))
        .with_state(Shared { probes, metrics, api })
        .split_for_parts();
    let document = openapi::document(described, watched_described);
    let measured = http_metrics::Routes::of(&document);
    routes
        .unwrap_or_default()
        .merge(watched)
        .merge(swagger::router(document))
        .fallback(not_found)
        .method_not_allowed_fallback(api::method_not_allowed)
        .layer(from_fn_with_state(measured, http_metrics::measure))
}

/// That the process serves.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Health {
    /// Always `ok`.
    status: &'static str,
    metrics: Counters,
}

/// Counters by their short names: `acteon_actions_executed_total` is `executed`.
#[derive(Serialize, ToSchema)]
#[schema(value_type = std::collections::BTreeMap<String, f64>)]
struct Counters(Map<String, Value>);

/// Whether the process serves, and its counters
#[utoipa::path(get, path = "/health", tag = "operators", responses((status = 200, description = "It does", body = Health)))]
async fn health(State(shared): State<Shared>) -> Json<Health> {
    Json(Health { status: "ok", metrics: counters(&shared) })
}

/// Whether all of its parts do their work
#[utoipa::path(get, path = "/ready", tag = "operators", responses(
    (status = 200, description = "They do", body = Readiness),
    (status = 503, description = "Not all of them", body = Readiness),
))]
async fn ready(State(shared): State<Shared>) -> (StatusCode, Json<Readiness>) {
    let mut components = (shared.probes.readiness)().components;
    components.extend(shared.api.as_ref().map(component));
    components.extend(shared.api.iter().flat_map(Api::view_components));
    let readiness = Readiness::of(components);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// The counters
#[utoipa::path(get, path = "/metrics", tag = "operators", responses(
    (status = 200, description = "All of them, summed over their labels", body = Counters),
))]
async fn metrics_json(State(shared): State<Shared>) -> Json<Counters> {
    Json(counters(&shared))
}

fn counters(shared: &Shared) -> Counters {
    Counters(counters::from_prometheus(&shared.metrics.render()))
}

/// All metrics, for Prometheus
#[utoipa::path(get, path = "/metrics/prometheus", tag = "operators", responses(
    (status = 200, description = "In the text format", body = String, content_type = "text/plain"),
))]
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
