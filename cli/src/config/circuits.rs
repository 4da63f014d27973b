//! `[circuit_breaker]`: when a provider that keeps failing is left alone, and who is called instead.

use super::keys::{Spans, nearest};
use super::problem::Report;
use acteon_core::check_circuits;
use acteon_schemas::CircuitDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Failures that open a circuit where nothing says otherwise.
const DEFAULT_FAILURE_THRESHOLD: u32 = 5;
/// Successes that close it again where nothing says otherwise.
const DEFAULT_SUCCESS_THRESHOLD: u32 = 2;
/// How long it stays open where nothing says otherwise, in seconds.
const DEFAULT_RECOVERY_SECONDS: u64 = 60;
/// Largest threshold.
const MAX_THRESHOLD: u32 = 1_000_000;
/// Longest time that a circuit stays open by itself, in seconds (30 days).
const MAX_RECOVERY_SECONDS: u64 = 30 * 24 * 3600;

/// `[circuit_breaker]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCircuitBreaker {
    pub(super) enabled: Option<bool>,
    pub(super) failure_threshold: Option<u32>,
    pub(super) success_threshold: Option<u32>,
    pub(super) recovery_timeout_seconds: Option<u64>,
    pub(super) providers: BTreeMap<String, RawCircuit>,
}

/// `[circuit_breaker.providers.<name>]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCircuit {
    pub(super) failure_threshold: Option<u32>,
    pub(super) success_threshold: Option<u32>,
    pub(super) recovery_timeout_seconds: Option<u64>,
    pub(super) fallback_provider: Option<String>,
}

/// How circuits work, by provider; empty where they are not enabled. Problems go to the report.
pub(super) fn circuits(
    raw: RawCircuitBreaker,
    providers: &BTreeSet<String>,
    spans: &Spans,
    report: &mut Report<'_>,
) -> BTreeMap<String, CircuitDefinition> {
    let mut check = Check { spans, report };
    let shared = CircuitDefinition {
        failure_threshold: check.threshold(
            "circuit_breaker.failure_threshold",
            raw.failure_threshold,
            DEFAULT_FAILURE_THRESHOLD,
        ),
        success_threshold: check.threshold(
            "circuit_breaker.success_threshold",
            raw.success_threshold,
            DEFAULT_SUCCESS_THRESHOLD,
        ),
        recovery_timeout_ms: check.recovery(
            "circuit_breaker.recovery_timeout_seconds",
            raw.recovery_timeout_seconds,
            DEFAULT_RECOVERY_SECONDS * 1000,
        ),
        fallback_provider: None,
    };
    let mut circuits: BTreeMap<String, CircuitDefinition> =
        providers.iter().map(|name| (name.clone(), shared.clone())).collect();
    for (name, own) in raw.providers {
        let path = format!("circuit_breaker.providers.{name}");
        check.provider(&path, &name, providers);
        let circuit = CircuitDefinition {
            failure_threshold: check.threshold(
                &format!("{path}.failure_threshold"),
                own.failure_threshold,
                shared.failure_threshold,
            ),
            success_threshold: check.threshold(
                &format!("{path}.success_threshold"),
                own.success_threshold,
                shared.success_threshold,
            ),
            recovery_timeout_ms: check.recovery(
                &format!("{path}.recovery_timeout_seconds"),
                own.recovery_timeout_seconds,
                shared.recovery_timeout_ms,
            ),
            fallback_provider: own
                .fallback_provider
                .filter(|fallback| check.provider(&format!("{path}.fallback_provider"), fallback, providers)),
        };
        circuits.insert(name, circuit);
    }
    circuits.retain(|name, _| providers.contains(name));
    for (name, problem) in check_circuits(&circuits, providers) {
        let path = format!("circuit_breaker.providers.{name}");
        let span = spans.get(&format!("{path}.fallback_provider")).or_else(|| spans.get(&path)).cloned();
        report.error(span, format!("`{path}`: {problem}"));
    }
    if raw.enabled == Some(true) {
        return circuits;
    }
    if let Some(span) = spans.get("circuit_breaker") {
        let message = "[circuit_breaker] has no effect while `enabled` is not true";
        report.warn(Some(span.clone()), message);
    }
    BTreeMap::new()
}

struct Check<'c, 't> {
    spans: &'c Spans,
    report: &'c mut Report<'t>,
}

impl Check<'_, '_> {
    fn threshold(&mut self, key: &str, value: Option<u32>, default: u32) -> u32 {
        match value {
            Some(value) if !(1..=MAX_THRESHOLD).contains(&value) => {
                self.error(key, &format!("is {value}; it may be 1 to {MAX_THRESHOLD}"));
                default
            }
            value => value.unwrap_or(default),
        }
    }

    /// A time, in milliseconds.
    fn recovery(&mut self, key: &str, value: Option<u64>, default_ms: u64) -> u64 {
        match value {
            Some(value) if !(1..=MAX_RECOVERY_SECONDS).contains(&value) => {
                self.error(key, &format!("is {value}; it may be 1 to {MAX_RECOVERY_SECONDS}"));
                default_ms
            }
            value => value.map_or(default_ms, |seconds| seconds * 1000),
        }
    }

    /// Whether there is a provider of that name.
    fn provider(&mut self, key: &str, name: &str, providers: &BTreeSet<String>) -> bool {
        let is_known = providers.contains(name);
        if !is_known {
            let names: Vec<&str> = providers.iter().map(String::as_str).collect();
            let near = nearest(name, &names)
                .map_or_else(|| "; add it under [[providers]]".to_owned(), |near| format!(" (did you mean `{near}`?)"));
            self.error(key, &format!("names `{name}`, and no such provider is configured{near}"));
        }
        is_known
    }

    fn error(&mut self, key: &str, problem: &str) {
        self.report.error(self.spans.get(key).cloned(), format!("`{key}` {problem}"));
    }
}

/// The section with every value in effect.
pub(super) fn shown(circuits: &BTreeMap<String, CircuitDefinition>) -> Value {
    let providers: Map<String, Value> = circuits
        .iter()
        .map(|(name, circuit)| {
            let mut keys = json!({
                "failure_threshold": circuit.failure_threshold,
                "success_threshold": circuit.success_threshold,
                "recovery_timeout_seconds": circuit.recovery_timeout_ms / 1000,
            });
            if let Some(fallback) = &circuit.fallback_provider {
                keys["fallback_provider"] = json!(fallback);
            }
            (name.clone(), keys)
        })
        .collect();
    json!({"enabled": true, "providers": providers})
}
