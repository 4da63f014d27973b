//! Commands to a tenant's state: asked, waited for, and shown.

use crate::dev::Dev;
use crate::support::{Ran, acteon};
use acteon_testkit::wait_until;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

const RULES: &str = r#"
rules:
  - name: later
    condition: {field: action.action_type, eq: order}
    action: {type: schedule, delay_seconds: 3600}
  - name: together
    condition: {field: action.action_type, eq: reading}
    action: {type: group, group_by: [payload.floor], group_wait_seconds: 3600}
  - name: ask
    condition: {field: action.action_type, eq: payment}
    action: {type: request_approval, notify_provider: log, timeout_seconds: 600, message: Pay?}
"#;

/// A configuration with rules that hold actions.
fn holding(dir: &Path) -> PathBuf {
    let (config, rules) = (dir.join("acteon.toml"), dir.join("rules"));
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("hold.yaml"), RULES).unwrap();
    let text = format!(
        "[rules]\ndirectory = {rules:?}\n[[providers]]\nname = \"log\"\ntype = \"log\"\n\
         [[chains.definitions]]\nname = \"steps\"\n\
         [[chains.definitions.steps]]\nname = \"go\"\nprovider = \"log\"\naction_type = \"go\"\n"
    );
    fs::write(&config, text).unwrap();
    config
}

/// Asks about the tenant `t` of the namespace `n`.
fn ask(dev: &Dev, args: &[&str]) -> Ran {
    dev.acteon(&[args, &["--namespace", "n", "--tenant", "t"]].concat(), "")
}

/// The answer as JSON, and the exit code.
fn answer(dev: &Dev, args: &[&str]) -> (i32, Value) {
    let ran = ask(dev, &[args, &["--json"]].concat());
    let json = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{args:?}: {}\n{}", ran.stdout, ran.stderr));
    (ran.code, json)
}

/// Sends an action that a rule holds, and waits until it is in the list.
fn hold(dev: &Dev, id: &str, action_type: &str, list: &str) -> Value {
    let action = json!({"id": id, "namespace": "n", "tenant": "t", "provider": "log", "action_type": action_type,
        "payload": {"floor": 3}});
    assert_eq!(dev.acteon(&["produce", "-"], &action.to_string()).code, 0);
    let listed = || answer(dev, &[list, "list"]).1;
    assert!(wait_until(LIMIT, || listed()["count"] == 1), "{}", listed());
    listed()
}

#[test]
fn what_is_held_can_be_listed_and_acted_on_and_refusals_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let dev = Dev::start(&data, &holding(dir.path()));

    let none = ask(&dev, &["scheduled", "list"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, "none\n"), "{}", none.stderr);
    let listed = hold(&dev, "order-1", "order", "scheduled");
    assert_eq!(listed["scheduled"][0]["action_id"], "order-1");
    let table = ask(&dev, &["scheduled", "list", "--limit", "1"]).stdout;
    assert!(table.contains("ACTION ID") && table.contains("order-1"), "{table}");
    let (code, cancelled) = answer(&dev, &["scheduled", "cancel", "order-1"]);
    assert_eq!((code, &cancelled["status"]), (0, &"cancelled".into()), "{cancelled}");
    let again = ask(&dev, &["scheduled", "cancel", "order-1"]);
    assert_eq!(again.code, 1);
    assert!(again.error().starts_with("error: NOT_FOUND: ") && again.error().contains("order-1"), "{}", again.stderr);
    let (code, refused) = answer(&dev, &["scheduled", "cancel", "order-1"]);
    assert_eq!((code, &refused["error"]["code"]), (1, &"NOT_FOUND".into()), "{refused}");
    let (code, refused) = answer(&dev, &["scheduled", "list", "--after", "zz"]);
    assert_eq!((code, &refused["error"]["code"]), (1, &"INVALID".into()), "{refused}");

    let listed = hold(&dev, "reading-1", "reading", "groups");
    let group = listed["groups"][0]["group_id"].as_str().unwrap();
    let shown = ask(&dev, &["groups", "show", group]);
    assert!(shown.stdout.contains("reading-1"), "{}\n{}", shown.stdout, shown.stderr);
    let (code, flushed) = answer(&dev, &["groups", "flush", group]);
    assert_eq!((code, &flushed["event_count"]), (0, &1.into()), "{flushed}");
    assert_eq!(answer(&dev, &["groups", "flush", "nowhere"]).1["error"]["code"], "NOT_FOUND");

    let listed = hold(&dev, "payment-1", "payment", "approvals");
    let approval = listed["approvals"][0]["token"].as_str().unwrap();
    let (code, approved) = answer(&dev, &["approvals", "approve", approval, "--by", "ann"]);
    assert_eq!((code, &approved["status"]), (0, &"approved".into()), "{approved}");
    let twice = ask(&dev, &["approvals", "reject", approval]);
    assert_eq!(twice.code, 1);
    assert!(twice.stderr.contains("by ann"), "{}", twice.stderr);
    // Somebody was told, by a link; what proves it is shown nowhere but to its provider.
    assert!(wait_until(LIMIT, || dev.output().contains("approval_notification")), "{}", dev.output());
    assert!(!dev.output().contains("sig="), "{}", dev.output());
    for topic in ["outcomes", "audit"] {
        let told = dev.acteon(&["tail", topic, "--from-beginning", "--no-follow", "--json"], "").stdout;
        assert!(told.contains("payment-1") && !told.contains("sig="), "{topic}: {told}");
    }
    // The key that signs the links of `acteon dev` is its owner's alone.
    assert_eq!(fs::metadata(data.join("approval_secret")).unwrap().permissions().mode() & 0o777, 0o600);
    dev.stop();
}

