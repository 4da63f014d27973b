//! The processes: two processors, a connector, and the HTTP server that webhooks go to.

use super::cluster::Cluster;
use super::life::PACE;
use super::log::PREFIX;
use super::plan::Victim;
use crate::support::{acteon, binary, http_get};
use acteon_schemas::{ChainDefinition, StateMachineDefinition, partition_of};
use acteon_testkit::http::{Receiver, Reply, Request};
use acteon_testkit::life;
use acteon_testkit::model::RULES;
use acteon_testkit::process::Process;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Partitions of each co-partitioned topic.
pub(crate) const PARTITIONS: i32 = 8;
/// `session.timeout.ms` of all group members: so long does the group wait for one that was killed.
pub(crate) const SESSION_MS: u32 = 3_000;
/// The process that is an `acteon dev` where the broker is part of one: it ends last.
pub(crate) const DEV: Victim = Victim::Two;
/// Far more than a process takes to start.
const START_LIMIT: Duration = Duration::from_secs(60);
/// One call in so many of those for what lives for a while is refused.
const REFUSED: i32 = 5;
/// Most starts that may be given up: the broker goes away for a moment only.
const MAX_FAILED_STARTS: usize = 5;
/// Far more than a process takes to stop.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Lines of each process's log that are shown where the test fails.
const LINES_OF_A_FAILURE: usize = 40;

struct Member {
    victim: Victim,
    name: &'static str,
    roles: &'static str,
    /// Configuration, output, and state.
    dir: PathBuf,
    process: Option<Process>,
}

pub(crate) struct Fleet {
    members: Vec<Member>,
    /// Where the broker that is part of [`DEV`] listens.
    dev_port: Option<u16>,
    receiver: Receiver,
    /// RocksDB's own id of each store that there has been: a store that was wiped gets another one.
    identities: BTreeMap<PathBuf, String>,
    /// Starts that were given up.
    failed_starts: usize,
    /// Stores that had something on the disk when their process was started again.
    continued: usize,
    /// After the processes, which write to it.
    _dir: TempDir,
}

impl Fleet {
    /// Makes the topics and starts all processes.
    pub(crate) fn start(cluster: &Cluster) -> Self {
        let bootstrap = cluster.bootstrap();
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::start().unwrap();
        fs::create_dir(dir.path().join("rules")).unwrap();
        fs::write(dir.path().join("rules/model.yaml"), RULES).unwrap();
        fs::write(dir.path().join("rules/life.yaml"), life::rules(PACE)).unwrap();
        receiver.respond_by(refuse);
        let members = [
            (Victim::One, "one", "processor"),
            (Victim::Two, "two", "processor"),
            (Victim::Connector, "connector", "connectors"),
        ];
        let members: Vec<Member> = members
            .into_iter()
            .map(|(victim, name, roles)| {
                let own = dir.path().join(name);
                fs::create_dir(&own).unwrap();
                fs::write(own.join("acteon.toml"), config(dir.path(), name, bootstrap, &receiver.url())).unwrap();
                Member { victim, name, roles, dir: own, process: None }
            })
            .collect();
        let mut fleet = Self {
            members,
            dev_port: cluster.dev_port(),
            receiver,
            identities: BTreeMap::new(),
            failed_starts: 0,
            continued: 0,
            _dir: dir,
        };
        if fleet.dev_port.is_some() {
            fleet.start_again(DEV);
            fleet.member(DEV).process.as_mut().unwrap().wait_for_line("^Listening on ", START_LIMIT).unwrap();
        }
        let config = fleet.members[0].dir.join("acteon.toml");
        let applied = acteon(&["topology", "apply", "-c", config.to_str().unwrap()]);
        assert_eq!(applied.code, 0, "{}", applied.stderr);
        for victim in Victim::ALL {
            if fleet.member(victim).process.is_none() {
                fleet.start_again(victim);
            }
        }
        fleet
    }

    /// What [`DEV`] keeps.
    pub(crate) fn dev_data(&self) -> &Path {
        &self.members.iter().find(|member| member.victim == DEV).unwrap().dir
    }

    fn member(&mut self, victim: Victim) -> &mut Member {
        self.members.iter_mut().find(|member| member.victim == victim).unwrap()
    }

