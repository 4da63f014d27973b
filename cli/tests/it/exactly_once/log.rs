//! The topics, as a reader of committed records sees them.

use super::fleet::PARTITIONS;
use super::traffic::Sent;
use acteon_testkit::clock;
use acteon_testkit::life;
use acteon_testkit::model::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde::Deserialize;
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

/// What the topics' names begin with.
pub(crate) const PREFIX: &str = "once";
/// All topics of the run, by their names without the prefix.
pub(crate) const TOPICS: [(&str, Topic); 11] = [
    ("actions", Topic::Actions),
    ("repartition", Topic::Repartition),
    ("commands", Topic::Commands),
    ("results", Topic::Results),
    ("outcomes", Topic::Outcomes),
    ("audit", Topic::Audit),
    ("dispatch.email", Topic::Dispatches),
    ("dispatch.webhook", Topic::Dispatches),
    ("dlq", Topic::DeadLetters),
    ("changelog", Topic::Changelog),
    ("changelog.expiring", Topic::Changelog),
];
/// The topics that are taken in without a transaction on their own side: there each record has an offset, and nothing
/// else does.
const INPUTS: [&str; 3] = ["actions", "commands", "results"];
/// Limit of one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Longest wait for the next record of a topic that goes on.
const NEXT_LIMIT: Duration = Duration::from_millis(20);
/// Most records taken at once from a topic that goes on.
const MAX_TAKEN: usize = 2_000;
/// Longest wait for the next record of a topic that is read to its end.
const READ_LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Log {
    bootstrap: String,
}

/// A reader's own outcome or dead letter, as far as it is counted.
#[derive(Default, Deserialize)]
struct Told<'t> {
    #[serde(default)]
    is_final: bool,
    #[serde(default, borrow)]
    namespace: Cow<'t, str>,
    /// Of an outcome; a dead letter has none.
    #[serde(default, borrow)]
    outcome: Cow<'t, str>,
}

impl Told<'_> {
    /// Whether it is the last that is told of an action. A command's answer is the last one too, of the command.
    fn ends_an_action(&self) -> bool {
        self.is_final && !matches!(&*self.outcome, "command_done" | "command_refused")
    }
}

impl Log {
    pub(crate) fn new(bootstrap: &str) -> Self {
        Self { bootstrap: bootstrap.to_owned() }
    }

