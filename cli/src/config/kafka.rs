//! The `[kafka]` section: any librdkafka property, checked by librdkafka itself.

use super::keys::Spans;
use super::problem::Report;
use acteon_topology::KafkaConfig;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;

/// Where Kafka is if nothing says otherwise; also where `acteon dev` listens.
pub(super) const DEFAULT_BOOTSTRAP_SERVERS: &str = "127.0.0.1:9092";

/// Properties that exactly-once processing depends on: each client of ours sets them as it needs.
const OURS: [&str; 12] = [
    "group.id",
    "group.instance.id",
    "transactional.id",
    "enable.idempotence",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "isolation.level",
    "partition.assignment.strategy",
    "partitioner",
    "acks",
    "allow.auto.create.topics",
];

/// The properties of the section, less those that have no effect; problems go to the report.
pub(super) fn properties(mut section: toml::Table, spans: &Spans, report: &mut Report<'_>) -> KafkaConfig {
    let default = KafkaConfig::new(DEFAULT_BOOTSTRAP_SERVERS);
    let nested = section.get("bootstrap").and_then(|table| table.get("servers")).is_some();
    if !nested {
        section.entry("bootstrap.servers").or_insert_with(|| DEFAULT_BOOTSTRAP_SERVERS.into());
    }
    let mut properties: BTreeMap<String, String> = match section.try_into::<KafkaConfig>() {
        Ok(kafka) => kafka.properties().clone(),
        Err(error) => {
            report.error(spans.get("kafka").cloned(), error.message());
            return default;
        }
    };
    let span = |name: &str| spans.get(&format!("kafka.{name}")).cloned();
    properties.retain(|name, value| {
        if OURS.contains(&name.as_str()) {
            let message = format!("[kafka] `{name}` has no effect: exactly-once processing sets it by itself");
            report.warn(span(name), message);
            return false;
        }
        if let Some(reason) = refused(name, value) {
            report.error(span(name), format!("[kafka] `{name}`: {reason}"));
        }
        true
    });
    KafkaConfig::from_properties(properties).unwrap_or_else(|error| {
        report.error(spans.get("kafka").cloned(), error.to_string());
        default
    })
}

/// Why librdkafka refuses a property, if it does.
fn refused(name: &str, value: &str) -> Option<String> {
    match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => None,
        Err(KafkaError::ClientConfig(_, reason, _, _)) => Some(reason),
        Err(error) => Some(error.to_string()),
    }
}
