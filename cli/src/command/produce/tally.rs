//! What the command says: a row an action, and the sum of all.

use super::histogram::Histogram;
use super::waiting::{Outcome, Sent};
use crate::output::count;
use acteon_schemas as schemas;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What became of one action.
pub(super) struct Row<'r> {
    pub(super) sent: &'r Sent,
    /// `None`: it has not come.
    pub(super) outcome: Option<&'r Outcome>,
    pub(super) latency: Duration,
}

impl Row<'_> {
    pub(super) fn header() -> String {
        columns(["LINE", "OUTCOME", "PROVIDER", "RULE", "LATENCY", "ACTION ID", "DETAIL"])
    }

    pub(super) fn line(&self) -> String {
        let Some(outcome) = self.outcome else {
            let id = self.sent.action_id.as_deref().unwrap_or("-");
            return columns([&self.sent.line.to_string(), "NO OUTCOME", "-", "-", "-", id, "not in time"]);
        };
        columns([
            &self.sent.line.to_string(),
            outcome.kind.as_str(),
            &outcome.provider,
            outcome.rule.as_deref().unwrap_or("-"),
            &millis(self.latency),
            &outcome.action_id,
            &detail(&outcome.detail),
        ])
    }

    pub(super) fn json(&self) -> Value {
        match self.outcome {
            None => json!({ "line": self.sent.line, "action_id": self.sent.action_id, "outcome": null }),
            Some(outcome) => json!({
                "line": self.sent.line,
                "action_id": outcome.action_id,
                "outcome": outcome.kind.as_str(),
                "provider": outcome.provider,
                "rule": outcome.rule,
                "latency_ms": round_millis(self.latency),
                "detail": outcome.detail,
            }),
        }
    }
}

fn columns(cells: [&str; 7]) -> String {
    let [line, outcome, provider, rule, latency, id, detail] = cells;
    format!("{line:>5}  {outcome:<16}  {provider:<20}  {rule:<26}  {latency:>9}  {id:<36}  {detail}")
}

/// What an outcome says beyond its kind, in few words.
fn detail(detail: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(rerouted) = detail.get("Rerouted") {
        let open =
            rerouted["circuit_open"].as_array().map(|open| open.iter().map(&text).collect::<Vec<_>>().join(", "));
        let why = open.map(|open| format!(" (circuit open: {open})")).unwrap_or_default();
        return format!("{} → {}{why}", text(&rerouted["original_provider"]), text(&rerouted["new_provider"]));
    }
    if let Some(open) = detail.get("CircuitOpen") {
        let fallbacks = open["fallback_chain"].as_array().into_iter().flatten();
        return fallbacks.fold(text(&open["provider"]), |all, name| format!("{all}, {}", text(name)));
    }
    if let Some(failed) = detail.get("Failed") {
        return format!("{}: {}", text(&failed["code"]), text(&failed["message"]));
    }
    if let Some(throttled) = detail.get("Throttled") {
        let after = &throttled["retry_after"];
        let secs = after["secs"].as_f64().unwrap_or_default() + after["nanos"].as_f64().unwrap_or_default() / 1e9;
        return format!("retry after {secs:.1} s");
    }
    detail.get("Suppressed").map(|suppressed| text(&suppressed["reason"])).unwrap_or_default()
}

/// The sum of a command.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Taken by Kafka or on the way.
    pub(super) sent: usize,
    /// Not sent.
    pub(super) refused: usize,
    /// Sent, without an outcome in time.
    pub(super) missing: usize,
    outcomes: BTreeMap<schemas::Outcome, usize>,
    latencies: Histogram,
}

impl Tally {
    pub(super) fn outcome(&mut self, kind: schemas::Outcome, latency: Duration) {
        *self.outcomes.entry(kind).or_default() += 1;
        self.latencies.record(latency);
    }

    /// Rows of the summary table.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let outcomes = self.outcomes.iter().map(|(kind, count)| (kind.as_str(), *count));
        let others = [("no outcome", self.missing), ("refused", self.refused)];
        let rows = outcomes.chain(others.into_iter().filter(|(_, count)| *count > 0));
        rows.map(|(name, count)| vec![name.to_owned(), count.to_string()]).collect()
    }

    pub(super) fn sent_line(&self) -> String {
        let sent = format!("{} sent", count(self.sent, "action"));
        if self.refused == 0 { sent } else { format!("{sent}, {} refused,", count(self.refused, "line")) }
    }

    pub(super) fn latencies(&self, elapsed: Duration) -> String {
        let percentile = |percent| self.latencies.percentile(percent).map_or_else(|| "-".to_owned(), millis);
        let (p50, p99) = (percentile(50), percentile(99));
        let seconds = elapsed.as_secs_f64();
        format!("{} in {seconds:.2} s; latency p50 {p50}, p99 {p99}", self.sent_line())
    }

    pub(super) fn json(&self, waited: bool, elapsed: Duration) -> Value {
        let mut summary = json!({
            "sent": self.sent,
            "refused": self.refused,
            "seconds": elapsed.as_secs_f64(),
        });
        if waited {
            let outcomes = self.outcomes.iter().map(|(kind, count)| (kind.as_str().to_owned(), json!(count)));
            summary["outcomes"] = outcomes.collect::<Map<_, _>>().into();
            summary["no_outcome"] = json!(self.missing);
            summary["latency_ms"] = json!({
                "p50": self.latencies.percentile(50).map(round_millis),
                "p99": self.latencies.percentile(99).map(round_millis),
            });
        }
        summary
    }
}

fn millis(latency: Duration) -> String {
    format!("{:.1} ms", latency.as_secs_f64() * 1e3)
}

/// Milliseconds to three digits after the point, for programs.
fn round_millis(latency: Duration) -> f64 {
    (latency.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_told_in_few_words() {
        let cases = [
            (json!("Deduplicated"), ""),
            (json!({"Executed": {"status": "success"}}), ""),
            (json!({"Rerouted": {"original_provider": "email", "new_provider": "sms"}}), "email → sms"),
            (
                json!({"Rerouted": {"original_provider": "a", "new_provider": "b", "circuit_open": ["a"]}}),
                "a → b (circuit open: a)",
            ),
            (json!({"CircuitOpen": {"provider": "a", "fallback_chain": ["b"]}}), "a, b"),
            (json!({"Throttled": {"retry_after": {"secs": 1, "nanos": 500_000_000}}}), "retry after 1.5 s"),
            (json!({"Suppressed": {"rule": "r", "reason": "why"}}), "why"),
            (json!({"Failed": {"code": "TIMEOUT", "message": "late"}}), "TIMEOUT: late"),
        ];
        for (value, text) in cases {
            assert_eq!(detail(&value), text);
        }
    }
}
