//! Reading a topic from where one chooses, each partition with its end told, outside any consumer group.

use acteon_topology::{KafkaConfig, Quiet, partitions, reader_properties};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::Offset;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest wait for an answer about the topic.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Most that one reader reads ahead, in kilobytes: several may read at a time.
const READ_AHEAD_KB: &str = "4096";

/// Why a topic can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error(transparent)]
    Topic(#[from] acteon_topology::Error),
    #[error("the partitions of {0} are not numbered from 0 on")]
    Partitions(String),
    #[error("partition {partition} of {topic} went from offset {from} back to {to}: the topic was made anew")]
    WentBack { topic: String, partition: i32, from: i64, to: i64 },
}

/// What is found next.
pub(crate) enum Found<'r> {
    /// A committed record.
    Record(BorrowedMessage<'r>),
    /// The partition has no more at the moment.
    End(i32),
    /// Nothing within the time.
    Nothing,
    /// Kafka can't be read at the moment. The reader goes on by itself when it can.
    Away(KafkaError),
}

/// A reader of one topic.
pub(crate) struct LogReader {
    consumer: BaseConsumer<Quiet>,
    topic: String,
    partitions: i32,
}

impl LogReader {
    /// Connects, with properties of librdkafka over those that all readers have.
    pub(crate) fn open(kafka: &KafkaConfig, topic: &str, more: &[(&str, &str)]) -> Result<Self, ReadError> {
        let mut properties = reader_properties(kafka);
        properties.set("queued.max.messages.kbytes", READ_AHEAD_KB);
        properties.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let consumer: BaseConsumer<Quiet> = properties.create_with_context(Quiet)?;
        let mut found = partitions(consumer.client(), kafka, topic)?;
        found.sort_unstable();
        if !found.iter().copied().eq((0..).take(found.len())) {
            return Err(ReadError::Partitions(topic.to_owned()));
        }
        let partitions = i32::try_from(found.len()).unwrap_or(i32::MAX);
        Ok(Self { consumer, topic: topic.to_owned(), partitions })
    }

    /// How many partitions there are.
    pub(crate) fn partitions(&self) -> i32 {
        self.partitions
    }

    /// The first offset of a partition, and the one after its last committed record.
    pub(crate) fn ends(&self, partition: i32) -> Result<(i64, i64), ReadError> {
        Ok(self.consumer.fetch_watermarks(&self.topic, partition, ANSWER_TIMEOUT)?)
    }

    /// Offset of a partition's first record of a time or later, in milliseconds since 1970; none where there is no such.
    pub(crate) fn since(&self, partition: i32, ms: i64) -> Result<Option<i64>, ReadError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(ms))?;
        let found = self.consumer.offsets_for_times(list, ANSWER_TIMEOUT)?;
        Ok(found.find_partition(&self.topic, partition).and_then(|found| found.offset().to_raw()).filter(|at| *at >= 0))
    }

    /// Begins to read partitions at offsets.
    pub(crate) fn assign(&self, places: &BTreeMap<i32, i64>) -> Result<(), ReadError> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in places {
            list.add_partition_offset(&self.topic, *partition, Offset::Offset(*offset))?;
        }
        Ok(self.consumer.assign(&list)?)
    }

    /// Why to stop where an offset is lower than what was expected.
    pub(crate) fn went_back(&self, partition: i32, from: i64, to: i64) -> ReadError {
        ReadError::WentBack { topic: self.topic.clone(), partition, from, to }
    }

    /// What is next, if it comes in time. Kafka may be away for any time.
    pub(crate) fn next(&self, timeout: Duration) -> Result<Found<'_>, ReadError> {
        match self.consumer.poll(timeout) {
            None => Ok(Found::Nothing),
            Some(Ok(record)) => Ok(Found::Record(record)),
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Found::End(partition)),
            // librdkafka goes on by itself after everything but a fatal error.
            Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) => Err(error.into()),
            Some(Err(error)) => {
                tracing::debug!(%error, topic = self.topic, "kafka can't be read at the moment");
                Ok(Found::Away(error))
            }
        }
    }
}
