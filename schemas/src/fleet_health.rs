use crate::error::DecodeError;
use crate::latency::LatencyHistogram;
use crate::provider_health::{CallFailure, ProviderHealth};
use serde::Serialize;
use std::collections::BTreeMap;

/// Most records that are kept of the provider-health topic: 256 providers at 256 members. Beyond it, the oldest makes
/// room.
pub const MAX_HEALTH_RECORDS: usize = 256 * 256;
/// So many failed calls in a row at every member that calls make a provider unhealthy.
pub const UNHEALTHY_FAILURES: u64 = 3;

/// The provider-health topic as read so far: the last record of each provider and member.
#[derive(Debug, Clone, Default)]
pub struct ProviderHealthTable(BTreeMap<String, ProviderHealth>);

/// How one provider's calls fare at all members of the fleet together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetHealth {
    /// The provider.
    pub provider: String,
    /// Members that have told of it.
    pub members: u64,
    /// How far back `successes`, `failures` and `latency` go, in seconds.
    pub window_seconds: u32,
    /// Calls that the provider took.
    pub successes: u64,
    /// Calls that failed, those that were made again included.
    pub failures: u64,
    /// How long the calls took, failed ones included.
    pub latency: LatencyHistogram,
    /// Failed calls in a row, by the member that has seen the fewest: where one gets through, the provider is there. What
    /// members say that have made no call doesn't count.
    pub consecutive_failures: u64,
    /// When the last call ended, in milliseconds since 1970.
    pub last_request_at: Option<i64>,
    /// The last failure of any member.
    pub last_error: Option<CallFailure>,
    /// Dispatches taken whose result is not written yet.
    pub in_flight: u64,
    /// Dispatches that wait or are under way.
    pub backlog: u64,
}

/// A provider's health as reports have it; the first fields are those of the HTTP API.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProviderHealthReport {
    /// The provider.
    pub provider: String,
    /// Whether a member calls it, and its last [`UNHEALTHY_FAILURES`] calls have not all failed.
    pub healthy: bool,
    /// Why it is not healthy.
    pub health_check_error: Option<String>,
    /// How its circuit stands, where it has one: `closed`, `open` or `half_open`.
    pub circuit_breaker_state: Option<&'static str>,
    /// Calls within the window.
    pub total_requests: u64,
    /// Those that the provider took.
    pub successes: u64,
    /// Those that failed.
    pub failures: u64,
    /// Share of those that it took, from 0 to 100; 100 without a call.
    pub success_rate: f64,
    /// Mean duration of a call, in milliseconds; 0 without a call, like the percentiles.
    pub avg_latency_ms: f64,
    /// Median.
    pub p50_latency_ms: f64,
    /// 95th percentile.
    pub p95_latency_ms: f64,
    /// 99th percentile.
    pub p99_latency_ms: f64,
    /// When the last call ended, in milliseconds since 1970.
    pub last_request_at: Option<i64>,
    /// Code and message of the last failure.
    pub last_error: Option<String>,
    /// When that was, in milliseconds since 1970.
    pub last_error_at: Option<i64>,
    /// See [`FleetHealth::consecutive_failures`].
    pub consecutive_failures: u64,
    /// Dispatches that wait or are under way.
    pub backlog: u64,
    /// Of these, the ones taken.
    pub in_flight: u64,
    /// Members that have told of it.
    pub members: u64,
    /// How far back the numbers of calls go, in seconds.
    pub window_seconds: u32,
}

impl ProviderHealthTable {
    /// Takes a record in; a tombstone takes its member out.
    ///
    /// # Errors
    /// The value can't be decoded; the table stays as it is.
    pub fn take(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), DecodeError> {
        let Some(value) = value else {
            self.0.remove(key);
            return Ok(());
        };
        let health = ProviderHealth::decode(value)?;
        self.0.insert(key.to_owned(), health);
        if self.0.len() > MAX_HEALTH_RECORDS {
            let oldest = self.0.iter().min_by_key(|(_, health)| health.measured_at).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.0.remove(&key));
        }
        Ok(())
    }

    /// How all providers do that a member has told of lately, by name; `now` is in milliseconds since 1970.
    #[must_use]
    pub fn fleet(&self, now: i64) -> BTreeMap<String, FleetHealth> {
        let mut fleet: BTreeMap<String, FleetHealth> = BTreeMap::new();
        for health in self.0.values().filter(|health| health.is_fresh(now)) {
            match fleet.get_mut(&health.provider) {
                Some(merged) => merged.add(health),
                None => drop(fleet.insert(health.provider.clone(), FleetHealth::of(health))),
            }
        }
        fleet
    }
}

