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
    metrics::describe_gauge!(IN_FLIGHT, "Dispatches taken from the topic whose result is not written yet");
    metrics::describe_gauge!(
        LAG,
        "Offsets of the dispatch topic, transaction markers included, that are not complete on the partitions of this \
         member"
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
        }
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
