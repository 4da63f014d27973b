//! The configuration: `acteon.toml`, environment and flags, checked as a whole before anything starts.
//!
//! [`load`] goes text → [`raw`] (as written) → [`Config`] (checked, with defaults). Whatever is wrong is reported with
//! file, line and column, all of it at once.

mod background;
mod chains;
mod circuits;
mod fields;
mod ingest;
mod kafka;
mod keys;
mod legacy;
mod named;
mod problem;
mod providers;
mod raw;
mod secrets;
mod show;
#[cfg(test)]
mod tests;
mod validate;

pub(crate) use background::Recurring;
pub(crate) use chains::Chains;
pub(crate) use ingest::Ingest;
pub(crate) use problem::{Problem, Severity};
pub(crate) use secrets::{VARIABLE as APPROVAL_SECRET_VARIABLE, parse as approval_key};
pub(crate) use show::shown;

use acteon_connectors::{DeliveryLimits, EgressPolicy, ProviderConfig, TemplateLibrary};
use acteon_core::Secrets;
use acteon_gateway::StreamLimits;
use acteon_schemas::{CircuitDefinition, StateMachineDefinition, TimeIntervalDefinition};
use acteon_topology::{KafkaConfig, Names, Settings};
use problem::Report;
use serde::Deserialize as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::{DeTable, Deserializer};

/// The file that is read if none is named.
pub(crate) const DEFAULT_FILE: &str = "acteon.toml";
/// Largest configuration file, in bytes.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// A checked configuration.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) kafka: KafkaConfig,
    /// Whether the file has a `[kafka]` section.
    pub(crate) has_kafka_section: bool,
    pub(crate) topology: Topology,
    pub(crate) processor: Processor,
    pub(crate) rules: Rules,
    /// `[executor]`: of every provider that sets none of its own.
    pub(crate) limits: DeliveryLimits,
    pub(crate) providers: Vec<ProviderConfig>,
    /// `[egress]`.
    pub(crate) egress: EgressPolicy,
    /// `[connectors] allow_exec`.
    pub(crate) allow_exec: bool,
    /// `[connectors] health_interval_seconds`.
    pub(crate) health_interval: Duration,
    /// `[[templates]]` and `[[profiles]]`.
    pub(crate) templates: TemplateLibrary,
    pub(crate) audit: Audit,
    pub(crate) chains: Chains,
    /// `[[state_machines]]`.
    pub(crate) state_machines: Vec<StateMachineDefinition>,
    /// `[[time_intervals]]`.
    pub(crate) time_intervals: Vec<TimeIntervalDefinition>,
    pub(crate) recurring: Recurring,
    /// `[circuit_breaker]`: how circuits work, by provider.
    pub(crate) circuits: BTreeMap<String, CircuitDefinition>,
    /// `[retention] event_ttl_seconds`; the core's default where absent.
    pub(crate) event_ttl_seconds: Option<u64>,
    /// `[[ingest]]` and `[alertmanager]`.
    pub(crate) ingest: Ingest,
    /// Never shown and never published.
    pub(crate) secrets: Secrets,
}

impl Config {
    /// What the topics are made from, a dispatch topic for each provider among them.
    pub(crate) fn topology_settings(&self) -> Settings {
        let providers = self.providers.iter().map(|provider| provider.name.clone()).collect();
        Settings { providers, ..self.topology.settings.clone() }
    }
}

/// `[server]`: the HTTP endpoints.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// How long work in hand may take after a signal to stop.
    pub(crate) shutdown_timeout: Duration,
    /// Most requests that the HTTP API works on at a time.
    pub(crate) max_concurrent_dispatch: usize,
    /// Most event streams that are open at a time.
    pub(crate) streams: StreamLimits,
    /// What links to it begin with, where it is reached by another address than its own.
    pub(crate) external_url: Option<String>,
}

/// `[topology]`: what the topics are to be.
#[derive(Debug, Clone)]
pub(crate) struct Topology {
    pub(crate) names: Names,
    /// Without the providers: see [`Config::topology_settings`].
    pub(crate) settings: Settings,
}

