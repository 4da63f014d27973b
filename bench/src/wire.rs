//! The wire limit: what the same bytes cost through librdkafka alone.
//!
//! Consumes the actions and produces three records for each (outcome, audit, dispatch) and two changelog records, in
//! transactions of at most 100 ms. It parses nothing and keeps no state: nothing on this client can be faster.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use acteon_testkit::clock;
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::util::Timeout;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use crate::bulk::queue_is_full;
use crate::kafka;

/// Its topics, below the prefix.
pub(crate) const TOPICS: &[&str] = &["actions", "outcomes", "audit", "dispatch", "changelog"];
/// Between two looks at the producer: a poll with a time spins through its last millisecond.
const PAUSE: Duration = Duration::from_micros(250);
/// Longest time that records gather in a transaction.
const TRANSACTION: Duration = Duration::from_millis(100);
/// The size of an outcome, and of what an audit record adds to the action.
const OUTCOME: [u8; 160] = [b'x'; 160];
/// The sizes of the two changelog records.
const CHANGELOG: [usize; 2] = [24, 32];

/// What to move, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// The broker.
    bootstrap: String,
    /// What the names of the topics begin with.
    prefix: String,
    /// Consumers, each with a producer and a thread.
    threads: u8,
}

/// Moves records until killed.
pub(crate) fn run(options: &Options) -> Result<()> {
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..options.threads).map(|number| scope.spawn(move || Worker::new(options, number)?.run())).collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??;
        }
        Ok(())
    })
}

struct Worker {
    consumer: BaseConsumer,
    producer: BaseProducer,
    actions: String,
    outcomes: String,
    audit: String,
    dispatch: String,
    changelog: String,
    buffer: Vec<u8>,
}

impl Worker {
    fn new(options: &Options, number: u8) -> Result<Self> {
        let prefix = &options.prefix;
        let topic = |name: &str| format!("{prefix}.{name}");
        let consumer: BaseConsumer = kafka::client(&options.bootstrap)
            .set("group.id", format!("wire-{prefix}"))
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("queued.max.messages.kbytes", "32768")
            .set("fetch.queue.backoff.ms", "10")
            .create()?;
        consumer.subscribe(&[&topic("actions")])?;
        let producer: BaseProducer = kafka::client(&options.bootstrap)
            .set("transactional.id", format!("wire-{prefix}-{number}"))
            .set("compression.type", "lz4")
            .set("linger.ms", "5")
            .set("queue.buffering.max.messages", "2000000")
            .set("queue.buffering.max.kbytes", "1048576")
            .create()?;
        producer.init_transactions(kafka::TIMEOUT)?;
        Ok(Self {
            consumer,
            producer,
            actions: topic("actions"),
            outcomes: topic("outcomes"),
            audit: topic("audit"),
            dispatch: topic("dispatch"),
            changelog: topic("changelog"),
            buffer: Vec::new(),
        })
    }

    fn run(mut self) -> Result<()> {
        loop {
            self.producer.begin_transaction()?;
            let offsets = self.gather()?;
            if offsets.is_empty() {
                self.producer.abort_transaction(Timeout::Never)?;
                continue;
            }
            let mut list = TopicPartitionList::new();
            for (partition, offset) in offsets {
                list.add_partition_offset(&self.actions, partition, Offset::Offset(offset))?;
            }
            let group = self.consumer.group_metadata().context("not in the group")?;
            self.producer.send_offsets_to_transaction(&list, &group, kafka::TIMEOUT)?;
            // A commit polls in slices of 100 ms; with nothing in flight it does not wait.
            while self.producer.in_flight_count() > 0 {
                self.producer.poll(Duration::ZERO);
                thread::sleep(PAUSE);
            }
            self.producer.commit_transaction(Timeout::Never)?;
        }
    }

    /// Moves records until the transaction is old enough or there are no more at hand. Returns the next offset of each
    /// partition.
    fn gather(&mut self) -> Result<HashMap<i32, i64>> {
        let mut offsets = HashMap::new();
        let start = clock::now();
        while start.elapsed() < TRANSACTION {
            let Some(message) = self.consumer.poll(Duration::from_millis(5)) else {
                if offsets.is_empty() {
                    continue;
                }
                break;
            };
            let message = message?;
            offsets.insert(message.partition(), message.offset() + 1);
            copy(
                &self.producer,
                &mut self.buffer,
                &message,
                [&self.outcomes, &self.audit, &self.dispatch, &self.changelog],
            )?;
        }
        Ok(offsets)
    }
}

/// Sends the five records of one action to the topics of outcomes, audit, dispatch and changelog.
fn copy(
    producer: &BaseProducer,
    buffer: &mut Vec<u8>,
    message: &BorrowedMessage<'_>,
    [outcomes, audit, dispatch, changelog]: [&str; 4],
) -> Result<()> {
    let key = message.key().unwrap_or_default();
    let action = message.payload().unwrap_or_default();
    buffer.clear();
    buffer.extend_from_slice(action);
    buffer.extend_from_slice(&OUTCOME);
    let records = [
        (outcomes, &OUTCOME[..]),
        (audit, buffer),
        (dispatch, action),
        (changelog, &OUTCOME[..CHANGELOG[0]]),
        (changelog, &OUTCOME[..CHANGELOG[1]]),
    ];
    for (topic, value) in records {
        let mut record = BaseRecord::to(topic).key(key).payload(value).partition(message.partition());
        while let Err((error, back)) = producer.send(record) {
            ensure!(queue_is_full(&error), "cannot produce to {topic}: {error}");
            producer.poll(Duration::ZERO);
            thread::sleep(PAUSE);
            record = back;
        }
    }
    Ok(())
}
