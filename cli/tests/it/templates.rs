//! Templates, profiles and time intervals of a tenant, made at run time.

use crate::dev::Dev;
use crate::support::http;
use acteon_testkit::http::Receiver;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A configuration with a webhook that has a profile of its own.
fn config(hook: &str) -> String {
    format!(
        "[[providers]]\nname = \"hook\"\ntype = \"webhook\"\nurl = {hook:?}\nprofile = \"standard\"\n\
         [[profiles]]\nname = \"standard\"\nfields = {{ footer = \"as configured\" }}\n"
    )
}

fn post(dev: &Dev, path: &str, body: &Value) -> (u16, Value) {
    let answer = http(dev.http(), "POST", path, &body.to_string());
    (answer.status, answer.body)
}

fn action(template: &Value) -> Value {
    json!({
        "namespace": "incidents", "tenant": "ops-team", "provider": "hook", "action_type": "alert",
        "template": template, "payload": {"severity": "high", "service": "api", "count": 3},
    })
}

#[test]
fn a_tenant_s_own_profile_makes_what_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().unwrap();
    let file = dir.path().join("acteon.toml");
    fs::write(&file, config(&receiver.url())).unwrap();
    let dev = Dev::start(&dir.path().join("data"), &file);

    // As the scripts of the original spell them.
    let scope = json!({"namespace": "incidents", "tenant": "ops-team"});
    let with = |more: Value| {
        let mut whole = scope.clone();
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        whole
    };
    let body = "{{ severity | upper }}{% if details %}: {{ details }}{% endif %} of {{ action.tenant }}";
    let template = with(json!({"name": "alert-body", "body": body}));
    assert_eq!(post(&dev, "/v1/templates", &template).0, 201);
    let fields = json!({
        "text": {"inline": "[{{ severity }}] {{ service }}"}, "body": {"$ref": "alert-body"}, "n": "{{ count }}",
    });
    let profile = with(json!({"name": "chat-alert", "fields": fields}));
    let (status, made) = post(&dev, "/v1/templates/profiles", &profile);
    assert_eq!((status, &made["id"]), (201, &json!("incidents/ops-team/chat-alert")), "{made}");
    let request = with(json!({"template": "chat-alert", "data": {"severity": "low", "service": "db"}}));
    let rendered = json!({"text": "[low] db", "body": "LOW of ops-team", "n": null});
    assert_eq!(post(&dev, "/v1/templates/render", &request), (200, json!({"rendered": rendered})));

    let (_, sent) = post(&dev, "/v1/dispatch", &action(&json!("chat-alert")));
    assert_eq!(sent["Executed"]["status"], "success", "{sent}");
    let came = receiver.wait_for(1, LIMIT).unwrap()[0].json().unwrap();
    let payload = json!({
        "severity": "high", "service": "api", "count": 3, "text": "[high] api", "body": "HIGH of ops-team", "n": 3,
    });
    assert_eq!(came["payload"], payload, "and nothing of the provider's own profile");
    post(&dev, "/v1/dispatch", &action(&Value::Null));
    let came = receiver.wait_for(2, LIMIT).unwrap()[1].json().unwrap();
    assert_eq!(came["payload"]["footer"], "as configured", "which makes all others");

    let ask = |args: &[&str]| {
        let scope = ["--namespace", "incidents", "--tenant", "ops-team", "--json"];
        let ran = dev.acteon(&[args, &scope].concat(), "");
        (ran.code, serde_json::from_str::<Value>(&ran.stdout).unwrap_or_else(|_| panic!("{args:?}: {}", ran.stderr)))
    };
    assert_eq!(ask(&["templates", "render", "chat-alert", "{\"service\": \"db\"}"]).1["rendered"]["text"], "[] db");
    let text = dir.path().join("alert.txt");
    fs::write(&text, "{{ 1 / service }}").unwrap();
    let text = text.to_str().unwrap();
    assert_eq!(ask(&["templates", "update", "alert-body", text]).1["content"], "{{ 1 / service }}");
    let (code, refused) = ask(&["templates", "delete", "alert-body"]);
    assert_eq!((code == 0, &refused["error"]["code"]), (false, &json!("CONFLICT")), "{refused}");
    let (_, failed) = post(&dev, "/v1/dispatch", &action(&json!("chat-alert")));
    assert_eq!(failed["Failed"]["code"], "VALIDATION", "{failed}");
    let message = failed["Failed"]["message"].as_str().unwrap();
    assert!(message.starts_with("field `body` of profile `chat-alert` can't be made"), "{message}");
    assert_eq!(ask(&["profiles", "delete", "chat-alert"]).1["name"], "chat-alert");
    let (_, failed) = post(&dev, "/v1/dispatch", &action(&json!("chat-alert")));
    let message = failed["Failed"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("those configured are standard"), "the connector was asked: {failed}");
    assert_eq!(receiver.count(), 2);
    dev.stop();
}

#[test]
fn time_intervals_and_profiles_are_files_to_operators() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("acteon.toml");
    fs::write(&file, config("http://127.0.0.1:1/")).unwrap();
    let dev = Dev::start(&dir.path().join("data"), &file);
    for (command, list, definition, changed) in [
        (
            "time-intervals",
            "time_intervals",
            json!({"name": "office", "time_ranges": [{"weekdays": ["monday:friday"]}]}),
            json!({"name": "office", "time_ranges": [{"weekdays": ["sunday"]}], "location": "Europe/Berlin"}),
        ),
        (
            "profiles",
            "profiles",
            json!({"name": "office", "fields": {"a": "{{ b }}"}}),
            json!({"name": "office", "fields": {"a": 1}, "description": "d"}),
        ),
    ] {
        let ask = |args: &[&str], input: &Value| {
            let scope = ["--namespace", "n", "--tenant", "t", "--json"];
            let ran = dev.acteon(&[&[command], args, &scope].concat(), &input.to_string());
            assert_eq!(ran.code, 0, "{args:?}: {}\n{}", ran.stdout, ran.stderr);
            serde_json::from_str::<Value>(&ran.stdout).unwrap()
        };
        let none = json!(null);
        assert_eq!(ask(&["create", "-"], &definition)["name"], "office");
        ask(&["update", "-"], &changed);
        let listed = ask(&["list"], &none);
        assert_eq!(listed["count"], 1);
        for (name, value) in changed.as_object().unwrap() {
            assert_eq!(&listed[list][0][name], value, "{command}");
        }
        ask(&["delete", "office"], &none);
        assert_eq!(ask(&["list"], &none)["count"], 0);
    }
    dev.stop();
}
