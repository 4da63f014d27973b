//! The configuration file as written: every key that this version acts on, all optional.
//!
//! The field names here are the known keys (see `keys.rs`): adding a field makes its key known.

use super::background::{RawBackground, RawQuotas, RawRetention};
use super::chains::RawChains;
use super::circuits::RawCircuitBreaker;
use super::ingest::{RawAlertmanager, RawIngest};
use acteon_connectors::{ProfileDefinition, TemplateDefinition};
use acteon_schemas::{StateMachineDefinition, TimeIntervalDefinition};
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawConfig {
    pub(super) server: RawServer,
    /// librdkafka properties, quoted or nested.
    pub(super) kafka: toml::Table,
    pub(super) topology: RawTopology,
    pub(super) processor: RawProcessor,
    pub(super) rules: RawRules,
    pub(super) executor: RawExecutor,
    pub(super) providers: Vec<RawProvider>,
    pub(super) audit: RawAudit,
    pub(super) chains: RawChains,
    pub(super) state_machines: Vec<StateMachineDefinition>,
    pub(super) time_intervals: Vec<TimeIntervalDefinition>,
    pub(super) background: RawBackground,
    pub(super) quotas: RawQuotas,
    pub(super) retention: RawRetention,
    pub(super) egress: RawEgress,
    pub(super) connectors: RawConnectors,
    pub(super) templates: Vec<TemplateDefinition>,
    pub(super) profiles: Vec<ProfileDefinition>,
    pub(super) circuit_breaker: RawCircuitBreaker,
    pub(super) ingest: Vec<RawIngest>,
    pub(super) alertmanager: Option<RawAlertmanager>,
}

/// Not `Debug`: it holds secrets.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawServer {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) shutdown_timeout_seconds: Option<u64>,
    pub(super) external_url: Option<String>,
    pub(super) max_concurrent_dispatch: Option<u64>,
    pub(super) max_sse_connections: Option<u64>,
    pub(super) max_sse_connections_per_tenant: Option<u64>,
    pub(super) approval_secret: Option<String>,
    pub(super) approval_keys: Vec<RawApprovalKey>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawApprovalKey {
    pub(super) id: Option<String>,
    pub(super) secret: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawTopology {
    pub(super) prefix: Option<String>,
    pub(super) partitions: Option<i32>,
    pub(super) replication_factor: Option<i16>,
    pub(super) expiring_retention_hours: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawProcessor {
    pub(super) workers: Option<usize>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) application_id: Option<String>,
    pub(super) instance_id: Option<String>,
    pub(super) commit_interval_ms: Option<u64>,
    pub(super) commit_max_records: Option<usize>,
    pub(super) commit_max_bytes: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawRules {
    pub(super) directory: Option<PathBuf>,
    pub(super) default_timezone: Option<String>,
    pub(super) evaluation: Option<String>,
    pub(super) default: Option<String>,
    pub(super) watch: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawExecutor {
    pub(super) max_retries: Option<u32>,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) max_concurrent: Option<usize>,
}

/// The keys that every type has: see `providers.rs` for those of a type.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawProvider {
    pub(super) name: Option<String>,
    #[serde(rename = "type")]
    pub(super) provider_type: Option<String>,
    pub(super) ordered: Option<bool>,
    pub(super) max_concurrent: Option<usize>,
    pub(super) max_retries: Option<u32>,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) rate_per_second: Option<f64>,
    pub(super) profile: Option<String>,
    pub(super) long_retry: Option<RawLongRetry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawEgress {
    pub(super) allow: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawLongRetry {
    pub(super) max_retries: Option<u32>,
    pub(super) initial_seconds: Option<u64>,
    pub(super) max_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawConnectors {
    pub(super) allow_exec: Option<bool>,
    pub(super) health_interval_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawAudit {
    pub(super) store_payload: Option<bool>,
    pub(super) ttl_seconds: Option<u64>,
    pub(super) redact: RawRedact,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawRedact {
    pub(super) enabled: Option<bool>,
    pub(super) fields: Option<Vec<String>>,
    pub(super) placeholder: Option<String>,
}
