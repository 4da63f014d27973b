//! What connectors deliver: dispatches to an HTTP server on this machine, beside what a bare HTTP client gets there.

mod bare;
mod records;
mod server;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use acteon_testkit::kafka::Kafka;
use acteon_testkit::process::Process;
use acteon_testkit::{acteon_bin, clock, free_port};
use anyhow::{Result, ensure};
use serde::Serialize;
use tempfile::TempDir;

use crate::gate::mebibytes;
use crate::kafka::Reader;
use crate::{Options, report};
use server::Server;

/// Calls under way at a time, of a provider as of the bare client: the default of `max_concurrent`.
const CONCURRENT: usize = 100;
/// The providers that answer, and the one that doesn't.
const ANSWERING: [&str; 2] = ["left", "right"];
const HANGING: &str = "hanging";
/// The provider that takes [`server::DISTANCE`] to answer, and its share of the dispatches.
const DISTANT: &str = "distant";
const DISTANT_SHARE: u32 = 8;
/// The share of the dispatches that each provider gets beside a hanging one, and that of the hanging one.
const SHARE: u32 = 4;
const HANGING_SHARE: u32 = 100;
/// Most dispatches of a run before those that are measured. A broker that was just started spends half a core on
/// compiling itself; one in use has done so.
const WARM_UP: u32 = 300_000;
/// Longest wait for all calls and results.
const TIMEOUT: Duration = Duration::from_secs(900);
/// Longest wait for the product's topics.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(120);
/// Time between two looks at what has come.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The figures of deliveries.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Delivery {
    /// Dispatches to one provider.
    dispatches: u32,
    /// Calls under way at a time.
    concurrent: usize,
    /// Requests a second of the bare client.
    bare_per_s: f64,
    /// Requests a second of the connectors.
    connectors_per_s: f64,
    /// The latter divided by the former.
    ratio: f64,
    /// The same of a server that takes [`server::DISTANCE`] to answer.
    distant_bare_per_s: f64,
    distant_connectors_per_s: f64,
    distant_ratio: f64,
    /// Requests a second of two providers together.
    without_hanging_per_s: f64,
    /// The same beside a third one that never answers.
    beside_hanging_per_s: f64,
    /// The latter divided by the former.
    hanging_ratio: f64,
    /// Largest resident set of the connectors in all their runs, in MiB.
    peak_rss_mb: f64,
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dispatches, bare_per_s, connectors_per_s, ratio, distant_ratio, hanging_ratio, peak_rss_mb, .. } =
            self;
        write!(
            f,
            "{dispatches} dispatches delivered at {connectors_per_s:.0}/s, {bare_per_s:.0}/s by a bare client: \
             {ratio:.2}, and {distant_ratio:.2} where an answer takes {:?}; two providers beside a hanging one keep \
             {hanging_ratio:.2} of their rate; peak RSS {peak_rss_mb:.0} MB",
            server::DISTANCE
        )
    }
}

/// Measures the bare client and the connectors in turn, on one server.
pub(crate) fn run(broker: &Kafka, options: &Options) -> Result<Delivery> {
    let dispatches = options.dispatches;
    report::progress(&format!("{dispatches} dispatches to an HTTP server"));
    let server = Server::start()?;
    let bench = Bench { broker, options, server: &server };
    bench.connectors("delivery0", &[(ANSWERING[0], dispatches.min(WARM_UP))])?;
    let bare_per_s = bare::run(&server, server::ANSWER, dispatches, CONCURRENT)?;
    report::progress(&format!("the bare client: {bare_per_s:.0} requests/s"));

    let one = bench.connectors("delivery1", &[(ANSWERING[0], dispatches)])?;
    report::progress(&format!("the connectors: {:.0} requests/s", one.per_s));
    let distant_share = dispatches / DISTANT_SHARE;
    let distant_bare_per_s = bare::run(&server, server::DISTANT, distant_share, CONCURRENT)?;
    let distant = bench.connectors("delivery2", &[(DISTANT, distant_share)])?;
    let distance = server::DISTANCE;
    report::progress(&format!("{distance:?} away: {:.0} of {distant_bare_per_s:.0} requests/s", distant.per_s));
    let share = dispatches / SHARE;
    let both = ANSWERING.map(|provider| (provider, share));
    let without = bench.connectors("delivery3", &both)?;
    let all = [both[0], both[1], (HANGING, dispatches / HANGING_SHARE)];
    let beside = bench.connectors("delivery4", &all)?;
    let peak_rss_mb = [&one, &distant, &without, &beside].into_iter().map(|run| run.peak_rss_mb).fold(0.0, f64::max);
    Ok(Delivery {
        dispatches,
        concurrent: CONCURRENT,
        bare_per_s,
        connectors_per_s: one.per_s,
        ratio: one.per_s / bare_per_s,
        distant_bare_per_s,
        distant_connectors_per_s: distant.per_s,
        distant_ratio: distant.per_s / distant_bare_per_s,
        without_hanging_per_s: without.per_s,
        beside_hanging_per_s: beside.per_s,
        hanging_ratio: beside.per_s / without.per_s,
        peak_rss_mb,
    })
}

