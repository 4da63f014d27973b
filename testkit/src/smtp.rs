//! A mail server that keeps what it is sent: aiosmtpd as a child process, on a free loopback port.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, find_program};
use crate::{clock, free_port, tools, wait_until};

/// The packages and their versions.
const REQUIREMENTS: &str = include_str!("../smtp/requirements.txt");
/// The version in [`REQUIREMENTS`], which the directory is named by.
const VERSION: &str = "1.4.6";
/// The server's program.
const PROGRAM: &str = include_str!("../smtp/sink.py");
/// Longest wait for the server to listen.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How connections to the server are encrypted. Its certificate is its own, and for `127.0.0.1` and `localhost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Not at all.
    None,
    /// By `STARTTLS`, without which nothing is taken.
    Starttls,
    /// From the beginning.
    Implicit,
}

/// A running mail server. Dropping it kills it, and what it kept is gone.
#[derive(Debug)]
pub struct SmtpSink {
    // Before `dir`: the server goes first, then what it kept.
    process: Process,
    dir: TempDir,
    port: u16,
}

impl SmtpSink {
    /// Starts a server that asks for this user and password, where there are some, and waits until it listens.
    ///
    /// A recipient `code-NNN@…` is refused with that code.
    ///
    /// # Errors
    /// Python or `openssl` is missing (the message says which Debian package to install), or the server does not come up
    /// (with the tail of its output).
    pub fn start(encryption: Encryption, credentials: Option<(&str, &str)>) -> Result<Self> {
        let python = tools::python(&format!("aiosmtpd-{VERSION}"), REQUIREMENTS)?;
        let dir = TempDir::with_prefix("acteon-smtp-")?;
        let port = free_port()?;
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("sink.py"), PROGRAM)?;
        let tls = match encryption {
            Encryption::None => "none",
            Encryption::Starttls => "starttls",
            Encryption::Implicit => "implicit",
        };
        if encryption != Encryption::None {
            make_certificate(&path("certificate.pem"), &path("key.pem"))?;
        }
        let (user, password) = credentials.unwrap_or_default();
        let options = json!({
            "port": port, "tls": tls, "user": user, "password": password, "file": path("emails"),
            "certificate": path("certificate.pem"), "key": path("key.pem"),
        });
        let process =
            Process::command(python).arg(path("sink.py")).arg(options.to_string()).work_dir(dir.path()).start()?;
        let mut sink = Self { process, dir, port };
        sink.wait_until_ready()?;
        Ok(sink)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file with the server's certificate, which whoever connects must trust.
    #[must_use]
    pub fn ca_path(&self) -> PathBuf {
        self.dir.path().join("certificate.pem")
    }

    /// The emails so far: `from` and `to` of the envelope, `headers` by their names in small letters, `parts` with
    /// `content_type`, `filename` and `content` in base64, whether the connection had `tls`, and the `user`.
    ///
    /// # Errors
    /// What the server kept is not JSON.
    pub fn emails(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.dir.path().join("emails")).unwrap_or_default();
        // A line that is being written is not there yet.
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).context("an email is not JSON")).collect()
    }

    /// Waits until there are `count` emails, and returns all there are.
    ///
    /// # Errors
    /// There are fewer after `timeout`.
    pub fn wait_for(&self, count: usize, timeout: Duration) -> Result<Vec<Value>> {
        wait_until(timeout, || self.emails().is_ok_and(|emails| emails.len() >= count));
        let emails = self.emails()?;
        ensure!(emails.len() >= count, "{} of {count} emails came in {timeout:?}", emails.len());
        Ok(emails)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = clock::now() + START_TIMEOUT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("the mail server did not start ({status}):\n{}", self.process.tail());
            }
            ensure!(clock::now() < deadline, "the mail server does not listen:\n{}", self.process.tail());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// Makes a certificate that signs itself.
fn make_certificate(certificate: &Path, key: &Path) -> Result<()> {
    let openssl = find_program(Path::new("openssl"))
        .context("this test needs a certificate: install the Debian package `openssl`")?;
    let made = Command::new(openssl)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "7"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        // A verifier takes no authority for a server.
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", "extendedKeyUsage=serverAuth", "-keyout"])
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output()?;
    ensure!(made.status.success(), "no certificate:\n{}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_named_by_the_version_of_the_package() {
        assert!(REQUIREMENTS.lines().any(|line| line == format!("aiosmtpd=={VERSION}")));
    }
}
