//! What becomes of dispatches, with real processes on Apache Kafka: a connector or a whole fleet is killed, and each
//! dispatch reaches the receiver all the same, with one idempotency key and one outcome.
//!
//! `ACTEON_FULL=1` makes 50,000 dispatches of the 4,000.

use crate::support::{acteon, binary};
use acteon_testkit::http::{Receiver, Reply};
use acteon_testkit::kafka::Kafka;
use acteon_testkit::process::Process;
use acteon_testkit::wait_until;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(240);

struct Node {
    roles: &'static str,
    process: Option<Process>,
    dir: PathBuf,
}

/// A processor, two connectors and the receiver that they call.
struct Fleet {
    nodes: Vec<Node>,
    receiver: Receiver,
    _kafka: Kafka,
    dir: TempDir,
}

impl Fleet {
    /// `provider`: more keys of the provider `hook`.
    fn start(provider: &str) -> Self {
        let kafka = Kafka::start_with(&[("group.min.session.timeout.ms", "3000")]).unwrap();
        let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().unwrap());
        fs::create_dir(dir.path().join("rules")).unwrap();
        let nodes = ["processor", "connectors", "connectors"].into_iter().enumerate().map(|(number, roles)| {
            let own = dir.path().join(format!("node-{number}"));
            fs::create_dir(&own).unwrap();
            let text = format!(
                r#"
[kafka]
"bootstrap.servers" = "{}"
"session.timeout.ms" = 3000
"heartbeat.interval.ms" = 500
[topology]
partitions = 4
replication_factor = 1
[processor]
state_dir = "{}"
[rules]
directory = "{}"
[egress]
allow = ["loopback"]
[[providers]]
name = "hook"
type = "webhook"
url = "{}"
{provider}
"#,
                kafka.bootstrap(),
                own.join("state").display(),
                dir.path().join("rules").display(),
                receiver.url(),
            );
            fs::write(own.join("acteon.toml"), text).unwrap();
            Node { roles, process: None, dir: own }
        });
        let mut fleet = Self { nodes: nodes.collect(), receiver, _kafka: kafka, dir };
        let applied = fleet.acteon(&["topology", "apply"]);
        assert_eq!(applied.0, 0, "{}", applied.1);
        (0..3).for_each(|number| fleet.run(number));
        fleet
    }

    fn run(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        let process = Process::command(binary())
            .args(["run", "--port", "0", "--roles", node.roles, "-c"])
            .arg(node.dir.join("acteon.toml"))
            .env("RUST_LOG", "warn,librdkafka=error,rdkafka=error")
            .work_dir(&node.dir)
            .start()
            .unwrap();
        node.process = Some(process);
    }

    fn kill(&mut self, number: usize) {
        self.nodes[number].process.take().unwrap().kill_9().unwrap();
    }

    /// Exit code and output of a command.
    fn acteon(&self, args: &[&str]) -> (i32, String) {
        let config = self.nodes[0].dir.join("acteon.toml");
        let ran = acteon(&[args, &["-c", config.to_str().unwrap()]].concat());
        (ran.code, if ran.code == 0 { ran.stdout } else { ran.stderr })
    }

    /// Sends `count` actions, spread over some tenants.
    fn send(&self, count: usize) {
        let mut lines = String::new();
        for number in 0..count {
            let action = json!({
                "id": format!("a-{number}"), "namespace": "n", "tenant": format!("t{}", number % 40), "provider": "hook",
                "action_type": "notify", "payload": {"number": number},
            });
            writeln!(lines, "{action}").unwrap();
        }
        let file = self.dir.path().join("actions.ndjson");
        fs::write(&file, lines).unwrap();
        let (code, output) = self.acteon(&["produce", file.to_str().unwrap()]);
        assert_eq!(code, 0, "{output}");
    }

    fn outcomes(&self) -> Vec<Value> {
        let (code, output) = self.acteon(&["tail", "outcomes", "--from-beginning", "--no-follow", "--json"]);
        assert_eq!(code, 0, "{output}");
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until there are so many outcomes of a kind.
    fn wait_for(&self, kind: &str, count: usize) {
        let found = || self.outcomes().iter().filter(|outcome| outcome["outcome"] == kind).count();
        assert!(wait_until(LIMIT, || found() >= count), "{} of {count} {kind}\n{}", found(), self.words());
    }

    /// What the processes last said.
    fn words(&self) -> String {
        self.nodes.iter().filter_map(|node| node.process.as_ref()).map(Process::tail).collect()
    }

    /// The calls that the receiver got: the idempotency keys of each action.
    fn calls(&self) -> BTreeMap<String, Vec<String>> {
        let mut calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for request in self.receiver.requests() {
            let action = request.json().unwrap()["id"].as_str().unwrap().to_owned();
            calls.entry(action).or_default().push(request.header("idempotency-key").unwrap().to_owned());
        }
        calls
    }

    /// Asserts that every action was called for with one key of its own, and has exactly one last outcome.
    fn judge(&self, count: usize) {
        let calls = self.calls();
        assert_eq!(calls.len(), count);
        let mut keys: Vec<&String> = Vec::with_capacity(count);
        for (action, made) in &calls {
            assert!(made.iter().all(|key| *key == made[0]), "{action} was called for with {made:?}");
            keys.push(&made[0]);
        }
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count, "two actions share a key");
        let mut last: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for outcome in self.outcomes().iter().filter(|outcome| outcome["is_final"] == true) {
            let text = |key: &str| outcome[key].as_str().unwrap().to_owned();
            last.entry(text("action_id")).or_default().push(text("outcome"));
        }
        assert_eq!(last.len(), count);
        for (action, outcomes) in last {
            assert_eq!(outcomes, ["executed"], "{action}");
        }
    }
}

