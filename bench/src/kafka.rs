//! What the harness itself does on Kafka: client settings, topics, log ends.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

/// The broker's properties. Append time puts the records of all contenders on one clock.
pub(crate) const BROKER: &[(&str, &str)] = &[("log.message.timestamp.type", "LogAppendTime")];

/// Longest wait for one answer of the broker.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// A client's configuration with nothing but the address.
pub(crate) fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

/// Creates topics.
pub(crate) fn create_topics(bootstrap: &str, names: &[String], partitions: i32) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create()?;
    let topics: Vec<NewTopic<'_>> =
        names.iter().map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(1))).collect();
    for result in block_on(admin.create_topics(&topics, &AdminOptions::new()))? {
        result.map_err(|(topic, code)| anyhow!("cannot create {topic}: {code}"))?;
    }
    Ok(())
}

/// A reader of all of a topic's partitions that sees committed records only.
pub(crate) struct Reader {
    consumer: BaseConsumer,
    topic: String,
    partitions: Vec<i32>,
}

impl Reader {
    /// A reader of `topic`, which must exist. It fetches nothing before [`Reader::start`].
    pub(crate) fn new(bootstrap: &str, topic: &str) -> Result<Self> {
        let consumer: BaseConsumer = client(bootstrap)
            .set("group.id", format!("bench-{topic}"))
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.queue.backoff.ms", "10")
            .create()?;
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
        let found = metadata.topics().first().context("no metadata")?;
        let partitions: Vec<i32> = found.partitions().iter().map(|p| p.id()).collect();
        ensure!(!partitions.is_empty(), "there is no topic {topic}");
        Ok(Self { consumer, topic: topic.to_owned(), partitions })
    }

    /// Begins to fetch all partitions from their beginning.
    pub(crate) fn start(&self) -> Result<&BaseConsumer> {
        let mut all = TopicPartitionList::new();
        for partition in &self.partitions {
            all.add_partition_offset(&self.topic, *partition, Offset::Beginning)?;
        }
        self.consumer.assign(&all)?;
        Ok(&self.consumer)
    }

    /// The sum of the last stable offsets: committed records, transaction markers included.
    pub(crate) fn stable_end(&self) -> Result<u64> {
        let mut sum = 0;
        for partition in &self.partitions {
            let (_, end) = self.consumer.fetch_watermarks(&self.topic, *partition, TIMEOUT)?;
            sum += u64::try_from(end).unwrap_or(0);
        }
        Ok(sum)
    }
}
