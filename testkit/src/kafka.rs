//! Apache Kafka 4.1 as a child process: one node, KRaft, on free loopback ports.

mod jars;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tempfile::TempDir;

use crate::process::Process;
use crate::{clock, free_port};

pub use jars::{class_path, home};

/// Longest wait for a broker to answer; it takes 3 s on an idle machine.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest wait for a clean shutdown.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for one answer while the broker is coming up.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);
/// Any 16 bytes in base64 will do: each broker is a cluster of its own.
const CLUSTER_ID: &str = "YWN0ZW9uLXRlc3RraXQAAA";

/// What every broker is started with; the caller's properties go on top.
const PROPERTIES: &[(&str, &str)] = &[
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("controller.listener.names", "CONTROLLER"),
    ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
    ("auto.create.topics.enable", "false"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("offsets.topic.num.partitions", "4"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.num.partitions", "4"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    // The default buffer of 128 MiB would be a quarter of the heap.
    ("log.cleaner.dedupe.buffer.size", "16777216"),
];

/// A running Apache Kafka broker. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Kafka {
    // Before `dir`: the broker goes first, then its data.
    process: Process,
    dir: TempDir,
    bootstrap: String,
}

impl Kafka {
    /// Starts a broker with the default properties and waits until it answers.
    ///
    /// # Errors
    /// Java or the jars are missing (the message says which Debian package to install), or the
    /// broker does not come up (with the tail of its log).
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts a broker with properties of `server.properties` on top of the defaults.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub fn start_with(properties: &[(&str, &str)]) -> Result<Self> {
        class_path()?;
        let dir = TempDir::with_prefix("acteon-kafka-")?;
        let (port, controller) = (free_port()?, free_port()?);
        let mut all: BTreeMap<&str, String> =
            PROPERTIES.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let bootstrap = format!("127.0.0.1:{port}");
        all.insert("listeners", format!("PLAINTEXT://{bootstrap},CONTROLLER://127.0.0.1:{controller}"));
        all.insert("advertised.listeners", format!("PLAINTEXT://{bootstrap}"));
        all.insert("controller.quorum.voters", format!("1@127.0.0.1:{controller}"));
        all.insert("log.dirs", dir.path().join("data").display().to_string());
        for (key, value) in properties {
            all.insert(key, (*value).to_owned());
        }
        let mut text = String::new();
        for (key, value) in all {
            writeln!(text, "{key}={value}")?;
        }
        let file = dir.path().join("server.properties");
        std::fs::write(&file, text)?;
        format_storage(&file)?;
        let process = start_process(&dir)?;
        let mut kafka = Self { process, dir, bootstrap };
        kafka.wait_until_ready()?;
        Ok(kafka)
    }

    /// A broker started at first use and shared by all tests of this process; it ends with the
    /// process. Tests keep apart by using topics and groups of their own.
    ///
    /// # Errors
    /// As [`Kafka::start`], the same one at every call.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Kafka, String>> = OnceLock::new();
        SHARED
            .get_or_init(|| Self::start().map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|message| anyhow!("{message}"))
    }

    /// The broker's address, for `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The broker's process, for its id, output and usage.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Stops the broker cleanly (SIGTERM) and waits until it is gone. The data stay.
    ///
    /// # Errors
    /// It did not end within a minute.
    pub fn stop(&mut self) -> Result<()> {
        self.process.terminate(STOP_TIMEOUT)?;
        Ok(())
    }

    /// Kills the broker (SIGKILL). The data stay.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill_9()?;
        Ok(())
    }

    /// Starts the broker again on the same port and data, after [`Kafka::stop`] if it still runs.
    ///
    /// # Errors
    /// It does not stop or does not come up.
    pub fn restart(&mut self) -> Result<()> {
        if self.process.is_running() {
            self.stop()?;
        }
        self.process = start_process(&self.dir)?;
        self.wait_until_ready()
    }

    /// Waits until the broker answers a metadata request and counts itself in.
    fn wait_until_ready(&mut self) -> Result<()> {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "100")
            .create()?;
        let deadline = clock::now() + START_TIMEOUT;
        loop {
            match client.fetch_metadata(None, METADATA_TIMEOUT) {
                Ok(metadata) if !metadata.brokers().is_empty() => return Ok(()),
                _ => {}
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("Kafka did not start ({status}):\n{}", self.process.tail());
            }
            ensure!(
                clock::now() < deadline,
                "Kafka did not answer on {} in {START_TIMEOUT:?}:\n{}",
                self.bootstrap,
                self.process.tail()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Writes the cluster's identity to the data directory, as KRaft wants it.
fn format_storage(properties: &PathBuf) -> Result<()> {
    let output = Command::new("java")
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m"])
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
        .args(["-cp", &class_path()?, "kafka.tools.StorageTool", "format"])
        .args(["-t", CLUSTER_ID, "-c"])
        .arg(properties)
        .output()
        .context("cannot run java")?;
    ensure!(
        output.status.success(),
        "Kafka's storage cannot be formatted:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Starts the broker on the properties and data in `dir`.
fn start_process(dir: &TempDir) -> Result<Process> {
    Process::command("java")
        .args(["-XX:+UseSerialGC", "-Xms64m", "-Xmx512m"])
        // Kafka unpacks its native libraries there and leaves them behind when it is killed.
        .arg(format!("-Djava.io.tmpdir={}", dir.path().display()))
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
        .args(["-cp", &class_path()?, "kafka.Kafka"])
        .arg(dir.path().join("server.properties"))
        .work_dir(dir.path())
        .start()
}
