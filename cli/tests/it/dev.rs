//! `acteon dev` from start to stop, with the quickstart.

use crate::support::{Ran, acteon, acteon_with, binary, http_get, listening, root};
use acteon_testkit::process::Process;
use acteon_testkit::wait_until;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A running `acteon dev` on free ports.
pub(crate) struct Dev {
    process: Process,
    kafka: String,
    http: String,
}

impl Dev {
    pub(crate) fn start(data_dir: &Path, config: &Path) -> Self {
        Self::start_with(data_dir, config, &[])
    }

    /// The same with environment variables.
    pub(crate) fn start_with(data_dir: &Path, config: &Path, environment: &[(&str, String)]) -> Self {
        let mut command = Process::command(binary())
            .args(["dev", "--broker-port", "0", "--port", "0", "--data-dir"])
            .arg(data_dir)
            .arg("-c")
            .arg(config)
            .env("RUST_LOG", "info")
            .current_dir(root());
        for (name, value) in environment {
            command = command.env(name, value);
        }
        let mut process = command.start().unwrap();
        let http = listening(&mut process, LIMIT);
        let kafka = process.wait_for_line("^  kafka  ", LIMIT).unwrap();
        let kafka = kafka.split([' ', ',']).find(|part| part.contains(':')).unwrap().to_owned();
        Self { process, kafka, http }
    }

    /// The broker's address.
    pub(crate) fn kafka(&self) -> &str {
        &self.kafka
    }

    /// Where HTTP is answered.
    pub(crate) fn http(&self) -> &str {
        &self.http
    }

    pub(crate) fn acteon(&self, args: &[&str], input: &str) -> Ran {
        acteon_with(&[&["--bootstrap-servers", &self.kafka], args].concat(), input)
    }

    /// Sends actions and returns their outcomes by line.
    pub(crate) fn produce(&self, input: &str) -> BTreeMap<u64, Value> {
        let ran = self.acteon(&["produce", "-", "--wait", "--json"], input);
        assert_eq!(ran.code, 0, "{}\n{}\n{}", ran.stdout, ran.stderr, self.process.tail());
        let rows = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.filter_map(|row| Some((row["line"].as_u64()?, row))).collect()
    }

    /// The outcome of one alert.
    fn alert(&self, dedup_key: &str) -> String {
        let action = format!(
            r#"{{"namespace":"n","tenant":"t","provider":"pager","action_type":"alert","payload":{{}},"dedup_key":"{dedup_key}"}}"#
        );
        self.produce(&action)[&1]["outcome"].as_str().unwrap().to_owned()
    }

    /// Everything that the process has printed and logged so far.
    pub(crate) fn output(&self) -> String {
        self.process.stdout() + &self.process.stderr()
    }

    /// Ends the process without a warning.
    pub(crate) fn kill(mut self) {
        self.process.kill_9().unwrap();
    }

    pub(crate) fn stop(mut self) {
        let status = self.process.terminate(LIMIT).unwrap();
        assert!(status.success(), "{status}\n{}", self.process.tail());
    }
}

/// The quickstart's configuration with a copy of its rules, for tests to change.
fn quickstart(dir: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let example = root().join("examples/quickstart");
    let (config, rules) = (dir.join("acteon.toml"), dir.join("rules"));
    fs::create_dir(&rules).unwrap();
    fs::copy(example.join("rules/quickstart.yaml"), rules.join("quickstart.yaml")).unwrap();
    let text = fs::read_to_string(example.join("acteon.toml")).unwrap();
    let text = text.replace("examples/quickstart/rules", rules.to_str().unwrap());
    fs::write(&config, text).unwrap();
    (config, rules.join("quickstart.yaml"))
}

