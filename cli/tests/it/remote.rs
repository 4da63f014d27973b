//! `acteon dispatch`, `audit`, `replay` and `stream` on the gateway of `acteon dev`.

use crate::dev::Dev;
use crate::support::{Ran, acteon, acteon_with, root};
use acteon_testkit::wait_until;
use serde_json::Value;
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
const CONFIG: &str = "examples/quickstart/acteon.toml";

fn lines(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{ran:?}"))).collect()
}

#[test]
fn actions_are_sent_found_and_sent_again_over_http() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("data"), &root().join(CONFIG));
    let endpoint = format!("http://{}", dev.http());
    let ask = |args: &[&str], input: &str| acteon_with(&[args, &["--endpoint", &endpoint]].concat(), input);

    let actions = "examples/quickstart/actions.ndjson";
    let tried = lines(&ask(&["dispatch", actions, "--dry-run", "--json"], ""));
    assert!(tried.iter().all(|row| row["outcome"] == "dry_run"), "{tried:?}");
    let ran = ask(&["dispatch", actions, "--json"], "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let sent = lines(&ran);
    assert_eq!(sent.len(), tried.len());
    let ends = |kind: &str| sent.iter().filter(|row| row["outcome"] == kind).count();
    assert!(ends("executed") > 0 && ends("suppressed") > 0, "{sent:?}");

    let suppressed = || lines(&ask(&["audit", "--outcome", "suppressed", "--limit", "1000", "--json"], ""));
    assert!(wait_until(LIMIT, || suppressed().len() == ends("suppressed")), "{:?}", suppressed());
    let found = &suppressed()[0];
    let id = found["action_id"].as_str().unwrap();
    assert!(sent.iter().any(|row| row["action_id"] == id), "{found}");
    let shown = ask(&["audit", id], "");
    assert_eq!(serde_json::from_str::<Value>(&shown.stdout).unwrap()["matched_rule"], found["matched_rule"]);
    let table = ask(&["audit", "--outcome", "suppressed"], "").stdout;
    assert!(table.starts_with("DECIDED AT") && table.contains(id), "{table}");

    let replayed = &lines(&ask(&["replay", id, "--json"], ""))[0];
    assert_eq!((&replayed["original_action_id"], &replayed["success"]), (&id.into(), &true.into()));
    let new = replayed["new_action_id"].as_str().unwrap();
    let again = || lines(&ask(&["audit", "--outcome", "suppressed", "--json"], ""));
    assert!(wait_until(LIMIT, || again().iter().any(|record| record["action_id"] == new)), "{:?}", again());
    let all = ask(&["replay", "--all", "--outcome", "suppressed"], "");
    assert!(all.code == 0 && all.stdout.contains("sent again, 0 not"), "{all:?}");
    assert_eq!(ask(&["replay", "nobody"], "").code, 1);
    assert_eq!(ask(&["audit", "nobody"], "").code, 1);
    dev.stop();
}

#[test]
fn what_goes_wrong_has_its_exit_code() {
    let action = r#"{"namespace":"n","tenant":"t","provider":"p","action_type":"a","payload":{}}"#;
    let away = ["--endpoint", "http://127.0.0.1:1", "--timeout", "1s"];
    let ran = acteon_with(&[&["dispatch", "-"], &away[..]].concat(), action);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.error().starts_with("error: no answer from http://127.0.0.1:1"), "{}", ran.stderr);
    for (args, input, part) in [
        (&["dispatch", "-", "--endpoint", "localhost"][..], action, "is not the address of a gateway"),
        (&["dispatch", "-"], "{}", "missing field `namespace`"),
        (&["dispatch", "-"], "", "holds no action"),
    ] {
        let ran = acteon_with(args, input);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.error().contains(part), "{}", ran.stderr);
    }
    assert_eq!(acteon(&["dispatch", "no-such-file"]).code, 1);
    assert_eq!(acteon(&["replay"]).code, 2);
    assert_eq!(acteon(&["replay", "x", "--all"]).code, 2);
}
