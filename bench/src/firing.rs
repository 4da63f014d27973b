//! How fast timers fire that come due together.

use std::fmt;
use std::time::Duration;

use acteon_testkit::clock;
use acteon_testkit::kafka::Kafka;
use anyhow::{Context as _, Result, bail, ensure};
use chrono::{DateTime, SecondsFormat};
use rdkafka::Message as _;
use serde::Serialize;
use tempfile::TempDir;

use crate::contender::Contender;
use crate::drain::Outcome;
use crate::kafka::Reader;
use crate::load::number_of;
use crate::{Options, load, report};

/// Time in which all actions must have been taken in, before they are due.
const AHEAD: Duration = Duration::from_secs(25);
/// Longest wait for all of them once they are due.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Time between two looks at the log's end.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Longest wait for the next record while they are counted.
const RECORD_WAIT: Duration = Duration::from_secs(20);

/// The figures of timers that come due together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Firing {
    /// Timers that came due at one moment, in one partition.
    timers: u32,
    /// From that moment to the last committed outcome, in seconds.
    seconds: f64,
    /// Timers divided by that time.
    timers_per_s: f64,
}

impl fmt::Display for Firing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { timers, seconds, timers_per_s } = self;
        write!(f, "{timers} timers due together fired in {seconds:.1} s: {timers_per_s:.0}/s")
    }
}

/// Has actions held until one moment (`dispatch_at`), and measures how long it takes to decide about them then.
pub(crate) fn run(broker: &Kafka, options: &Options) -> Result<Firing> {
    let timers = options.firing;
    report::progress(&format!("{timers} timers due together"));
    let options = &Options { partitions: 1, threads: 1, ..options.clone() };
    let dir = TempDir::with_prefix("acteon-bench-")?;
    let (contender, prefix) = (Contender::Acteon, "firing");
    contender.prepare(broker, prefix, dir.path(), options)?;
    let outcomes = Reader::new(broker.bootstrap(), &format!("{prefix}.outcomes"))?;
    let process = contender.start(broker, prefix, dir.path(), options)?;
    let due = clock::unix_ms() + i64::try_from(AHEAD.as_millis())?;
    let at = DateTime::from_timestamp_millis(due).context("no such time")?.to_rfc3339_opts(SecondsFormat::Millis, true);
    load::load_until(broker.bootstrap(), &format!("{prefix}.actions"), timers, &at)?;
    // Log ends count transaction markers too: they are a lower bound on what is missing only.
    let wanted = 2 * u64::from(timers);
    let deadline = clock::now() + AHEAD + TIMEOUT;
    let mut quiet_since = clock::now();
    let mut last = 0;
    while last < wanted || quiet_since.elapsed() < Duration::from_secs(1) {
        std::thread::sleep(LOOK_EVERY);
        let end = outcomes.stable_end()?;
        if end != last {
            (last, quiet_since) = (end, clock::now());
        }
        process.usage().with_context(|| process.tail())?;
        ensure!(clock::now() < deadline, "{end} of {wanted} outcomes:\n{}", process.tail());
    }
    drop(process);
    let seconds = count(&outcomes, timers, due)?;
    let firing = Firing { timers, seconds, timers_per_s: f64::from(timers) / seconds };
    report::progress(&firing.to_string());
    Ok(firing)
}

/// Checks that each action was held before the moment, and decided once after it; returns how long that took.
fn count(outcomes: &Reader, timers: u32, due: i64) -> Result<f64> {
    let consumer = outcomes.start()?;
    let mut held = vec![false; usize::try_from(timers)?];
    let mut decided = held.clone();
    let (mut left, mut last_ms) = (2 * timers, due);
    while left > 0 {
        let record = consumer.poll(RECORD_WAIT).with_context(|| format!("{left} outcomes are missing"))??;
        let at = record.timestamp().to_millis().context("no timestamp")?;
        let outcome: Outcome<'_> = serde_json::from_slice(record.payload().unwrap_or_default())?;
        let number = number_of(&outcome.action_id).and_then(|number| usize::try_from(number).ok());
        let is_held = outcome.outcome == "scheduled";
        let seen = number.and_then(|number| if is_held { held.get_mut(number) } else { decided.get_mut(number) });
        match seen {
            Some(seen) if !*seen => *seen = true,
            _ => bail!("action {} has `{}` twice, or was never produced", outcome.action_id, outcome.outcome),
        }
        ensure!(is_held == (at < due), "`{}` at {} ms from the moment", outcome.outcome, at - due);
        last_ms = last_ms.max(at);
        left -= 1;
    }
    let took = u64::try_from(last_ms - due)?;
    ensure!(took > 0, "too few timers to measure");
    Ok(Duration::from_millis(took).as_secs_f64())
}
