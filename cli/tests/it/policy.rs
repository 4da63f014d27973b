//! Silences, time intervals and a quota that warns, in a running process.

use crate::dev::Dev;
use serde_json::{Value, json};
use std::fs;

const RULES: &str = "rules:
  - {name: quiet, condition: {field: action.action_type, eq: chatter}, mute_time_intervals: [always], action: {type: allow}}
";

fn action(action_type: &str, service: &str) -> String {
    let action = json!({"namespace": "n", "tenant": "t", "provider": "log", "action_type": action_type, "payload": {},
        "metadata": {"service": service}});
    format!("{action}\n")
}

#[test]
fn actions_are_silenced_and_muted_and_a_quota_warns_once() {
    let dir = tempfile::tempdir().unwrap();
    let (config, rules) = (dir.path().join("acteon.toml"), dir.path().join("rules"));
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("quiet.yaml"), RULES).unwrap();
    let text = format!(
        "[rules]\ndirectory = {rules:?}\n[[providers]]\nname = \"log\"\ntype = \"log\"\n\
         [[time_intervals]]\nname = \"always\"\ntime_ranges = [{{ months = [\"1:12\"] }}]\n"
    );
    fs::write(&config, text).unwrap();
    let dev = Dev::start(&dir.path().join("data"), &config);
    let ask = |args: &[&str]| {
        let ran = dev.acteon(&[args, &["--namespace", "n", "--tenant", "t", "--json"]].concat(), "");
        assert_eq!(ran.code, 0, "{args:?}: {}\n{}", ran.stdout, ran.stderr);
        serde_json::from_str::<Value>(&ran.stdout).unwrap()
    };
    let silence = ask(&["silences", "create", "--match", "service=~ap.", "--for", "1h", "--comment", "deploying"]);
    ask(&["quotas", "set", "--max-actions", "2", "--window", "hourly", "--overage", "warn"]);

    let lines = action("chatter", "db") + &action("alert", "api") + &action("alert", "db").repeat(4);
    let rows: Vec<Value> = dev.produce(&lines).into_values().collect();
    let outcomes: Vec<&str> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["muted", "silenced", "executed", "executed", "executed", "executed"]);
    let muted = json!({"interval": "always", "reason": "mute_time_interval", "matched_rule": "quiet"});
    assert_eq!(rows[0]["detail"]["Muted"], muted);
    assert_eq!(rows[1]["detail"]["Silenced"]["silence_id"], silence["id"]);
    // What is kept back does not count; the third that passes is over the quota, and the fourth is not told of again.
    assert_eq!(ask(&["quotas", "list"])["quotas"][0]["used"], 4);
    let audit = dev.acteon(&["tail", "audit", "--from-beginning", "--no-follow", "--json"], "").stdout;
    let records: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let warned: Vec<&Value> = records.iter().filter(|record| record["outcome"] == "quota_exceeded").collect();
    assert_eq!(warned.len(), 1, "{audit}");
    assert_eq!((&warned[0]["action_id"], &warned[0]["verdict"]), (&rows[4]["action_id"], &json!("quota")));

    ask(&["silences", "delete", silence["id"].as_str().unwrap()]);
    assert_eq!(dev.produce(&action("alert", "api"))[&1]["outcome"], "executed");
    dev.stop();
}
