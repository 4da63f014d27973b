//! The three that are measured: how each is prepared and started.

use std::path::{Path, PathBuf};
use std::time::Duration;

use acteon_testkit::kafka::{Kafka, class_path};
use acteon_testkit::process::{Process, find_program};
use acteon_testkit::{acteon_bin, free_port};
use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;

use crate::{Options, kafka, wire};

const GATE_STREAMS: &str = include_str!("../kafka-streams/GateStreams.java");
const ACTEON_TOML: &str = include_str!("../gate/acteon.toml");
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gate/rules");
/// Longest wait for a compiler or for the product's topics.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(120);

/// One of those measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// The same work by hand on Kafka Streams.
    Peer,
    /// The same bytes through librdkafka, without the work.
    Wire,
    /// The product.
    Acteon,
}

impl Contender {
    /// The order that they run in.
    pub(crate) const ORDER: [Self; 3] = [Self::Peer, Self::Wire, Self::Acteon];

    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Peer => "kafka_streams",
            Self::Wire => "wire_limit",
            Self::Acteon => "acteon",
        }
    }

    /// Whether its outcomes are JSON with the action's id, or mere padding.
    pub(crate) fn decides(self) -> bool {
        self != Self::Wire
    }

    /// Fails early, saying what to install or build, if it cannot run here.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::Peer => find_program(Path::new("javac"))
                .map(drop)
                .context("Kafka Streams needs a compiler: install the Debian package `default-jdk-headless`"),
            Self::Wire => Ok(()),
            Self::Acteon => acteon_bin().map(drop),
        }
    }

    /// Makes the topics of this contender under `prefix`, and what else must be there before the start: `dir` is an
    /// empty directory for it.
    pub(crate) fn prepare(self, broker: &Kafka, prefix: &str, dir: &Path, options: &Options) -> Result<()> {
        let topics = |names: &[&str]| -> Vec<String> { names.iter().map(|name| format!("{prefix}.{name}")).collect() };
        match self {
            Self::Peer => {
                let names = topics(&["actions", "outcomes", "audit", "dispatch", "dlq"]);
                kafka::create_topics(broker.bootstrap(), &names, options.partitions)?;
                compile_peer(dir)
            }
            Self::Wire => {
                let names = topics(wire::TOPICS);
                kafka::create_topics(broker.bootstrap(), &names, options.partitions)
            }
            Self::Acteon => {
                write_config(broker, prefix, dir, options)?;
                let mut apply = Process::command(acteon_bin()?)
                    .args(["topology", "apply", "-c"])
                    .arg(dir.join("acteon.toml"))
                    .start()?;
                let status = apply.wait(PREPARE_TIMEOUT)?;
                let tail = apply.tail();
                ensure!(status.success(), "`acteon topology apply` failed:\n{tail}");
                Ok(())
            }
        }
    }

    /// Starts it, prepared.
    pub(crate) fn start(self, broker: &Kafka, prefix: &str, dir: &Path, options: &Options) -> Result<Process> {
        let threads = options.threads.to_string();
        match self {
            Self::Peer => Process::command("java")
                .arg(format!("-Djava.io.tmpdir={}", dir.display()))
                .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
                .arg("-cp")
                .arg(format!("{}:{}", class_path()?, dir.display()))
                .args(["GateStreams", broker.bootstrap(), prefix, &threads])
                .arg(dir.join("state"))
                .start(),
            Self::Wire => {
                Process::command(std::env::current_exe()?).args(["wire", broker.bootstrap(), prefix, &threads]).start()
            }
            Self::Acteon => Process::command(acteon_bin()?)
                .args(["run", "--roles", "processor", "-c"])
                .arg(dir.join("acteon.toml"))
                .start(),
        }
    }
}

/// Compiles the Kafka Streams application into `dir`.
fn compile_peer(dir: &Path) -> Result<()> {
    let source = dir.join("GateStreams.java");
    std::fs::write(&source, GATE_STREAMS)?;
    let mut javac = Process::command("javac").args(["-cp", &class_path()?, "-d"]).arg(dir).arg(&source).start()?;
    let status = javac.wait(PREPARE_TIMEOUT)?;
    ensure!(status.success(), "the Kafka Streams application does not compile:\n{}", javac.tail());
    Ok(())
}

/// Writes the product's configuration to `dir/acteon.toml`.
fn write_config(broker: &Kafka, prefix: &str, dir: &Path, options: &Options) -> Result<PathBuf> {
    let text = ACTEON_TOML
        .replace("{{bootstrap}}", broker.bootstrap())
        .replace("{{prefix}}", prefix)
        .replace("{{partitions}}", &options.partitions.to_string())
        .replace("{{workers}}", &options.threads.to_string())
        .replace("{{state_dir}}", &dir.join("state").display().to_string())
        .replace("{{rules}}", RULES)
        .replace("{{port}}", &free_port()?.to_string());
    let path = dir.join("acteon.toml");
    std::fs::write(&path, text)?;
    Ok(path)
}
