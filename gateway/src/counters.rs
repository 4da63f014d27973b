//! The counters as JSON: the registry's Prometheus text, summed over labels and with short names.

use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;

/// Counters that are always shown, from 0: what clients of the HTTP API look for.
const ALWAYS: [&str; 18] = [
    "dispatched",
    "executed",
    "deduplicated",
    "suppressed",
    "silenced",
    "muted",
    "rerouted",
    "throttled",
    "failed",
    "pending_approval",
    "scheduled",
    "chains_started",
    "chains_completed",
    "chains_failed",
    "chains_cancelled",
    "circuit_open",
    "circuit_transitions",
    "circuit_fallbacks",
];

/// Every counter of `text` (Prometheus exposition format) by its short name: `acteon_actions_executed_total` is
/// `executed`, `acteon_chains_started_total` is `chains_started`. A counter with labels is the sum over them.
pub(crate) fn from_prometheus(text: &str) -> Map<String, Value> {
    let mut sums: BTreeMap<&str, f64> = ALWAYS.iter().map(|name| (*name, 0.0)).collect();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let name = series.split_once('{').map_or(series, |(name, _)| name);
        if let (Some(short), Ok(value)) = (short_name(name), value.parse::<f64>()) {
            *sums.entry(short).or_insert(0.0) += value;
        }
    }
    sums.into_iter().map(|(name, value)| (name.to_owned(), number(value))).collect()
}

fn short_name(name: &str) -> Option<&str> {
    let name = name.strip_suffix("_total")?.strip_prefix("acteon_")?;
    Some(name.strip_prefix("actions_").unwrap_or(name))
}

/// A counter is a whole number; it is shown as one as long as an `f64` holds it exactly.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&value) {
        return Value::from(value as u64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_summed_and_names_shortened() {
        let text = "# TYPE acteon_actions_executed_total counter\n\
            acteon_actions_executed_total{provider=\"a b\"} 3\n\
            acteon_actions_executed_total{provider=\"c\"} 4\n\
            acteon_chains_started_total 1\n\
            acteon_commit_seconds_sum 0.5\n\
            other_total 9\n";
        let json = from_prometheus(text);
        assert_eq!(json["executed"], 7);
        assert_eq!(json["chains_started"], 1);
        assert_eq!(json["failed"], 0, "what has not happened yet is 0");
        assert_eq!(json.len(), ALWAYS.len(), "no others: {json:?}");
    }
}
