use crate::health::Measured;
use metrics::{Counter, Gauge, Histogram, Unit};

/// Calls made.
const REQUESTS: &str = "acteon_provider_requests_total";
/// Calls that the provider took.
const SUCCESSES: &str = "acteon_provider_successes_total";
/// Calls that failed.
const FAILURES: &str = "acteon_provider_failures_total";
/// Dispatches that were not called.
const CIRCUIT_REFUSALS: &str = "acteon_provider_circuit_refusals_total";
/// Duration of a call.
const LATENCY: &str = "acteon_provider_latency_seconds";
/// Share of the window's calls that the provider took.
const SUCCESS_RATE: &str = "acteon_provider_success_rate";
/// Mean duration of the window's calls.
const AVG_LATENCY: &str = "acteon_provider_avg_latency_ms";
/// Percentiles of their durations.
const PERCENTILES: [(&str, u8); 3] = [
    ("acteon_provider_p50_latency_ms", 50),
    ("acteon_provider_p95_latency_ms", 95),
    ("acteon_provider_p99_latency_ms", 99),
];
/// Failed calls in a row.
const CONSECUTIVE_FAILURES: &str = "acteon_provider_consecutive_failures";
/// Dispatches taken and not complete.
const IN_FLIGHT: &str = "acteon_connector_in_flight";
/// Dispatches waiting.
const LAG: &str = "acteon_connector_lag";

/// Requests that were not made because of the egress policy.
const EGRESS_REFUSED: &str = "acteon_egress_refused_total";
/// Responses whose body was cut off.
const RESPONSES_CUT: &str = "acteon_provider_responses_cut_total";

/// Tells the metrics recorder what the connectors' metrics mean.
pub fn describe_metrics() {
    metrics::describe_counter!(REQUESTS, "Calls made to the provider, retries included");
    metrics::describe_counter!(SUCCESSES, "Calls that the provider took");
    metrics::describe_counter!(FAILURES, "Calls that failed, those that are tried again included");
    metrics::describe_counter!(EGRESS_REFUSED, "Requests not made because their address is not allowed by [egress]");
    metrics::describe_counter!(RESPONSES_CUT, "Responses whose body was longer or slower than is read");
    metrics::describe_counter!(CIRCUIT_REFUSALS, "Dispatches answered without a call since the circuit is open");
    metrics::describe_histogram!(LATENCY, Unit::Seconds, "Duration of one call to the provider, failed ones included");
    metrics::describe_gauge!(
        SUCCESS_RATE,
        "Share of this member's calls of the last 15 minutes that the provider took, from 0 to 100; 100 without a call"
    );
    metrics::describe_gauge!(
        AVG_LATENCY,
        Unit::Milliseconds,
        "Mean duration of this member's calls of the last 15 minutes, failed ones included; 0 without a call"
    );
    for (name, _) in PERCENTILES {
        metrics::describe_gauge!(
            name,
            Unit::Milliseconds,
            "Percentile of the durations of this member's calls of the last 15 minutes; 0 without a call"
        );
    }
    metrics::describe_gauge!(CONSECUTIVE_FAILURES, "Failed calls of this member since the last that the provider took");
    metrics::describe_gauge!(IN_FLIGHT, "Dispatches taken from the topic whose result is not written yet");
    metrics::describe_gauge!(
        LAG,
        "Offsets of the dispatch topic that are not complete on the partitions of this member"
    );
}

/// One provider's metrics.
pub(crate) struct Meters {
    pub(crate) requests: Counter,
    pub(crate) successes: Counter,
    pub(crate) failures: Counter,
    pub(crate) circuit_refusals: Counter,
    pub(crate) latency: Histogram,
    pub(crate) in_flight: Gauge,
    pub(crate) lag: Gauge,
    success_rate: Gauge,
    avg_latency: Gauge,
    /// Each with its percentage.
    percentiles: [(Gauge, u8); 3],
    consecutive_failures: Gauge,
}

impl Meters {
    pub(crate) fn new(provider: &str) -> Self {
        let label = || provider.to_owned();
        Self {
            requests: metrics::counter!(REQUESTS, "provider" => label()),
            successes: metrics::counter!(SUCCESSES, "provider" => label()),
            failures: metrics::counter!(FAILURES, "provider" => label()),
            circuit_refusals: metrics::counter!(CIRCUIT_REFUSALS, "provider" => label()),
            latency: metrics::histogram!(LATENCY, "provider" => label()),
            in_flight: metrics::gauge!(IN_FLIGHT, "provider" => label()),
            lag: metrics::gauge!(LAG, "provider" => label()),
            success_rate: metrics::gauge!(SUCCESS_RATE, "provider" => label()),
            avg_latency: metrics::gauge!(AVG_LATENCY, "provider" => label()),
            percentiles: PERCENTILES.map(|(name, percent)| (metrics::gauge!(name, "provider" => label()), percent)),
            consecutive_failures: metrics::gauge!(CONSECUTIVE_FAILURES, "provider" => label()),
        }
    }

    /// Sets the gauges of what was measured.
    pub(crate) fn show(&self, measured: &Measured) {
        let requests = measured.successes + measured.failures;
        let share = if requests == 0 { 1.0 } else { measured.successes as f64 / requests as f64 };
        self.success_rate.set(share * 100.0);
        self.avg_latency.set(measured.latency.mean_ms().unwrap_or(0.0));
        for (gauge, percent) in &self.percentiles {
            gauge.set(measured.latency.percentile_ms(*percent).unwrap_or(0.0));
        }
        self.consecutive_failures.set(measured.consecutive_failures as f64);
    }
}

/// One HTTP client's metrics.
pub(crate) struct HttpMeters {
    pub(crate) refused: Counter,
    pub(crate) cut: Counter,
}

impl HttpMeters {
    pub(crate) fn new(provider: &str) -> Self {
        Self {
            refused: metrics::counter!(EGRESS_REFUSED, "provider" => provider.to_owned()),
            cut: metrics::counter!(RESPONSES_CUT, "provider" => provider.to_owned()),
        }
    }
}