#[test]
fn a_recurring_action_is_made_from_a_file_paused_and_ended() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("data"), &holding(dir.path()));
    let definition = |cron: &str| {
        json!({"id": "r-1", "cron_expression": cron, "action": {"provider": "log", "action_type": "beat"}}).to_string()
    };
    let create = ["recurring", "create", "-", "--namespace", "n", "--tenant", "t", "--json"];
    let ran = dev.acteon(&create, &definition("61 * * * *"));
    assert!(ran.code == 1 && ran.stdout.contains(r#""code":"INVALID""#), "{}\n{}", ran.stdout, ran.stderr);
    let ran = dev.acteon(&create, "{}");
    assert!(ran.code == 1 && ran.error().contains("missing field `cron_expression`"), "{}", ran.stderr);
    assert_eq!(dev.acteon(&create, &definition("0 3 * * *")).code, 0);
    let listed = answer(&dev, &["recurring", "list"]).1;
    assert_eq!(listed["recurring_actions"][0]["id"], "r-1", "{listed}");
    for act in ["pause", "resume", "delete"] {
        let (code, done) = answer(&dev, &["recurring", act, "r-1"]);
        assert_eq!(code, 0, "{act}: {done}");
    }
    assert_eq!(answer(&dev, &["recurring", "show", "r-1"]).1["error"]["code"], "NOT_FOUND");
    dev.stop();
}

#[test]
fn a_chain_is_started_with_an_action_of_the_tenant_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("data"), &holding(dir.path()));
    let start = ["chains", "start", "steps", "--action", "-", "--namespace", "n", "--tenant", "t", "--json"];
    let action = json!({"id": "a-1", "provider": "log", "action_type": "x", "payload": {}});
    let ran = dev.acteon(&start, &action.to_string());
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let started: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&started["chain_name"], &started["action_id"]), (&json!("steps"), &json!("a-1")), "{started}");
    let completed = || answer(&dev, &["chains", "list", "--status", "completed"]).1["count"] == 1;
    assert!(wait_until(LIMIT, completed), "{}", dev.output());
    for (field, value) in [("namespace", "other"), ("tenant", "u")] {
        let mut foreign = action.clone();
        foreign[field] = json!(value);
        let ran = dev.acteon(&start, &foreign.to_string());
        assert!(ran.code == 1 && ran.stdout.contains("they must be the same"), "{}\n{}", ran.stdout, ran.stderr);
    }
    dev.stop();
}

#[test]
fn a_command_without_a_processor_says_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let broker = acteon_broker::Broker::start(acteon_broker::Config {
        host: "127.0.0.1".to_owned(),
        port: 0,
        ..acteon_broker::Config::new(dir.path().join("broker"))
    })
    .unwrap();
    let kafka = broker.bootstrap();
    let asked = ["scheduled", "list", "--namespace", "n", "--tenant", "t", "--timeout", "300ms"];
    let ran = acteon(&[&["--bootstrap-servers", &kafka][..], &asked].concat());
    assert_eq!(ran.code, 1);
    assert!(ran.error().contains("there is no topic acteon.commands"), "{}", ran.stderr);
    let made = acteon(&["--bootstrap-servers", &kafka, "topology", "apply"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let ran = acteon(&[&["--bootstrap-servers", &kafka][..], &asked].concat());
    assert_eq!(ran.code, 1);
    assert!(ran.error().contains("no answer in 300ms") && ran.error().contains("acteon.commands/"), "{}", ran.stderr);
    broker.shutdown();
}

#[test]
fn wrong_input_is_refused_before_anything_is_sent() {
    let scope = ["--namespace", "n", "--tenant", "t"];
    for (args, part) in [
        (&["quotas", "set", "--max-actions", "1", "--window", "hourly", "--overage", "drop"][..], "degrade:PROVIDER"),
        (&["silences", "create", "--match", "severity", "--for", "1h"], "name=~regex"),
        (&["silences", "create", "--match", "a=b"], "--ends-at"),
        (&["chains", "signal", "c", "go", "--payload", "{"], "use JSON"),
        (&["scheduled", "list", "--limit", "0"], "1..=1000"),
    ] {
        let ran = acteon(&[args, &scope].concat());
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(part), "{args:?}: {}", ran.stderr);
    }
    let ran = acteon(&["recurring", "create", "no/such.json", "--namespace", "n", "--tenant", "t"]);
    assert!(ran.code == 1 && ran.error().contains("no/such.json"), "{}", ran.stderr);
    let ran = acteon(&["events", "list"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--namespace") && ran.stderr.contains("--tenant"), "{}", ran.stderr);
}
