//! `examples/advanced-patterns` end to end on Apache Kafka.

use crate::pipeline::{LIMIT, Pipeline};
use crate::support::root;
use acteon_testkit::http::Request;
use acteon_testkit::wait_until;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// The group's interval as these tests shorten it.
const INTERVAL: Duration = Duration::from_secs(6);

/// One of the example's files of actions.
fn actions(name: &str) -> String {
    fs::read_to_string(root().join("examples/advanced-patterns/actions").join(name)).unwrap()
}

fn kinds(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect()
}

fn payload(request: &Request) -> Value {
    request.json().unwrap()["payload"].clone()
}

fn counts(expected: &Value) -> BTreeMap<String, u64> {
    serde_json::from_value(expected.clone()).unwrap()
}

#[test]
fn several_providers_webhook_routing_and_grouping_on_apache_kafka() {
    let shorter = |text: &str| {
        text.replace("group_wait_seconds: 60", "group_wait_seconds: 5")
            .replace("group_interval_seconds: 300", &format!("group_interval_seconds: {}", INTERVAL.as_secs()))
    };
    let pipeline = Pipeline::start("advanced-patterns/acteon.toml", "monitoring", "t1", shorter);
    several_providers(&pipeline);
    webhook_routing(&pipeline);
    grouping(&pipeline);
    assert_eq!(pipeline.calls("pagerduty", 0).len(), 0, "nothing is meant for it");
    pipeline.stop();
}

/// Pattern 1.
fn several_providers(pipeline: &Pipeline) {
    let (rows, _) = pipeline.produce(&actions("multi-provider.ndjson"));
    assert_eq!(kinds(&rows), ["rerouted", "executed", "executed"]);
    let rerouted = &rows[0]["detail"]["Rerouted"];
    assert_eq!((&rerouted["original_provider"], &rerouted["new_provider"]), (&json!("email"), &json!("sms")));
    let emails: Vec<Value> = pipeline.calls("email", 2).iter().map(payload).collect();
    let about = |subject: &str| emails.iter().find(|payload| payload["subject"] == subject).unwrap();
    let tracked = about("Hello");
    assert_eq!((&tracked["tracking_enabled"], &tracked["source"]), (&json!(true), &json!("acteon-gateway")));
    assert_eq!(about("Weekly report").get("tracking_enabled"), None, "another action type");
    // Two notifications of a hundred a minute are used up, and the rerouted one is of them.
    let notification = json!({"namespace": "notifications", "tenant": "tenant-1", "provider": "email",
        "action_type": "send_notification", "payload": {}});
    let outcomes = pipeline.outcomes(&vec![notification; 100]);
    assert_eq!(outcomes, counts(&json!({"executed": 98, "throttled": 2})));
    assert_eq!((pipeline.calls("email", 100).len(), pipeline.calls("sms", 1).len()), (100, 1));
}

/// Pattern 5.
fn webhook_routing(pipeline: &Pipeline) {
    let (rows, _) = pipeline.produce(&actions("webhook-routing.ndjson"));
    assert_eq!(kinds(&rows), ["executed", "rerouted", "deduplicated"]);
    let rerouted = &rows[1]["detail"]["Rerouted"];
    assert_eq!((&rerouted["original_provider"], &rerouted["new_provider"]), (&json!("slack"), &json!("webhook")));
    assert_eq!(payload(&pipeline.calls("slack", 1)[0])["severity"], "warning");
    let critical = pipeline.calls("webhook", 1);
    assert_eq!((critical.len(), &payload(&critical[0])["severity"]), (1, &json!("critical")));
}

/// Pattern 3; `slack` has been called once before.
fn grouping(pipeline: &Pipeline) {
    let alert = |cluster: &str, seq: u32| {
        json!({"namespace": "monitoring", "tenant": "t1", "provider": "slack", "action_type": "cluster_alert",
            "payload": {"seq": seq}, "metadata": {"labels": {"cluster": cluster, "severity": "warning"}}})
    };
    let grouped = |count: u64| BTreeMap::from([("grouped".to_owned(), count)]);
    let numbers = |notification: &Request| -> Vec<u64> {
        let payload = payload(notification);
        let events = payload["events"].as_array().unwrap();
        assert_eq!(payload["count"], events.len(), "{payload}");
        events.iter().map(|event| event["payload"]["seq"].as_u64().unwrap()).collect()
    };
    let five: Vec<Value> = (1..=5).map(|seq| alert("prod", seq)).collect();
    assert_eq!(pipeline.outcomes(&five), grouped(5));
    let listed = pipeline.ask(&["groups", "list"]);
    assert_eq!((&listed["count"], &listed["groups"][0]["event_count"]), (&json!(1), &json!(5)), "{listed}");
    assert_eq!(numbers(&pipeline.calls("slack", 2)[1]), [1, 2, 3, 4, 5]);
    // What comes after it waits for the interval.
    assert_eq!(pipeline.outcomes(&[alert("prod", 6)]), grouped(1));
    let told = pipeline.calls("slack", 3);
    assert_eq!(numbers(&told[2]), [6]);
    let apart = told[2].at - told[1].at;
    assert!(apart > INTERVAL.saturating_sub(Duration::from_secs(1)), "told again after {apart:?}");
    // Another cluster is another group: told of by hand, once.
    assert_eq!(pipeline.outcomes(&[alert("stage", 7)]), grouped(1));
    let flushed = pipeline.ask(&["groups", "flush", "metadata.cluster=stage,metadata.severity=warning"]);
    assert_eq!((&flushed["event_count"], &flushed["notified"]), (&json!(1), &json!(true)), "{flushed}");
    assert_eq!(numbers(&pipeline.calls("slack", 4)[3]), [7]);
    // A full group is told of at once.
    let hundred: Vec<Value> = (1..=100).map(|seq| alert("other", seq)).collect();
    assert_eq!(pipeline.outcomes(&hundred), grouped(100));
    assert_eq!(numbers(&pipeline.calls("slack", 5)[4]), (1..=100).collect::<Vec<_>>());
    let groups = || pipeline.ask(&["groups", "list"]);
    assert!(wait_until(LIMIT, || groups()["count"] == 0), "groups with nothing to tell end: {}", groups());
    assert_eq!(pipeline.calls("slack", 5).len(), 5, "each was told of once");
}

