//! What operators set over HTTP stands over the configuration: through reloads, in every process, and after a restart.

use crate::dev::Dev;
use crate::support::{HttpAnswer, acteon, http};
use acteon_testkit::wait_until;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

const RULES: &str = "rules:
  - {name: never, condition: {field: action.action_type, eq: blocked}, action: {type: suppress}}
  - {name: quiet, condition: {field: action.action_type, eq: chatter}, mute_time_intervals: [nights], action: {type: allow}}
";

fn configured(dir: &Path) -> PathBuf {
    let (config, rules) = (dir.join("acteon.toml"), dir.join("rules"));
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("rules.yaml"), RULES).unwrap();
    let text = format!(
        "[rules]\ndirectory = {rules:?}\n[[providers]]\nname = \"log\"\ntype = \"log\"\n\
         [[providers]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"http://127.0.0.1:1/\"\nmax_retries = 0\n"
    );
    fs::write(&config, text).unwrap();
    config
}

fn ask(dev: &Dev, method: &str, path: &str, body: &Value) -> HttpAnswer {
    http(dev.http(), method, path, &if body.is_null() { String::new() } else { body.to_string() })
}

fn outcome(dev: &Dev, provider: &str, action_type: &str) -> String {
    let action = json!({
        "namespace": "n", "tenant": "t", "provider": provider, "action_type": action_type, "payload": {},
        "caller_id": "alice",
    });
    let answer = ask(dev, "POST", "/v1/dispatch", &action);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body.as_object().and_then(|body| body.keys().next().cloned()).unwrap()
}

#[test]
fn what_is_set_over_http_holds_through_reloads_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let (data, config) = (dir.path().join("data"), configured(dir.path()));
    let dev = Dev::start(&data, &config);
    assert_eq!(outcome(&dev, "log", "blocked"), "Suppressed");
    let off = ask(&dev, "PUT", "/v1/rules/never/enabled", &json!({"enabled": false}));
    assert_eq!((off.status, &off.body["status"]), (200, &json!("disabled")), "{}", off.text);
    assert!(wait_until(LIMIT, || outcome(&dev, "log", "blocked") == "Executed"), "the processor follows");
    assert_eq!(ask(&dev, "POST", "/v1/rules/reload", &Value::Null).status, 200);

    let nights = json!({"namespace": "n", "tenant": "t", "name": "nights", "time_ranges": [{}]});
    assert_eq!(outcome(&dev, "log", "chatter"), "Executed", "a name that nobody defines restricts nobody");
    assert_eq!(ask(&dev, "POST", "/v1/time-intervals", &nights).status, 201);
    assert_eq!(outcome(&dev, "log", "chatter"), "Muted");

    let chain = json!({"steps": [{"name": "greet", "provider": "log", "action_type": "hello"}]});
    assert_eq!(ask(&dev, "PUT", "/v1/chains/definitions/onboard", &chain).status, 200);
    let start = json!({
        "namespace": "n", "tenant": "t", "chain": "onboard", "provider": "log", "action_type": "signup", "payload": {},
    });
    assert!(wait_until(LIMIT, || ask(&dev, "POST", "/v1/chains", &start).status == 201), "the processor follows");
    dev.stop();

    let dev = Dev::start(&data, &config);
    assert_eq!(outcome(&dev, "log", "blocked"), "Executed");
    assert_eq!(outcome(&dev, "log", "chatter"), "Muted");
    let rules = ask(&dev, "GET", "/v1/rules", &Value::Null).body;
    assert_eq!((&rules[0]["enabled"], &rules[0]["switched"]), (&json!(false), &json!(true)));
    let gone = ask(&dev, "DELETE", "/v1/chains/definitions/onboard", &Value::Null);
    assert_eq!((gone.status, &gone.body["configured"]), (200, &json!(false)), "{}", gone.text);
    assert_eq!(ask(&dev, "PUT", "/v1/rules/never/enabled", &json!({"enabled": null})).body["enabled"], true);
    assert!(wait_until(LIMIT, || outcome(&dev, "log", "blocked") == "Suppressed"));

    let coverage = || ask(&dev, "GET", "/v1/rules/coverage?namespace=n&tenant=t", &Value::Null).body;
    assert!(wait_until(LIMIT, || coverage()["unmatched_rules"] == json!([])), "{}", coverage());
    let audit = ask(&dev, "GET", "/v1/audit?caller_id=alice&outcome=muted", &Value::Null).body;
    assert_eq!(audit["records"][0]["caller_id"], "alice", "{audit}");
    dev.stop();
}

#[test]
fn a_rule_is_switched_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = configured(dir.path());
    let dev = Dev::start(&dir.path().join("data"), &config);
    let switch = |args: &[&str]| {
        let common = ["--bootstrap-servers", dev.kafka(), "-c", config.to_str().unwrap()];
        acteon(&[&["rules"], args, &common[..]].concat())
    };
    assert_eq!(outcome(&dev, "log", "blocked"), "Suppressed");
    let off = switch(&["disable", "never", "--json"]);
    let told: Value = serde_json::from_str(&off.stdout).unwrap();
    assert_eq!(told, json!({"name": "never", "enabled": false, "status": "disabled", "switched": true}));
    assert!(wait_until(LIMIT, || outcome(&dev, "log", "blocked") == "Executed"));
    assert_eq!(switch(&["enable", "never"]).stdout, "never is enabled, by hand\n");
    assert!(wait_until(LIMIT, || outcome(&dev, "log", "blocked") == "Suppressed"));
    assert_eq!(switch(&["restore", "never"]).stdout, "never is enabled, as its file says\n");
    let unknown = switch(&["disable", "nobody"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("there is no rule `nobody`"), "{unknown:?}");
    dev.stop();
}

#[test]
fn dead_letters_are_dealt_with_over_http() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("data"), &configured(dir.path()));
    assert_eq!(outcome(&dev, "hook", "order"), "Failed");
    assert_eq!(outcome(&dev, "hook", "order"), "Failed");
    let stats = || ask(&dev, "GET", "/v1/dlq/stats", &Value::Null).body;
    assert!(wait_until(LIMIT, || stats()["count"] == 2), "{}", stats());
    let list = ask(&dev, "GET", "/v1/dlq?provider=hook&since=1h", &Value::Null).body;
    let id = list["entries"][0]["id"].as_str().unwrap().to_owned();
    let shown = ask(&dev, "GET", &format!("/v1/dlq/{id}"), &Value::Null).body;
    assert_eq!(shown["value"]["provider"], "hook", "{shown}");
    let replayed = ask(&dev, "POST", "/v1/dlq/replay", &json!({"ids": [id]}));
    assert_eq!((replayed.status, &replayed.body["done"]), (200, &json!(1)), "{}", replayed.text);
    assert_eq!(ask(&dev, "POST", "/v1/dlq/drop", &json!({"ids": [id]})).status, 409);
    // The one that was sent again fails again.
    assert!(wait_until(LIMIT, || stats()["count"] == 2), "{}", stats());
    let drained = ask(&dev, "POST", "/v1/dlq/drain", &Value::Null).body;
    assert_eq!(drained["count"], 2, "{drained}");
    assert_eq!(stats(), json!({"enabled": true, "count": 0}));
    dev.stop();
}
