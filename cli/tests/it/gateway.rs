//! The HTTP API of `acteon dev`, as programs and people use it.

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
  - name: never
    priority: 1
    condition: {field: action.action_type, eq: blocked}
    action: {type: suppress}
  - name: once
    priority: 2
    condition: {field: action.action_type, eq: alert}
    action: {type: deduplicate, ttl_seconds: 3600}
  - name: rarely
    priority: 3
    condition: {field: action.action_type, eq: newsletter}
    action: {type: throttle, max_count: 1, window_seconds: 3600}
  - name: ask
    priority: 4
    condition: {field: action.action_type, eq: payment}
    action: {type: request_approval, notify_provider: hook, timeout_seconds: 600, message: Pay?}
  - name: later
    priority: 5
    condition: {field: action.action_type, eq: order}
    action: {type: schedule, delay_seconds: 3600}
"#;

fn configured(dir: &Path, hook: &str) -> PathBuf {
    let (config, rules) = (dir.join("acteon.toml"), dir.join("rules"));
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("rules.yaml"), RULES).unwrap();
    let text = format!(
        "[rules]\ndirectory = {rules:?}\n[[providers]]\nname = \"log\"\ntype = \"log\"\n\
         [[providers]]\nname = \"hook\"\ntype = \"webhook\"\nurl = {hook:?}\n"
    );
    fs::write(&config, text).unwrap();
    config
}

fn action(action_type: &str, more: &Value) -> Value {
    let mut action = json!({
        "namespace": "n", "tenant": "t", "provider": "log", "action_type": action_type, "payload": {"x": 1},
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        action[name] = value.clone();
    }
    action
}

fn dispatch(dev: &Dev, action: &Value) -> HttpAnswer {
    http(dev.http(), "POST", "/v1/dispatch", &action.to_string())
}

#[test]
fn actions_are_answered_with_their_outcomes() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("data"), &configured(dir.path(), "http://127.0.0.1:1/"));
    let executed = dispatch(&dev, &action("mail", &json!({"id": "mail-1", "metadata": {"labels": {"k": "v"}}})));
    let body = json!({"Executed": {"status": "success", "body": {"provider": "log", "logged": true}, "headers": {}}});
    assert_eq!((executed.status, &executed.body), (200, &body), "{}", executed.text);
    assert!(executed.text.to_lowercase().contains("acteon-action-id: mail-1"), "{}", executed.text);

    let suppressed = dispatch(&dev, &action("blocked", &json!({})));
    assert_eq!((suppressed.status, suppressed.body), (200, json!({"Suppressed": {"rule": "never"}})));
    let alert = action("alert", &json!({"dedup_key": "k", "id": "same"}));
    assert_eq!(dispatch(&dev, &alert).body["Executed"]["status"], "success");
    assert_eq!(dispatch(&dev, &alert).body, json!("Deduplicated"), "with the same id, too");
    dispatch(&dev, &action("newsletter", &json!({})));
    let throttled = dispatch(&dev, &action("newsletter", &json!({})));
    assert!(throttled.body["Throttled"]["retry_after"]["secs"].as_u64().unwrap() > 3000, "{}", throttled.text);
    let nobody = dispatch(&dev, &action("mail", &json!({"provider": "fax"})));
    assert_eq!((nobody.status, &nobody.body["Failed"]["code"]), (200, &json!("PROVIDER_NOT_FOUND")));
    let accepted = http(dev.http(), "POST", "/v1/dispatch?wait=0", &action("mail", &json!({"id": "m-2"})).to_string());
    assert_eq!((accepted.status, accepted.body), (202, json!({"action_id": "m-2", "status": "accepted"})));

    let batch = json!([
        action("blocked", &json!({})),
        {"namespace": "n"},
        action("mail", &json!({})),
        action("alert", &json!({"dedup_key": "k"})),
    ]);
    let answer = http(dev.http(), "POST", "/v1/dispatch/batch", &batch.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text);
    let audit = || http(dev.http(), "GET", "/v1/audit?namespace=n&tenant=t&outcome=deduplicated", "");
    let both = || audit().body["records"].as_array().is_some_and(|records| records.len() == 2);
    assert!(wait_until(LIMIT, both), "{}", audit().text);
    let recorded = http(dev.http(), "GET", "/v1/audit/mail-1?namespace=n&tenant=t", "");
    assert_eq!((recorded.status, &recorded.body["outcome"]), (200, &json!("executed")), "{}", recorded.text);
    let items = answer.body.as_array().unwrap();
    assert_eq!((&items[0]["Suppressed"]["rule"], &items[3]), (&json!("never"), &json!("Deduplicated")));
    assert_eq!(
        (&items[1]["error"]["code"], &items[2]["Executed"]["status"]),
        (&json!("INVALID_BODY"), &json!("success"))
    );
    dev.stop();
}

