//! `acteon`: the one binary. Every command is a file in `command/`.

mod args;
mod clock;
mod command;
mod config;
mod definitions;
mod duration;
mod exit;
mod logging;
mod output;
mod service;

use args::{Cli, Command};
use clap::Parser as _;
use command::operator::Operator as _;
use exit::Exit;
use std::process::ExitCode;

/// A decision makes and frees dozens of small strings; this allocator does that in half the time of the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What commands that end by themselves log: trouble only, since their output is on the same terminal.
const QUIET: &str = "warn,librdkafka=error,rdkafka=error";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let default = if cli.command.is_service() { None } else { Some(QUIET) };
    logging::init(cli.global.log_format, default);
    match run(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = exit::of(&error);
            if exit != Exit::Done {
                eprintln!("error: {error:#}");
            }
            exit.into()
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<Exit> {
    let global = &cli.global;
    match &cli.command {
        Command::Dev(dev) => dev.run(global),
        Command::Run(run) => run.run(global),
        Command::Topology(topology) => topology.run(global),
        Command::Rules(rules) => rules.run(global),
        Command::Produce(produce) => produce.run(global),
        Command::Tail(tail) => tail.run(global),
        Command::Dispatch(dispatch) => dispatch.run(),
        Command::Audit(audit) => audit.run(),
        Command::Replay(replay) => replay.run(),
        Command::Stream(stream) => stream.run(),
        Command::Dlq(dlq) => dlq.run(global),
        Command::Events(events) => events.run(global),
        Command::Approvals(approvals) => approvals.run(global),
        Command::Groups(groups) => groups.run(global),
        Command::Chains(chains) => chains.run(global),
        Command::Scheduled(scheduled) => scheduled.run(global),
        Command::Retries(retries) => retries.run(global),
        Command::Recurring(recurring) => recurring.run(global),
        Command::Quotas(quotas) => quotas.run(global),
        Command::Silences(silences) => silences.run(global),
        Command::TimeIntervals(intervals) => intervals.run(global),
        Command::Templates(templates) => templates.run(global),
        Command::Profiles(profiles) => profiles.run(global),
        Command::Retention(retention) => retention.run(global),
        Command::Dedup(dedup) => dedup.run(global),
        Command::Throttle(throttle) => throttle.run(global),
        Command::Providers(providers) => providers.run(global),
        Command::Config(config) => config.run(global),
        Command::Secret(secret) => secret.run(),
    }
}
