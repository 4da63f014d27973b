//! The producer: what it is configured with, and one that has failed for good is replaced.

use super::record::Record;
use super::settings::KafkaSettings;
use crate::clock;
use crate::error::Error;
use crate::kafka::{MESSAGE_MAX_BYTES, Throttle, lock, log};
use crate::replaceable::Replaceable;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use std::sync::{Arc, Mutex};

/// Most records that wait in the producer of one provider.
const MAX_QUEUED_RECORDS: &str = "10000";
/// The same in KiB.
const MAX_QUEUED_KBYTES: &str = "65536";
/// Longest time from handing a record over to its acknowledgement, in milliseconds; the call's own limit may be shorter.
/// What is given up by then is never written later.
const DELIVERY_TIMEOUT_MS: &str = "20000";
/// How long a topic may be unknown before that is an error, in milliseconds.
const UNKNOWN_TOPIC_MS: &str = "5000";
/// Most properties.
const MAX_PROPERTIES: usize = 256;

/// Properties that are Acteon's, with their values.
const OWN: [(&str, &str); 7] = [
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("queue.buffering.max.messages", MAX_QUEUED_RECORDS),
    ("queue.buffering.max.kbytes", MAX_QUEUED_KBYTES),
    ("message.timeout.ms", DELIVERY_TIMEOUT_MS),
    ("topic.metadata.propagation.max.ms", UNKNOWN_TOPIC_MS),
    ("message.max.bytes", MESSAGE_MAX_BYTES),
];
/// Properties that can't be set because they have a key of their own, are another name of one of [`OWN`], or change what
/// it means that a record is written.
const REFUSED: [&str; 6] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "request.required.acks",
    "delivery.timeout.ms",
    "transactional.id",
    "enable.gapless.guarantee",
];
/// Properties that are set unless the configuration says otherwise.
const DEFAULTS: [(&str, &str); 3] =
    [("client.id", "acteon"), ("compression.type", "lz4"), ("partitioner", "murmur2_random")];

/// The producer's properties.
///
/// # Errors
/// [`Error::Provider`] with the property at fault: one that is Acteon's, or that librdkafka refuses.
pub(super) fn properties(name: &str, settings: &KafkaSettings) -> Result<ClientConfig, Error> {
    if settings.bootstrap_servers.trim().is_empty() {
        return Err(Error::provider(name, "bootstrap_servers", "is empty; give the brokers' addresses, host:port"));
    }
    let given = &settings.properties.0;
    if given.len() > MAX_PROPERTIES {
        return Err(Error::provider(name, "properties", format!("has more than {MAX_PROPERTIES} entries")));
    }
    let mut config = ClientConfig::new();
    for (property, value) in DEFAULTS {
        config.set(property, value);
    }
    for (property, value) in given {
        let bad = |problem: String| Error::provider(name, format!("properties.{property}"), problem);
        if OWN.iter().any(|(own, _)| own == property) || REFUSED.contains(&property.as_str()) {
            return Err(bad("is set by Acteon; leave it out".to_owned()));
        }
        if let Some(reason) = refused(property, value.expose()) {
            return Err(bad(format!("is refused by librdkafka: {reason}")));
        }
        config.set(property, value.expose());
    }
    config.set("bootstrap.servers", &settings.bootstrap_servers);
    for (property, value) in OWN {
        config.set(property, value);
    }
    Ok(config)
}

/// Why librdkafka refuses a property, if it does; without the value, which may be a secret at a wrong place.
fn refused(property: &str, value: &str) -> Option<String> {
    let reason = match ClientConfig::new().set(property, value).create_native_config() {
        Ok(_) => return None,
        Err(KafkaError::ClientConfig(_, reason, _, _)) => reason,
        Err(error) => error.to_string(),
    };
    Some(if !value.is_empty() && reason.contains(value) { "it takes no such value".to_owned() } else { reason })
}

/// A record that is in the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// A record that is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unwritten {
    /// What the delivery report says; `None` where there is none, because the producer has ended.
    pub(super) code: Option<RDKafkaErrorCode>,
    /// The last trouble with brokers since a record was written: why one that waited too long did so.
    pub(super) trouble: Option<RDKafkaErrorCode>,
}

/// A producer of one provider.
pub(super) struct Producer {
    current: Replaceable<FutureProducer<Context>>,
    trouble: Arc<Trouble>,
}

impl Producer {
    pub(super) fn new(name: &str, properties: ClientConfig) -> Result<Self, Error> {
        let trouble =
            Arc::new(Trouble { name: name.to_owned(), last: Mutex::default(), throttle: Throttle::default() });
        let context = Context(Arc::clone(&trouble));
        let make = move || properties.create_with_context(context.clone());
        let current =
            Replaceable::new(name, make, |producer: &FutureProducer<Context>| producer.client().fatal_error())
                .map_err(|source| Error::Client { client: format!("provider `{name}`"), source })?;
        Ok(Self { current, trouble })
    }

    /// Writes a record and waits for its acknowledgement.
    pub(super) async fn send(&self, record: &Record<'_>, value: &[u8]) -> Result<Written, Unwritten> {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut outgoing = FutureRecord::<str, [u8]>::to(&record.topic).payload(value).headers(headers);
        outgoing.partition = record.partition;
        outgoing.key = record.key.as_deref();
        // Nobody holds a producer while it waits: one that has failed would be dropped here, on a call's thread.
        let sent = self.current.current().send_result(outgoing);
        let error = match sent {
            Err((error, _)) => Some(error),
            Ok(delivery) => match delivery.await {
                Ok(Ok(delivery)) => {
                    lock(&self.trouble.last).take();
                    return Ok(Written { partition: delivery.partition, offset: delivery.offset });
                }
                Ok(Err((error, _))) => Some(error),
                Err(_) => None,
            },
        };
        self.current.replace_failed();
        let trouble = *lock(&self.trouble.last);
        Err(Unwritten { code: error.and_then(|error| error.rdkafka_error_code()), trouble })
    }
}

/// What librdkafka says of its connections.
struct Trouble {
    name: String,
    last: Mutex<Option<RDKafkaErrorCode>>,
    throttle: Throttle,
}

#[derive(Clone)]
struct Context(Arc<Trouble>);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(&self.0.name, level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        let mut last = lock(&self.0.last);
        // That all brokers are down says less than what was wrong with the last of them.
        if last.is_none() || code != Some(RDKafkaErrorCode::AllBrokersDown) {
            *last = code;
        }
        drop(last);
        if self.0.throttle.permits(clock::now()) {
            tracing::warn!(provider = self.0.name, %error, reason, "the provider's kafka is in trouble");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_written_record_means_can_t_be_configured_away() {
        let settings: KafkaSettings = serde_json::from_value(json!({
            "bootstrap_servers": "a:1,b:2", "topic": "t",
            "properties": {"compression.type": "zstd", "sasl.password": "hunter2"},
        }))
        .unwrap();
        let properties = properties("k", &settings).unwrap();
        for (property, value) in [
            ("bootstrap.servers", "a:1,b:2"),
            ("compression.type", "zstd"),
            ("sasl.password", "hunter2"),
            ("partitioner", "murmur2_random"),
            ("enable.idempotence", "true"),
            ("acks", "all"),
        ] {
            assert_eq!(properties.get(property), Some(value), "{property}");
        }
    }
}