impl FleetHealth {
    /// That of a fleet with one member.
    #[must_use]
    pub fn of(health: &ProviderHealth) -> Self {
        Self {
            provider: health.provider.clone(),
            members: 1,
            window_seconds: health.window_seconds,
            successes: health.successes,
            failures: health.failures,
            latency: health.latency.clone(),
            consecutive_failures: health.consecutive_failures,
            last_request_at: health.last_request_at,
            last_error: health.last_error.clone(),
            in_flight: health.in_flight,
            backlog: health.backlog(),
        }
    }

    /// Adds what another member tells. The order in which members are added makes no difference.
    pub fn add(&mut self, health: &ProviderHealth) {
        self.members = self.members.saturating_add(1);
        self.window_seconds = self.window_seconds.max(health.window_seconds);
        self.successes = self.successes.saturating_add(health.successes);
        self.failures = self.failures.saturating_add(health.failures);
        self.latency.add(&health.latency);
        self.consecutive_failures = match (self.last_request_at, health.last_request_at) {
            (_, None) => self.consecutive_failures,
            (None, Some(_)) => health.consecutive_failures,
            (Some(_), Some(_)) => self.consecutive_failures.min(health.consecutive_failures),
        };
        self.last_request_at = self.last_request_at.max(health.last_request_at);
        let order = |failure: &CallFailure| (failure.at, failure.code.clone(), failure.message.clone());
        if health.last_error.as_ref().map(order) > self.last_error.as_ref().map(order) {
            self.last_error.clone_from(&health.last_error);
        }
        self.in_flight = self.in_flight.saturating_add(health.in_flight);
        self.backlog = self.backlog.saturating_add(health.backlog());
    }

    /// Calls within the window.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.successes.saturating_add(self.failures)
    }

    /// Share of the calls that the provider took, from 0 to 100 with two decimals; `None` without a call.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        let requests = self.requests();
        (requests > 0).then(|| (self.successes as f64 / requests as f64 * 10_000.0).round() / 100.0)
    }

    /// The report. `circuit`: how its circuit stands, where it has one.
    #[must_use]
    pub fn report(&self, circuit: Option<&'static str>) -> ProviderHealthReport {
        let last_error = self.last_error.as_ref();
        let told = last_error.map(|failure| format!("{}: {}", failure.code, failure.message));
        let healthy = self.consecutive_failures < UNHEALTHY_FAILURES;
        let percentile = |percent| self.latency.percentile_ms(percent).unwrap_or(0.0);
        ProviderHealthReport {
            provider: self.provider.clone(),
            healthy,
            health_check_error: (!healthy).then(|| {
                let times = self.consecutive_failures;
                format!("the last {times} calls failed, at last with {}", told.as_deref().unwrap_or("an unknown error"))
            }),
            circuit_breaker_state: circuit,
            total_requests: self.requests(),
            successes: self.successes,
            failures: self.failures,
            success_rate: self.success_rate().unwrap_or(100.0),
            avg_latency_ms: self.latency.mean_ms().unwrap_or(0.0),
            p50_latency_ms: percentile(50),
            p95_latency_ms: percentile(95),
            p99_latency_ms: percentile(99),
            last_request_at: self.last_request_at,
            last_error_at: last_error.map(|failure| failure.at),
            last_error: told,
            consecutive_failures: self.consecutive_failures,
            backlog: self.backlog,
            in_flight: self.in_flight,
            members: self.members,
            window_seconds: self.window_seconds,
        }
    }
}

#[cfg(test)]
mod tests;
