//! The command line.

use crate::command;
use crate::config::{self, Config, Loaded, Overrides, Refused, Severity};
use crate::exit::{self, Exit, Failure};
use crate::logging::LogFormat;
use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Acteon: an action gateway on Kafka. Actions go in on a topic; each is decided exactly once, by rules.
#[derive(Debug, Parser)]
#[command(name = "acteon", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = format!("\
Examples:
  acteon dev                                      everything in one process, nothing to install
  acteon produce actions.ndjson --wait            send actions and see what becomes of them
  acteon run --roles processor,connectors,gateway the same roles against an Apache Kafka

{}", exit::HELP))]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Configuration file [default: acteon.toml, where there is one]
    #[arg(short, long, global = true, env = "ACTEON_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Kafka's addresses, in place of [kafka] bootstrap.servers
    #[arg(long, global = true, env = "ACTEON_KAFKA_BOOTSTRAP_SERVERS", value_name = "HOST:PORT,…")]
    pub(crate) bootstrap_servers: Option<String>,
    /// How log lines look; RUST_LOG says which there are
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Dev(command::dev::Dev),
    Run(command::run::Run),
    #[command(subcommand)]
    Topology(command::topology::Topology),
    #[command(subcommand)]
    Rules(command::rules::Rules),
    Produce(command::produce::Produce),
    Tail(command::tail::Tail),
    Dispatch(command::http::dispatch::Dispatch),
    Audit(command::http::audit::Audit),
    Replay(command::http::replay::Replay),
    Stream(command::http::stream::Stream),
    #[command(subcommand)]
    Providers(command::operator::providers::Providers),
    #[command(subcommand)]
    Dlq(command::dlq::Dlq),
    #[command(subcommand)]
    Events(command::operator::events::Events),
    #[command(subcommand)]
    Approvals(command::operator::approvals::Approvals),
    #[command(subcommand)]
    Groups(command::operator::groups::Groups),
    #[command(subcommand)]
    Chains(command::operator::chains::Chains),
    #[command(subcommand)]
    Scheduled(command::operator::scheduled::ScheduledActions),
    #[command(subcommand)]
    Retries(command::operator::retries::Retries),
    #[command(subcommand)]
    Recurring(command::operator::recurring::Recurring),
    #[command(subcommand)]
    Quotas(command::operator::quotas::Quotas),
    #[command(subcommand)]
    Silences(command::operator::silences::Silences),
    #[command(subcommand)]
    TimeIntervals(command::operator::time_intervals::TimeIntervals),
    #[command(subcommand)]
    Templates(command::operator::templates::Templates),
    #[command(subcommand)]
    Profiles(command::operator::profiles::Profiles),
    #[command(subcommand)]
    Retention(command::operator::retention::Retention),
    #[command(subcommand)]
    Dedup(command::operator::dedup::Dedup),
    #[command(subcommand)]
    Throttle(command::operator::dedup::Throttle),
    #[command(subcommand)]
    Config(command::config::ConfigCommand),
    #[command(subcommand)]
    Secret(command::secret::Secret),
}

impl Command {
    /// Whether it runs for long: then it logs what it does, where others only log trouble.
    pub(crate) fn is_service(&self) -> bool {
        matches!(self, Self::Dev(_) | Self::Run(_))
    }
}

impl Global {
    /// What flags and environment say over the file.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            approval_secret: std::env::var(config::APPROVAL_SECRET_VARIABLE).ok(),
            bootstrap_servers: self.bootstrap_servers.clone(),
            ..Overrides::default()
        }
    }

    /// Loads the configuration; what has no effect in it is logged.
    pub(crate) fn load(&self, overrides: &Overrides) -> Result<Loaded> {
        let loaded = config::load(self.config.as_deref(), overrides).map_err(refused)?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        Ok(loaded)
    }

    /// The configuration of a command that only talks to Kafka: warnings about the rest are for the services.
    pub(crate) fn load_quietly(&self) -> Result<Config> {
        Ok(config::load(self.config.as_deref(), &self.overrides()).map_err(refused)?.config)
    }
}

/// The errors among the problems, one line each.
fn refused(Refused(problems): Refused) -> anyhow::Error {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).map(ToString::to_string);
    Failure::error(Exit::Refused, errors.collect::<Vec<_>>().join("\n"))
}
