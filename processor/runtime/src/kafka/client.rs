use crate::log::LogError;
use acteon_topology::KafkaConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::time::Duration;

/// Limit of one administrative request (offsets, watermarks, cluster id).
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Limit of what a worker waits for when it joins, leaves or makes a producer.
pub(crate) const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A client's configuration: `defaults` where the user said nothing, then the user's, then what must be so.
pub(crate) fn configure(kafka: &KafkaConfig, defaults: &[(&str, &str)], required: &[(&str, &str)]) -> ClientConfig {
    let mut config = kafka.client();
    for (name, value) in defaults {
        if !kafka.properties().contains_key(*name) {
            config.set(*name, *value);
        }
    }
    for (name, value) in required {
        config.set(*name, *value);
    }
    config.set_log_level(RDKafkaLogLevel::Info);
    config
}

/// Logs librdkafka's messages with the place where they belong, and no louder than they deserve: it reconnects by itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct QuietContext;

impl ClientContext for QuietContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client error");
    }
}

impl ConsumerContext for QuietContext {}

pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, message, "kafka client");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => tracing::warn!(facility, message, "kafka client"),
        _ => tracing::debug!(facility, message, "kafka client"),
    }
}

/// A consumer outside any group, for reading topics by assignment.
pub(crate) fn quiet(kafka: &KafkaConfig, required: &[(&str, &str)]) -> Result<BaseConsumer<QuietContext>, LogError> {
    let defaults = [
        ("fetch.queue.backoff.ms", "20"),
        ("queued.max.messages.kbytes", "8192"),
        ("reconnect.backoff.max.ms", "1000"),
    ];
    // librdkafka asks for a group.id whatever the consumer is for.
    let mut all = vec![("group.id", "acteon-unused"), ("enable.auto.commit", "false")];
    all.extend_from_slice(required);
    configure(kafka, &defaults, &all)
        .create_with_context(QuietContext)
        .map_err(|error| LogError::Fatal(format!("consumer not made: {error}")))
}

/// The cluster's id.
///
/// # Errors
/// The cluster can't be reached.
pub(crate) fn cluster_id(kafka: &KafkaConfig) -> Result<String, LogError> {
    let consumer = quiet(kafka, &[])?;
    consumer
        .client()
        .fetch_cluster_id(SETTLE_TIMEOUT)
        .ok_or_else(|| LogError::Retriable(format!("{} does not tell its cluster id", kafka.bootstrap())))
}

/// Sorts an error by what can be done about it.
pub(crate) fn sort(error: &KafkaError) -> LogError {
    let text = error.to_string();
    match error.rdkafka_error_code() {
        Some(code) if is_fenced(code) => LogError::Fenced(text),
        Some(
            RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed,
        ) => LogError::Fatal(format!("{text}; check the credentials and ACLs of [kafka]")),
        _ => LogError::Retriable(text),
    }
}

/// Whether a code says that a newer producer has the same transactional id.
pub(crate) fn is_fenced(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::Fenced | RDKafkaErrorCode::InvalidProducerEpoch | RDKafkaErrorCode::ProducerFenced)
}
