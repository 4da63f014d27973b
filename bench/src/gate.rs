//! One contender's turn on the gate workload, from loading to figures.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use acteon_testkit::clock;
use acteon_testkit::kafka::Kafka;
use acteon_testkit::process::{Process, Usage};
use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use tempfile::TempDir;

use crate::contender::Contender;
use crate::drain::drain;
use crate::kafka::Reader;
use crate::{Options, load, report};

/// Longest wait for all outcomes.
const RUN_TIMEOUT: Duration = Duration::from_secs(900);
/// Time between two samples; figures are exact to about this.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(50);
/// The log has ended when it has not grown for this long.
const QUIET: Duration = Duration::from_secs(1);

/// The figures of one contender.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    /// Actions divided by the time from the first to the last committed outcome.
    pub(crate) actions_per_s: f64,
    /// User and system time of its process over the same time, in seconds.
    pub(crate) cpu_s: f64,
    /// Largest resident set of its process, in MiB.
    pub(crate) peak_rss_mb: f64,
    /// CPU time divided by actions, in microseconds.
    pub(crate) cpu_us_per_action: f64,
    /// Outcomes of each kind; empty for the wire limit, which decides nothing.
    pub(crate) outcomes: BTreeMap<String, u64>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { actions_per_s, cpu_s, peak_rss_mb, .. } = self;
        write!(f, "{actions_per_s:.0} actions/s, {cpu_s:.1} CPU-s, {peak_rss_mb:.0} MB, {:?}", self.outcomes)
    }
}

/// What was seen at one moment.
struct Sample {
    at_ms: i64,
    usage: Usage,
    /// Sum of the last stable offsets of the outcomes.
    end: u64,
}

/// Runs the wire limit once without measuring, so that the first contender does not meet a cold broker.
pub(crate) fn warm_up(broker: &Kafka, options: &Options) -> Result<()> {
    report::progress("warming the broker up");
    let options = Options { count: (options.count / 10).max(1_000), ..options.clone() };
    run(broker, Contender::Wire, 0, &options).map(drop)
}

/// Loads the workload for one contender, lets it run and measures it.
pub(crate) fn run(broker: &Kafka, contender: Contender, round: u8, options: &Options) -> Result<Figures> {
    run_on(broker, contender, &format!("gate{round}-{}", contender.name()), options, |_| Ok(()))
}

/// As [`run`], on topics below `prefix`, with whatever `fill` puts there before the start; it is given the contender's
/// directory.
pub(crate) fn run_on(
    broker: &Kafka,
    contender: Contender,
    prefix: &str,
    options: &Options,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<Figures> {
    let dir = TempDir::with_prefix("acteon-bench-")?;
    contender.prepare(broker, prefix, dir.path(), options)?;
    fill(dir.path())?;
    load::load(broker.bootstrap(), &format!("{prefix}.actions"), options.count)?;
    let outcomes = Reader::new(broker.bootstrap(), &format!("{prefix}.outcomes"))?;
    let mut process = contender.start(broker, prefix, dir.path(), options)?;
    let samples = watch(&mut process, &outcomes, options.count)
        .with_context(|| format!("its last output was:\n{}", process.tail()))?;
    let drained = drain(&outcomes, options.count, contender.decides())?;
    drop(process);

    let last = samples.last().context("no sample")?;
    let start =
        samples.iter().rev().find(|s| s.at_ms <= drained.first_ms).context("no sample before the first outcome")?;
    let end = samples.iter().find(|s| s.end == last.end).unwrap_or(last);
    let seconds = Duration::from_millis(u64::try_from(drained.last_ms - drained.first_ms)?).as_secs_f64();
    ensure!(seconds > 0.0, "all outcomes came in one batch: --count is too small to measure");
    let count = f64::from(options.count);
    let cpu_s = end.usage.cpu.saturating_sub(start.usage.cpu).as_secs_f64();
    Ok(Figures {
        actions_per_s: count / seconds,
        cpu_s,
        peak_rss_mb: mebibytes(end.usage.peak_rss),
        cpu_us_per_action: cpu_s * 1e6 / count,
        outcomes: drained.kinds,
    })
}

/// Samples the process until its outcomes are committed. Only log ends are asked for: reading the records at the same
/// time would take CPU from the contender.
fn watch(process: &mut Process, outcomes: &Reader, count: u32) -> Result<Vec<Sample>> {
    let mut samples: Vec<Sample> = Vec::new();
    let deadline = clock::now() + RUN_TIMEOUT;
    let mut grown = clock::now();
    loop {
        let end = outcomes.stable_end()?;
        let usage = process.usage()?;
        if samples.last().is_none_or(|last| last.end != end) {
            grown = clock::now();
        }
        samples.push(Sample { at_ms: clock::unix_ms(), usage, end });
        if end >= u64::from(count) && grown.elapsed() >= QUIET {
            return Ok(samples);
        }
        ensure!(clock::now() < deadline, "{end} of {count} outcomes after {RUN_TIMEOUT:?}");
        std::thread::sleep(SAMPLE_INTERVAL);
    }
}

/// Bytes as MiB; a resident set is far below what an f64 holds exactly.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
