//! ElasticMQ as a child process: a message queue in Scala with SQS's protocol, on a free loopback port.

use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tempfile::TempDir;

use crate::process::Process;
use crate::{clock, free_port, tools};

/// The jars and their versions.
const POM: &str = include_str!("../elasticmq/pom.xml");
/// The version in [`POM`], which the directory is named by.
const VERSION: &str = "1.6.14";
/// Longest wait for the server to answer; it takes 2 s on an idle machine.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A running ElasticMQ. Dropping it kills it, and its queues are gone.
#[derive(Debug)]
pub struct ElasticMq {
    // Before `_dir`: the process goes first, then its configuration.
    _process: Process,
    _dir: TempDir,
    port: u16,
}

impl ElasticMq {
    /// Starts a server without queues and waits until it listens.
    ///
    /// # Errors
    /// Java or the jars are missing (the message says which Debian package to install), or the server does not come up
    /// (with the tail of its log).
    pub fn start() -> Result<Self> {
        let class_path = tools::class_path(&format!("elasticmq-{VERSION}"), POM)?;
        let (dir, port) = (TempDir::with_prefix("acteon-elasticmq-")?, free_port()?);
        let file = dir.path().join("elasticmq.conf");
        let address = format!("protocol = http, host = \"127.0.0.1\", port = {port}, context-path = \"\"");
        std::fs::write(
            &file,
            format!(
                "include classpath(\"application.conf\")\n\
                 node-address {{ {address} }}\n\
                 rest-sqs {{ enabled = true, bind-port = {port}, bind-hostname = \"127.0.0.1\", sqs-limits = strict }}\n\
                 rest-stats {{ enabled = false }}\n"
            ),
        )?;
        let mut process = Process::command("java")
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m"])
            .arg(format!("-Dconfig.file={}", file.display()))
            .args(["-cp", &class_path, "org.elasticmq.server.Main"])
            .work_dir(dir.path())
            .start()?;
        let deadline = clock::now() + START_TIMEOUT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = process.try_wait()? {
                bail!("ElasticMQ did not start ({status}):\n{}", process.tail());
            }
            ensure!(clock::now() < deadline, "ElasticMQ did not listen in {START_TIMEOUT:?}:\n{}", process.tail());
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Self { _process: process, _dir: dir, port })
    }

    /// The server's address, for `aws_endpoint_url`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_named_by_the_version_of_the_jars() {
        let (_, rest) = POM.split_once("<artifactId>elasticmq-server_2.13<").unwrap();
        let (dependency, _) = rest.split_once("</dependency>").unwrap();
        assert!(dependency.contains(&format!("<version>{VERSION}<")));
    }
}