#[test]
fn bad_requests_have_a_status_and_a_body_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("data"), &configured(dir.path(), "http://127.0.0.1:1/"));
    let good = action("alert", &json!({"dedup_key": "k"})).to_string();
    let scope = "namespace=n&tenant=t";
    let cases = [
        ("POST", "/v1/dispatch".to_owned(), "{".to_owned(), 400, "INVALID_JSON"),
        ("POST", "/v1/dispatch".to_owned(), good.replace("\"log\"", "7"), 422, "INVALID_BODY"),
        ("POST", "/v1/dispatch?dryrun=1".to_owned(), good.clone(), 400, "INVALID_QUERY"),
        ("POST", "/v1/dispatch".to_owned(), " ".repeat(1024 * 1024 + 1), 413, "TOO_LARGE"),
        ("GET", "/v1/dispatch".to_owned(), String::new(), 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v2".to_owned(), String::new(), 404, "NOT_FOUND"),
        ("GET", format!("/v1/chains/none?{scope}"), String::new(), 404, "NOT_FOUND"),
        ("DELETE", format!("/v1/groups/none?{scope}"), String::new(), 404, "NOT_FOUND"),
        (
            "PUT",
            "/v1/events/none/transition".to_owned(),
            r#"{"to":"x","namespace":"n","tenant":"t"}"#.to_owned(),
            404,
            "NOT_FOUND",
        ),
        ("GET", format!("/v1/approvals?{scope}&after=zz"), String::new(), 422, "INVALID"),
        (
            "POST",
            "/v1/recurring".to_owned(),
            json!({"namespace": "n", "tenant": "t", "provider": "log", "action_type": "a",
            "cron_expression": "every day"})
            .to_string(),
            422,
            "INVALID",
        ),
    ];
    for (method, path, body, status, code) in cases {
        let answer = http(dev.http(), method, &path, &body);
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{method} {path}: {}", answer.text);
        let keys = ["error", "code", "message", "retryable"].map(|key| answer.body.get(key).is_some());
        assert_eq!(keys, [true; 4], "{method} {path}: {}", answer.text);
    }
    assert!(http(dev.http(), "POST", "/v1/dispatch", &good).body["Executed"].is_object(), "it was not seen before");
    dev.stop();
}

