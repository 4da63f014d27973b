//! How providers' calls fare, by the members of the connectors' fleet.

use crate::clock::{self, Stopwatch};
use crate::config::Config;
use acteon_gateway::view::health::read_health;
use acteon_schemas::FleetHealth;
use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

use super::time;

/// Longest that the records are read for.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// Columns that lists have of it.
pub(super) const COLUMNS: [&str; 7] = ["requests", "success_%", "p50_ms", "p95_ms", "p99_ms", "backlog", "last_error"];

/// Reads how all providers do that a member has told of lately, by name. Where that can't be read it is said in the log:
/// it is not what providers are listed for in the first place.
pub(super) fn read(config: &Config) -> BTreeMap<String, FleetHealth> {
    fleet(config).unwrap_or_else(|error| {
        tracing::warn!("how providers' calls fare can't be read: {error:#}");
        BTreeMap::new()
    })
}

fn fleet(config: &Config) -> Result<BTreeMap<String, FleetHealth>> {
    let (names, now, clock) = (&config.topology.names, clock::now_ms(), Stopwatch::start());
    let table = read_health(&config.kafka, names, now, || clock.elapsed() > READ_LIMIT)?;
    match table {
        Some(table) => Ok(table.fleet(now)),
        None => bail!("{} was not read to its end in {READ_LIMIT:?}", names.provider_health()),
    }
}

/// The columns of lists, and where `all` is asked for, the rest of it.
pub(super) fn cells(health: &FleetHealth, all: bool) -> Map<String, Value> {
    let percentile = |percent| health.latency.percentile_ms(percent).map(rounded);
    let error = health.last_error.as_ref();
    let mut cells = json!({
        "requests": health.requests(),
        "success_%": health.success_rate(),
        "p50_ms": percentile(50),
        "p95_ms": percentile(95),
        "p99_ms": percentile(99),
        "backlog": health.backlog,
        "last_error": error.map(|failure| &failure.code),
    });
    if all {
        cells["last_error"] = json!(error.map(|failure| format!("{}: {}", failure.code, failure.message)));
        cells["last_error_at"] = json!(error.map(|failure| time(failure.at)));
        cells["last_request_at"] = json!(health.last_request_at.map(time));
        cells["avg_ms"] = json!(health.latency.mean_ms().map(rounded));
        cells["failures_in_a_row"] = json!(health.consecutive_failures);
        cells["in_flight"] = json!(health.in_flight);
        cells["members"] = json!(health.members);
        cells["window_seconds"] = json!(health.window_seconds);
    }
    match cells {
        Value::Object(cells) => cells,
        _ => Map::new(),
    }
}

/// To a tenth of a millisecond.
fn rounded(ms: f64) -> f64 {
    (ms * 10.0).round() / 10.0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use acteon_schemas::{CallFailure, LatencyBucket, LatencyHistogram, ProviderHealth};

    fn health(successes: u64) -> FleetHealth {
        let buckets =
            vec![LatencyBucket { le_us: 1_234, count: successes }, LatencyBucket { le_us: 987_654, count: 1 }];
        let latency = LatencyHistogram { sum_us: 1_000_000, max_us: 987_654, buckets };
        FleetHealth::of(&ProviderHealth {
            provider: "p".to_owned(),
            member: "m".to_owned(),
            measured_at: 0,
            window_seconds: 900,
            successes,
            failures: 1,
            latency,
            consecutive_failures: 1,
            last_request_at: Some(1_000),
            last_error: Some(CallFailure { code: "TIMEOUT".into(), message: "no answer".into(), at: 1_000 }),
            in_flight: 2,
            lag: None,
        })
    }

    #[test]
    fn numbers_are_short_and_the_rest_is_told_where_asked_for() {
        let row = cells(&health(98), false);
        let shown: Vec<String> = COLUMNS.iter().map(|column| row[*column].to_string()).collect();
        assert_eq!(shown, ["99", "98.99", "1.2", "1.2", "987.7", "2", "\"TIMEOUT\""]);
        assert_eq!(row.len(), COLUMNS.len());
        let all = cells(&health(98), true);
        assert_eq!(all["last_error"], "TIMEOUT: no answer");
        assert_eq!((&all["last_error_at"], &all["avg_ms"]), (&json!("1970-01-01T00:00:01Z"), &json!(10.1)));
    }

    #[test]
    fn what_was_not_called_has_no_rate_and_no_durations() {
        let idle = FleetHealth { successes: 0, failures: 0, latency: LatencyHistogram::default(), ..health(0) };
        let row = cells(&idle, false);
        for column in ["success_%", "p50_ms", "p95_ms", "p99_ms"] {
            assert!(row[column].is_null(), "{column}");
        }
        assert_eq!(row["requests"], 0);
    }
}
