//! Real counterparts for tests and benchmarks: Apache Kafka ([`kafka::Kafka`]), stand-ins for AWS ([`moto::Moto`],
//! [`elasticmq::ElasticMq`]), a mail server ([`smtp::SmtpSink`]), a receiver that verifies webhooks
//! ([`webhooks::WebhookReceiver`]), child processes ([`process::Process`]) and an HTTP server that records what it is
//! sent ([`http::Receiver`]); and a plain model of the processor to compare runs with ([`model`]).
//!
//! Every child process is guarded: it is killed when the test process ends, even by `kill -9`.

pub mod clock;
pub mod elasticmq;
pub mod http;
pub mod kafka;
pub mod life;
pub mod model;
pub mod moto;
mod ports;
pub mod process;
pub mod smtp;
pub mod tools;
pub mod webhooks;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

pub use ports::free_port;

/// Time between two looks at a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Waits until `condition` holds, at most `timeout`. Returns whether it held.
pub fn wait_until(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = clock::now() + timeout;
    loop {
        if condition() {
            return true;
        }
        if clock::now() >= deadline {
            return false;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// The path of the `acteon` binary in the target directory of the running test or benchmark.
///
/// # Errors
/// The binary has not been built.
pub fn acteon_bin() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let mut dir = own.parent().context("this program has no directory")?;
    if dir.ends_with("deps") || dir.ends_with("examples") {
        dir = dir.parent().context("this program has no target directory")?;
    }
    let bin = dir.join("acteon");
    ensure!(bin.is_file(), "{} is missing: build it first with `cargo build -p acteon`", bin.display());
    Ok(bin)
}
