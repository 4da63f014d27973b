//! Reading a topic from where one chooses, committed records only, outside any consumer group.

use crate::client::{properties, refused, words};
use crate::{Error, KafkaConfig};
use acteon_schemas::partition_of;
use rdkafka::client::Client;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientContext, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::Duration;

/// Longest wait for an answer about a topic.
const METADATA_TIMEOUT: Duration = Duration::from_secs(15);
/// librdkafka wants a group id even where no group is joined and nothing is committed.
const GROUP_ID: &str = "acteon.follower";
/// Most that is read ahead, in kilobytes.
const READ_AHEAD_KB: &str = "16384";

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The oldest record that is kept.
    Beginning,
    /// What comes after the call.
    End,
    /// The first record of this time or later, in milliseconds since 1970.
    Time(i64),
}

/// Keeps librdkafka's own reports off the terminal: what matters of them comes back as an error of a call.
pub struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "kafka client");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}

impl ConsumerContext for Quiet {}

/// A reader of one topic, all partitions or some.
pub struct Follower {
    kafka: KafkaConfig,
    consumer: BaseConsumer<Quiet>,
    partitions: usize,
    ended: BTreeSet<i32>,
}

/// What there is to see next.
pub enum Next<'f> {
    /// A committed record.
    Record(BorrowedMessage<'f>),
    /// Nothing within the time.
    Nothing,
    /// Every partition was read to its end at least once.
    End,
}

impl Follower {
    /// Starts to read. When it returns, the places to begin at are fixed.
    ///
    /// # Errors
    /// Kafka does not answer, or there is no such topic.
    pub fn start(kafka: &KafkaConfig, topic: &str, from: From) -> Result<Self, Error> {
        Self::of(kafka, topic, from, |partitions| partitions)
    }

    /// Starts to read the one partition that records with this key are in.
    ///
    /// # Errors
    /// As for [`Follower::start`].
    pub fn of_key(kafka: &KafkaConfig, topic: &str, key: &[u8], from: From) -> Result<Self, Error> {
        Self::of(kafka, topic, from, |partitions| {
            let count = i32::try_from(partitions.len()).unwrap_or(i32::MAX);
            vec![partition_of(key, count)]
        })
    }

    /// Starts to read partitions at offsets.
    ///
    /// # Errors
    /// As for [`Follower::start`].
    pub fn at(kafka: &KafkaConfig, topic: &str, places: &[(i32, i64)]) -> Result<Self, Error> {
        let consumer = consumer(kafka)?;
        partitions(consumer.client(), kafka, topic)?;
        let mut start = TopicPartitionList::new();
        for &(partition, offset) in places {
            add(&mut start, kafka, topic, partition, Offset::Offset(offset))?;
        }
        Self::assign(kafka, consumer, &start)
    }

    fn of(
        kafka: &KafkaConfig,
        topic: &str,
        from: From,
        choose: impl FnOnce(Vec<i32>) -> Vec<i32>,
    ) -> Result<Self, Error> {
        let consumer = consumer(kafka)?;
        let partitions = choose(partitions(consumer.client(), kafka, topic)?);
        let mut start = TopicPartitionList::new();
        for &partition in &partitions {
            let offset = match from {
                From::Beginning => Offset::Beginning,
                From::End => {
                    let what = || format!("tell the end of {topic} partition {partition}");
                    let ends = consumer.fetch_watermarks(topic, partition, METADATA_TIMEOUT);
                    Offset::Offset(ends.map_err(|error| refused(kafka, &what(), &error))?.1)
                }
                From::Time(ms) => {
                    let what = || format!("find the records of a time in {topic} partition {partition}");
                    since(&consumer, topic, partition, ms).map_err(|error| refused(kafka, &what(), &error))?
                }
            };
            add(&mut start, kafka, topic, partition, offset)?;
        }
        Self::assign(kafka, consumer, &start)
    }

    fn assign(kafka: &KafkaConfig, consumer: BaseConsumer<Quiet>, start: &TopicPartitionList) -> Result<Self, Error> {
        consumer.assign(start).map_err(|error| refused(kafka, "assign partitions", &error))?;
        Ok(Self { kafka: kafka.clone(), consumer, partitions: start.count(), ended: BTreeSet::new() })
    }

    /// The next record, if one comes within `timeout`. Kafka may be away for any time; reading goes on when it is back.
    ///
    /// # Errors
    /// The client can't go on.
    pub fn next(&mut self, timeout: Duration) -> Result<Next<'_>, Error> {
        match self.consumer.poll(timeout) {
            None => Ok(Next::Nothing),
            Some(Ok(record)) => Ok(Next::Record(record)),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                let more = self.ended.insert(partition);
                Ok(if more && self.ended.len() == self.partitions { Next::End } else { Next::Nothing })
            }
            // librdkafka goes on by itself after everything but a fatal error.
            Some(Err(error)) if error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::Fatal) => {
                Err(refused(&self.kafka, "go on reading", &error))
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "kafka can't be read at the moment");
                Ok(Next::Nothing)
            }
        }
    }
}

/// Where the first record of a time or later stands; the end where there is none.
fn since(consumer: &BaseConsumer<Quiet>, topic: &str, partition: i32, ms: i64) -> KafkaResult<Offset> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(ms))?;
    let found = consumer.offsets_for_times(list, METADATA_TIMEOUT)?;
    Ok(found.find_partition(topic, partition).map_or(Offset::End, |found| found.offset()))
}

/// The properties of a consumer that reads committed records from where it is told to, outside any consumer group, and
/// tells of each partition's end.
#[must_use]
pub fn reader_properties(kafka: &KafkaConfig) -> ClientConfig {
    let mut config = kafka.client();
    config
        .set("group.id", GROUP_ID)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("allow.auto.create.topics", "false")
        .set("queued.max.messages.kbytes", READ_AHEAD_KB)
        .set("fetch.wait.max.ms", "100");
    config
}

fn consumer(kafka: &KafkaConfig) -> Result<BaseConsumer<Quiet>, Error> {
    reader_properties(kafka).create_with_context(Quiet).map_err(|error| properties(&error))
}

fn add(
    list: &mut TopicPartitionList,
    kafka: &KafkaConfig,
    topic: &str,
    partition: i32,
    offset: Offset,
) -> Result<(), Error> {
    let what = || format!("read {topic} partition {partition}");
    list.add_partition_offset(topic, partition, offset).map_err(|error| refused(kafka, &what(), &error))
}

/// The partition numbers of a topic that must exist.
///
/// # Errors
/// Kafka does not answer, or there is no such topic.
pub fn partitions<C: ClientContext>(client: &Client<C>, kafka: &KafkaConfig, topic: &str) -> Result<Vec<i32>, Error> {
    let bootstrap = || kafka.bootstrap().to_owned();
    let metadata = client
        .fetch_metadata(Some(topic), METADATA_TIMEOUT)
        .map_err(|error| Error::Unreachable { bootstrap: bootstrap(), reason: words(&error) })?;
    let partitions: Vec<i32> = metadata
        .topics()
        .iter()
        .filter(|found| found.name() == topic)
        .flat_map(|found| found.partitions().iter().map(|partition| partition.id()))
        .collect();
    if partitions.is_empty() {
        return Err(Error::NoTopic { bootstrap: bootstrap(), topic: topic.to_owned() });
    }
    Ok(partitions)
}