/// What one run of the connectors came to.
struct Run {
    /// Requests a second of the providers that answer.
    per_s: f64,
    peak_rss_mb: f64,
}

struct Bench<'a> {
    broker: &'a Kafka,
    options: &'a Options,
    server: &'a Server,
}

impl Bench<'_> {
    /// Has connectors deliver what waits for them: so many dispatches to each provider.
    fn connectors(&self, prefix: &str, load: &[(&str, u32)]) -> Result<Run> {
        let dir = TempDir::with_prefix("acteon-bench-")?;
        self.configure(prefix, dir.path())?;
        for (provider, count) in load {
            records::load(self.broker.bootstrap(), prefix, provider, *count)?;
        }
        let wanted: u32 = load.iter().filter(|(provider, _)| *provider != HANGING).map(|(_, count)| count).sum();
        let results = Reader::new(self.broker.bootstrap(), &format!("{prefix}.results"))?;
        self.server.reset();
        let config = dir.path().join("acteon.toml");
        let mut process =
            Process::command(acteon_bin()?).args(["run", "--roles", "connectors", "-c"]).arg(config).start()?;
        let deadline = clock::now() + TIMEOUT;
        while self.server.answered() < wanted || results.stable_end()? < u64::from(wanted) {
            ensure!(process.is_running(), "the connectors have ended:\n{}", process.tail());
            let answered = self.server.answered();
            ensure!(clock::now() < deadline, "{answered} of {wanted} calls:\n{}", process.tail());
            std::thread::sleep(LOOK_EVERY);
        }
        let usage = process.usage()?;
        drop(process);
        let answered = self.server.answered();
        ensure!(answered == wanted, "{answered} calls for {wanted} dispatches, and nothing was in the way of any");
        Ok(Run { per_s: self.server.per_second()?, peak_rss_mb: mebibytes(usage.peak_rss) })
    }

    /// Writes the configuration and makes the topics.
    fn configure(&self, prefix: &str, dir: &Path) -> Result<()> {
        let mut text = format!(
            "[kafka]\n\"bootstrap.servers\" = \"{}\"\n[topology]\nprefix = \"{prefix}\"\npartitions = {}\n\
             [processor]\nstate_dir = {:?}\n[rules]\ndirectory = {:?}\n[server]\nport = {}\n\
             [egress]\nallow = [\"loopback\"]\n",
            self.broker.bootstrap(),
            self.options.partitions,
            dir.join("state"),
            concat!(env!("CARGO_MANIFEST_DIR"), "/gate/rules"),
            free_port()?
        );
        for provider in [ANSWERING[0], ANSWERING[1], DISTANT, HANGING] {
            let path = match provider {
                HANGING => server::HANG,
                DISTANT => server::DISTANT,
                _ => server::ANSWER,
            };
            text += &format!(
                "[[providers]]\nname = \"{provider}\"\ntype = \"webhook\"\nurl = \"{}{path}\"\n\
                 max_concurrent = {CONCURRENT}\n",
                self.server.url()
            );
        }
        // The rules of the gate workload name it.
        text += "[[providers]]\nname = \"webhook\"\ntype = \"log\"\n";
        let config = dir.join("acteon.toml");
        std::fs::write(&config, text)?;
        let mut apply = Process::command(acteon_bin()?).args(["topology", "apply", "-c"]).arg(config).start()?;
        let status = apply.wait(PREPARE_TIMEOUT)?;
        ensure!(status.success(), "`acteon topology apply` failed:\n{}", apply.tail());
        Ok(())
    }
}
