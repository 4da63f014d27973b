//! Reading a topic from where one chooses, committed records only, outside any consumer group.

use acteon_schemas::partition_of;
use acteon_topology::KafkaConfig;
use anyhow::{Context as _, Result};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientContext, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::Duration;

use crate::exit::{Exit, Failure};

/// Longest wait for an answer about a topic.
const METADATA_TIMEOUT: Duration = Duration::from_secs(15);
/// librdkafka wants a group id even where no group is joined and nothing is committed.
const GROUP_ID: &str = "acteon.cli";
/// Most that is read ahead, in kilobytes.
const READ_AHEAD_KB: &str = "16384";

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Beginning,
    /// What comes after the call.
    End,
}

/// Keeps librdkafka's own reports off the terminal: what matters of them comes back as an error of a call.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "kafka client");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}

impl ConsumerContext for Quiet {}

/// A reader of one topic, all partitions or one.
pub(crate) struct Follower {
    consumer: BaseConsumer<Quiet>,
    partitions: usize,
    ended: BTreeSet<i32>,
}

/// What there is to see next.
pub(crate) enum Next<'f> {
    Record(BorrowedMessage<'f>),
    /// Nothing within the time.
    Nothing,
    /// Every partition was read to its end at least once.
    End,
}

impl Follower {
    /// Starts to read. When it returns, the places to begin at are fixed.
    pub(crate) fn start(kafka: &KafkaConfig, topic: &str, from: From) -> Result<Self> {
        Self::of(kafka, topic, from, |partitions| partitions)
    }

    /// Starts to read the one partition that records with this key are in.
    pub(crate) fn of_key(kafka: &KafkaConfig, topic: &str, key: &[u8], from: From) -> Result<Self> {
        Self::of(kafka, topic, from, |partitions| {
            let count = i32::try_from(partitions.len()).unwrap_or(i32::MAX);
            vec![partition_of(key, count)]
        })
    }

    /// Starts to read partitions at offsets.
    pub(crate) fn at(kafka: &KafkaConfig, topic: &str, places: &[(i32, i64)]) -> Result<Self> {
        let consumer = consumer(kafka)?;
        partitions(consumer.client(), kafka, topic)?;
        let mut start = TopicPartitionList::new();
        for &(partition, offset) in places {
            start.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        }
        consumer.assign(&start)?;
        Ok(Self { consumer, partitions: places.len(), ended: BTreeSet::new() })
    }

    fn of(kafka: &KafkaConfig, topic: &str, from: From, choose: impl FnOnce(Vec<i32>) -> Vec<i32>) -> Result<Self> {
        let consumer = consumer(kafka)?;
        let partitions = choose(partitions(consumer.client(), kafka, topic)?);
        let mut start = TopicPartitionList::new();
        for &partition in &partitions {
            let offset = match from {
                From::Beginning => Offset::Beginning,
                From::End => {
                    let (_, end) = consumer
                        .fetch_watermarks(topic, partition, METADATA_TIMEOUT)
                        .with_context(|| format!("can't read the end of {topic} partition {partition}"))?;
                    Offset::Offset(end)
                }
            };
            start.add_partition_offset(topic, partition, offset)?;
        }
        consumer.assign(&start)?;
        Ok(Self { consumer, partitions: partitions.len(), ended: BTreeSet::new() })
    }

    /// The next record, if one comes within `timeout`.
    pub(crate) fn next(&mut self, timeout: Duration) -> Result<Next<'_>> {
        match self.consumer.poll(timeout) {
            None => Ok(Next::Nothing),
            Some(Ok(record)) => Ok(Next::Record(record)),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                let more = self.ended.insert(partition);
                Ok(if more && self.ended.len() == self.partitions { Next::End } else { Next::Nothing })
            }
            // librdkafka goes on by itself after everything but a fatal error.
            Some(Err(error)) if error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::Fatal) => {
                Err(error.into())
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "kafka can't be read at the moment");
                Ok(Next::Nothing)
            }
        }
    }
}

fn consumer(kafka: &KafkaConfig) -> Result<BaseConsumer<Quiet>> {
    let consumer = kafka
        .client()
        .set("group.id", GROUP_ID)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("allow.auto.create.topics", "false")
        .set("queued.max.messages.kbytes", READ_AHEAD_KB)
        .set("fetch.wait.max.ms", "100")
        .create_with_context(Quiet)?;
    Ok(consumer)
}

/// The partition numbers of a topic that must exist.
pub(crate) fn partitions<C: ClientContext>(
    client: &rdkafka::client::Client<C>,
    kafka: &KafkaConfig,
    topic: &str,
) -> Result<Vec<i32>> {
    let metadata = client.fetch_metadata(Some(topic), METADATA_TIMEOUT).map_err(|error| {
        Failure::error(Exit::Unreachable, format!("Kafka at {} does not answer: {error}", kafka.bootstrap()))
    })?;
    let partitions: Vec<i32> = metadata
        .topics()
        .iter()
        .filter(|found| found.name() == topic)
        .flat_map(|found| found.partitions().iter().map(|partition| partition.id()))
        .collect();
    if partitions.is_empty() {
        let message = format!(
            "there is no topic {topic} on Kafka at {}: create the topics with `acteon topology apply`",
            kafka.bootstrap()
        );
        return Err(Failure::error(Exit::Failed, message));
    }
    Ok(partitions)
}
