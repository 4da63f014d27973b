//! The roles of a process: started, watched and stopped together.

mod book;
mod dead_letters;
mod readiness;
mod reload;
mod signals;

use crate::clock::Stopwatch;
use crate::config::Config;
use crate::definitions::{self, Checked, RuleFiles};
use crate::exit::{Exit, Failure};
use acteon_connectors::{Connectors, ConnectorsConfig};
use acteon_gateway::view::audit::{AuditView, SqliteAuditStore};
use acteon_gateway::{ApiLimits, Gateway, Metrics, Sources};
use acteon_runtime::{CommitLimits, Processor, ProcessorConfig, Producers};
use anyhow::{Context as _, Result};
use book::Book;
use clap::ValueEnum;
use dead_letters::DeadLetterDesk;
use readiness::Running;
use reload::Reloader;
use signals::Signals;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Threads of the HTTP endpoints.
const HTTP_THREADS: usize = 2;
/// How often expired audit records are deleted from the gateway's view.
const AUDIT_SWEEP: Duration = Duration::from_secs(3600);
/// Least time that each role gets to stop in, however long the ones before it took.
const LEAST_STOP_TIME: Duration = Duration::from_secs(1);

/// A part of the system that a process can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Decides about actions
    Processor,
    /// Calls the providers
    Connectors,
    /// Answers HTTP requests
    Gateway,
}

/// The rules as read at the start, known to be good.
pub(crate) struct Prepared {
    files: RuleFiles,
    pub(crate) rules: usize,
}

/// Reads and checks the rules: a process does not start on bad ones.
pub(crate) fn prepare(config: &Config) -> Result<Prepared> {
    let files = RuleFiles::configured(config)?;
    let checked: Checked = files.check(config, true);
    if checked.has_errors() {
        return Err(Failure::error(Exit::Refused, checked.errors().join("\n")));
    }
    for warning in checked.diagnostics() {
        tracing::warn!("{warning}");
    }
    Ok(Prepared { files, rules: checked.rule_count().unwrap_or(0) })
}

/// The HTTP endpoints, which answer before Kafka does: `/ready` says what is still missing.
pub(crate) struct Http {
    runtime: Runtime,
    running: Arc<Running>,
    /// Taken out when it is stopped.
    gateway: Option<Gateway>,
    /// Stops the process while it starts.
    starting: JoinHandle<()>,
}

impl Http {
    /// Sets up metrics and listens: whatever its roles, a process answers for its health and its metrics.
    ///
    /// # Errors
    /// The port is taken.
    pub(crate) fn start(config: &Config, roles: &[Role]) -> Result<Self> {
        let metrics = Metrics::install()?;
        acteon_runtime::describe();
        acteon_connectors::describe_metrics();
        let runtime = Builder::new_multi_thread()
            .worker_threads(HTTP_THREADS)
            .thread_name("http")
            .enable_all()
            .build()
            .context("no threads for the http endpoints")?;
        let signals = runtime.block_on(async { Signals::listen() }).context("signals can't be listened for")?;
        let starting = runtime.spawn(signals::exit_while_starting(signals));
        let running = Arc::new(Running::new(roles));
        let (host, port) = (&config.server.host, config.server.port);
        let limits = roles.contains(&Role::Gateway).then(|| ApiLimits {
            max_concurrent: config.server.max_concurrent_dispatch,
            streams: config.server.streams,
            ..ApiLimits::default()
        });
        let gateway = runtime.block_on(Gateway::start(host, port, running.probes(), metrics, limits))?;
        Ok(Self { runtime, running, gateway: Some(gateway), starting })
    }

    /// Where HTTP is answered, if it is.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.gateway.as_ref().map(Gateway::address)
    }
}

/// Everything that runs.
pub(crate) struct Services {
    http: Http,
    reloader: Option<Reloader>,
    shutdown_timeout: Duration,
}