#[test]
fn a_signed_link_approves_once_and_only_when_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().unwrap();
    let dev = Dev::start(&dir.path().join("data"), &configured(dir.path(), &receiver.url()));
    let asked = dispatch(&dev, &action("payment", &json!({"provider": "hook", "id": "payment-1"})));
    let pending = &asked.body["PendingApproval"];
    assert_eq!(asked.status, 200, "{}", asked.text);
    assert!(!asked.text.contains("sig="), "only the notification has the signature: {}", asked.text);
    let mails = receiver.wait_for(1, LIMIT).unwrap();
    let link = mails[0].json().unwrap()["payload"]["approval_url"].as_str().unwrap().to_owned();
    let base = format!("http://{}", dev.http());
    let path = link.strip_prefix(&base).unwrap_or_else(|| panic!("{link} does not lead to {base}")).to_owned();
    assert_eq!(Some(path.split('?').next().unwrap()), pending["approve_url"].as_str().unwrap().strip_prefix(&base));

    let opened = http(dev.http(), "GET", &path, "");
    assert!(opened.status == 200 && opened.text.contains("<form method=\"post\">"), "{}", opened.text);
    let bare = http(dev.http(), "POST", path.split('?').next().unwrap(), "");
    assert_eq!((bare.status, &bare.body["code"]), (403, &json!("FORBIDDEN")));
    let forged = http(dev.http(), "POST", &path.replace("sig=", "sig=0"), "");
    assert_eq!((forged.status, &forged.body["code"]), (403, &json!("FORBIDDEN")), "{}", forged.text);
    let shown = http(dev.http(), "GET", &path.replace("/approve?", "?"), "");
    assert_eq!((shown.status, &shown.body["status"]), (200, &json!("pending")), "{}", shown.text);

    let approved = http(dev.http(), "POST", &path, "");
    assert_eq!((approved.status, &approved.body["status"]), (200, &json!("approved")), "{}", approved.text);
    assert_eq!(receiver.wait_for(2, LIMIT).unwrap()[1].json().unwrap()["payload"], json!({"x": 1}));
    let again = http(dev.http(), "POST", &path.replace("/approve?", "/reject?"), "");
    assert_eq!((again.status, &again.body["code"]), (409, &json!("CONFLICT")), "{}", again.text);
    dev.stop();
}

