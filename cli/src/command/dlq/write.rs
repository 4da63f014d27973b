//! Writes records again, and what was done with dead letters.

use super::entry::Id;
use crate::clock;
use crate::config::Config;
use acteon_schemas::{DeadLetterResolution, Resolution, headers};
use acteon_topology::DEAD_LETTER_MAX_MESSAGE_BYTES;
use anyhow::{Context as _, Result};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::runtime::{Builder, Runtime};

/// How long a record may take, retries included.
const DELIVERY_TIMEOUT_MS: &str = "60000";

/// A record to write.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) topic: &'a str,
    /// Where the key does not say.
    pub(super) partition: Option<i32>,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: OwnedHeaders,
}

/// Writes one record at a time, each with its acknowledgement.
pub(super) struct Writer {
    producer: FutureProducer,
    runtime: Runtime,
    dlq: String,
}

impl Writer {
    pub(super) fn start(config: &Config) -> Result<Self> {
        let producer = config
            .kafka
            .client()
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", DELIVERY_TIMEOUT_MS)
            // librdkafka's default is less than a dead letter may have.
            .set("message.max.bytes", DEAD_LETTER_MAX_MESSAGE_BYTES.to_string())
            .set("allow.auto.create.topics", "false")
            .create()?;
        let runtime = Builder::new_current_thread().enable_time().build()?;
        Ok(Self { producer, runtime, dlq: config.topology.names.dlq().to_owned() })
    }

    /// Writes a record and waits for the acknowledgement.
    pub(super) fn write(&self, record: &Outgoing<'_>) -> Result<()> {
        let mut future_record = FutureRecord::<[u8], [u8]>::to(record.topic).headers(record.headers.clone());
        future_record.partition = record.partition;
        future_record.key = record.key;
        future_record.payload = record.value;
        let taken = match self.producer.send_result(future_record) {
            Ok(delivery) => self.runtime.block_on(delivery).map_err(|_| rdkafka::error::KafkaError::Canceled),
            Err((error, _)) => Err(error),
        };
        let taken = taken.and_then(|delivered| delivered.map_err(|(error, _)| error));
        taken.map(drop).with_context(|| format!("Kafka did not take the record for {}", record.topic))
    }

    /// Marks a dead letter.
    pub(super) fn resolve(&self, id: Id, resolution: Resolution, by: Option<&str>) -> Result<()> {
        let record = DeadLetterResolution {
            partition: id.partition,
            offset: id.offset,
            resolution,
            at: clock::now_ms(),
            by: by.filter(|name| !name.is_empty()).map(str::to_owned),
        };
        let (key, value) = (record.key(), serde_json::to_vec(&record)?);
        let header = Header { key: headers::TYPE, value: Some(DeadLetterResolution::TYPE) };
        self.write(&Outgoing {
            topic: &self.dlq,
            partition: Some(id.partition),
            key: Some(key.as_bytes()),
            value: Some(&value),
            headers: OwnedHeaders::new().insert(header),
        })
    }
}