impl Services {
    /// Starts the roles on a Kafka that answers and has the topics.
    pub(crate) fn start(
        config: &Config,
        roles: &[Role],
        prepared: &Prepared,
        producers: Producers,
        http: Http,
    ) -> Result<Self> {
        let names = &config.topology.names;
        let mut reloader = None;
        if roles.contains(&Role::Processor) {
            let definitions = definitions::of(config, &prepared.files)?;
            let changed = acteon_runtime::definitions::publish(&config.kafka, names, &definitions)?;
            tracing::info!(rules = prepared.rules, changed, "definitions published");
            http.running.set_processor(Processor::start(processor_config(config, producers))?);
            if config.rules.watch {
                reloader = Some(Reloader::start(config.clone(), prepared.files.clone())?);
            }
        }
        if roles.contains(&Role::Connectors) {
            let connectors = Connectors::start(&ConnectorsConfig {
                kafka: config.kafka.clone(),
                names: names.clone(),
                providers: config.providers.clone(),
                limits: config.limits.clone(),
                egress: config.egress.clone(),
                templates: config.templates.clone(),
                allow_exec: config.allow_exec,
                health_interval: config.health_interval,
            })?;
            http.running.set_connectors(connectors);
        }
        // Last: what is sent through it finds the others at work.
        if let Some(gateway) = http.gateway.as_ref().filter(|_| roles.contains(&Role::Gateway)) {
            let rules = Arc::new(Book::start(config.clone())?);
            let _entered = http.runtime.enter();
            let store = SqliteAuditStore::open(&audit_view(config))?;
            let audit = AuditView::start(&config.kafka, names.audit(), Arc::new(store), AUDIT_SWEEP)?;
            let intakes = config.ingest.intakes.clone();
            let dead_letters = Arc::new(DeadLetterDesk::of(config.clone()));
            gateway.open(Sources { kafka: &config.kafka, names, rules, audit, intakes, dead_letters })?;
        }
        Ok(Self { http, reloader, shutdown_timeout: config.server.shutdown_timeout })
    }

    /// Where HTTP is answered, if it is.
    pub(crate) fn http_address(&self) -> Option<SocketAddr> {
        self.http.address()
    }

    /// Runs until a signal asks to stop or a role fails for good; then stops everything. A second signal ends the process
    /// at once.
    ///
    /// # Errors
    /// A role failed.
    pub(crate) fn run(self) -> Result<Exit> {
        let failure = self.http.runtime.block_on(async {
            let signals = Signals::listen()?;
            self.http.starting.abort();
            io::Result::Ok(signals::wait(signals, || self.http.running.failed()).await)
        })?;
        match &failure {
            Some(reason) => tracing::error!(reason, "stopping"),
            None => tracing::info!("stopping; a second signal ends the process at once"),
        }
        self.http.runtime.spawn(signals::exit_at_next());
        self.stop();
        match failure {
            Some(reason) => Err(Failure::error(Exit::Stopped, reason)),
            None => Ok(Exit::Done),
        }
    }

    /// Stops all roles within the shutdown timeout: what is in hand is finished.
    fn stop(mut self) {
        let clock = Stopwatch::start();
        let left = || self.shutdown_timeout.saturating_sub(clock.elapsed()).max(LEAST_STOP_TIME);
        if let Some(reloader) = self.reloader.take() {
            reloader.stop();
        }
        if let Some(processor) = self.http.running.take_processor() {
            stop_processor(processor, left());
        }
        if let Some(connectors) = self.http.running.take_connectors() {
            connectors.stop(left());
        }
        if let Some(gateway) = self.http.gateway.take() {
            self.http.runtime.block_on(gateway.stop(left()));
        }
        self.http.runtime.shutdown_timeout(LEAST_STOP_TIME);
        tracing::info!("stopped");
    }
}

/// Where the gateway keeps its view of the audit records: beside the processor's state, and like it made again from the log
/// where it is lost.
fn audit_view(config: &Config) -> PathBuf {
    config.processor.state_dir.with_file_name("views").join("audit.sqlite")
}

/// Lets the processor commit what is in hand. One that takes too long, because Kafka is away, is left behind: it ends with
/// the process, and its open transaction is aborted by the next instance.
fn stop_processor(processor: Processor, timeout: Duration) {
    let (done, ended) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name("stop".to_owned()).spawn(move || {
        // Nobody waits for a stop that took too long.
        done.send(processor.stop()).ok();
    });
    match thread.map(|_| ended.recv_timeout(timeout)) {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(%error, "processor had stopped by itself"),
        Ok(Err(_)) => tracing::warn!(?timeout, "processor did not stop in time; it restores at the next start"),
        Err(error) => tracing::warn!(%error, "processor can't be stopped; it restores at the next start"),
    }
}

fn processor_config(config: &Config, producers: Producers) -> ProcessorConfig {
    let processor = &config.processor;
    ProcessorConfig {
        kafka: config.kafka.clone(),
        names: config.topology.names.clone(),
        application_id: processor.application_id.clone(),
        instance_id: processor.instance_id.clone(),
        workers: processor.workers,
        state_dir: processor.state_dir.clone(),
        commit: CommitLimits {
            interval_ms: processor.commit_interval_ms,
            max_records: processor.commit_max_records,
            max_bytes: processor.commit_max_bytes,
        },
        secrets: config.secrets.clone(),
        producers,
    }
}
