//! How providers' calls fare.

use super::{Api, ApiError};
use crate::clock;
use acteon_schemas::{CircuitPhase, FleetHealth, LatencyHistogram, ProviderHealthReport};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What is said of a provider that nobody calls.
const UNTOLD: &str = "no connector has told of it lately: does one run with this provider?";

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(health))
}

/// All providers.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HealthList {
    /// Each with `provider`, `healthy`, `health_check_error`, `circuit_breaker_state`, `total_requests`, `successes`,
    /// `failures`, `success_rate`, `avg_latency_ms`, `p50_latency_ms`, `p95_latency_ms`, `p99_latency_ms`,
    /// `last_request_at`, `last_error` and more.
    #[schema(value_type = Vec<Object>)]
    providers: Vec<ProviderHealthReport>,
    count: usize,
}

/// How the calls of all providers fare, and how their circuits stand
#[utoipa::path(get, path = "/v1/providers/health", tag = "providers", responses(
    (status = 200, description = "All providers, by name; numbers are of all connectors together", body = HealthList),
))]
async fn health(State(api): State<Api>) -> Result<Json<HealthList>, ApiError> {
    let (definitions, now) = (api.definitions()?, clock::now_ms());
    let view = &api.tables()?.health;
    if let Some(message) = view.progress().unready("view of provider health") {
        return Err(ApiError::catching_up(message));
    }
    let fleet = view.read().0.fleet(now);
    let reports = definitions.providers.iter().map(|provider| {
        let circuits = &definitions.circuits;
        let phase = circuits.state(provider).map_or(CircuitPhase::Closed, |state| state.phase(now));
        let circuit = circuits.definition(provider).map(|_| phase.as_str());
        fleet.get(provider).map_or_else(|| untold(provider, circuit), |health| health.report(circuit))
    });
    let providers: Vec<_> = reports.collect();
    Ok(Json(HealthList { count: providers.len(), providers }))
}

fn untold(provider: &str, circuit: Option<&'static str>) -> ProviderHealthReport {
    let nothing = FleetHealth {
        provider: provider.to_owned(),
        members: 0,
        window_seconds: 0,
        successes: 0,
        failures: 0,
        latency: LatencyHistogram::default(),
        consecutive_failures: 0,
        last_request_at: None,
        last_error: None,
        in_flight: 0,
        backlog: 0,
    };
    let report = nothing.report(circuit);
    ProviderHealthReport { healthy: false, health_check_error: Some(UNTOLD.to_owned()), ..report }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::api::testing::{Fate, Server};

    #[test]
    fn a_provider_that_nobody_tells_of_is_not_healthy() {
        let report = untold("email", Some("open"));
        assert!(!report.healthy && report.health_check_error.unwrap().contains("no connector"));
        assert_eq!((report.total_requests, report.circuit_breaker_state), (0, Some("open")));
    }

    #[tokio::test]
    async fn before_the_view_is_there_it_is_told_so() {
        let server = Server::start(|_| Fate::Silent).await;
        for path in ["/v1/providers/health", "/v1/groups", "/v1/groups/g"] {
            let answer = server.get(path).await;
            assert_eq!((answer.status, answer.body["code"].as_str().unwrap()), (503, "STARTING"), "{path}");
        }
    }
}