fn event(action_type: &str, status: Option<&str>, labels: &Value) -> Value {
    let mut action = json!({"namespace": "monitoring", "tenant": "t1", "provider": "pagerduty",
        "action_type": action_type, "payload": {}, "metadata": {"labels": labels}});
    if let Some(status) = status {
        action["status"] = json!(status);
    }
    action
}

#[test]
fn the_alert_lifecycle_on_apache_kafka() {
    let shorter = |text: &str| text.replace("after_seconds = 3600", "after_seconds = 20");
    let pipeline = Pipeline::start("advanced-patterns/alert-lifecycle.toml", "monitoring", "t1", shorter);
    let alert = |service: &str| event("alert", Some("firing"), &json!({"cluster": "prod", "service": service}));
    let line = |action: &Value| pipeline.produce(&action.to_string()).0.remove(0);
    let state = |fingerprint: &str| pipeline.ask(&["events", "show", fingerprint])["state"].clone();
    let calls = |action_type: &str| {
        let called = pipeline.calls("pagerduty", 0);
        called.iter().filter(|call| call.json().unwrap()["action_type"] == action_type).count()
    };

    for notified in [true, false] {
        let row = line(&alert("api"));
        assert_eq!((&row["outcome"], &row["rule"]), (&json!("state_changed"), &json!("alert-state-machine")));
        let detail = &row["detail"]["StateChanged"];
        assert_eq!((&detail["new_state"], &detail["notify"]), (&json!("firing"), &json!(notified)), "{row}");
    }
    let told = pipeline.calls("pagerduty", 1).iter().map(payload).next().unwrap();
    assert_eq!(
        (&told["event"]["fingerprint"], &told["event"]["previous_state"], &told["event"]["new_state"]),
        (&json!("alert:prod:api"), &Value::Null, &json!("firing")),
        "{told}"
    );
    let transition = |fingerprint: &str, to: &str| pipeline.ask(&["events", "transition", fingerprint, to]);
    assert_eq!(transition("alert:prod:api", "acknowledged")["new_state"], "acknowledged");
    assert_eq!(transition("alert:prod:api", "firing")["error"]["code"], "CONFLICT");
    assert_eq!(transition("alert:prod:other", "resolved")["error"]["code"], "NOT_FOUND");
    // One that nobody looks at.
    assert_eq!(line(&alert("db"))["outcome"], "state_changed");

    let pod = |cluster: &str| event("pod_crash", None, &json!({"cluster": cluster}));
    assert_eq!(line(&pod("prod"))["outcome"], "executed");
    let down = event("cluster_down", Some("firing"), &json!({"cluster": "prod"}));
    assert_eq!(line(&down)["outcome"], "executed");
    let inhibited = line(&pod("prod"));
    assert_eq!((&inhibited["outcome"], &inhibited["rule"]), (&json!("suppressed"), &json!("inhibit-pod-alerts")));
    assert_eq!(inhibited["detail"]["Suppressed"]["reason"], "Parent cluster is down");
    assert_eq!(line(&pod("stage"))["outcome"], "executed");
    assert_eq!(transition("cluster_down:prod", "resolved")["new_state"], "resolved");
    assert_eq!(line(&pod("prod"))["outcome"], "executed");

    let stale = || state("alert:prod:db") == "stale";
    assert!(wait_until(LIMIT, stale), "{}", pipeline.process.tail());
    assert_eq!(state("alert:prod:api"), "acknowledged", "only what fires goes stale");
    assert_eq!(transition("alert:prod:api", "resolved")["new_state"], "resolved");
    let listed = pipeline.ask(&["events", "list"]);
    let states: BTreeMap<&str, &str> = listed["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["fingerprint"].as_str().unwrap(), event["state"].as_str().unwrap()))
        .collect();
    let ended = [("alert:prod:api", "resolved"), ("alert:prod:db", "stale"), ("cluster_down:prod", "resolved")];
    assert_eq!(states, BTreeMap::from(ended));
    assert_eq!((calls("alert"), calls("pod_crash"), calls("cluster_down")), (2, 3, 1));
    pipeline.stop();
}
