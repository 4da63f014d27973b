//! Reading a topic from where one chooses, committed records only, outside any consumer group.

use crate::client::{properties, refused, words};
use crate::clock::Deadline;
use crate::{Error, KafkaConfig};
use acteon_schemas::partition_of;
use rdkafka::client::Client;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::Offset;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientContext, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::Duration;

/// Longest wait for an answer about a topic.
const METADATA_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for a partition that has no leader, or another one than its client knows: so it is for a moment after a
/// topic was created, and after a broker went away.
const LEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for a topic that the broker asked does not know: another one may have created it a moment ago.
const TOPIC_TIMEOUT: Duration = Duration::from_secs(1);
/// Time between two tries.
const TRY_INTERVAL: Duration = Duration::from_millis(200);
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

    /// Starts to read partitions at offsets. Of a partition that the topic does not have there is nothing to read.
    ///
    /// # Errors
    /// As for [`Follower::start`].
    pub fn at(kafka: &KafkaConfig, topic: &str, places: &[(i32, i64)]) -> Result<Self, Error> {
        let consumer = consumer(kafka)?;
        let present = partitions(consumer.client(), kafka, topic)?;
        let mut start = TopicPartitionList::new();
        for &(partition, offset) in places.iter().filter(|(partition, _)| present.contains(partition)) {
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
                    let ends = patiently(LEADER_TIMEOUT, topic, || {
                        consumer.fetch_watermarks(topic, partition, METADATA_TIMEOUT)
                    });
                    Offset::Offset(ends.map_err(|error| refused(kafka, &what(), &error))?.1)
                }
                From::Time(ms) => {
                    let what = || format!("find the records of a time in {topic} partition {partition}");
                    let found = patiently(LEADER_TIMEOUT, topic, || since(&consumer, topic, partition, ms));
                    found.map_err(|error| refused(kafka, &what(), &error))?
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
        if self.partitions == 0 {
            return Ok(Next::End);
        }
        match self.consumer.poll(timeout) {
            None => Ok(Next::Nothing),
            Some(Ok(record)) => Ok(Next::Record(record)),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                let more = self.ended.insert(partition);
                Ok(if more && self.ended.len() == self.partitions { Next::End } else { Next::Nothing })
            }
            // librdkafka goes on by itself after everything but a fatal error.
            Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) => {
                Err(refused(&self.kafka, "go on reading", &error))
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "kafka can't be read at the moment");
                Ok(Next::Nothing)
            }
        }
    }
}

/// Asks until the answer is none of those that pass by themselves, for at most `limit`.
fn patiently<T>(limit: Duration, topic: &str, mut ask: impl FnMut() -> KafkaResult<T>) -> KafkaResult<T> {
    let deadline = Deadline::after(limit);
    let mut told = false;
    loop {
        match ask() {
            Err(error) if passes(&error) && !deadline.left().is_zero() => {
                if !told {
                    tracing::info!(%error, topic, ?limit, "kafka still settles where a topic is; waiting");
                    told = true;
                }
                std::thread::sleep(TRY_INTERVAL.min(deadline.left()));
            }
            answer => return answer,
        }
    }
}

/// Whether a failure passes by itself while brokers agree on who leads what.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::ReplicaNotAvailable
                | Code::FencedLeaderEpoch
                | Code::UnknownLeaderEpoch
                | Code::OffsetNotAvailable
        )
    )
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
        // When so much was read ahead: librdkafka's second is long enough to take all of it, and wait for more.
        .set("fetch.queue.backoff.ms", "20")
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
    let missing = || KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition);
    let found = patiently(TOPIC_TIMEOUT, topic, || {
        let metadata = client.fetch_metadata(Some(topic), METADATA_TIMEOUT)?;
        let found = metadata.topics().iter().filter(|found| found.name() == topic);
        let ids: Vec<i32> = found.flat_map(|found| found.partitions().iter().map(|one| one.id())).collect();
        if ids.is_empty() { Err(missing()) } else { Ok(ids) }
    });
    found.map_err(|error| match error {
        error if error == missing() => Error::NoTopic { bootstrap: bootstrap(), topic: topic.to_owned() },
        error => Error::Unreachable { bootstrap: bootstrap(), reason: words(&error) },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    const TOPIC: &str = "t";

    /// A cluster that answers questions for offsets with these errors before it answers them.
    fn cluster(
        errors: &[RDKafkaRespErr],
    ) -> (MockCluster<'static, rdkafka::producer::DefaultProducerContext>, KafkaConfig) {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, 1, 1).unwrap();
        cluster.request_errors(RDKafkaApiKey::ListOffsets, errors);
        let kafka = KafkaConfig::new(&cluster.bootstrap_servers());
        (cluster, kafka)
    }

    #[test]
    fn one_that_follows_waits_until_partitions_have_their_leaders() {
        let late = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
        for from in [From::End, From::Time(1)] {
            let (_cluster, kafka) = cluster(&[late, late, late]);
            let followed = Follower::start(&kafka, TOPIC, from).map(|_| ());
            assert!(followed.is_ok(), "{from:?}: {followed:?}");
        }
    }

    #[test]
    fn a_partition_that_is_not_there_has_nothing_to_read() {
        let (_cluster, kafka) = cluster(&[]);
        for places in [&[(39_362, 5)][..], &[(0, 0), (7, 1)]] {
            let mut follower = Follower::at(&kafka, TOPIC, places).unwrap();
            let deadline = Deadline::after(METADATA_TIMEOUT);
            while !matches!(follower.next(TRY_INTERVAL).unwrap(), Next::End) {
                assert!(!deadline.left().is_zero(), "{places:?}");
            }
        }
    }

    #[test]
    fn what_does_not_pass_is_not_waited_for_and_what_does_only_so_long() {
        let fails = |code: RDKafkaErrorCode, limit: Duration| {
            let mut asked = 0;
            let answer = patiently(limit, TOPIC, || {
                asked += 1;
                Err::<(), _>(KafkaError::MetadataFetch(code))
            });
            assert_eq!(answer.unwrap_err().rdkafka_error_code(), Some(code));
            asked
        };
        assert_eq!(fails(RDKafkaErrorCode::TopicAuthorizationFailed, LEADER_TIMEOUT), 1);
        assert_eq!(fails(RDKafkaErrorCode::LeaderNotAvailable, Duration::ZERO), 1);
        assert!((2..10).contains(&fails(RDKafkaErrorCode::LeaderNotAvailable, Duration::from_millis(300))));
    }
}
