//! The gate benchmark: Kafka Streams, the wire limit and Acteon do the same work on the same broker, one after the
//! other. `bench/README.md` says what is measured and how.

mod bulk;
mod contender;
mod delivery;
mod drain;
mod firing;
mod gate;
mod http;
mod kafka;
mod latency;
mod load;
mod report;
mod restore;
mod state;
mod timers;
mod wire;

use std::path::PathBuf;

use acteon_testkit::kafka::Kafka;
use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};

use contender::Contender;
use report::Alone;

/// Measures Acteon against Kafka Streams and against the wire limit.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What is measured.
#[derive(Debug, Clone, Args)]
struct Options {
    /// Actions loaded for each contender.
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    count: u32,
    /// Partitions of each topic.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=64))]
    partitions: i32,
    /// Threads (workers) of each contender.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    threads: u8,
    /// Times that every contender runs; figures and ratios are medians.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=20))]
    rounds: u8,
    /// Runs these contenders alone (may be repeated).
    #[arg(long, value_enum)]
    only: Vec<Contender>,
    /// Actions a second of the latency run.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Seconds of the latency run, which is Acteon's alone; 0 leaves it out.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=600))]
    latency_seconds: u32,
    /// Timers that wait beside the gate workload, in one partition; 0 leaves the run out.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    timers: u32,
    /// Timers that come due together, in one partition; 0 leaves the run out.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    firing: u32,
    /// Keys of the restore; 0 leaves it out.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    keys: u32,
    /// Dispatches of the connectors' run; 0 leaves it out.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    dispatches: u32,
    /// Leaves out the dispatches over HTTP.
    #[arg(long)]
    no_http: bool,
    /// Where the figures are written to as JSON.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/out/latest.json"))]
    out: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The wire limit by itself, as the benchmark starts it; runs until killed.
    #[command(hide = true)]
    Wire(wire::Options),
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Wire(options)) => wire::run(&options),
        None => run(&cli.options),
    }
}

/// Starts a broker, runs the contenders in turn and reports.
fn run(options: &Options) -> Result<()> {
    let mut contenders = Contender::ORDER.to_vec();
    if !options.only.is_empty() {
        contenders.retain(|contender| options.only.contains(contender));
    }
    // Looked for before minutes are spent on the others.
    for contender in &contenders {
        contender.check()?;
    }
    report::progress("starting Apache Kafka");
    let broker = Kafka::start_with(kafka::BROKER)?;
    let mut rounds = Vec::new();
    gate::warm_up(&broker, options)?;
    for round in 1..=options.rounds {
        let mut figures = Vec::new();
        for contender in &contenders {
            let name = contender.name();
            let gate =
                gate::run(&broker, *contender, round, options).with_context(|| format!("{name}, round {round}"))?;
            report::progress(&format!("{name}, round {round}: {gate}"));
            figures.push((*contender, gate));
        }
        rounds.push(figures);
    }
    let ours = contenders.contains(&Contender::Acteon);
    let alone = Alone {
        latency: (ours && options.latency_seconds > 0)
            .then(|| latency::run(&broker, options).context("the latency run"))
            .transpose()?,
        timers: (ours && options.timers > 0)
            .then(|| timers::run(&broker, options).context("the run beside timers"))
            .transpose()?,
        firing: (ours && options.firing > 0)
            .then(|| firing::run(&broker, options).context("the run of timers due together"))
            .transpose()?,
        restore: (ours && options.keys > 0)
            .then(|| restore::run(&broker, options).context("the restore"))
            .transpose()?,
        delivery: (ours && options.dispatches > 0)
            .then(|| delivery::run(&broker, options).context("the connectors' run"))
            .transpose()?,
        http: (ours && !options.no_http)
            .then(|| http::run(&broker, options.partitions).context("the dispatches over HTTP"))
            .transpose()?,
    };
    report::write(options, &rounds, &alone)
}
