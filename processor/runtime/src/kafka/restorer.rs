use super::client::{QuietContext, REQUEST_TIMEOUT, quiet, sort};
use crate::log::{ChangelogOffsets, ChangelogRecord, LogError, Restorer, Restoring};
use acteon_topology::{KafkaConfig, Names};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use rustc_hash::FxHashMap;
use std::time::Duration;

/// Most records read in one poll.
const RECORDS_A_POLL: usize = 10_000;

/// Reads changelogs back. It is connected only while there is something to restore.
pub(crate) struct KafkaRestorer {
    kafka: KafkaConfig,
    topics: [String; 2],
    readers: Option<Readers>,
}

struct Readers {
    /// Asks for the log's end, open transactions included.
    uncommitted: BaseConsumer<QuietContext>,
    /// One a changelog: the end of a partition is reported without its topic.
    changelogs: [Changelog; 2],
}

struct Changelog {
    /// Reads what is committed.
    consumer: BaseConsumer<QuietContext>,
    topic: String,
    tasks: FxHashMap<i32, Log>,
}

/// Where a task's restore from one changelog is.
struct Log {
    /// End of the log when the restore began, open transactions included: all that an older owner can have committed
    /// stands before it.
    target: i64,
    next: i64,
    state: LogState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LogState {
    /// A transaction before the target may still be open. Reading must not begin before it has ended: an end of the log
    /// that is reported earlier says nothing about the target.
    Waiting,
    Reading,
    Done,
    /// The log does not reach back to, or not up to, where the store stands.
    Unfit,
}

fn watermarks(consumer: &BaseConsumer<QuietContext>, topic: &str, partition: i32) -> Result<(i64, i64), LogError> {
    consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT).map_err(|error| sort(&error))
}

impl Changelog {
    fn connect(kafka: &KafkaConfig, topic: &str) -> Result<Self, LogError> {
        let required = [
            ("isolation.level", "read_committed"),
            ("enable.partition.eof", "true"),
            ("auto.offset.reset", "error"),
            ("fetch.wait.max.ms", "10"),
        ];
        Ok(Self { consumer: quiet(kafka, &required)?, topic: topic.to_owned(), tasks: FxHashMap::default() })
    }

    /// `expires`: what retention has deleted from this log has expired, so its beginning is as good as any.
    fn start(
        &mut self,
        uncommitted: &BaseConsumer<QuietContext>,
        partition: i32,
        from: i64,
        expires: bool,
    ) -> Result<(), LogError> {
        let (low, target) = watermarks(uncommitted, &self.topic, partition)?;
        let gap = from < low && from > 0 && !expires;
        let state = if gap || from > target { LogState::Unfit } else { LogState::Waiting };
        self.tasks.insert(partition, Log { target, next: from.max(low), state });
        Ok(())
    }

    fn stop(&mut self, partition: i32) {
        if self.tasks.remove(&partition).is_some_and(|log| log.state == LogState::Reading) {
            self.unassign(partition);
        }
    }

