//! How soon Acteon decides again after a crash that has taken its state directory.

use std::fmt;
use std::time::Duration;

use acteon_testkit::clock;
use acteon_testkit::kafka::Kafka;
use anyhow::{Result, ensure};
use serde::Serialize;
use tempfile::TempDir;

use crate::contender::Contender;
use crate::kafka::Reader;
use crate::state::{Entries, leave};
use crate::{Options, load, report};

/// Longest wait for the first decision.
const TIMEOUT: Duration = Duration::from_secs(300);

/// The figures of a restore.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Restore {
    /// Keys in the changelog.
    keys: u32,
    /// From the start of the process to the first committed outcome, in seconds.
    first_decision_s: f64,
    /// The same with nothing to restore.
    start_s: f64,
    /// Keys divided by the difference.
    keys_per_s: f64,
}

impl fmt::Display for Restore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, first_decision_s: first, start_s, keys_per_s } = self;
        write!(f, "first decision {first:.1} s after a crash with {keys} keys to restore ({keys_per_s:.0} keys/s), ")?;
        write!(f, "{start_s:.1} s with none")
    }
}

/// Starts Acteon on an empty changelog, then on a full one, each time without local state.
pub(crate) fn run(broker: &Kafka, options: &Options) -> Result<Restore> {
    let keys = options.keys;
    report::progress(&format!("restore of {keys} keys"));
    // One task: with several, the first decision would not wait for all keys.
    let options = &Options { partitions: 1, threads: 1, ..options.clone() };
    let start_s = first_decision(broker, "restore-none", 0, options)?;
    let first_decision_s = first_decision(broker, "restore-all", keys, options)?;
    let took = first_decision_s - start_s;
    ensure!(took > 0.0, "{keys} keys are too few to measure");
    let restore = Restore { keys, first_decision_s, start_s, keys_per_s: f64::from(keys) / took };
    report::progress(&restore.to_string());
    Ok(restore)
}

/// Seconds to the first decision, with so many keys left by an earlier run.
fn first_decision(broker: &Kafka, prefix: &str, keys: u32, options: &Options) -> Result<f64> {
    let dir = TempDir::with_prefix("acteon-bench-")?;
    let contender = Contender::Acteon;
    contender.prepare(broker, prefix, dir.path(), options)?;
    leave(broker.bootstrap(), prefix, Entries::Keys, keys, options.partitions)?;
    load::load(broker.bootstrap(), &format!("{prefix}.actions"), 1)?;
    let outcomes = Reader::new(broker.bootstrap(), &format!("{prefix}.outcomes"))?;
    let consumer = outcomes.start()?;
    let began = clock::now();
    let process = contender.start(broker, prefix, dir.path(), options)?;
    loop {
        if let Some(record) = consumer.poll(Duration::from_millis(20)) {
            record?;
            return Ok(began.elapsed().as_secs_f64());
        }
        let waited = began.elapsed();
        ensure!(waited < TIMEOUT, "no outcome after {waited:?}; its last output was:\n{}", process.tail());
    }
}
