//! The audit view of `acteon dev`: what was decided is found over HTTP, before and after the process is killed.

use crate::dev::Dev;
use crate::support::{HttpAnswer, http};
use acteon_testkit::wait_until;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Questions with the same answers as long as nothing is sent.
const QUESTIONS: [&str; 4] = [
    "/v1/audit?namespace=n",
    "/v1/audit/mail-1?namespace=n&tenant=t",
    "/v1/analytics?metric=outcome_breakdown&namespace=n",
    "/v1/groups",
];

fn configured(dir: &Path) -> PathBuf {
    let (config, rules) = (dir.join("acteon.toml"), dir.join("rules"));
    fs::create_dir(&rules).unwrap();
    let rule = "rules:\n  - name: never\n    condition: {field: action.action_type, eq: blocked}\n    action: {type: deny}\n  \
        - name: together\n    condition: {field: action.action_type, eq: alert}\n    \
        action: {type: group, group_by: [action_type], group_wait_seconds: 3600}\n";
    fs::write(rules.join("rules.yaml"), rule).unwrap();
    let text = format!(
        "[rules]\ndirectory = {rules:?}\n[[providers]]\nname = \"log\"\ntype = \"log\"\n\
         [audit.redact]\nenabled = true\nfields = [\"token\"]\n"
    );
    fs::write(&config, text).unwrap();
    config
}

fn send(dev: &Dev, id: &str, action_type: &str) {
    let action = json!({
        "id": id, "namespace": "n", "tenant": "t", "provider": "log", "action_type": action_type,
        "payload": {"token": "secret"}, "metadata": {"cluster": "prod"},
    });
    let answer = http(dev.http(), "POST", "/v1/dispatch", &action.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text);
}

fn get(dev: &Dev, path: &str) -> HttpAnswer {
    http(dev.http(), "GET", path, "")
}

/// The record of an action, once it is there with that outcome: the view comes a moment behind the answer.
fn record(dev: &Dev, id: &str, outcome: &str) -> Value {
    let mut record = Value::Null;
    let found = wait_until(LIMIT, || {
        let answer = get(dev, &format!("/v1/audit/{id}"));
        record = answer.body;
        answer.status == 200 && record["outcome"] == outcome
    });
    assert!(found, "{id} is not {outcome}: {record}");
    record
}

#[test]
fn audit_records_are_found_replayed_and_there_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let (data, config) = (dir.path().join("data"), configured(dir.path()));
    let dev = Dev::start(&data, &config);
    send(&dev, "mail-1", "mail");
    send(&dev, "no-1", "blocked");
    send(&dev, "alert-1", "alert");
    assert!(wait_until(LIMIT, || get(&dev, "/v1/groups").body["total"] == 1), "the group is in the view");
    assert_eq!(record(&dev, "alert-1", "grouped")["verdict"], "group");
    let mail = record(&dev, "mail-1", "executed");
    assert_eq!(mail["action_payload"], json!({"token": "[REDACTED]"}));
    assert_eq!((&mail["phase"], &mail["metadata"]), (&json!("completed"), &json!({"cluster": "prod"})));
    let denied = record(&dev, "no-1", "suppressed");
    assert_eq!((&denied["verdict"], &denied["matched_rule"]), (&json!("deny"), &json!("never")));
    let list = get(&dev, "/v1/audit?namespace=n&tenant=t&outcome=suppressed").body;
    assert_eq!((&list["total"], &list["records"][0]["action_id"]), (&json!(1), &json!("no-1")));
    let replay = http(dev.http(), "POST", "/v1/audit/mail-1/replay", "").body;
    let again = record(&dev, replay["new_action_id"].as_str().unwrap(), "executed");
    assert_eq!(again["metadata"], json!({"cluster": "prod", "replayed_from": "mail-1"}));
    let ready = get(&dev, "/ready").text;
    for view in ["audit view", "groups view", "provider health view"] {
        assert!(ready.contains(&format!("\"{view}\"")), "{ready}");
    }
    let answers = |dev: &Dev| {
        QUESTIONS.map(|path| {
            let mut answer = get(dev, path).body;
            // Analytics are of the time up to the question, and say so.
            for key in ["from", "to"] {
                answer.as_object_mut().unwrap().remove(key);
            }
            answer
        })
    };
    let before = answers(&dev);
    dev.kill();

    let dev = Dev::start(&data, &config);
    assert!(wait_until(LIMIT, || QUESTIONS.iter().all(|path| get(&dev, path).status == 200)), "the views catch up");
    assert!(wait_until(LIMIT, || answers(&dev) == before), "{:?} instead of {before:?}", answers(&dev));
    let list = get(&dev, "/v1/audit?namespace=n").body;
    assert_eq!(list["total"], 4, "{list}");
    assert_eq!(record(&dev, "mail-1", "executed"), mail);
    let volume = get(&dev, "/v1/analytics?metric=volume&namespace=n").body;
    assert_eq!(volume["total_count"], 4, "{volume}");
    dev.stop();
}
