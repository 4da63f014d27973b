//! What the rules come to, as plainly as it can be written.

use super::evidence::{ActionBody, Order};
use super::{DEDUP_TTL_MS, LIMITS, Limit, PROVIDERS, REROUTE_TARGET, SLOTS};
use std::collections::BTreeMap;

/// What must be found in an outcome record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) outcome: &'static str,
    pub(super) rule: Option<&'static str>,
    pub(super) provider: String,
    pub(super) retry_after_ms: Option<i64>,
}

/// Namespace and tenant.
pub(super) type Tenant = (String, String);
/// A counter: its rule, and the action type where the rule counts by it.
pub(super) type CounterKey = (&'static str, Option<String>);

/// One tenant's state: when each deduplication key ends, and the times of the events that each counter has counted.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) dedup: BTreeMap<String, i64>,
    pub(super) counters: BTreeMap<CounterKey, Vec<i64>>,
}

impl State {
    /// Decides about an action at a time, and counts it where it is admitted.
    pub(super) fn decide(&mut self, action: &ActionBody, id: &str, now: i64) -> Expected {
        let refused = |outcome, rule, provider: &str| Expected {
            outcome,
            rule: Some(rule),
            provider: provider.to_owned(),
            retry_after_ms: None,
        };
        if action.action_type == "test" {
            return refused("suppressed", "tests-are-suppressed", &action.provider);
        }
        if action.unsigned {
            return refused("suppressed", "unsigned-is-denied", &action.provider);
        }
        let provider = if action.critical { REROUTE_TARGET } else { &action.provider };
        let dedup_key = action.dedup_key.as_deref().unwrap_or(id);
        if action.deduplicated && self.dedup.get(dedup_key).is_some_and(|end| *end > now) {
            return refused("deduplicated", "once", provider);
        }
        for limit in LIMITS.iter().filter(|_| action.limited) {
            let times = self.counters.entry(counter_key(limit, action)).or_default();
            if let Some(wait) = wait(limit, times, now) {
                let expected = refused("throttled", limit.name, provider);
                return Expected { retry_after_ms: Some(wait), ..expected };
            }
        }
        let rule = action.critical.then_some("critical-goes-to-webhook");
        if !PROVIDERS.contains(&provider) {
            return Expected { outcome: "failed", rule, provider: provider.to_owned(), retry_after_ms: None };
        }
        if action.deduplicated {
            self.dedup.insert(dedup_key.to_owned(), now + DEDUP_TTL_MS);
        }
        for limit in LIMITS.iter().filter(|_| action.limited) {
            self.counters.entry(counter_key(limit, action)).or_default().push(now);
        }
        Expected { outcome: "dispatched", rule, provider: provider.to_owned(), retry_after_ms: None }
    }

    /// Carries out a command.
    pub(super) fn perform(&mut self, order: &Order) {
        match order {
            Order::Forget(key) => _ = self.dedup.remove(key),
            Order::Reset(rule) => self.counters.retain(|(of, _), _| of != rule),
            Order::Look => {}
        }
    }
}

fn counter_key(limit: &Limit, action: &ActionBody) -> CounterKey {
    (limit.name, limit.by_type.then(|| action.action_type.clone()))
}

/// The slot that a time falls into.
fn slot(limit: &Limit, at: i64) -> i64 {
    at / (limit.window_ms / SLOTS).max(1)
}

/// The times, slot by slot: each slot's last time and its count.
pub(super) fn slots(rule: &str, times: &[i64]) -> Vec<(i64, usize)> {
    let Some(limit) = LIMITS.iter().find(|limit| limit.name == rule) else { return Vec::new() };
    let same = |a: &i64, b: &i64| slot(limit, *a) == slot(limit, *b);
    times.chunk_by(same).map(|chunk| (chunk[chunk.len() - 1], chunk.len())).collect()
}

/// Forgets the slots that have ended.
fn prune(limit: &Limit, times: &mut Vec<i64>, now: i64) {
    let ended: usize =
        slots(limit.name, times).iter().filter(|(last, _)| last + limit.window_ms <= now).map(|(_, count)| count).sum();
    times.drain(..ended);
}

/// How long an action has to wait; `None` when it passes.
fn wait(limit: &Limit, times: &mut Vec<i64>, now: i64) -> Option<i64> {
    prune(limit, times, now);
    let mut left = times.len();
    if left < limit.max_count {
        return None;
    }
    for (last, count) in slots(limit.name, times) {
        left -= count;
        if left < limit.max_count {
            return Some(last + limit.window_ms - now);
        }
    }
    Some(limit.window_ms)
}