    pub(crate) fn start_again(&mut self, victim: Victim) {
        self.note_stores();
        let dev_port = self.dev_port.filter(|_| victim == DEV);
        let member = self.member(victim);
        let written = tasks(member).filter(|path| has_tables(path)).count();
        // Of the output only the address is of interest, and only the last one.
        fs::write(member.dir.join("stdout"), "").unwrap();
        let port = dev_port.unwrap_or_default().to_string();
        let args = match dev_port {
            None => ["run", "--port", "0", "--roles", member.roles, "-c"],
            Some(_) => ["dev", "--port", "0", "--broker-port", &port, "-c"],
        };
        let data_dir = dev_port.map(|_| ["--data-dir".as_ref(), member.dir.as_os_str()]);
        let process = Process::command(binary())
            .args(args)
            .arg(member.dir.join("acteon.toml"))
            .args(data_dir.into_iter().flatten())
            // A line for each call is too much.
            .env(
                "RUST_LOG",
                "info,acteon_runtime::desk=debug,acteon_connectors::provider::log=warn,librdkafka=warn,rdkafka=warn",
            )
            .work_dir(&member.dir)
            .start()
            .unwrap();
        member.process = Some(process);
        self.continued += written;
    }

    /// Sends SIGKILL to a process that is running.
    pub(crate) fn kill(&mut self, victim: Victim) {
        self.revive(victim);
        self.member(victim).process.take().unwrap().kill_9().unwrap();
    }

    /// Does what a supervisor does: starts a process again that has given up starting, since Kafka went away meanwhile. One
    /// that had started must not end by itself.
    fn revive(&mut self, victim: Victim) {
        let member = self.member(victim);
        let process = member.process.as_mut().unwrap();
        let Some(status) = process.try_wait().unwrap() else { return };
        let (started, words) = (process.stdout().contains("Listening on "), process.tail());
        let gave_up =
            !started && status.code().is_some() && words.lines().last().is_some_and(|line| line.starts_with("error: "));
        assert!(
            gave_up && self.failed_starts < MAX_FAILED_STARTS,
            "a process has ended by itself ({status}):\n{words}"
        );
        eprintln!("{victim:?} is started again: {}", words.lines().last().unwrap_or_default());
        self.failed_starts += 1;
        self.start_again(victim);
    }

    /// Stops a process gracefully and starts it again.
    pub(crate) fn reload(&mut self, victim: Victim) {
        self.revive(victim);
        // Before that it can only be killed.
        self.member(victim).process.as_mut().unwrap().wait_for_line("^Listening on ", START_LIMIT).unwrap();
        self.terminate(victim);
        self.start_again(victim);
    }

    /// Stops a process for a while: it does not know how much time has passed when it goes on.
    pub(crate) fn pause(&mut self, victim: Victim, down: Duration) {
        self.revive(victim);
        let process = self.member(victim).process.as_mut().unwrap();
        process.signal("STOP").unwrap();
        std::thread::sleep(down);
        process.signal("CONT").unwrap();
    }

    /// The receiver of webhooks answers so to the next calls.
    pub(crate) fn fail(&self, calls: usize, status: u16) {
        self.receiver.respond_first(calls, Reply::status(status));
    }

    /// Sees to it that all processes run.
    pub(crate) fn watch(&mut self) {
        Victim::ALL.into_iter().for_each(|victim| self.revive(victim));
    }

    /// Stops all processes gracefully: the connector, then `between`, then one processor after the other, so that the last
    /// one has all tasks.
    pub(crate) fn stop(&mut self, between: impl FnOnce()) {
        self.terminate(Victim::Connector);
        between();
        self.terminate(Victim::One);
        let last = self.members[1].process.as_ref().unwrap();
        let has_all = || i32::try_from(running_tasks(last)) == Ok(PARTITIONS);
        assert!(acteon_testkit::wait_until(STOP_LIMIT, has_all), "not all tasks run:\n{}", last.tail());
        self.terminate(Victim::Two);
        self.note_stores();
    }

    fn terminate(&mut self, victim: Victim) {
        let member = self.member(victim);
        let process = member.process.as_mut().unwrap();
        let status = process.terminate(STOP_LIMIT).unwrap();
        // A process that was started so lately that it has not said anything yet does not listen for signals either, and
        // ends by the signal itself: for the log that is one more crash.
        use std::os::unix::process::ExitStatusExt as _;
        assert!(
            status.success() || status.signal() == Some(15) && process.tail().trim().is_empty(),
            "{} ended with {status}:\n{}",
            member.name,
            process.tail()
        );
    }

    /// The directory of a task's store at the processor that was stopped last.
    pub(crate) fn store(&self, partition: i32) -> PathBuf {
        self.members[1].dir.join("state/tasks").join(partition.to_string())
    }

    /// Looks whether each store is the one that it was.
    fn note_stores(&mut self) {
        for path in self.members.iter().flat_map(tasks) {
            // A process can be killed before it has made a store: RocksDB writes IDENTITY first and CURRENT last, and begins
            // anew where that is not there.
            if !path.join("CURRENT").exists() {
                continue;
            }
            let Ok(identity) = fs::read_to_string(path.join("IDENTITY")) else { continue };
            let known = self.identities.entry(path).or_insert_with(|| identity.clone());
            assert_eq!(*known, identity, "a store was wiped");
        }
    }