/// `[processor]`.
#[derive(Debug, Clone)]
pub(crate) struct Processor {
    pub(crate) workers: usize,
    /// Whether the file says so.
    pub(crate) workers_given: bool,
    pub(crate) state_dir: PathBuf,
    pub(crate) application_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) commit_interval_ms: u64,
    pub(crate) commit_max_records: usize,
    pub(crate) commit_max_bytes: usize,
}

/// `[rules]`.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) directory: PathBuf,
    /// Whether the file names the directory: then it must exist.
    pub(crate) directory_given: bool,
    pub(crate) default_timezone: String,
    pub(crate) evaluation: String,
    pub(crate) default: String,
    pub(crate) watch: bool,
}

/// `[audit]`.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    pub(crate) store_payload: bool,
    /// How long audit records are kept; for ever where absent.
    pub(crate) ttl_seconds: Option<u64>,
    /// Empty: nothing is hidden.
    pub(crate) redact_fields: Vec<String>,
    pub(crate) placeholder: String,
}

/// What flags and environment say over the file.
///
/// Not `Debug`: it holds a secret.
#[derive(Default, Clone)]
pub(crate) struct Overrides {
    /// From the environment alone: flags are seen by others.
    pub(crate) approval_secret: Option<String>,
    pub(crate) bootstrap_servers: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
}

/// A configuration, where it came from, and what in it has no effect.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// `None`: there was no file, and the defaults are used.
    pub(crate) file: Option<PathBuf>,
    pub(crate) warnings: Vec<Problem>,
}

/// Everything that is wrong with a configuration, warnings included.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Vec<Problem>);

/// Reads and checks the configuration. Without a `file`, [`DEFAULT_FILE`] is read if there is one.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Loaded, Refused> {
    let path = file.unwrap_or_else(|| Path::new(DEFAULT_FILE));
    let source = path.display().to_string();
    let refuse = |message: String| {
        Refused(vec![Problem { severity: Severity::Error, source: source.clone(), place: None, message }])
    };
    let text = match read(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && file.is_none() => None,
        Err(error) => return Err(refuse(format!("can't read the configuration: {error}"))),
    };
    let (config, warnings) = parse(&source, text.as_deref().unwrap_or_default(), overrides)?;
    Ok(Loaded { config, file: text.map(|_| path.to_owned()), warnings })
}

fn read(path: &Path) -> std::io::Result<String> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > MAX_FILE_BYTES {
        let message = format!("it has {bytes} bytes; the limit is {MAX_FILE_BYTES}");
        return Err(std::io::Error::other(message));
    }
    std::fs::read_to_string(path)
}

/// Checks the text of a file called `source`.
fn parse(source: &str, text: &str, overrides: &Overrides) -> Result<(Config, Vec<Problem>), Refused> {
    let mut report = Report::new(source, text);
    let (mut document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors {
            report.error(error.span(), one_line(error.message()));
        }
        return Err(Refused(report.into_problems()));
    }
    chains::prepare(document.get_mut(), &mut report);
    let spans = keys::check(document.get_mut(), &mut report);
    let type_keys = providers::take_type_keys(document.get_mut());
    let raw = match raw::RawConfig::deserialize(Deserializer::from(document)) {
        Ok(raw) => raw,
        Err(error) => {
            let key = error.span().and_then(|span| keys::key_at(&spans, &span));
            let message = one_line(error.message());
            report.error(error.span(), key.map_or_else(|| message.clone(), |key| format!("`{key}`: {message}")));
            return Err(Refused(report.into_problems()));
        }
    };
    let config = validate::validate(raw, type_keys, overrides, &spans, &mut report);
    match config {
        Some(config) if !report.has_errors() => Ok((config, report.into_problems())),
        _ => Err(Refused(report.into_problems())),
    }
}

/// The parser explains some errors over several lines.
fn one_line(message: &str) -> String {
    message.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}