#[test]
fn connectors_are_killed_and_every_dispatch_arrives_with_one_key_and_one_outcome() {
    let full = std::env::var_os("ACTEON_FULL").is_some();
    let (count, kills) = if full { (50_000, 10) } else { (4_000, 3) };
    let mut fleet = Fleet::start("max_retries = 20");
    // Slow enough that calls are under way whenever a connector dies.
    fleet.receiver.respond(Reply::status(200).delay(Duration::from_millis(if full { 150 } else { 100 })));
    fleet.send(count);
    for kill in 0..kills {
        let reached = count * (kill + 1) / (kills + 2);
        assert!(wait_until(LIMIT, || fleet.receiver.requests().len() >= reached), "{}", fleet.words());
        let victim = 1 + kill % 2;
        fleet.kill(victim);
        fleet.run(victim);
    }
    fleet.wait_for("executed", count);
    fleet.judge(count);
    let made: usize = fleet.calls().values().map(Vec::len).sum();
    eprintln!("{count} dispatches, {kills} kills: {made} calls");
    assert!(made > count, "no call was under way when a connector was killed: {made} calls");
}

#[test]
fn long_retries_survive_the_processes() {
    let count = 40;
    let mut fleet =
        Fleet::start("max_retries = 0\nlong_retry = { max_retries = 5, initial_seconds = 15, max_seconds = 15 }");
    fleet.receiver.respond(Reply::status(503));
    fleet.send(count);
    fleet.wait_for("retry_scheduled", count);
    (0..3).for_each(|number| fleet.kill(number));
    fleet.receiver.respond(Reply::status(200));
    (0..3).for_each(|number| fleet.run(number));
    fleet.wait_for("executed", count);
    fleet.judge(count);
    assert!(fleet.calls().values().all(|made| made.len() >= 2), "{:?}", fleet.calls());
    let (code, listed) = fleet.acteon(&["retries", "list", "--namespace", "n", "--tenant", "t0"]);
    assert_eq!((code, listed.as_str()), (0, "none\n"));
}