#[test]
fn the_quickstart_comes_out_as_written() {
    let dir = tempfile::tempdir().unwrap();
    let (config, _) = quickstart(dir.path());
    let dev = Dev::start(&dir.path().join("data"), &config);
    let actions = fs::read_to_string(root().join("examples/quickstart/actions.ndjson")).unwrap();
    let rows = dev.produce(&actions);
    let outcomes: Vec<(u64, &str, &str)> = rows
        .values()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap();
            (row["line"].as_u64().unwrap(), text("outcome"), text("provider"))
        })
        .collect();
    let expected = [
        (1, "executed", "email"),
        (2, "rerouted", "sms"),
        (3, "suppressed", "email"),
        (4, "executed", "pager"),
        (5, "deduplicated", "pager"),
        (6, "executed", "pager"),
        (7, "rerouted", "sms"),
        (8, "deduplicated", "sms"),
        (9, "executed", "email"),
        (10, "executed", "email"),
        (11, "throttled", "email"),
        (12, "failed", "fax"),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(rows[&12]["detail"]["Failed"]["code"], "PROVIDER_NOT_FOUND");

    let ready = || http_get(&dev.http, "/ready").starts_with("HTTP/1.1 200");
    assert!(wait_until(LIMIT, ready), "{}", http_get(&dev.http, "/ready"));
    let health = http_get(&dev.http, "/health");
    assert!(health.contains(r#""deduplicated":2"#) && health.contains(r#""throttled":1"#), "{health}");
    let metrics = http_get(&dev.http, "/metrics/prometheus");
    assert!(metrics.contains("acteon_actions_suppressed_total"), "{metrics}");

    let tail = ["tail", "audit", "--from-beginning", "--no-follow", "--json"];
    let audit = dev.acteon(&tail, "");
    // Seven of the twelve were dispatched: they have a second record.
    assert_eq!(audit.stdout.lines().count(), 12 + 7, "{}", audit.stdout);
    dev.stop();
}

#[test]
fn bad_lines_are_refused_by_number_and_raw_ones_become_dead_letters() {
    let dir = tempfile::tempdir().unwrap();
    let (config, _) = quickstart(dir.path());
    let dev = Dev::start(&dir.path().join("data"), &config);
    let good = r#"{"namespace":"n","tenant":"t","provider":"email","action_type":"a","payload":{}}"#;
    let ran = dev.acteon(&["produce", "-", "--wait"], &format!("not json\n\n{good}\n{{}}\n"));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("-:1: refused: ") && ran.stderr.contains("-:4: refused: "), "{}", ran.stderr);
    assert!(ran.stdout.contains("1 action sent, 2 lines refused, in "), "{}", ran.stdout);
    assert_eq!(dev.acteon(&["produce", "-", "--raw"], "not json\n").code, 0);
    let tail = ["tail", "dlq", "--from-beginning", "--count", "1", "--json"];
    let letter: Value = serde_json::from_str(&dev.acteon(&tail, "").stdout).unwrap();
    assert_eq!((&letter["reason"]["code"], &letter["value"]), (&"INVALID_JSON".into(), &"not json".into()));
    dev.stop();
}

#[test]
fn state_survives_a_restart_and_can_be_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (config, _) = quickstart(dir.path());
    let data = dir.path().join("data");
    let dev = Dev::start(&data, &config);
    assert_eq!(dev.alert("k"), "executed");
    let second = acteon(&["dev", "--broker-port", "0", "--port", "0", "--data-dir", data.to_str().unwrap()]);
    assert_eq!(second.code, 1);
    assert!(second.error().contains("is in use by another process"), "{}", second.stderr);
    dev.stop();

    let dev = Dev::start(&data, &config);
    assert_eq!(dev.alert("k"), "deduplicated");
    let forget = ["dedup", "forget", "--namespace", "n", "--tenant", "t", "--key", "k"];
    let ran = dev.acteon(&forget, "");
    assert!(ran.stdout.contains("known      true"), "{}\n{}", ran.stdout, ran.stderr);
    // The answer says that it is done: no action that is sent now can overtake.
    assert_eq!(dev.alert("k"), "executed");
    dev.stop();
}

#[test]
fn rules_reload_while_running_and_bad_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (config, rules) = quickstart(dir.path());
    let mut dev = Dev::start(&dir.path().join("data"), &config);
    assert_eq!(dev.alert("first"), "executed");
    let text = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, text.replace("type: deduplicate", "type: dedup")).unwrap();
    dev.process.wait_for_line(r"rules refused.*quickstart\.yaml:33:\d+: error", LIMIT).unwrap();
    assert_eq!(dev.alert("first"), "deduplicated", "the running rules stay");
    fs::write(&rules, text.replace("eq: alert", "eq: other")).unwrap();
    dev.process.wait_for_line("rules published", LIMIT).unwrap();
    assert!(wait_until(LIMIT, || dev.alert("first") == "executed"));
    dev.stop();
}