    fn consumer(&self, isolation: &str) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("group.id", format!("{PREFIX}.processor"))
            .set("isolation.level", isolation)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "10")
            .set("fetch.queue.backoff.ms", "10")
            .create()
            .unwrap()
    }

    /// Reads a topic from its beginning to its end.
    pub(crate) fn read(&self, name: &str, take: &mut dyn FnMut(&BorrowedMessage<'_>)) {
        let consumer = self.consumer("read_committed");
        let partitions = assign(&consumer, name);
        // A partition whose fetches begin anew, after a lost connection, tells of its end once more.
        let mut ended = BTreeSet::new();
        while i32::try_from(ended.len()).unwrap() < partitions {
            match consumer.poll(READ_LIMIT).expect("the topic ends") {
                Ok(message) => take(&message),
                Err(KafkaError::PartitionEOF(partition)) => _ = ended.insert(partition),
                Err(error) => panic!("{name}: {error}"),
            }
        }
    }

    /// A consumer at the beginning of a topic.
    pub(crate) fn follow(&self, name: &str) -> BaseConsumer {
        let consumer = self.consumer("read_committed");
        assign(&consumer, name);
        consumer
    }

    /// Waits until every action that the model foretells has its last outcome, and everything broken is in the dead-letter
    /// topic. `watch` is called now and then.
    pub(crate) fn wait_until_done(&self, sent: &Sent, limit: Duration, mut watch: impl FnMut()) {
        let counts = [Cell::new(0), Cell::new(0)];
        let readers = ["outcomes", "dlq"].map(|name| self.follow(name));
        let deadline = clock::now() + limit;
        while counts[0].get() < sent.actions || counts[1].get() < sent.broken {
            watch();
            let now = clock::now();
            assert!(
                now < deadline,
                "{counts:?} last outcomes and dead letters in {limit:?}; sent were {sent:?}\n{}",
                self.standing(&readers)
            );
            for (consumer, count) in readers.iter().zip(&counts) {
                each(consumer, |message| {
                    // What is broken need not be JSON.
                    let value = message.payload().unwrap_or_default();
                    let told: Told<'_> = serde_json::from_slice(value).unwrap_or_default();
                    if told.namespace != life::NAMESPACE && (std::ptr::eq(count, &counts[1]) || told.ends_an_action()) {
                        count.set(count.get() + 1);
                    }
                });
            }
        }
    }

    /// Where everything stands, for looking into why it does not go on: at the processors, at an open transaction, or only
    /// at those who read here.
    fn standing(&self, readers: &[BaseConsumer]) -> String {
        let positions: Vec<_> = readers.iter().map(|reader| reader.position().map(|all| all.to_topic_map())).collect();
        let (behind, ends) = (self.behind(), self.ends());
        format!("not committed by the processors: {behind:?}\nends: {ends:?}\nread here up to: {positions:?}")
    }

    /// Waits until the processors have committed the ends of what they take in.
    pub(crate) fn wait_until_consumed(&self, limit: Duration) {
        let mut behind = Vec::new();
        let consumed = acteon_testkit::wait_until(limit, || {
            behind = self.behind();
            behind.is_empty()
        });
        assert!(consumed, "not consumed: {behind:?}");
    }

    /// Where the processors have committed less than there is: the topic, the partition, and both offsets.
    pub(crate) fn behind(&self) -> Vec<(String, i32, i64, i64)> {
        behind_of(&self.consumer("read_committed"))
    }

    /// Waits until no transaction is open in any topic.
    pub(crate) fn wait_until_stable(&self, limit: Duration) {
        let mut open = None;
        let stable = acteon_testkit::wait_until(limit, || {
            open = self.ends().err();
            open.is_none()
        });
        assert!(stable, "{open:?}");
    }

    /// The ends of all partitions of all topics.
    ///
    /// # Errors
    /// A transaction is open, or a partition can't be asked.
    pub(crate) fn ends(&self) -> Result<Vec<i64>, String> {
        let [committed, all] = ["read_committed", "read_uncommitted"].map(|isolation| self.consumer(isolation));
        let mut ends = Vec::new();
        for (name, _) in TOPICS {
            let topic = format!("{PREFIX}.{name}");
            for partition in 0..partitions(&all, &topic) {
                let end = |of: &BaseConsumer| match of.fetch_watermarks(&topic, partition, ANSWER_LIMIT) {
                    Ok((_, end)) => Ok(end),
                    Err(error) => Err(format!("{topic}/{partition}: {error}")),
                };
                let (stable, end) = (end(&committed)?, end(&all)?);
                if stable != end {
                    return Err(format!("a transaction is open in {topic}/{partition}"));
                }
                ends.push(end);
            }
        }
        Ok(ends)
    }
}

/// Takes what a consumer can have at once, some of it where there is much.
pub(crate) fn each(consumer: &BaseConsumer, mut take: impl FnMut(&BorrowedMessage<'_>)) {
    for _ in 0..MAX_TAKEN {
        let Some(polled) = consumer.poll(NEXT_LIMIT) else { return };
        // The broker goes away and comes back.
        if let Ok(message) = polled {
            take(&message);
        }
    }
}

/// A record's header as text.
pub(crate) fn header<'m>(message: &'m BorrowedMessage<'_>, name: &str) -> Option<&'m str> {
    let headers = message.headers()?;
    let header = headers.iter().find(|header| header.key == name)?;
    std::str::from_utf8(header.value?).ok()
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> i32 {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_LIMIT).unwrap();
    i32::try_from(metadata.topics()[0].partitions().len()).unwrap()
}

/// Lets a consumer read a topic from its beginning; returns the number of its partitions.
fn assign(consumer: &BaseConsumer, name: &str) -> i32 {
    let topic = format!("{PREFIX}.{name}");
    let partitions = partitions(consumer, &topic);
    assert!(partitions > 0, "{topic} has partitions");
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(&topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    partitions
}

fn behind_of(consumer: &BaseConsumer) -> Vec<(String, i32, i64, i64)> {
    let mut list = TopicPartitionList::new();
    for name in INPUTS {
        list.add_partition_range(&format!("{PREFIX}.{name}"), 0, PARTITIONS - 1);
    }
    let committed = consumer.committed_offsets(list, ANSWER_LIMIT).unwrap();
    let mut behind = Vec::new();
    for element in committed.elements() {
        let (_, end) = consumer.fetch_watermarks(element.topic(), element.partition(), ANSWER_LIMIT).unwrap();
        let offset = match element.offset() {
            Offset::Offset(offset) => offset,
            _ => 0,
        };
        if offset != end {
            behind.push((element.topic().to_owned(), element.partition(), offset, end));
        }
    }
    behind
}
