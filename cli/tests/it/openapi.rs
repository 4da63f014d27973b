//! The OpenAPI document of a running `acteon dev`, tried out by a program that makes requests from it.

use crate::dev::Dev;
use acteon_testkit::{tools, wait_until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
/// Schemathesis and what it needs.
const REQUIREMENTS: &str = include_str!("../schemathesis/requirements.txt");
/// The version in [`REQUIREMENTS`], which the directory is named by.
const VERSION: &str = "4.32.5";
/// What must hold of every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
/// The same requests each time.
const SEED: &str = "1";
/// Longest run, in seconds, where `ACTEON_FULL` is not set.
const SECONDS: &str = "75";
/// The same where it is.
const SECONDS_FULL: &str = "900";

/// Rules that hold and refuse actions, so that there is something of each kind to be listed.
const RULES: &str = r#"
rules:
  - name: never
    condition: {field: action.action_type, eq: blocked}
    action: {type: suppress}
  - name: once
    priority: 2
    condition: {field: action.action_type, eq: alert}
    action: {type: deduplicate, ttl_seconds: 3600}
  - name: together
    priority: 3
    condition: {field: action.action_type, eq: event}
    action: {type: group, group_by: [action.tenant], group_wait_seconds: 3600}
  - name: ask
    priority: 4
    condition: {field: action.action_type, eq: payment}
    action: {type: request_approval, notify_provider: log, timeout_seconds: 600}
  - name: later
    priority: 5
    condition: {field: action.action_type, eq: order}
    action: {type: schedule, delay_seconds: 3600}
"#;

fn configured(dir: &Path) -> PathBuf {
    let (config, rules) = (dir.join("acteon.toml"), dir.join("rules"));
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("rules.yaml"), RULES).unwrap();
    let text = format!("[rules]\ndirectory = {rules:?}\n[[providers]]\nname = \"log\"\ntype = \"log\"\n");
    fs::write(&config, text).unwrap();
    config
}

#[test]
fn no_request_has_an_answer_that_the_document_does_not_name() {
    let python = tools::python(&format!("schemathesis-{VERSION}"), REQUIREMENTS).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("data"), &configured(dir.path()));
    let ready = || crate::support::http(dev.http(), "GET", "/ready", "").status == 200;
    assert!(wait_until(LIMIT, ready), "{}", dev.output());
    let is_full = std::env::var_os("ACTEON_FULL").is_some();
    // What is drawn at random is for the long run.
    let (phases, seconds) = if is_full { ("coverage,fuzzing", SECONDS_FULL) } else { ("coverage", SECONDS) };
    let output = Command::new(python.with_file_name("schemathesis"))
        .args(["run", &format!("http://{}/api-doc/openapi.json", dev.http())])
        .args(["--checks", CHECKS, "--seed", SEED, "--phases", phases, "--no-shrink", "--warnings", "off"])
        .args(["--max-examples", "200", "--max-time", seconds, "--request-timeout", "30", "--continue-on-failure"])
        .env("NO_COLOR", "1")
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let tried = said.lines().find_map(|line| line.trim().strip_prefix("Tested: "));
    let count = tried.and_then(|text| text.split('/').next()?.parse::<usize>().ok());
    assert!(count.is_some_and(|count| count > 60), "{said}");
    dev.stop();
}