    /// Stores that a process found on its disk, with something in them, when it was started again.
    pub(crate) fn continued(&self) -> usize {
        self.continued
    }

    /// The calls that the receiver of webhooks got: the idempotency key of each.
    pub(crate) fn calls(&self) -> Vec<String> {
        let requests = self.receiver.requests();
        requests.iter().map(|request| request.header("idempotency-key").unwrap_or_default().to_owned()).collect()
    }

    /// How many lines of the processes' logs have these words.
    pub(crate) fn lines(&self, words: &str) -> usize {
        self.logs().iter().flat_map(|log| log.lines()).filter(|line| line.contains(words)).count()
    }

    /// Asserts that no line of any log has these words.
    pub(crate) fn assert_no_line(&self, words: &str) {
        for log in self.logs() {
            assert!(!log.contains(words), "{:?}", log.lines().find(|line| line.contains(words)));
        }
    }

    /// Changelog records that were read back in all restores together.
    pub(crate) fn restored(&self) -> u64 {
        let logs = self.logs();
        let running = logs.iter().flat_map(|log| log.lines()).filter(|line| line.contains("task running"));
        running.filter_map(|line| field(line, "restored")).sum()
    }

    fn logs(&self) -> Vec<String> {
        self.members.iter().map(|member| fs::read_to_string(member.dir.join("stderr")).unwrap()).collect()
    }
}

impl Drop for Fleet {
    /// What a failure is looked into with: what each process said last.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for member in &self.members {
            let log = fs::read_to_string(member.dir.join("stderr")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().filter(|line| !line.contains("CONFWARN")).collect();
            let last = lines[lines.len().saturating_sub(LINES_OF_A_FAILURE)..].join("\n");
            eprintln!("{}, the last lines:\n{last}", member.name);
            // Nobody but the test's idempotent producer writes actions: there, a gap is a loss.
            let gaps = lines.iter().filter(|line| line.contains("actions have no records here"));
            gaps.for_each(|gap| eprintln!("{}: {gap}", member.name));
        }
    }
}

/// The directories of a process's stores.
fn tasks(member: &Member) -> impl Iterator<Item = PathBuf> + use<> {
    let tasks = fs::read_dir(member.dir.join("state/tasks")).into_iter().flatten();
    tasks.map(|task| task.unwrap().path())
}

/// Whether a store has written anything but its log to its disk.
fn has_tables(store: &Path) -> bool {
    let is_table = |file: fs::DirEntry| file.path().extension().is_some_and(|extension| extension == "sst");
    fs::read_dir(store).unwrap().any(|file| is_table(file.unwrap()))
}

/// The number that a log line gives a field.
fn field(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(&format!("{name}="))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Tasks that a processor runs, by its own word; none while it does not answer.
fn running_tasks(process: &Process) -> usize {
    let output = process.stdout();
    let Some(address) = output.lines().find_map(|line| line.strip_prefix("Listening on ")) else { return 0 };
    http_get(address, "/ready").matches(r#""state":"running""#).count()
}

/// Refuses some calls for what lives for a while: those of chains go on in another way then. Each is answered the same
/// however often it is made.
fn refuse(request: &Request) -> Option<Reply> {
    let key = request.header("idempotency-key")?;
    let is_refused = partition_of(key.as_bytes(), REFUSED) == 0 && request.json().ok()?["namespace"] == life::NAMESPACE;
    is_refused.then(|| Reply::status(422))
}

/// What the rules of [`life`] name, as the configuration has it.
#[derive(Serialize)]
struct Named {
    chains: Chains,
    state_machines: Vec<StateMachineDefinition>,
}

#[derive(Serialize)]
struct Chains {
    definitions: Vec<ChainDefinition>,
}

fn config(dir: &Path, name: &str, bootstrap: &str, webhook: &str) -> String {
    let (rules, state) = (dir.join("rules"), dir.join(name).join("state"));
    let chains = Chains { definitions: life::chains(PACE) };
    let named = toml::to_string(&Named { chains, state_machines: vec![life::machine(PACE)] }).unwrap();
    let secret = "0b".repeat(32);
    format!(
        r#"
[server]
approval_secret = "{secret}"
[kafka]
"bootstrap.servers" = "{bootstrap}"
"session.timeout.ms" = {SESSION_MS}
"heartbeat.interval.ms" = 500
[topology]
prefix = "{PREFIX}"
partitions = {PARTITIONS}
replication_factor = 1
[processor]
instance_id = "{name}"
state_dir = "{}"
workers = 2
[rules]
directory = "{}"
[egress]
allow = ["loopback"]
[[providers]]
name = "email"
type = "log"
[[providers]]
name = "webhook"
type = "webhook"
url = "{webhook}"
{named}"#,
        state.display(),
        rules.display()
    )
}
