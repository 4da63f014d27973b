use crate::args::Global;
use crate::config::Overrides;
use crate::duration;
use crate::exit::Exit;
use crate::output::Output;
use crate::service::{self, Http, Role, Services};
use acteon_runtime::Producers;
use acteon_topology::{self as topology, Topology};
use anyhow::Result;
use clap::Args;
use std::time::Duration;

/// Run roles against an Apache Kafka
///
/// Any number of processes can run, each with some or all roles: partitions are shared out among them. The topics must
/// exist (`acteon topology apply`). SIGTERM or SIGINT stops gracefully, a second one at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acteon run
  acteon run --roles processor,gateway -c acteon.toml --port 9000
  acteon run --roles connectors --bootstrap-servers kafka-1:9092,kafka-2:9092

Exits with 3 if the processor stops for good (another instance with the same id has taken over), with 4 if Kafka does not
answer in time.")]
pub(crate) struct Run {
    /// What this process does
    #[arg(long, value_enum, value_delimiter = ',', default_value = "processor,connectors,gateway", num_args = 1..)]
    roles: Vec<Role>,
    /// How long to wait for Kafka at the start
    #[arg(long, default_value = "60s", value_parser = duration::parse, value_name = "TIME")]
    kafka_timeout: Duration,
    #[command(flatten)]
    listen: Listen,
}

/// Where HTTP is answered.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// HTTP host, in place of [server] host
    #[arg(long)]
    host: Option<String>,
    /// HTTP port, in place of [server] port; 0 takes any free one
    #[arg(long)]
    port: Option<u16>,
}

impl Listen {
    /// All that flags and environment say over the file.
    pub(crate) fn overrides(&self, global: &Global) -> Overrides {
        Overrides { host: self.host.clone(), port: self.port, ..global.overrides() }
    }
}

impl Run {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit> {
        let config = global.load(&self.listen.overrides(global))?.config;
        let wanted = Topology::of(&config.topology_settings())?;
        let prepared = service::prepare(&config)?;
        let http = Http::start(&config, &self.roles)?;
        topology::wait_for_kafka(&config.kafka, self.kafka_timeout, |message| tracing::warn!("{message}"))?;
        topology::check(&config.kafka, &wanted)?;
        let producers = Producers::of_kafka(&config.kafka, &config.topology.names);
        let services = Services::start(&config, &self.roles, &prepared, producers, http)?;
        let mut output = Output::stdout();
        if let Some(address) = services.http_address() {
            output.line(format!("Listening on {address}"))?;
        }
        output.flush()?;
        drop(output);
        services.run()
    }
}