#[test]
fn operators_work_over_http() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("data"), &configured(dir.path(), "http://127.0.0.1:1/"));
    let scope = "namespace=n&tenant=t";
    let held = dispatch(&dev, &action("order", &json!({"id": "order-1"})));
    assert!(held.body["Scheduled"]["scheduled_for"].is_string(), "{}", held.text);
    let listed = http(dev.http(), "GET", &format!("/v1/scheduled?{scope}"), "");
    assert_eq!(listed.body["count"], 1, "{}", listed.text);
    let cancelled = http(dev.http(), "DELETE", &format!("/v1/scheduled/order-1?{scope}"), "");
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("cancelled")), "{}", cancelled.text);

    let quota = json!({"namespace": "n", "tenant": "t", "max_actions": 1, "window": "hourly",
        "overage_behavior": "block", "per_principal": false, "labels": {}});
    let made = http(dev.http(), "POST", "/v1/quotas", &quota.to_string());
    assert_eq!((made.status, &made.body["max_actions"]), (201, &json!(1)), "{}", made.text);
    dispatch(&dev, &action("mail", &json!({})));
    let exceeded = dispatch(&dev, &action("mail", &json!({})));
    assert_eq!((exceeded.status, &exceeded.body["QuotaExceeded"]["limit"]), (200, &json!(1)), "{}", exceeded.text);
    let id = made.body["id"].as_str().unwrap();
    let usage = http(dev.http(), "GET", &format!("/v1/quotas/{id}/usage?{scope}"), "");
    assert_eq!((&usage.body["used"], &usage.body["remaining"]), (&json!(1), &json!(0)), "{}", usage.text);
    let raised = http(dev.http(), "PUT", &format!("/v1/quotas/{id}?{scope}"), r#"{"max_actions":100}"#);
    assert_eq!((&raised.body["max_actions"], &raised.body["used"]), (&json!(100), &json!(1)), "{}", raised.text);

    let recurring = json!({"namespace": "n", "tenant": "t", "provider": "log", "action_type": "beat", "payload": {},
        "cron_expression": "*/5 * * * *", "timezone": "Europe/Berlin"});
    let made = http(dev.http(), "POST", "/v1/recurring", &recurring.to_string());
    assert_eq!((made.status, &made.body["status"]), (201, &json!("active")), "{}", made.text);
    let path = format!("/v1/recurring/{}", made.body["id"].as_str().unwrap());
    let changed =
        http(dev.http(), "PUT", &format!("{path}?{scope}"), r#"{"description":"alive","cron_expr":"0 * * * *"}"#);
    assert_eq!(changed.status, 200, "{}", changed.text);
    let shown = http(dev.http(), "GET", &format!("{path}?{scope}"), "").body;
    assert_eq!((&shown["description"], &shown["cron_expr"]), (&json!("alive"), &json!("0 * * * *")));
    assert_eq!((&shown["timezone"], &shown["provider"]), (&json!("Europe/Berlin"), &json!("log")));
    let pause = r#"{"namespace":"n","tenant":"t"}"#;
    assert_eq!(http(dev.http(), "POST", &format!("{path}/pause"), pause).status, 200);
    assert_eq!(http(dev.http(), "POST", &format!("{path}/pause"), pause).status, 409);

    let policy = r#"{"namespace":"n","tenant":"t","audit_ttl_seconds":604800,"event_ttl_seconds":172800,"compliance_hold":false}"#;
    assert_eq!(http(dev.http(), "POST", "/v1/retention", policy).status, 201);
    assert_eq!(http(dev.http(), "POST", "/v1/retention", policy).status, 409);
    let policies = http(dev.http(), "GET", &format!("/v1/retention?{scope}"), "");
    assert_eq!((&policies.body["count"], &policies.body["policies"][0]["id"]), (&json!(1), &json!("n:t")));

    let silence = json!({"namespace": "n", "tenant": "t", "comment": "quiet", "duration_seconds": 600,
        "matchers": [{"name": "action_type", "value": "mail", "op": "equal"}]});
    assert_eq!(http(dev.http(), "POST", "/v1/silences", &silence.to_string()).status, 201);
    assert!(dispatch(&dev, &action("mail", &json!({}))).body["Silenced"]["silence_id"].is_string());
    let ready = || http(dev.http(), "GET", "/ready", "");
    assert!(wait_until(LIMIT, || ready().status == 200), "{}", ready().text);
    assert!(ready().text.contains("follows the outcomes"), "{}", ready().text);
    dev.stop();
}

#[test]
fn rules_are_listed_tried_out_and_loaded_anew() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("data"), &configured(dir.path(), "http://127.0.0.1:1/"));
    let names = || {
        let answer = http(dev.http(), "GET", "/v1/rules", "");
        let rules = answer.body.as_array().cloned().unwrap_or_default();
        rules.iter().map(|rule| rule["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(wait_until(LIMIT, || names() == ["never", "once", "rarely", "ask", "later"]), "{:?}", names());
    let tried = http(dev.http(), "POST", "/v1/dispatch?dry_run=true", &action("blocked", &json!({})).to_string());
    assert_eq!((tried.status, &tried.body["DryRun"]["matched_rule"]), (200, &json!("never")), "{}", tried.text);

    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("rules.yaml"), RULES.replace("eq: blocked", "eq: halted")).unwrap();
    let body = json!({ "directory": other }).to_string();
    let reloaded = http(dev.http(), "POST", "/v1/rules/reload", &body);
    assert_eq!((reloaded.status, &reloaded.body["loaded"]), (200, &json!(5)), "{}", reloaded.text);
    let halted = || dispatch(&dev, &action("halted", &json!({}))).body["Suppressed"]["rule"] == "never";
    assert!(wait_until(LIMIT, halted), "{}", http(dev.http(), "GET", "/v1/rules", "").text);

    fs::write(other.join("rules.yaml"), RULES.replace("type: suppress", "type: supress")).unwrap();
    let refused = http(dev.http(), "POST", "/v1/rules/reload", &body);
    assert_eq!((refused.status, &refused.body["code"]), (422, &json!("INVALID_RULES")), "{}", refused.text);
    assert!(refused.text.contains("rules.yaml:6:"), "the place is named: {}", refused.text);
    assert!(halted(), "the running rules stay");
    dev.stop();
}
