//! What timers cost: those that wait, and those that come due together.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use acteon_testkit::clock;
use acteon_testkit::kafka::Kafka;
use anyhow::{Result, ensure};
use serde::Serialize;

use crate::contender::Contender;
use crate::state::{Entries, leave};
use crate::{Options, gate, report};

/// Runs of each kind; the better one counts, since whatever else the machine does only slows a run down.
const RUNS: usize = 2;

/// Longest wait for a restored store, and for a graceful end.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(120);
/// A process that used less than a tenth of a processor for this long has nothing left to do.
const SETTLED: Duration = Duration::from_secs(1);

/// The figures of timers that wait.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Timers {
    /// Timers pending in the one partition.
    pending: u32,
    /// Actions a second on the gate workload without them.
    without_actions_per_s: f64,
    /// With them.
    with_actions_per_s: f64,
    /// The latter divided by the former.
    ratio: f64,
}

impl fmt::Display for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pending, without_actions_per_s: without, with_actions_per_s: with, ratio } = self;
        write!(f, "beside {pending} pending timers: {with:.0} actions/s, without {without:.0}: {ratio:.2}")
    }
}

/// Runs the gate workload on one partition, with and without timers that are not due.
pub(crate) fn run(broker: &Kafka, options: &Options) -> Result<Timers> {
    let pending = options.timers;
    report::progress(&format!("gate workload beside {pending} timers"));
    let options = Options { partitions: 1, threads: 1, ..options.clone() };
    let (mut without, mut with) = (0.0_f64, 0.0_f64);
    for round in 0..RUNS {
        for (count, best) in [(0, &mut without), (pending, &mut with)] {
            let prefix = format!("timers{round}-{count}");
            let fill = |dir: &Path| {
                leave(broker.bootstrap(), &prefix, Entries::Timers, count, options.partitions)?;
                settle(broker, &prefix, dir, &options)
            };
            let figures = gate::run_on(broker, Contender::Acteon, &prefix, &options, fill)?;
            report::progress(&format!("{count} timers: {figures}"));
            *best = best.max(figures.actions_per_s);
        }
    }
    Ok(Timers { pending, without_actions_per_s: without, with_actions_per_s: with, ratio: with / without })
}

/// Has the state restored and its files put in order, which is no part of what timers cost while they wait.
fn settle(broker: &Kafka, prefix: &str, dir: &Path, options: &Options) -> Result<()> {
    let mut process = Contender::Acteon.start(broker, prefix, dir, options)?;
    process.wait_for_line("task running", SETTLE_TIMEOUT)?;
    let deadline = clock::now() + SETTLE_TIMEOUT;
    loop {
        let before = process.usage()?.cpu;
        std::thread::sleep(SETTLED);
        if process.usage()?.cpu.saturating_sub(before) < SETTLED / 10 {
            break;
        }
        ensure!(clock::now() < deadline, "still busy {SETTLE_TIMEOUT:?} after its restore:\n{}", process.tail());
    }
    let status = process.terminate(SETTLE_TIMEOUT)?;
    ensure!(status.success(), "ended with {status}:\n{}", process.tail());
    Ok(())
}
