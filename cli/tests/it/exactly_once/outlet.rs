//! How the test's own records get into the topics.

use super::log::PREFIX;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longest wait for the last acknowledgement.
const FLUSH_LIMIT: Duration = Duration::from_secs(120);
/// Time that is given to the producer in between.
const POLL_TIME: Duration = Duration::from_millis(5);

/// Counts what the broker did not take.
#[derive(Default)]
struct Reports {
    refused: AtomicUsize,
}

impl ClientContext for Reports {
    // The broker goes away and comes back.
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// An idempotent producer: what it sends again after a lost answer is there once.
pub(crate) struct Outlet {
    producer: BaseProducer<Reports>,
}

impl Outlet {
    pub(crate) fn new(bootstrap: &str) -> Self {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            .set("reconnect.backoff.max.ms", "500")
            .create_with_context(Reports::default())
            .unwrap();
        Self { producer }
    }

    /// Sends a record to a topic, by its name without the prefix; where no partition is named, its key says which.
    pub(crate) fn produce(&self, topic: &str, partition: Option<i32>, key: Option<&str>, value: Option<&[u8]>) {
        let topic = format!("{PREFIX}.{topic}");
        let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(&topic);
        (record.partition, record.key, record.payload) = (partition, key, value);
        while let Err((error, back)) = self.producer.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
            self.poll();
            record = back;
        }
    }

    /// Gives the producer a little time to take in what the broker says.
    pub(crate) fn poll(&self) {
        self.producer.poll(POLL_TIME);
    }

    /// Waits until the broker has everything.
    pub(crate) fn finish(&self) {
        self.producer.flush(FLUSH_LIMIT).unwrap();
        assert_eq!(self.producer.context().refused.load(Ordering::Relaxed), 0, "records were not delivered");
    }
}

/// How many of `count` things are due after a part of the time that they are spread over.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
pub(crate) fn due(passed: Duration, whole: Duration, count: usize) -> usize {
    (passed.div_duration_f64(whole).min(1.0) * count as f64) as usize
}
