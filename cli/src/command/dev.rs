mod direct;
mod secret;

use crate::args::Global;
use crate::command::run::Listen;
use crate::config::{Config, Overrides};
use crate::exit::Exit;
use crate::output::{Output, count};
use crate::service::{self, Http, Prepared, Role, Services};
use acteon_broker::Broker;
use acteon_connectors::{LogSettings, ProviderConfig, ProviderSettings};
use acteon_topology::{self as topology, KafkaConfig, Topology};
use anyhow::Result;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where the embedded broker listens; it takes no connection from outside.
const BROKER_HOST: &str = "127.0.0.1";
/// Its usual port, which is Kafka's.
const BROKER_PORT: u16 = 9092;
/// How long the embedded broker may take to answer.
const BROKER_TIMEOUT: Duration = Duration::from_secs(30);
const ROLES: [Role; 3] = [Role::Processor, Role::Connectors, Role::Gateway];

/// Run everything in one process, with an embedded Kafka broker: for development
///
/// Nothing needs to be installed. Any Kafka client can use the broker; in production, `acteon run` does the same against an
/// Apache Kafka. Without a configured provider, there is one named `log` that writes log lines.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acteon dev
  acteon dev -c examples/quickstart/acteon.toml --port 9000
  acteon dev --data-dir /tmp/acteon --broker-port 0")]
pub(crate) struct Dev {
    /// Where the broker's records and the processor's state are kept
    #[arg(long, default_value = "./.acteon", value_name = "DIR")]
    data_dir: PathBuf,
    /// Port of the embedded broker; 0 takes any free one
    #[arg(long, default_value_t = BROKER_PORT, value_name = "PORT")]
    broker_port: u16,
    #[command(flatten)]
    listen: Listen,
}

impl Dev {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit> {
        let overrides = Overrides { bootstrap_servers: None, ..self.listen.overrides(global) };
        let loaded = global.load(&overrides)?;
        let mut config = loaded.config;
        if config.has_kafka_section || global.bootstrap_servers.is_some() {
            tracing::warn!("acteon dev uses its embedded broker; to use the configured Kafka, start `acteon run`");
        }
        config.processor.state_dir = self.data_dir.join("state");
        config.topology.settings.replication_factor = 1;
        if !config.processor.workers_given {
            // The other half has the broker, the API and the connectors to do: with a worker a core, transactions are
            // smaller and more, and each costs the same.
            config.processor.workers = config.processor.workers.div_ceil(2);
        }
        // Receivers run beside it while one develops.
        config.egress = config.egress.with_loopback();
        if config.providers.is_empty() {
            config.providers.push(ProviderConfig::new("log", ProviderSettings::Log(LogSettings {})));
        }
        if config.secrets.approval_keys.is_empty() {
            config.secrets.approval_keys.push((None, secret::kept(&self.data_dir)?));
        }
        let prepared = service::prepare(&config)?;
        let http = Http::start(&config, &ROLES)?;
        if config.server.external_url.is_none() {
            config.server.external_url = http.address().map(|address| format!("http://{address}"));
        }
        let broker = Broker::start(acteon_broker::Config {
            host: BROKER_HOST.to_owned(),
            port: self.broker_port,
            ..acteon_broker::Config::new(self.data_dir.join("broker"))
        })?;
        config.kafka = KafkaConfig::new(&broker.bootstrap());
        make_topics(&config)?;
        let producers = direct::producers(broker.direct(), &config.topology.names, &config.processor.application_id);
        let services = Services::start(&config, &ROLES, &prepared, producers, http)?;
        self.banner(&config, &prepared, services.http_address())?;
        let exit = services.run();
        broker.shutdown();
        exit
    }

    fn banner(&self, config: &Config, prepared: &Prepared, http: Option<SocketAddr>) -> Result<()> {
        let bootstrap = config.kafka.bootstrap();
        let names = &config.topology.names;
        let flag =
            if self.broker_port == BROKER_PORT { String::new() } else { format!(" --bootstrap-servers {bootstrap}") };
        let watched = if config.rules.watch { ", watched for changes" } else { "" };
        let providers: Vec<String> = config
            .providers
            .iter()
            .map(|provider| format!("{} ({})", provider.name, provider.settings.type_name()))
            .collect();
        let mut output = Output::stdout();
        output.line(format!("acteon {} - {}", env!("CARGO_PKG_VERSION"), acteon_broker::DEVELOPMENT_ONLY))?;
        output.line(format!("  kafka      {bootstrap}, data in {}", self.data_dir.display()))?;
        if let Some(http) = http {
            output.line(format!("  http       http://{http}/v1/dispatch /health /ready /metrics/prometheus"))?;
        }
        let rules = count(prepared.rules, "rule");
        output.line(format!("  rules      {rules} in {}{watched}", config.rules.directory.display()))?;
        output.line(format!("  providers  {}", providers.join(", ")))?;
        output.line("Try, in another terminal:")?;
        output.line(format!("  acteon produce{flag} examples/quickstart/actions.ndjson --wait"))?;
        output.line(format!("  acteon tail{flag} audit --from-beginning"))?;
        output.line(format!("  kcat -b {bootstrap} -C -X isolation.level=read_committed -t {}", names.outcomes()))?;
        if let Some(http) = http {
            output.line(format!("Listening on {http}"))?;
        }
        output.flush()?;
        Ok(())
    }
}

/// Creates the topics on the embedded broker.
fn make_topics(config: &Config) -> Result<()> {
    topology::wait_for_kafka(&config.kafka, BROKER_TIMEOUT, |message| tracing::warn!("{message}"))?;
    let wanted = Topology::of(&config.topology_settings())?;
    let actual = topology::read_actual(&config.kafka, wanted.topics.iter().map(|topic| topic.name.as_str()))?;
    topology::apply(&config.kafka, &topology::plan(&wanted, &actual))?;
    Ok(())
}
