//! A producer that reports where each record went.

use acteon_topology::{KafkaConfig, partitions};
use anyhow::{Result, anyhow};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a record may take, retries included.
const DELIVERY_TIMEOUT_MS: &str = "60000";
/// Most that is queued to be sent, in kilobytes.
const QUEUE_KB: &str = "65536";
/// How long [`Sender::finish`] waits at a time.
const POLL: Duration = Duration::from_millis(100);

/// Where a record went, or why it did not.
#[derive(Debug)]
pub(crate) struct Report {
    /// The number that [`Sender::send`] was given.
    pub(crate) line: u64,
    /// Partition and offset.
    pub(crate) place: Result<(i32, i64), KafkaError>,
}

/// Sends records to one topic.
pub(crate) struct Sender {
    producer: BaseProducer<Reports>,
    topic: String,
    unconfirmed: usize,
}

/// Delivery reports, collected while the producer is polled.
#[derive(Default)]
struct Reports(Mutex<Vec<Report>>);

impl ClientContext for Reports {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "kafka client");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // What matters comes back in a delivery report.
        tracing::debug!(%error, reason, "kafka client");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, line: Box<u64>) {
        let place = match result {
            Ok(record) => Ok((record.partition(), record.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        // The list is as good as before, whatever went wrong with its last user.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Report { line: *line, place });
    }
}

impl Sender {
    /// Connects. The topic must exist: one that Kafka makes by itself would have the wrong partition count.
    pub(crate) fn start(kafka: &KafkaConfig, topic: &str) -> Result<Self> {
        let producer: BaseProducer<Reports> = kafka
            .producer()
            .set("linger.ms", "5")
            .set("message.timeout.ms", DELIVERY_TIMEOUT_MS)
            .set("queue.buffering.max.kbytes", QUEUE_KB)
            .create_with_context(Reports::default())?;
        partitions(producer.client(), kafka, topic)?;
        Ok(Self { producer, topic: topic.to_owned(), unconfirmed: 0 })
    }

    /// Queues a record; false if the queue is full at the moment.
    pub(crate) fn send(&mut self, line: u64, key: Option<&[u8]>, value: &[u8]) -> Result<bool> {
        let mut record = BaseRecord::with_opaque_to(&self.topic, Box::new(line)).payload(value);
        if let Some(key) = key {
            record = record.key(key);
        }
        match self.producer.send::<[u8], [u8]>(record) {
            Ok(()) => {
                self.unconfirmed += 1;
                Ok(true)
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(false),
            Err((error, _)) => Err(anyhow!("can't send to {}: {error}", self.topic)),
        }
    }

    /// Records that are sent and not reported yet.
    pub(crate) fn unconfirmed(&self) -> usize {
        self.unconfirmed
    }

    /// Waits until there may be something to report.
    pub(crate) fn wait(&self, timeout: Duration) {
        if self.unconfirmed > 0 {
            self.producer.poll(timeout);
        }
    }

    /// What has been reported since the last call.
    pub(crate) fn reports(&mut self) -> Vec<Report> {
        self.producer.poll(Duration::ZERO);
        let mut list = self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner);
        let reports = std::mem::take(&mut *list);
        self.unconfirmed = self.unconfirmed.saturating_sub(reports.len());
        reports
    }

    /// Waits for all reports.
    ///
    /// # Errors
    /// A record could not be sent.
    pub(crate) fn finish(mut self) -> Result<Vec<Report>> {
        let mut all = Vec::new();
        while self.unconfirmed > 0 {
            self.wait(POLL);
            all.extend(self.reports());
        }
        match all.iter().find_map(|report| report.place.as_ref().err()) {
            Some(error) => Err(anyhow!("Kafka did not take the record for {}: {error}", self.topic)),
            None => Ok(all),
        }
    }
}
