//! Writes what a run finds: many records, in few large batches.

use std::time::Duration;

use anyhow::{Result, ensure};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::kafka;

/// Longest wait for the broker to take all records.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(120);

/// A producer of many records.
pub(crate) struct Bulk(BaseProducer);

impl Bulk {
    pub(crate) fn new(bootstrap: &str) -> Result<Self> {
        let producer = kafka::client(bootstrap)
            .set("partitioner", "murmur2_random")
            .set("compression.type", "lz4")
            .set("linger.ms", "20")
            .set("batch.size", "262144")
            .set("queue.buffering.max.messages", "100000")
            .create()?;
        Ok(Self(producer))
    }

    /// Takes a record, once there is room for it.
    pub(crate) fn send(&self, record: BaseRecord<'_, [u8], [u8]>) -> Result<()> {
        let mut record = record;
        while let Err((error, back)) = self.0.send(record) {
            ensure!(queue_is_full(&error), "cannot produce to {}: {error}", back.topic);
            self.0.poll(Duration::from_millis(10));
            record = back;
        }
        Ok(())
    }

    /// Waits until the broker has taken all.
    pub(crate) fn flush(self) -> Result<()> {
        Ok(self.0.flush(FLUSH_TIMEOUT)?)
    }
}

/// Whether a record can be sent again once some have left.
pub(crate) fn queue_is_full(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
}
