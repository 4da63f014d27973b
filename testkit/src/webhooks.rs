//! A receiver of webhooks that verifies them with the Python package of Standard Webhooks, on a free loopback port.

use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;
use crate::{clock, free_port, tools};

/// The package and its version.
const REQUIREMENTS: &str = include_str!("../webhooks/requirements.txt");
/// The version in [`REQUIREMENTS`], which the directory is named by.
const VERSION: &str = "1.1.0";
/// The receiver's program.
const PROGRAM: &str = include_str!("../webhooks/receiver.py");
/// Longest wait for the receiver to listen.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A running receiver. It answers 204 where the signature is good and 401 where it is not. Dropping it kills it.
#[derive(Debug)]
pub struct WebhookReceiver {
    // Before `dir`: the receiver goes first, then what it kept.
    process: Process,
    dir: TempDir,
    port: u16,
}

impl WebhookReceiver {
    /// Starts a receiver that has this secret (`whsec_…`), and waits until it listens.
    ///
    /// # Errors
    /// Python is missing (the message says which Debian package to install), or the receiver does not come up (with the
    /// tail of its output).
    pub fn start(secret: &str) -> Result<Self> {
        let python = tools::python(&format!("standardwebhooks-{VERSION}"), REQUIREMENTS)?;
        let dir = TempDir::with_prefix("acteon-webhooks-")?;
        let port = free_port()?;
        let program = dir.path().join("receiver.py");
        std::fs::write(&program, PROGRAM)?;
        let options = json!({"port": port, "secret": secret, "file": dir.path().join("requests")});
        let process = Process::command(python).arg(program).arg(options.to_string()).work_dir(dir.path()).start()?;
        let mut receiver = Self { process, dir, port };
        receiver.wait_until_ready()?;
        Ok(receiver)
    }

    /// The receiver's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests so far: `id`, the `payload` as the package gave it, and its `error`, one of which is null.
    ///
    /// # Errors
    /// What the receiver kept is not JSON.
    pub fn requests(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.dir.path().join("requests")).unwrap_or_default();
        // A line that is being written is not there yet.
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).context("a request is not JSON")).collect()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = clock::now() + START_TIMEOUT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("the receiver of webhooks did not start ({status}):\n{}", self.process.tail());
            }
            ensure!(clock::now() < deadline, "the receiver does not listen:\n{}", self.process.tail());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_named_by_the_version_of_the_package() {
        assert!(REQUIREMENTS.lines().any(|line| line == format!("standardwebhooks=={VERSION}")));
    }
}