    fn unassign(&self, partition: i32) {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, partition);
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            tracing::debug!(partition, %error, "changelog not unassigned");
        }
    }

    /// Begins to read where no open transaction stands before the target any more.
    fn begin_reading(&mut self) -> Result<(), LogError> {
        for (partition, log) in self.tasks.iter_mut().filter(|(_, log)| log.state == LogState::Waiting) {
            if log.next >= log.target {
                log.state = LogState::Done;
                continue;
            }
            // For a reader of committed records the high watermark is the last stable offset.
            let (_, stable) = watermarks(&self.consumer, &self.topic, *partition)?;
            if stable >= log.target {
                let mut list = TopicPartitionList::new();
                list.add_partition_offset(&self.topic, *partition, Offset::Offset(log.next))
                    .map_err(|error| sort(&error))?;
                self.consumer.incremental_assign(&list).map_err(|error| sort(&error))?;
                log.state = LogState::Reading;
            }
        }
        Ok(())
    }

    fn read(&mut self, wait: Duration, apply: &mut dyn FnMut(ChangelogRecord<'_>)) -> Result<(), LogError> {
        let mut wait = wait;
        for _ in 0..RECORDS_A_POLL {
            if !self.tasks.values().any(|log| log.state == LogState::Reading) {
                break;
            }
            let ended = match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    if let Some(log) = self.tasks.get_mut(&message.partition())
                        && log.state == LogState::Reading
                    {
                        log.next = log.next.max(message.offset() + 1);
                        let key = message.key().unwrap_or_default();
                        apply(ChangelogRecord { partition: message.partition(), key, value: message.payload() });
                    }
                    None
                }
                // Only ends behind the target are reported: reading began when the stable end had passed it.
                Some(Err(KafkaError::PartitionEOF(partition))) => Some(partition),
                Some(Err(error)) => return Err(sort(&error)),
            };
            wait = Duration::ZERO;
            if let Some(partition) = ended
                && let Some(log) = self.tasks.get_mut(&partition)
                && log.state == LogState::Reading
            {
                log.next = log.next.max(log.target);
                log.state = LogState::Done;
                self.unassign(partition);
            }
        }
        Ok(())
    }
}

impl KafkaRestorer {
    pub(crate) fn new(kafka: &KafkaConfig, names: &Names) -> Self {
        let topics = [names.changelog().to_owned(), names.changelog_expiring().to_owned()];
        Self { kafka: kafka.clone(), topics, readers: None }
    }

    fn readers(&mut self) -> Result<&mut Readers, LogError> {
        match &mut self.readers {
            Some(readers) => Ok(readers),
            slot @ None => {
                let uncommitted = quiet(&self.kafka, &[("isolation.level", "read_uncommitted")])?;
                let connect = |topic: &String| Changelog::connect(&self.kafka, topic);
                let changelogs = [connect(&self.topics[0])?, connect(&self.topics[1])?];
                Ok(slot.insert(Readers { uncommitted, changelogs }))
            }
        }
    }
}

impl Restorer for KafkaRestorer {
    fn start(&mut self, partition: i32, from: ChangelogOffsets) -> Result<(), LogError> {
        let Readers { uncommitted, changelogs: [compacted, expiring] } = self.readers()?;
        compacted.stop(partition);
        expiring.stop(partition);
        compacted.start(uncommitted, partition, from.compacted, false)?;
        expiring.start(uncommitted, partition, from.expiring, true)
    }

    fn cancel(&mut self, partition: i32) {
        let Some(readers) = &mut self.readers else { return };
        readers.changelogs.iter_mut().for_each(|changelog| changelog.stop(partition));
        if readers.changelogs.iter().all(|changelog| changelog.tasks.is_empty()) {
            self.readers = None;
        }
    }

    fn poll(&mut self, wait: Duration, apply: &mut dyn FnMut(ChangelogRecord<'_>)) -> Result<(), LogError> {
        let Some(readers) = &mut self.readers else { return Ok(()) };
        for changelog in &mut readers.changelogs {
            changelog.begin_reading()?;
            changelog.read(wait, apply)?;
        }
        Ok(())
    }

    fn progress(&mut self, partition: i32) -> Result<Restoring, LogError> {
        let missing = || LogError::Retriable(format!("task {partition} is not being restored"));
        let readers = self.readers.as_ref().ok_or_else(missing)?;
        let log = |place: usize| readers.changelogs[place].tasks.get(&partition).ok_or_else(missing);
        let (compacted, expiring) = (log(0)?, log(1)?);
        if compacted.state == LogState::Unfit || expiring.state == LogState::Unfit {
            return Ok(Restoring::StartOver);
        }
        if compacted.state == LogState::Done && expiring.state == LogState::Done {
            return Ok(Restoring::Done(ChangelogOffsets { compacted: compacted.next, expiring: expiring.next }));
        }
        Ok(Restoring::Underway)
    }
}
