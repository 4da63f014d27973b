//! The tenants of the laws: their actions, their commands, and the time that it takes until all of it is over.

use super::broker::{Record, Topic};
use super::hub::Shared;
use super::verdict::entries;
use acteon_core::due_at;
use acteon_schemas::{partition_of, tenant_key};
use acteon_testkit::life::{NAMESPACE, Report, Traffic};
use serde_json::Value;
use std::collections::BTreeMap;

/// Timers due later than this are not waited for, in milliseconds.
const HORIZON_MS: i64 = 2 * 3600 * 1000;

/// Kinds of outcomes that some seed must see.
pub const KINDS: [&str; 31] = [
    "released_by recurring",
    "done update_recurring",
    "done backfill_recurring",
    "done start_chain",
    "done set_quota",
    "done delete_quota",
    "quota_exceeded",
    "quota warns",
    "quota degrades",
    "quota notifies",
    "throttled",
    "released_by throttle",
    "failed",
    "grouped",
    "released_by group",
    "scheduled",
    "cancelled",
    "released_by schedule",
    "pending_approval",
    "rejected",
    "expired",
    "released_by approval",
    "state_changed",
    "released_by event",
    "chain_started",
    "chain_completed",
    "chain_failed",
    "chain_cancelled",
    "chain_timed_out",
    "command_done",
    "command_refused",
];

/// Their state of the world outside.
#[derive(Default)]
pub struct Tenants {
    traffic: Traffic,
    /// Next offsets of those who read outcomes.
    positions: BTreeMap<i32, i64>,
}

fn append(shared: &mut Shared, topic: Topic, tenant: &str, value: &Value, astray: bool) {
    let key = tenant_key(NAMESPACE, tenant);
    let partitions = shared.broker.partitions;
    let partition = if astray { shared.rng.i32(0..partitions) } else { partition_of(key.as_bytes(), partitions) };
    let (key, value) = (Some(key.into_bytes()), Some(value.to_string().into_bytes()));
    shared.broker.append(topic, partition, Record { key, value, headers: Vec::new() });
}

/// Some actions of one tenant.
pub fn produce(shared: &mut Shared) {
    let Some(mut tenants) = shared.tenants.take() else { return };
    let tenant = Traffic::tenant(&mut shared.rng);
    let count = if shared.rng.u32(0..10) == 0 { 20 } else { shared.rng.u32(1..6) };
    shared.note(|| format!("{count} actions of {tenant}"));
    for _ in 0..count {
        let now = shared.broker.now;
        let action = tenants.traffic.action(&mut shared.rng, &tenant, now);
        let astray = shared.rng.u32(0..20) == 0;
        append(shared, Topic::Actions, &tenant, &action, astray);
    }
    shared.tenants = Some(tenants);
}

/// A command about something that outcomes have told of; now and then twice.
pub fn command(shared: &mut Shared) {
    let Some(mut tenants) = shared.tenants.take() else { return };
    for partition in 0..shared.broker.partitions {
        let position = tenants.positions.entry(partition).or_default();
        while let Some(entry) = shared.broker.read(Topic::Outcomes, partition, *position) {
            *position = entry.offset + 1;
            let value = entry.record.as_ref().and_then(|record| record.value.as_deref()).unwrap_or_default();
            tenants.traffic.see(&serde_json::from_slice(value).unwrap());
        }
    }
    let (tenant, command) = tenants.traffic.command(&mut shared.rng);
    shared.note(|| format!("command {command}"));
    append(shared, Topic::Commands, &tenant, &command, false);
    shared.tenants = Some(tenants);
}

/// Whether an entry of the state is theirs.
pub fn owns(key: &[u8]) -> bool {
    key.get(1..).is_some_and(|rest| rest.starts_with(&[&[0, 4], NAMESPACE.as_bytes()].concat()))
}

/// When the next of their timers is due.
pub fn next_due(shared: &Shared) -> Option<i64> {
    shared.tenants.as_ref()?;
    let mut next: Option<i64> = None;
    for partition in 0..shared.broker.partitions {
        let mut held: BTreeMap<&[u8], i64> = BTreeMap::new();
        for record in entries(shared, Topic::Changelog, partition).filter_map(|entry| entry.record.as_ref()) {
            let key = record.key.as_deref().unwrap_or_default();
            match record.value.as_deref().and_then(|value| due_at(key, value)) {
                Some(due) if due < shared.broker.now + HORIZON_MS => held.insert(key, due),
                _ => held.remove(key),
            };
        }
        // What the run began with has no tenant.
        next = held.iter().filter(|(key, _)| owns(key)).map(|(_, due)| *due).chain(next).min();
    }
    next
}

/// Counts what the laws were checked on.
pub fn count(shared: &mut Shared, report: &Report) {
    for kind in KINDS {
        *shared.counts.entry(kind).or_default() += report.outcomes.get(kind).copied().unwrap_or(0) as u64;
    }
}
