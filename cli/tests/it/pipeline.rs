//! An example on Apache Kafka: a process with all roles, and an HTTP receiver behind the providers.

use crate::support::{Ran, acteon_with, root, run};
use acteon_testkit::http::{Receiver, Reply, Request};
use acteon_testkit::kafka::Kafka;
use acteon_testkit::process::Process;
use acteon_testkit::wait_until;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Far more than anything here takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// An example that runs on a Kafka of its own.
pub(crate) struct Pipeline {
    kafka: Kafka,
    receiver: Receiver,
    pub(crate) process: Process,
    dir: TempDir,
    scope: [&'static str; 4],
}

impl Pipeline {
    /// Starts the example of a configuration below `examples`, both it and its rules changed by `edit`.
    pub(crate) fn start(
        config: &str,
        namespace: &'static str,
        tenant: &'static str,
        edit: impl Fn(&str) -> String,
    ) -> Self {
        let (kafka, receiver, dir) =
            (Kafka::start().unwrap(), Receiver::start().unwrap(), tempfile::tempdir().unwrap());
        receiver.respond(Reply::status(200).header("content-type", "application/json").body(r#"{"logged":true}"#));
        let example = fs::read_to_string(root().join("examples").join(config)).unwrap();
        copy_rules(&example, dir.path(), &edit);
        write_config(&edit(&example), dir.path(), &receiver);
        let config = dir.path().join("acteon.toml");
        let applied = acteon_with(
            &["topology", "apply", "--bootstrap-servers", kafka.bootstrap(), "-c", config.to_str().unwrap()],
            "",
        );
        assert_eq!(applied.code, 0, "{}", applied.stderr);
        let process = run(kafka.bootstrap(), &config, &[]);
        Self { kafka, receiver, process, dir, scope: ["--namespace", namespace, "--tenant", tenant] }
    }

    fn acteon(&self, args: &[&str], input: &str) -> Ran {
        let config = self.dir.path().join("acteon.toml");
        let common = ["--bootstrap-servers", self.kafka.bootstrap(), "-c", config.to_str().unwrap()];
        acteon_with(&[args, &common].concat(), input)
    }

    /// Sends lines of actions; returns a row for each, in their order, and the summary.
    #[track_caller]
    pub(crate) fn produce(&self, lines: &str) -> (Vec<Value>, Value) {
        let ran = self.acteon(&["produce", "-", "--wait", "--json"], lines);
        let audit = || self.acteon(&["tail", "audit", "--from-beginning", "--no-follow"], "").stdout;
        assert_eq!(ran.code, 0, "{}\n{}\n{}\n{}", ran.stdout, ran.stderr, self.process.tail(), audit());
        let mut rows: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let summary = rows.pop().unwrap()["summary"].take();
        rows.sort_unstable_by_key(|row| row["line"].as_u64());
        (rows, summary)
    }

    /// Sends actions; returns how many had each outcome.
    pub(crate) fn outcomes(&self, actions: &[Value]) -> BTreeMap<String, u64> {
        let lines: String = actions.iter().map(|action| format!("{action}\n")).collect();
        serde_json::from_value(self.produce(&lines).1["outcomes"].take()).unwrap()
    }

    /// Asks an operator's command; returns its answer.
    pub(crate) fn ask(&self, args: &[&str]) -> Value {
        let ran = self.acteon(&[args, &self.scope[..], &["--json"]].concat(), "");
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{args:?}: {}\n{}", ran.stdout, ran.stderr))
    }

    /// Waits until a provider was called so many times; returns all its calls so far.
    pub(crate) fn calls(&self, provider: &str, count: usize) -> Vec<Request> {
        let path = format!("/{provider}");
        let came = wait_until(LIMIT, || self.receiver.requests_to(&path).len() >= count);
        let requests = self.receiver.requests_to(&path);
        assert!(came, "{provider}: {} of {count} calls\n{}", requests.len(), self.process.tail());
        requests
    }

    pub(crate) fn stop(mut self) {
        let keys: Vec<String> = self
            .receiver
            .requests()
            .iter()
            .filter_map(|call| call.header("idempotency-key").map(str::to_owned))
            .collect();
        let mut once = keys.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(keys.len(), once.len(), "nothing was sent twice");
        assert!(self.process.terminate(LIMIT).unwrap().success(), "{}", self.process.tail());
    }
}

/// Copies the rules of an example's configuration to `rules` in a directory, changed by `edit`.
pub(crate) fn copy_rules(example: &str, dir: &Path, edit: &impl Fn(&str) -> String) {
    let own = example.lines().find_map(|line| line.strip_prefix("directory = ")).unwrap().trim_matches('"');
    let rules = dir.join("rules");
    fs::create_dir(&rules).unwrap();
    for file in fs::read_dir(root().join(own)).unwrap() {
        let file = file.unwrap();
        fs::write(rules.join(file.file_name()), edit(&fs::read_to_string(file.path()).unwrap())).unwrap();
    }
}

/// An example's configuration with a receiver behind each provider, and rules and state elsewhere.
fn write_config(example: &str, dir: &Path, receiver: &Receiver) {
    let mut text = String::new();
    let mut name = String::new();
    for line in example.lines() {
        if let Some(found) = line.strip_prefix("name = ") {
            name = found.trim_matches('"').to_owned();
        }
        let line = match line {
            r#"type = "log""# => format!("type = \"webhook\"\nurl = \"{}/{name}\"", receiver.url()),
            line if line.starts_with("url = ") => format!("url = \"{}/{name}\"", receiver.url()),
            line if line.starts_with("directory = ") => format!("directory = {:?}", dir.join("rules")),
            line => line.to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str(&format!("\n[processor]\nstate_dir = {:?}\n", dir.join("state")));
    if !text.contains("[egress]") {
        text.push_str("[egress]\nallow = [\"loopback\"]\n");
    }
    fs::write(dir.join("acteon.toml"), text).unwrap();
}
