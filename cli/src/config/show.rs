//! The effective configuration, for people and programs, without secrets.

use super::{Config, Processor, circuits};
use acteon_connectors::{DeliveryLimits, ProviderConfig};
use acteon_topology::Settings;
use serde_json::{Value, json};

/// Every key with its value in effect, in the shape of the file.
pub(crate) fn shown(config: &Config) -> Value {
    let Config { server, kafka, topology, rules, limits, providers, audit, .. } = config;
    let Config { chains, state_machines, time_intervals, .. } = config;
    let Settings { partitions, replication_factor, expiring_retention_ms, .. } = &topology.settings;
    let mut shown = json!({
        "server": {
            "host": server.host,
            "port": server.port,
            "shutdown_timeout_seconds": server.shutdown_timeout.as_secs(),
            "max_concurrent_dispatch": server.max_concurrent_dispatch,
            "max_sse_connections": server.streams.total,
            "max_sse_connections_per_tenant": server.streams.per_tenant,
        },
        "kafka": kafka.redacted(),
        "topology": {
            "prefix": topology.names.prefix(),
            "partitions": partitions,
            "replication_factor": replication_factor,
            "expiring_retention_hours": expiring_retention_ms / 3_600_000,
        },
        "processor": processor(&config.processor),
        "rules": {
            "directory": rules.directory,
            "default_timezone": rules.default_timezone,
            "evaluation": rules.evaluation,
            "default": rules.default,
            "watch": rules.watch,
        },
        "executor": {
            "max_retries": limits.max_retries,
            "timeout_seconds": limits.timeout.as_secs(),
            "max_concurrent": limits.max_concurrent,
        },
        "egress": { "allow": config.egress.entries() },
        "connectors": {
            "allow_exec": config.allow_exec,
            "health_interval_seconds": config.health_interval.as_secs(),
        },
        "templates": config.templates.templates,
        "profiles": config.templates.profiles,
        "providers": providers.iter().map(|config| provider(config, limits)).collect::<Vec<_>>(),
        "audit": {
            "store_payload": audit.store_payload,
            "redact": {
                "enabled": !audit.redact_fields.is_empty(),
                "fields": audit.redact_fields,
                "placeholder": audit.placeholder,
            },
        },
        "chains": { "definitions": chains.definitions },
        "state_machines": state_machines,
        "time_intervals": time_intervals,
    });
    let (ingest, alertmanager) = config.ingest.shown();
    shown["ingest"] = ingest;
    if let Some(alertmanager) = alertmanager {
        shown["alertmanager"] = alertmanager;
    }
    if !config.circuits.is_empty() {
        shown["circuit_breaker"] = circuits::shown(&config.circuits);
    }
    add_optional(&mut shown, config);
    shown
}

fn processor(processor: &Processor) -> Value {
    let mut keys = json!({
        "workers": processor.workers,
        "state_dir": processor.state_dir,
        "application_id": processor.application_id,
        "commit_interval_ms": processor.commit_interval_ms,
        "commit_max_records": processor.commit_max_records,
        "commit_max_bytes": processor.commit_max_bytes,
    });
    if let Some(id) = &processor.instance_id {
        keys["instance_id"] = json!(id);
    }
    keys
}

/// What has no value unless it is set.
fn add_optional(shown: &mut Value, config: &Config) {
    let Config { server, audit, chains, recurring, .. } = config;
    let optional = [
        ("server", "external_url", server.external_url.as_ref().map(|url| json!(url))),
        ("audit", "ttl_seconds", audit.ttl_seconds.map(|n| json!(n))),
        ("chains", "completed_chain_ttl_seconds", chains.completed_ttl_seconds.map(|n| json!(n))),
        ("background", "max_recurring_actions_per_tenant", recurring.max_per_tenant.map(|n| json!(n))),
        ("background", "min_recurring_interval_seconds", recurring.min_interval_seconds.map(|n| json!(n))),
        ("retention", "event_ttl_seconds", config.event_ttl_seconds.map(|n| json!(n))),
    ];
    for (section, key, value) in optional {
        if let Some(value) = value {
            shown[section][key] = value;
        }
    }
}

fn provider(provider: &ProviderConfig, shared: &DeliveryLimits) -> Value {
    let limits = provider.limits(shared);
    let mut keys = json!({
        "name": provider.name,
        "type": provider.settings.type_name(),
        "ordered": provider.ordered,
        "max_retries": limits.max_retries,
        "timeout_seconds": limits.timeout.as_secs(),
        "max_concurrent": limits.max_concurrent,
    });
    if let Some(rate) = provider.rate_per_second {
        keys["rate_per_second"] = json!(rate);
    }
    if let Some(profile) = &provider.profile {
        keys["profile"] = json!(profile);
    }
    if let Some(retry) = &provider.long_retry {
        keys["long_retry"] = json!({
            "max_retries": retry.max_retries,
            "initial_seconds": retry.initial_ms / 1000,
            "max_seconds": retry.max_ms / 1000,
        });
    }
    if let (Value::Object(keys), Value::Object(own)) = (&mut keys, provider.settings.shown()) {
        keys.extend(own);
    }
    keys
}
