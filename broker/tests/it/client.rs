//! What the tests ask of rdkafka.

use crate::clock;
use anyhow::{Context, Result, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

/// The limit on everything that ought to take milliseconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A record as a consumer gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: String,
    /// `None` is a tombstone.
    pub(crate) value: Option<String>,
}

/// A cluster under test.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    bootstrap: String,
}

impl Client {
    pub(crate) fn new(bootstrap: impl Into<String>) -> Self {
        Self { bootstrap: bootstrap.into() }
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    pub(crate) fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        Ok(self.config().create()?)
    }

    /// Creates a topic with the given settings.
    pub(crate) fn create(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<()> {
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        for (name, value) in settings {
            new = new.set(name, value);
        }
        let results = block_on(self.admin()?.create_topics([&new], &AdminOptions::new()))?;
        for result in results {
            result.map_err(|(topic, error)| anyhow::anyhow!("{topic}: {error}"))?;
        }
        Ok(())
    }

    pub(crate) fn consumer(&self, group: &str, isolation: &str, strategy: &str) -> Result<BaseConsumer> {
        Ok(self
            .config()
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("isolation.level", isolation)
            .set("partition.assignment.strategy", strategy)
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "300")
            .create()?)
    }

    pub(crate) fn producer(&self) -> Result<BaseProducer> {
        Ok(self.config().set("enable.idempotence", "true").set("linger.ms", "2").create()?)
    }

    /// A producer whose transactions are initialised.
    pub(crate) fn transactional(&self, id: &str) -> Result<BaseProducer> {
        self.transactional_with(id, Duration::from_secs(15))
    }

    pub(crate) fn transactional_with(&self, id: &str, timeout: Duration) -> Result<BaseProducer> {
        let producer: BaseProducer = self
            .config()
            .set("transactional.id", id)
            .set("transaction.timeout.ms", timeout.as_millis().to_string())
            .set("message.timeout.ms", timeout.as_millis().to_string())
            .set("linger.ms", "2")
            .create()?;
        producer.init_transactions(LIMIT)?;
        Ok(producer)
    }

    /// Everything in a partition from `from` up to its end as seen under this isolation level.
    pub(crate) fn read(&self, topic: &str, partition: i32, isolation: &str, from: Offset) -> Result<Vec<Received>> {
        let consumer: BaseConsumer = self
            .config()
            .set("group.id", "read-all")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "20")
            .set("isolation.level", isolation)
            .create()?;
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, partition, from)?;
        consumer.assign(&assignment)?;
        let mut received = Vec::new();
        let began = clock::now();
        while began.elapsed() < LIMIT {
            match consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => received.push(Received {
                    partition,
                    offset: message.offset(),
                    key: text(message.key()).unwrap_or_default(),
                    value: text(message.payload()),
                }),
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(received),
                Some(Err(error)) => return Err(error.into()),
            }
        }
        bail!("no end of {topic}/{partition} within {LIMIT:?}, {} records so far", received.len())
    }

    /// The values of [`Self::read`] from the beginning.
    pub(crate) fn values(&self, topic: &str, partition: i32, isolation: &str) -> Result<Vec<String>> {
        let received = self.read(topic, partition, isolation, Offset::Beginning)?;
        Ok(received.into_iter().map(|r| r.value.unwrap_or_default()).collect())
    }

    /// The offsets that a group has committed.
    pub(crate) fn committed(&self, group: &str, topic: &str, partitions: i32) -> Result<Vec<Offset>> {
        let consumer = self.consumer(group, "read_committed", "range")?;
        let mut wanted = TopicPartitionList::new();
        for partition in 0..partitions {
            wanted.add_partition(topic, partition);
        }
        let committed = consumer.committed_offsets(wanted, LIMIT)?;
        Ok(committed.elements().iter().map(|e| e.offset()).collect())
    }
}

fn text(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|b| String::from_utf8_lossy(b).into_owned())
}

/// Runs a future of the admin client.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Queues one record; waits while the queue is full.
pub(crate) fn send(producer: &BaseProducer, topic: &str, partition: i32, key: &str, value: Option<&str>) -> Result<()> {
    let mut record = BaseRecord::<str, str>::to(topic).partition(partition).key(key);
    if let Some(value) = value {
        record = record.payload(value);
    }
    loop {
        match producer.send(record) {
            Ok(()) => break,
            Err((KafkaError::MessageProduction(rdkafka::types::RDKafkaErrorCode::QueueFull), again)) => {
                producer.poll(Duration::from_millis(5));
                record = again;
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
    producer.poll(Duration::ZERO);
    Ok(())
}

/// Waits until every queued record has been answered for.
pub(crate) fn drain(producer: &BaseProducer) -> Result<()> {
    let began = clock::now();
    while producer.in_flight_count() > 0 {
        ensure!(began.elapsed() < LIMIT, "{} records unanswered", producer.in_flight_count());
        producer.poll(Duration::from_millis(1));
    }
    Ok(())
}

/// Commits the open transaction.
pub(crate) fn commit(producer: &BaseProducer) -> Result<()> {
    drain(producer)?;
    Ok(producer.commit_transaction(LIMIT)?)
}

/// Consumes until `wanted` records have come, or none came for `quiet`.
pub(crate) fn take(consumer: &BaseConsumer, wanted: usize, quiet: Duration) -> Result<Vec<Received>> {
    let mut received = Vec::new();
    let mut last = clock::now();
    while received.len() < wanted && last.elapsed() < quiet {
        if let Some(message) = consumer.poll(Duration::from_millis(50)) {
            let message = message?;
            last = clock::now();
            received.push(Received {
                partition: message.partition(),
                offset: message.offset(),
                key: text(message.key()).unwrap_or_default(),
                value: text(message.payload()),
            });
        }
    }
    Ok(received)
}

/// The consumer's positions, copied out: a list from `position()` must not outlive its consumer.
pub(crate) fn positions(consumer: &BaseConsumer) -> Result<TopicPartitionList> {
    let position = consumer.position()?;
    let mut copy = TopicPartitionList::new();
    for element in position.elements() {
        copy.add_partition_offset(element.topic(), element.partition(), element.offset())?;
    }
    Ok(copy)
}

/// Adds the consumer's positions to the open transaction.
pub(crate) fn send_offsets(producer: &BaseProducer, consumer: &BaseConsumer) -> Result<()> {
    let metadata = consumer.group_metadata().context("no group metadata")?;
    Ok(producer.send_offsets_to_transaction(&positions(consumer)?, &metadata, LIMIT)?)
}
