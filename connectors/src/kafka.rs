//! The Kafka clients: their properties, and where their errors go.

use crate::clock;
use crate::error::Error;
use crate::replaceable::Replaceable;
use acteon_topology::KafkaConfig;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time between two warnings about the same trouble.
const WARN_INTERVAL: Duration = Duration::from_secs(5);
/// Largest message that the client lets through, in bytes: the broker's own limit shall decide.
pub(crate) const MESSAGE_MAX_BYTES: &str = "8000000";
/// What the producers of results are called in the log.
const RESULTS: &str = "results";

/// Locks a mutex whose data are valid at every moment, so that a panic elsewhere doesn't spread.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a warning through at most once in [`WARN_INTERVAL`].
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    last: Mutex<Option<Instant>>,
}

impl Throttle {
    /// Whether the warning shall be given now.
    pub(crate) fn permits(&self, now: Instant) -> bool {
        let mut last = lock(&self.last);
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= WARN_INTERVAL);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

/// Sends a line of librdkafka's log to ours.
pub(crate) fn log(client: &str, level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => tracing::warn!(client, facility, text, "librdkafka warning"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(client, facility, text, "librdkafka notice"),
        RDKafkaLogLevel::Debug => tracing::debug!(client, facility, text, "librdkafka debug"),
    }
}

/// The context of a producer.
#[derive(Debug, Default)]
pub(crate) struct ProducerLog {
    throttle: Throttle,
}

impl ClientContext for ProducerLog {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(RESULTS, level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if self.throttle.permits(clock::now()) {
            tracing::warn!(%error, reason, "kafka is in trouble; results wait");
        }
    }
}

/// Who is told what has become of a record: on the producer's own thread, or on the caller's where it was not taken.
pub(crate) struct Receipt(pub(crate) Box<dyn FnOnce(KafkaResult<()>) + Send + Sync>);

impl ProducerContext for ProducerLog {
    type DeliveryOpaque = Box<Receipt>;

    fn delivery(&self, result: &DeliveryResult<'_>, receipt: Self::DeliveryOpaque) {
        receipt.0(result.as_ref().map(drop).map_err(|(error, _)| error.clone()));
    }
}

/// A producer of results.
pub(crate) type ResultProducer = ThreadedProducer<ProducerLog>;

/// The properties of a producer that waits for `linger_ms` for more to send. Idempotent, not transactional: a second
/// result for a dispatch is dropped by the processor, and a lost one can't be told from a call that was never made.
fn producer_properties(kafka: &KafkaConfig, linger_ms: u32) -> ClientConfig {
    let mut config = kafka.client();
    config
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("compression.type", "lz4")
        .set("linger.ms", linger_ms.to_string())
        .set("message.max.bytes", MESSAGE_MAX_BYTES)
        // A result waits as long as Kafka is away.
        .set("message.timeout.ms", "0");
    config
}

/// Makes a producer of results that waits for `linger_ms` for more to send.
pub(crate) fn result_producer(kafka: &KafkaConfig, linger_ms: u32) -> Result<Replaceable<ResultProducer>, Error> {
    let properties = producer_properties(kafka, linger_ms);
    let make = move || properties.create_with_context(ProducerLog::default());
    Replaceable::new(RESULTS, make, |producer: &ResultProducer| producer.client().fatal_error())
        .map_err(|source| Error::Client { client: "the results".to_owned(), source })
}

/// The properties of the consumer of one provider's dispatches.
pub(crate) fn consumer_properties(kafka: &KafkaConfig, group: &str) -> ClientConfig {
    let mut config = kafka.client();
    config
        .set("group.id", group)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A new fleet makes the calls that wait.
        .set("auto.offset.reset", "earliest")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("allow.auto.create.topics", "false")
        // A topic that is made after the fleet has started is found within this time.
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("fetch.queue.backoff.ms", "20")
        // Tells markers at the end of a partition from dispatches that wait.
        .set("enable.partition.eof", "true")
        .set("queued.max.messages.kbytes", "8192");
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_come_at_most_once_an_interval() {
        let (throttle, start) = (Throttle::default(), clock::now());
        let permits: Vec<_> = [0, 1, 4, 5, 6, 11].map(|s| throttle.permits(start + Duration::from_secs(s))).into();
        assert_eq!(permits, [true, false, false, true, false, true]);
    }

    #[test]
    fn what_keeps_dispatches_from_being_lost_can_t_be_configured_away() {
        let kafka = KafkaConfig::new("127.0.0.1:1").with("enable.auto.commit", "true").with("client.id", "mine");
        let consumer = consumer_properties(&kafka, "g");
        let producer = producer_properties(&kafka.with("enable.idempotence", "false"), 2);
        assert_eq!(consumer.get("enable.auto.commit"), Some("false"));
        assert_eq!(consumer.get("client.id"), Some("mine"));
        assert_eq!(producer.get("enable.idempotence"), Some("true"));
    }
}
