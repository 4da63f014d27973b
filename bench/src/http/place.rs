//! Where dispatches are measured: Acteon in one process, with its API, on a broker.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use acteon_testkit::kafka::Kafka;
use acteon_testkit::process::Process;
use acteon_testkit::{acteon_bin, clock, free_port};
use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{CONNECTIONS, Kind};

/// Longest wait for the start, and for the end.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Time between two looks at whether it is ready.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Tenants of the actions, so that all partitions have some.
const TENANTS: usize = CONNECTIONS;

const RULES: &str = "rules:\n  - name: no-provider\n    condition: {field: action.action_type, eq: decided}\n    \
                     action: {type: suppress}\n";

pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    process: Process,
    client: reqwest::Client,
    runtime: Runtime,
    _dir: TempDir,
}

impl Place {
    fn new(name: &'static str, port: u16, process: Process, dir: TempDir) -> Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { name, address: (Ipv4Addr::LOCALHOST, port).into(), process, client, runtime, _dir: dir })
    }

    /// `acteon dev`.
    pub(super) fn embedded(partitions: i32) -> Result<Self> {
        let dir = TempDir::with_prefix("acteon-bench-")?;
        let port = configure(dir.path(), "", "http", partitions)?;
        let process = Process::command(acteon_bin()?)
            .args(["dev", "--broker-port", "0", "-c"])
            .arg(dir.path().join("acteon.toml"))
            .arg("--data-dir")
            .arg(dir.path().join("data"))
            .start()?;
        Self::new("embedded broker", port, process, dir)
    }

    /// `acteon run` with all roles, on Kafka.
    pub(super) fn kafka(broker: &Kafka, partitions: i32) -> Result<Self> {
        let (dir, port) = on_kafka(broker, partitions)?;
        let config = dir.path().join("acteon.toml");
        let mut apply = Process::command(acteon_bin()?).args(["topology", "apply", "-c"]).arg(&config).start()?;
        let status = apply.wait(TIMEOUT)?;
        ensure!(status.success(), "`acteon topology apply` failed:\n{}", apply.tail());
        let process = Process::command(acteon_bin()?).args(["run", "-c"]).arg(&config).start()?;
        Self::new("Apache Kafka", port, process, dir)
    }

    /// One more gateway on what [`Place::kafka`] left behind, with nothing of its own.
    pub(super) fn gateway(broker: &Kafka, partitions: i32) -> Result<Self> {
        let (dir, port) = on_kafka(broker, partitions)?;
        let config = dir.path().join("acteon.toml");
        let process = Process::command(acteon_bin()?).args(["run", "--roles", "gateway", "-c"]).arg(&config).start()?;
        Self::new("empty gateway", port, process, dir)
    }

    /// The value of a metric whose line begins so.
    pub(super) fn metric(&self, series: &str) -> Result<f64> {
        let text = self.get("/metrics/prometheus")?;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        value.with_context(|| format!("no metric {series}"))
    }

    /// The body of an answer that says that all is well.
    fn get(&self, path: &str) -> Result<String> {
        let request = self.client.get(format!("http://{}{path}", self.address));
        Ok(self.runtime.block_on(async { request.send().await?.error_for_status()?.text().await })?)
    }

    pub(super) fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = clock::now() + TIMEOUT;
        loop {
            if self.get("/ready").is_ok() {
                return Ok(());
            }
            ensure!(self.process.is_running(), "it has ended:\n{}", self.process.tail());
            ensure!(clock::now() < deadline, "not ready after {TIMEOUT:?}:\n{}", self.process.tail());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// The bytes of a request: one action, or a batch of them.
    pub(super) fn request(&self, kind: Kind, number: usize, batch: usize) -> Vec<u8> {
        let action = json!({
            "namespace": "bench",
            "tenant": format!("tenant-{}", number % TENANTS),
            "provider": "log",
            "action_type": kind.action_type(),
            "payload": {"to": "someone@example.com", "subject": "A subject of usual length", "value": number},
        });
        let (path, body) =
            if batch == 1 { ("/v1/dispatch", action) } else { ("/v1/dispatch/batch", vec![action; batch].into()) };
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        [head.into_bytes(), body.into_bytes()].concat()
    }

    /// User and system time of the process.
    pub(super) fn cpu(&self) -> Result<Duration> {
        Ok(self.process.usage().context("the process has ended")?.cpu)
    }

    /// Ends it gracefully.
    pub(super) fn stop(mut self) -> Result<()> {
        let status = self.process.terminate(TIMEOUT)?;
        ensure!(status.success(), "ended with {status}:\n{}", self.process.tail());
        Ok(())
    }
}

/// A directory with configuration and rules for Kafka, and the API's port.
fn on_kafka(broker: &Kafka, partitions: i32) -> Result<(TempDir, u16)> {
    let dir = TempDir::with_prefix("acteon-bench-")?;
    let kafka = format!("[kafka]\n\"bootstrap.servers\" = \"{}\"\n", broker.bootstrap());
    let port = configure(dir.path(), &kafka, "http", partitions)?;
    Ok((dir, port))
}

/// Writes configuration and rules into `dir`; returns the API's port.
fn configure(dir: &Path, kafka: &str, prefix: &str, partitions: i32) -> Result<u16> {
    let (port, rules) = (free_port()?, dir.join("rules"));
    std::fs::create_dir(&rules)?;
    std::fs::write(rules.join("rules.yaml"), RULES)?;
    let text = format!(
        "{kafka}[topology]\nprefix = \"{prefix}\"\npartitions = {partitions}\n[processor]\nstate_dir = {:?}\n\
         [rules]\ndirectory = {rules:?}\n[server]\nport = {port}\n[[providers]]\nname = \"log\"\ntype = \"log\"\n",
        dir.join("state"),
    );
    std::fs::write(dir.join("acteon.toml"), text)?;
    Ok(port)
}
