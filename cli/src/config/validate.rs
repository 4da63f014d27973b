//! From what is written to what is meant: defaults, ranges, and what only makes sense together.

use super::background::{self, RawBackground, Recurring};
use super::keys::{Spans, nearest};
use super::problem::Report;
use super::providers::{self, TypeKeys};
use super::raw::{RawAudit, RawConfig, RawEgress, RawExecutor, RawProcessor, RawRules, RawServer, RawTopology};
use super::{
    Audit, Chains, Config, Overrides, Processor, Rules, Server, Topology, circuits, ingest, kafka, named, secrets,
};
use acteon_connectors::{DeliveryLimits, EgressPolicy, Error as ConnectorsError, MAX_HEALTH_INTERVAL, TemplateLibrary};
use acteon_gateway::StreamLimits;
use acteon_topology::{Names, Settings, Topology as Topics};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Most worker threads of a process.
const MAX_WORKERS: usize = 64;
/// Worker threads where nothing says otherwise, if there are as many cores.
const DEFAULT_MAX_WORKERS: usize = 4;
/// Longest time that a shutdown may take, in seconds.
const MAX_SHUTDOWN_SECONDS: u64 = 3_600;
/// Most requests of the HTTP API that may be worked on at a time.
const MAX_CONCURRENT_REQUESTS: u64 = 1_000_000;
/// Most event streams that may be open at a time.
const MAX_STREAMS: u64 = 1_000_000;
/// Longest time that anything is kept, in seconds: 100 years.
const MAX_LIFETIME_SECONDS: u64 = 100 * 366 * 24 * 3600;
/// Most recurring actions that a tenant may be allowed.
const MAX_RECURRING_ACTIONS: u32 = 10_000;
/// Time between two looks at how providers' calls fare where nothing is configured, in seconds.
const DEFAULT_HEALTH_INTERVAL_SECONDS: u64 = 5;
const HOUR_MS: i64 = 3_600_000;
/// Fields hidden from audit records where redaction is on and names none.
const DEFAULT_REDACT_FIELDS: [&str; 4] = ["password", "token", "api_key", "secret"];

/// Checks a configuration; problems go to the report. `None` where there is nothing to go on with.
pub(super) fn validate(
    mut raw: RawConfig,
    type_keys: Vec<TypeKeys<'_>>,
    overrides: &Overrides,
    spans: &Spans,
    report: &mut Report<'_>,
) -> Option<Config> {
    let has_kafka_section = !raw.kafka.is_empty();
    let mut kafka = kafka::properties(raw.kafka, spans, report);
    if let Some(servers) = &overrides.bootstrap_servers {
        kafka = kafka.with("bootstrap.servers", servers);
    }
    let (secret, keys) = (raw.server.approval_secret.take(), std::mem::take(&mut raw.server.approval_keys));
    let secrets = secrets::secrets(secret, overrides.approval_secret.as_deref(), keys, spans, report);
    background::quotas(&raw.quotas, spans, report);
    named::check("chains.definitions", raw.chains.definitions.iter().map(|one| one.name.as_str()), spans, report);
    named::check("state_machines", raw.state_machines.iter().map(|one| one.name.as_str()), spans, report);
    named::check("time_intervals", raw.time_intervals.iter().map(|one| one.name.as_str()), spans, report);
    let templates = TemplateLibrary { templates: raw.templates, profiles: raw.profiles };
    let allow_exec = raw.connectors.allow_exec.unwrap_or(false);
    let allowed = providers::Allowed { templates: &templates, exec: allow_exec };
    let providers = providers::providers(raw.providers, type_keys, &allowed, spans, report);
    let names = providers.iter().map(|provider| provider.name.clone()).collect();
    let circuits = circuits::circuits(raw.circuit_breaker, &names, spans, report);
    let ingest = ingest::ingest(raw.ingest, raw.alertmanager, spans, report);
    let mut check = Check { spans, report };
    let server = check.server(raw.server, overrides);
    let topology = check.topology(&raw.topology);
    let limits = check.limits(&raw.executor);
    let rules = check.rules(raw.rules);
    let egress = check.egress(&raw.egress);
    let health_interval = check.health_interval(raw.connectors.health_interval_seconds);
    let audit = check.audit(raw.audit);
    let recurring = check.recurring(&raw.background);
    let event_ttl_seconds = check.lifetime("retention.event_ttl_seconds", raw.retention.event_ttl_seconds);
    let completed_ttl_seconds =
        check.lifetime("chains.completed_chain_ttl_seconds", raw.chains.completed_chain_ttl_seconds);
    let topology = topology?;
    let processor = check.processor(raw.processor, topology.names.prefix());
    let config = Config {
        server,
        kafka,
        has_kafka_section,
        topology,
        processor,
        rules,
        limits,
        providers,
        egress,
        allow_exec,
        health_interval,
        templates,
        audit,
        chains: Chains { completed_ttl_seconds, definitions: raw.chains.definitions },
        state_machines: raw.state_machines,
        time_intervals: raw.time_intervals,
        recurring,
        circuits,
        event_ttl_seconds,
        ingest,
        secrets,
    };
    if !check.report.has_errors() {
        check.topics(&config);
    }
    Some(config)
}

