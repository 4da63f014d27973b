//! What comes in: actions, commands, and connectors' results.

use super::broker::{Record, Topic};
use super::hub::Shared;
use super::life;
use acteon_schemas::{partition_of, tenant_key};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NAMESPACE: &str = "n";
const TENANTS: u32 = 7;

/// The state of the world outside.
#[derive(Default)]
pub struct Traffic {
    actions: u64,
    commands: u32,
    /// Next offsets of the connectors.
    pub positions: BTreeMap<(Topic, i32), i64>,
    /// Results that will be sent again: the partition and the value.
    again: Vec<(i32, Vec<u8>)>,
}

fn tenant(rng: &mut fastrand::Rng) -> String {
    // Some tenants are busier than others.
    format!("t{}", rng.u32(0..TENANTS).min(rng.u32(0..TENANTS)))
}

fn home(shared: &Shared, tenant: &str) -> i32 {
    partition_of(tenant_key(NAMESPACE, tenant).as_bytes(), shared.broker.partitions)
}

/// Some actions of one tenant, mostly few.
pub fn produce(shared: &mut Shared) {
    if shared.tenants.is_some() && shared.rng.u32(0..4) > 0 {
        return life::produce(shared);
    }
    let tenant = tenant(&mut shared.rng);
    let count = match shared.rng.u32(0..100) {
        0..75 => shared.rng.u32(1..5),
        75..97 => shared.rng.u32(5..40),
        _ => 150,
    };
    shared.note(|| format!("{count} actions of {tenant}"));
    for _ in 0..count {
        let (value, astray) = match shared.rng.u32(0..100) {
            0..3 => (broken(&mut shared.rng), true),
            3..10 => (Some(action(shared, &tenant)), true),
            _ => (Some(action(shared, &tenant)), false),
        };
        let partitions = shared.broker.partitions;
        let partition = if astray { shared.rng.i32(0..partitions) } else { home(shared, &tenant) };
        let key = Some(format!("{NAMESPACE}:{tenant}").into_bytes());
        shared.broker.append(Topic::Actions, partition, Record { key, value, headers: Vec::new() });
    }
}

fn broken(rng: &mut fastrand::Rng) -> Option<Vec<u8>> {
    let values: [&[u8]; 4] = [
        b"not json",
        br#"{"namespace":"n","tenant":"t0"}"#,
        b"\x00framed",
        br#"{"namespace":"n","tenant":"","provider":"email","action_type":"a","payload":{}}"#,
    ];
    (rng.u32(0..5) > 0).then(|| values[rng.usize(0..values.len())].to_vec())
}

fn action(shared: &mut Shared, tenant: &str) -> Vec<u8> {
    shared.traffic.actions += 1;
    let number = shared.traffic.actions;
    let rng = &mut shared.rng;
    let mut chance = |percent: u32| rng.u32(0..100) < percent;
    let mut payload = json!({"number": number});
    for (percent, field, value) in [
        (4, "signed", json!(false)),
        (20, "signed", json!(true)),
        (10, "severity", json!("critical")),
        (15, "limit", json!("none")),
        (10, "repeats", json!("fine")),
    ] {
        if chance(percent) {
            payload[field] = value;
        }
    }
    let (is_test, is_unknown, has_id, has_key) = (chance(4), chance(3), chance(70), chance(50));
    let kind = if is_test { "test".to_owned() } else { format!("type{}", rng.u32(0..3)) };
    let provider = if is_unknown { "nobody" } else { ["email", "webhook"][rng.usize(0..2)] };
    let mut action = json!({"namespace": NAMESPACE, "tenant": tenant, "provider": provider, "action_type": kind, "payload": payload});
    if has_id {
        // Ids repeat now and then.
        action["id"] = json!(format!("a{}", if rng.u32(0..30) == 0 { number / 2 } else { number }));
    }
    if has_key {
        action["dedup_key"] = json!(format!("k{}", rng.u32(0..6)));
    }
    action.to_string().into_bytes()
}

