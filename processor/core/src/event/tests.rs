#![allow(clippy::unwrap_used)]

mod lifecycle;
mod time;
mod tracking;

use crate::effect::Recorder;
use crate::keys::Store;
use crate::rig::{Rig, kinds, parts};
use serde_json::{Value, json};

/// The rules of alerts: pods are silent while their cluster is down.
const ALERTS: &str = "
rules:
  - name: inhibit-pod-alerts
    priority: 1
    condition:
      all:
        - {field: action.action_type, starts_with: pod_}
        - {call: has_active_event, args: [cluster_down, action.metadata.cluster]}
    action: {type: suppress, reason: Parent cluster is down}
  - name: alert-state-machine
    priority: 5
    condition: {field: action.action_type, eq: alert}
    action:
      type: state_machine
      state_machine: alert
      fingerprint_fields: [action_type, metadata.cluster, metadata.service]
";

/// The machine of alerts.
fn alert() -> Value {
    json!({
        "name": "alert",
        "initial_state": "firing",
        "states": ["firing", "acknowledged", "resolved", "stale"],
        "transitions": [
            {"from": "firing", "to": "acknowledged"},
            {"from": "acknowledged", "to": "resolved"},
            {"from": "firing", "to": "resolved"},
        ],
        "timeouts": [{"state": "firing", "after_seconds": 3600, "transition_to": "stale"}],
    })
}

/// The machine of orders, whose events are made by the way.
fn order() -> Value {
    json!({
        "name": "order",
        "initial_state": "placed",
        "states": ["placed", "confirmed", "shipped", "delivered"],
        "transitions": [
            {"from": "placed", "to": "confirmed"},
            {"from": "confirmed", "to": "shipped"},
            {"from": "shipped", "to": "delivered", "on_transition": {"notify": true}},
        ],
        "track": {"action_types": ["place_order"], "fingerprint_fields": ["payload.order_id"]},
    })
}

fn rig(rules: &str, machines: &[Value]) -> Rig {
    let mut parts = parts(rules);
    parts.state_machines = machines.iter().map(|machine| serde_json::from_value(machine.clone()).unwrap()).collect();
    Rig::new(parts)
}

/// An action of `n`/`t`, with what else it has.
fn action(action_type: &str, more: &Value) -> Value {
    let mut action = json!({
        "namespace": "n", "tenant": "t", "provider": "webhook", "action_type": action_type, "payload": {},
    });
    for (name, value) in more.as_object().unwrap() {
        action[name] = value.clone();
    }
    action
}

/// An alert of the production cluster.
fn fire(rig: &mut Rig, status: &str) -> Recorder {
    let labels = json!({"cluster": "prod", "service": "api"});
    rig.send(&action("alert", &json!({"status": status, "metadata": {"labels": labels}})))
}

fn transition(rig: &mut Rig, fingerprint: &str, to: &str) -> (Value, Recorder) {
    rig.command(&json!({"transition": {"fingerprint": fingerprint, "to": to}}))
}

fn show(rig: &mut Rig, fingerprint: &str) -> Value {
    rig.command(&json!({"show_event": {"fingerprint": fingerprint}})).0
}

fn state(rig: &mut Rig, fingerprint: &str) -> String {
    show(rig, fingerprint)["state"].as_str().unwrap_or("none").to_owned()
}

/// Moves of events that audit records tell of: from, to, and why.
fn moves(effects: &Recorder) -> Vec<(Option<&str>, &str, &str)> {
    let changed = effects.audit.iter().filter(|record| record["outcome"] == "event_changed");
    changed
        .map(|record| {
            assert_eq!(record["phase"], "progress");
            let details = &record["outcome_details"];
            (
                details["previous_state"].as_str(),
                details["new_state"].as_str().unwrap(),
                details["reason"].as_str().unwrap(),
            )
        })
        .collect()
}

/// Entries of the state that events have.
fn kept(rig: &Rig) -> usize {
    let of_events = |key: &&Vec<u8>| matches!(Store::of(key), Some(Store::Event | Store::ActiveEvent));
    rig.state.0.keys().filter(of_events).count()
}

fn seconds(seconds: i64) -> i64 {
    seconds * 1000
}