struct Check<'c, 't> {
    spans: &'c Spans,
    report: &'c mut Report<'t>,
}

impl Check<'_, '_> {
    fn error(&mut self, key: &str, problem: impl Display) {
        self.report.error(self.spans.get(key).cloned(), format!("`{key}` {problem}"));
    }

    /// A number in its range, or its default.
    fn number<T: PartialOrd + Display + Copy>(
        &mut self,
        key: &str,
        value: Option<T>,
        default: T,
        range: RangeInclusive<T>,
    ) -> T {
        match value {
            Some(value) if range.contains(&value) => value,
            Some(value) => {
                self.error(key, format!("is {value}; it may be {} to {}", range.start(), range.end()));
                default
            }
            None => default,
        }
    }

    /// One of a few words, or the first of them.
    fn word(&mut self, key: &str, value: Option<String>, words: &[&str]) -> String {
        let Some(value) = value else { return words.first().copied().unwrap_or_default().to_owned() };
        if !words.contains(&value.as_str()) {
            let near = nearest(&value, words).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
            self.error(key, format!("is {value:?}; it may be {}{near}", words.join(" or ")));
        }
        value
    }

    fn server(&mut self, raw: RawServer, overrides: &Overrides) -> Server {
        let streams = self.streams(&raw);
        let host = overrides.host.clone().or(raw.host).unwrap_or_else(|| "127.0.0.1".to_owned());
        if host.trim().is_empty() {
            self.error("server.host", "is empty; use 127.0.0.1, or 0.0.0.0 to be reached from outside");
        }
        let seconds =
            self.number("server.shutdown_timeout_seconds", raw.shutdown_timeout_seconds, 30, 1..=MAX_SHUTDOWN_SECONDS);
        let most = self.number(
            "server.max_concurrent_dispatch",
            raw.max_concurrent_dispatch,
            5_000,
            1..=MAX_CONCURRENT_REQUESTS,
        );
        Server {
            streams,
            max_concurrent_dispatch: usize::try_from(most).unwrap_or(usize::MAX),
            external_url: self.external_url(raw.external_url),
            host,
            port: overrides.port.or(raw.port).unwrap_or(8080),
            shutdown_timeout: Duration::from_secs(seconds),
        }
    }