/// An operator's command.
pub fn command(shared: &mut Shared) {
    if shared.tenants.is_some() && shared.rng.u32(0..4) > 0 {
        let count = shared.rng.u32(1..4);
        return (0..count).for_each(|_| life::command(shared));
    }
    shared.traffic.commands += 1;
    let tenant = tenant(&mut shared.rng);
    let command = match shared.rng.u32(0..10) {
        0..6 => json!({"forget_dedup_key": {"dedup_key": format!("k{}", shared.rng.u32(0..6))}}),
        6 => json!({"list_scheduled": {}}),
        7..9 => {
            let rule = ["tenant-limit", "type-limit"][shared.rng.usize(0..2)];
            json!({"reset_throttle": {"rule": rule}})
        }
        _ => json!("nonsense"),
    };
    let value = json!({"id": format!("c{}", shared.traffic.commands), "namespace": NAMESPACE, "tenant": tenant, "issued_at": 0, "command": command});
    shared.note(|| format!("command {value}"));
    let partition = home(shared, &tenant);
    let value = Some(value.to_string().into_bytes());
    shared.broker.append(Topic::Commands, partition, Record { value, ..Record::default() });
}

/// A connector takes some dispatches and sends their results; some twice, some late. What lives for a while would be over
/// for its age alone if both connectors didn't work then.
pub fn connect(shared: &mut Shared) {
    let topics = [Topic::Email, Topic::Webhook];
    let one = shared.rng.usize(0..2);
    let working = if shared.tenants.is_some() { &topics[..] } else { &topics[one..=one] };
    working.iter().for_each(|topic| take(shared, *topic));
    if shared.rng.u32(0..4) == 0
        && let Some((task, value)) = shared.traffic.again.pop()
    {
        send(shared, task, value);
    }
    if shared.fault_rate > 0 && shared.rng.u32(0..60) == 0 {
        send(shared, 0, b"nonsense".to_vec());
    }
}

fn take(shared: &mut Shared, topic: Topic) {
    let count = shared.rng.usize(1..20);
    for partition in 0..shared.broker.partitions_of(topic) {
        let place = (topic, partition);
        if shared.fault_rate > 0 && shared.rng.u32(0..40) == 0 {
            // A restarted connector goes back to what it had committed.
            let position = shared.traffic.positions.entry(place).or_default();
            *position = (*position - 3).max(0);
        }
        for _ in 0..count {
            let position = shared.traffic.positions.get(&place).copied().unwrap_or(0);
            let Some(entry) = shared.broker.read(topic, partition, position) else { break };
            let next = entry.offset + 1;
            let dispatch = entry.record.as_ref().and_then(|record| record.value.clone()).unwrap();
            shared.traffic.positions.insert(place, next);
            answer(shared, &serde_json::from_slice(&dispatch).unwrap());
        }
    }
}

fn send(shared: &mut Shared, task: i32, value: Vec<u8>) {
    shared.broker.append(Topic::Results, task, Record { value: Some(value), ..Record::default() });
}

fn answer(shared: &mut Shared, dispatch: &Value) {
    let result = if shared.rng.u32(0..5) > 0 {
        json!({"delivered": {"status": "success", "body": {"ok": true}, "headers": {}}})
    } else {
        json!({"failed": {"code": "TIMEOUT", "message": "late", "retryable": true}})
    };
    let mut answer = json!({"result": result, "attempts": 2, "started_at": 0, "duration_ms": 1});
    for field in [
        "dispatch_id",
        "action_id",
        "namespace",
        "tenant",
        "provider",
        "original_provider",
        "action_type",
        "rule",
        "decided_at",
        "source",
        "context",
        "released_by",
    ] {
        if let Some(value) = dispatch.get(field) {
            answer[field] = value.clone();
        }
    }
    let task = dispatch["task"].as_i64().and_then(|task| i32::try_from(task).ok()).unwrap();
    let value = answer.to_string().into_bytes();
    match shared.rng.u32(0..12) {
        0 => send(shared, task, value.clone()),
        1 => shared.traffic.again.push((task, value.clone())),
        _ => {}
    }
    send(shared, task, value);
}

impl Traffic {
    /// Sends nothing again from now on.
    pub fn settle(&mut self) {
        self.again.clear();
    }
}
