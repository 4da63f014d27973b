//! `examples/advanced-patterns` with real HTTP receivers.

use crate::dev::Dev;
use crate::support::root;
use acteon_testkit::http::{Receiver, Request};
use serde_json::Value;
use std::fs;

/// The outcomes of a file of actions, in the order of its lines.
fn outcomes(dev: &Dev, name: &str) -> Vec<Value> {
    let file = root().join("examples/advanced-patterns/actions").join(name);
    dev.produce(&fs::read_to_string(file).unwrap()).into_values().collect()
}

fn payload(request: &Request) -> Value {
    request.json().unwrap()["payload"].clone()
}

#[test]
fn the_patterns_come_out_as_documented() {
    let receiver = Receiver::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("acteon.toml");
    let text = fs::read_to_string(root().join("examples/advanced-patterns/acteon.toml")).unwrap();
    fs::write(&config, text.replace("http://127.0.0.1:9900", receiver.url().trim_end_matches('/'))).unwrap();
    let dev = Dev::start(&dir.path().join("data"), &config);

    let rows = outcomes(&dev, "multi-provider.ndjson");
    let kinds: Vec<&Value> = rows.iter().map(|row| &row["outcome"]).collect();
    assert_eq!(kinds, ["rerouted", "executed", "executed"]);
    let rerouted = &rows[0]["detail"]["Rerouted"];
    assert_eq!((&rerouted["original_provider"], &rerouted["new_provider"]), (&"email".into(), &"sms".into()));
    assert_eq!(receiver.requests_to("/sms").len(), 1);
    let emails = receiver.requests_to("/email");
    let tracked = emails.iter().map(payload).find(|payload| payload["subject"] == "Hello").unwrap();
    assert_eq!((&tracked["tracking_enabled"], &tracked["source"]), (&true.into(), &"acteon-gateway".into()));
    let report = emails.iter().map(payload).find(|payload| payload["subject"] == "Weekly report").unwrap();
    assert_eq!(report.get("tracking_enabled"), None, "another action type");

    let rows = outcomes(&dev, "webhook-routing.ndjson");
    let kinds: Vec<&Value> = rows.iter().map(|row| &row["outcome"]).collect();
    assert_eq!(kinds, ["executed", "rerouted", "deduplicated"]);
    assert_eq!(receiver.requests_to("/slack").len(), 1);
    assert_eq!(receiver.requests_to("/webhook").len(), 1, "the second critical alert is a duplicate");
    let keys: Vec<_> =
        receiver.requests().iter().map(|request| request.header("idempotency-key").map(str::to_owned)).collect();
    assert!(keys.iter().all(Option::is_some), "{keys:?}");
    dev.stop();
}