    fn streams(&mut self, raw: &RawServer) -> StreamLimits {
        let default = StreamLimits::default();
        let mut most = |key: &str, given: Option<u64>, default: usize| {
            let found = self.number(key, given, default as u64, 1..=MAX_STREAMS);
            usize::try_from(found).unwrap_or(usize::MAX)
        };
        let total = most("server.max_sse_connections", raw.max_sse_connections, default.total);
        let given = raw.max_sse_connections_per_tenant;
        let per_tenant = most("server.max_sse_connections_per_tenant", given, default.per_tenant);
        StreamLimits { total, per_tenant, ..default }
    }

    /// What links begin with, without a slash at its end.
    fn external_url(&mut self, written: Option<String>) -> Option<String> {
        let url = written?.trim_end_matches('/').to_owned();
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['?', '#', ' ', '@'])) {
            let problem = format!("is {url:?}; links begin with it, so it must be like https://acteon.example.com");
            self.error("server.external_url", problem);
        }
        Some(url)
    }

    /// For how long something is kept, in seconds.
    fn lifetime(&mut self, key: &str, seconds: Option<u64>) -> Option<u64> {
        seconds.map(|seconds| self.number(key, Some(seconds), 1, 1..=MAX_LIFETIME_SECONDS))
    }

    fn recurring(&mut self, raw: &RawBackground) -> Recurring {
        let (most, least) =
            ("background.max_recurring_actions_per_tenant", "background.min_recurring_interval_seconds");
        Recurring {
            max_per_tenant: raw
                .max_recurring_actions_per_tenant
                .map(|n| self.number(most, Some(n), 1, 1..=MAX_RECURRING_ACTIONS)),
            min_interval_seconds: raw
                .min_recurring_interval_seconds
                .map(|n| self.number(least, Some(n), 60, 60..=MAX_LIFETIME_SECONDS)),
        }
    }

    fn topology(&mut self, raw: &RawTopology) -> Option<Topology> {
        let prefix = raw.prefix.as_deref().unwrap_or("acteon");
        let names = match Names::new(prefix) {
            Ok(names) => names,
            Err(error) => {
                self.error("topology.prefix", format!("is refused: {error}"));
                return None;
            }
        };
        let mut settings = Settings::new(prefix);
        settings.partitions = raw.partitions.unwrap_or(settings.partitions);
        settings.replication_factor = raw.replication_factor.unwrap_or(settings.replication_factor);
        if let Some(hours) = raw.expiring_retention_hours {
            settings.expiring_retention_ms = i64::from(hours) * HOUR_MS;
        }
        Some(Topology { names, settings })
    }

    /// What the topology itself refuses: counts, and providers whose topics would collide.
    fn topics(&mut self, config: &Config) {
        if let Err(error) = Topics::of(&config.topology_settings()) {
            self.report.error(self.spans.get("topology").cloned(), format!("[topology] {error}"));
        }
    }

    fn processor(&mut self, raw: RawProcessor, prefix: &str) -> Processor {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for (key, value) in
            [("processor.application_id", &raw.application_id), ("processor.instance_id", &raw.instance_id)]
        {
            // They are parts of group and transactional ids and of paths: the rules for topic names serve well.
            if let Some(Err(error)) = value.as_deref().map(Names::new) {
                self.error(key, format!("is refused like a topic name: {error}"));
            }
        }
        Processor {
            workers_given: raw.workers.is_some(),
            workers: self.number("processor.workers", raw.workers, cores.min(DEFAULT_MAX_WORKERS), 1..=MAX_WORKERS),
            state_dir: raw.state_dir.unwrap_or_else(|| "./.acteon/state".into()),
            application_id: raw.application_id.unwrap_or_else(|| format!("{prefix}.processor")),
            instance_id: raw.instance_id,
            commit_interval_ms: self.number("processor.commit_interval_ms", raw.commit_interval_ms, 100, 1..=60_000),
            commit_max_records: self.number(
                "processor.commit_max_records",
                raw.commit_max_records,
                10_000,
                1..=1_000_000,
            ),
            commit_max_bytes: self.number(
                "processor.commit_max_bytes",
                raw.commit_max_bytes,
                16 << 20,
                64 << 10..=1 << 30,
            ),
        }
    }

    fn rules(&mut self, raw: RawRules) -> Rules {
        let default_timezone = raw.default_timezone.unwrap_or_else(|| "UTC".to_owned());
        if default_timezone.parse::<chrono_tz::Tz>().is_err() {
            let zones: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
            let near = nearest_zone(&default_timezone, &zones)
                .map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
            self.error(
                "rules.default_timezone",
                format!("is {default_timezone:?}, which is no IANA time zone such as Europe/Berlin{near}"),
            );
        }
        Rules {
            directory_given: raw.directory.is_some(),
            directory: raw.directory.unwrap_or_else(|| "./rules".into()),
            default_timezone,
            evaluation: self.word("rules.evaluation", raw.evaluation, &["cascade", "first_match"]),
            default: self.word("rules.default", raw.default, &["allow", "deny"]),
            watch: raw.watch.unwrap_or(true),
        }
    }

    fn limits(&mut self, raw: &RawExecutor) -> DeliveryLimits {
        let mut limits = DeliveryLimits::default();
        limits.max_retries = raw.max_retries.unwrap_or(limits.max_retries);
        limits.timeout = raw.timeout_seconds.map_or(limits.timeout, Duration::from_secs);
        limits.max_concurrent = raw.max_concurrent.unwrap_or(limits.max_concurrent);
        if let Err(error) = limits.validate() {
            match error {
                ConnectorsError::Config { key, problem } => {
                    let key = if key == "timeout" { "timeout_seconds" } else { key };
                    self.error(&format!("executor.{key}"), problem);
                }
                other => self.report.error(self.spans.get("executor").cloned(), other.to_string()),
            }
        }
        limits
    }

    fn egress(&mut self, raw: &RawEgress) -> EgressPolicy {
        EgressPolicy::allowing(&raw.allow).unwrap_or_else(|error| {
            match error {
                ConnectorsError::Config { problem, .. } => self.error("egress.allow", problem),
                other => self.error("egress.allow", other),
            }
            EgressPolicy::default()
        })
    }

    fn health_interval(&mut self, seconds: Option<u64>) -> Duration {
        let range = 1..=MAX_HEALTH_INTERVAL.as_secs();
        let key = "connectors.health_interval_seconds";
        Duration::from_secs(self.number(key, seconds, DEFAULT_HEALTH_INTERVAL_SECONDS, range))
    }

    fn audit(&mut self, raw: RawAudit) -> Audit {
        let redact = raw.redact;
        let enabled = redact.enabled.unwrap_or(false);
        if !enabled && redact.fields.is_some() && redact.enabled.is_none() {
            let message = "[audit.redact] has fields, but no `enabled = true`: nothing is hidden";
            self.report.warn(self.spans.get("audit.redact.fields").cloned(), message);
        }
        let fields =
            redact.fields.unwrap_or_else(|| DEFAULT_REDACT_FIELDS.iter().map(|field| (*field).to_owned()).collect());
        Audit {
            store_payload: raw.store_payload.unwrap_or(true),
            ttl_seconds: self.lifetime("audit.ttl_seconds", raw.ttl_seconds),
            redact_fields: if enabled { fields } else { Vec::new() },
            placeholder: redact.placeholder.unwrap_or_else(|| "[REDACTED]".to_owned()),
        }
    }
}

/// The zone nearest to what was written, which may lack its continent.
fn nearest_zone<'z>(written: &str, zones: &[&'z str]) -> Option<&'z str> {
    let city = |zone: &&'z str| zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(written));
    zones.iter().copied().find(city).or_else(|| {
        zones
            .iter()
            .map(|zone| (strsim::damerau_levenshtein(&written.to_lowercase(), &zone.to_lowercase()), *zone))
            .filter(|(distance, _)| *distance <= 3)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, zone)| zone)
    })
}
