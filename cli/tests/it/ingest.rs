//! What others send in their own shape, on `acteon dev`: webhooks, and alerts as Prometheus and Alertmanager send them.

use crate::dev::Dev;
use crate::support::{HttpAnswer, http};
use acteon_testkit::http::Receiver;
use acteon_testkit::wait_until;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

const RULES: &str = r#"
rules:
  - name: once
    priority: 1
    condition: {field: action.action_type, eq: github.push}
    action: {type: deduplicate, ttl_seconds: 3600}
  - name: alerts
    priority: 5
    condition: {field: action.action_type, eq: alert}
    action: {type: state_machine, state_machine: alert, fingerprint_fields: [metadata.alertname]}
"#;

const CONFIG: &str = r#"
[[state_machines]]
name = "alert"
initial_state = "firing"
states = ["firing", "resolved"]
terminal_states = ["resolved"]
transitions = [
  { from = "firing", to = "resolved", on_transition = { notify = true } },
  { from = "resolved", to = "firing", on_transition = { notify = true } },
]

[alertmanager]
tenant = "{{/labels/team|ops}}"
provider = "hook"

[[ingest]]
name = "github"
namespace = "ci"
tenant = "{{/repository/owner/login}}"
provider = "hook"
action_type = "github.{{header.x-github-event}}"
id = "{{header.x-github-delivery}}"
dedup_key = "{{header.x-github-delivery}}"
labels = { repository = "{{/repository/full_name}}" }
signature = { scheme = "hmac-sha256", header = "x-sign", secret = "It's a secret" }
"#;

fn configured(dir: &Path, hook: &str) -> PathBuf {
    let (config, rules) = (dir.join("acteon.toml"), dir.join("rules"));
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("rules.yaml"), RULES).unwrap();
    let provider = format!("[[providers]]\nname = \"hook\"\ntype = \"webhook\"\nurl = {hook:?}\n");
    fs::write(&config, format!("[rules]\ndirectory = {rules:?}\n{provider}{CONFIG}")).unwrap();
    config
}

fn alert(status: &str, ends_at: &str) -> Value {
    json!({"status": status, "labels": {"alertname": "HighLatency", "cluster": "prod", "service": "api", "team": "sre"},
        "annotations": {"summary": "slow"}, "startsAt": "2026-03-02T09:00:00Z", "endsAt": ends_at, "generatorURL": ""})
}

/// As Prometheus sends it: without a status.
fn of_prometheus(ends_at: &str) -> String {
    let mut alert = alert("", ends_at);
    alert.as_object_mut().unwrap().remove("status");
    json!([alert]).to_string()
}

/// The one event of the team.
fn event(dev: &Dev) -> Value {
    let listed = http(dev.http(), "GET", "/v1/events?namespace=monitoring&tenant=sre", "");
    assert_eq!(listed.body["count"], 1, "{}", listed.text);
    listed.body["events"][0].clone()
}

fn assert_empty_200(answer: &HttpAnswer) {
    assert_eq!((answer.status, answer.text.ends_with("\r\n\r\n")), (200, true), "{}", answer.text);
}

#[test]
fn an_alert_s_event_fires_and_is_resolved() {
    let dir = tempfile::tempdir().unwrap();
    let hook = Receiver::start().unwrap();
    let dev = Dev::start(&dir.path().join("data"), &configured(dir.path(), &hook.url()));
    let send = |path: &str, body: &str| assert_empty_200(&http(dev.http(), "POST", path, body));
    let calls = || hook.requests().iter().map(|call| call.json().unwrap()["status"].clone()).collect::<Vec<_>>();
    // Each call is waited for: of two under way, of a provider whose order was not asked for, either may come first.
    let told = |all: &[&str]| assert!(wait_until(LIMIT, || calls() == all), "{:?}", calls());

    // Prometheus says each minute that it still fires: its event stays, and nobody is told twice.
    for _ in 0..2 {
        send("/api/v2/alerts", &of_prometheus("2999-01-01T00:00:00Z"));
    }
    told(&["firing"]);
    let firing = event(&dev);
    assert_eq!(firing["state"], "firing");
    send("/api/v2/alerts", &of_prometheus("2026-03-02T09:30:00Z"));
    assert!(wait_until(LIMIT, || event(&dev)["state"] == "resolved"), "{}", event(&dev));
    assert_eq!(event(&dev)["fingerprint"], firing["fingerprint"]);
    told(&["firing", "resolved"]);

    // It fires again, told of by an Alertmanager in between.
    let webhook = |status: &str, ends_at: &str| {
        json!({"version": "4", "status": status, "receiver": "acteon", "groupKey": "{}", "alerts": [alert(status, ends_at)]})
            .to_string()
    };
    send("/v1/dispatch/alertmanager", &webhook("firing", "0001-01-01T00:00:00Z"));
    assert!(wait_until(LIMIT, || event(&dev)["state"] == "firing"), "{}", event(&dev));
    told(&["firing", "resolved", "firing"]);
    send("/v1/dispatch/alertmanager", &webhook("resolved", "2026-03-02T10:30:00Z"));
    assert!(wait_until(LIMIT, || event(&dev)["state"] == "resolved"), "{}", event(&dev));
    told(&["firing", "resolved", "firing", "resolved"]);
    let call = hook.requests()[1].json().unwrap();
    assert_eq!((&call["payload"]["labels"]["service"], &call["tenant"]), (&json!("api"), &json!("sre")), "{call}");
    dev.stop();
}

/// A request with header lines, its body signed by them.
fn signed(dev: &Dev, signature: &str, body: &str) -> HttpAnswer {
    let headers = format!("x-github-event: push\r\nx-github-delivery: d-1\r\nx-sign: {signature}\r\n");
    crate::support::http_with(dev.http(), "POST", "/v1/ingest/github?wait=30s", &headers, body)
}

#[test]
fn a_webhook_becomes_an_action_once() {
    let dir = tempfile::tempdir().unwrap();
    let hook = Receiver::start().unwrap();
    let dev = Dev::start(&dir.path().join("data"), &configured(dir.path(), &hook.url()));
    let body = r#"{"repository":{"full_name":"acme/shop","owner":{"login":"acme"}},"ref":"refs/heads/main"}"#;
    // printf %s "$body" | openssl dgst -sha256 -hmac "It's a secret"
    let signature = "23713bdd75a18388a895e3b0252ce48ef5065d3eff1df07ec3bacffc92cfe59c";
    let first = signed(&dev, signature, body);
    assert_eq!((first.status, &first.body["action_ids"]), (200, &json!(["d-1"])), "{}", first.text);
    assert_eq!(first.body["outcomes"][0]["Executed"]["status"], "success", "{}", first.text);
    let again = signed(&dev, signature, body);
    assert_eq!((again.status, &again.body["outcomes"]), (200, &json!(["Deduplicated"])), "{}", again.text);
    let forged = signed(&dev, signature, &body.replace("main", "evil"));
    assert_eq!((forged.status, &forged.body["code"]), (401, &json!("UNSIGNED")), "{}", forged.text);
    let calls = hook.requests();
    let call = calls[0].json().unwrap();
    assert_eq!(
        (calls.len(), &call["tenant"], &call["action_type"], &call["metadata"]["repository"]),
        (1, &json!("acme"), &json!("github.push"), &json!("acme/shop"))
    );
    dev.stop();
}
