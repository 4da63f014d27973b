//! A plain model of the processor, and a checker that compares what came out of a run with it.
//!
//! It is the oracle of the simulation and of the exactly-once test on Kafka: another implementation of one fixed rule set
//! ([`RULES`]), with maps and lists and none of the processor's code. [`Evidence`] takes the committed records of every
//! topic after a run; [`check`] says what is wrong with them.
//!
//! Outputs tell the order of decisions and commands (each one writes an outcome into its partition) and the time each one
//! used; the model is fed in that order and must come to the same outcomes.

mod check;
mod decide;
mod evidence;
mod state;
#[cfg(test)]
mod tests;

pub use check::{Report, Violation, check};
pub use evidence::{Evidence, Record, Topic};

/// The rule set that the model implements. It is evaluated as a cascade, with `allow` as the default. Its gates leave the
/// namespace of [`crate::life`] alone, since a notification that a limit stops is none that its laws know of.
pub const RULES: &str = "
rules:
  - name: tests-are-suppressed
    priority: 1
    condition: {field: action.action_type, eq: test}
    action: {type: suppress, reason: only a test}
  - name: unsigned-is-denied
    priority: 2
    condition: {field: action.payload.signed, eq: false}
    action: {type: deny}
  - name: critical-goes-to-webhook
    priority: 3
    condition: {field: action.payload.severity, eq: critical}
    action: {type: reroute, target_provider: webhook}
  - name: once
    priority: 4
    condition: {all: [{field: action.namespace, ne: life}, {field: action.payload.repeats, ne: fine}]}
    action: {type: deduplicate, ttl_seconds: 300}
  - name: tenant-limit
    priority: 5
    condition: {all: [{field: action.namespace, ne: life}, {field: action.payload.limit, ne: none}]}
    action: {type: throttle, max_count: 30, window_seconds: 60}
  - name: type-limit
    priority: 6
    condition: {all: [{field: action.namespace, ne: life}, {field: action.payload.limit, ne: none}]}
    action: {type: throttle, max_count: 12, window_seconds: 20, key_fields: [action_type]}
";

/// Providers that the rule set needs; an action for any other one fails with `PROVIDER_NOT_FOUND`.
pub const PROVIDERS: [&str; 2] = ["email", "webhook"];

/// Where `critical-goes-to-webhook` sends.
const REROUTE_TARGET: &str = "webhook";
/// How long `once` remembers a key, in milliseconds.
const DEDUP_TTL_MS: i64 = 300_000;
/// How long a dispatch's result is remembered, in milliseconds.
const SEEN_TTL_MS: i64 = 24 * 3600 * 1000;

/// A `throttle` rule.
struct Limit {
    name: &'static str,
    max_count: usize,
    window_ms: i64,
    by_type: bool,
}

const LIMITS: [Limit; 2] = [
    Limit { name: "tenant-limit", max_count: 30, window_ms: 60_000, by_type: false },
    Limit { name: "type-limit", max_count: 12, window_ms: 20_000, by_type: true },
];
/// Parts of a throttle's window whose events end together.
const SLOTS: i64 = 32;
