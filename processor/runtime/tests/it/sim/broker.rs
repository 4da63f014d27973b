//! A transactional log in memory: what of Kafka the worker depends on.

use super::group::Group;
use super::plant::Plant;
use acteon_runtime::{LogError, OutTopic};
use std::collections::BTreeMap;

/// How long tombstones outlive the first compaction that finds them, in milliseconds: whoever has read the value before
/// has as long to come to the tombstone.
const TOMBSTONE_RETENTION_MS: i64 = 24 * 3600 * 1000;
/// How long the expiring changelog keeps records, in milliseconds.
const EXPIRING_RETENTION_MS: i64 = 48 * 3600 * 1000;
/// Partitions of a dispatch topic: another count than the tasks'.
const DISPATCH_PARTITIONS: i32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// The first four stand in the order of `InTopic`.
    Actions,
    Repartition,
    Commands,
    Results,
    Outcomes,
    Audit,
    Dlq,
    Changelog,
    Expiring,
    Email,
    Webhook,
}

impl Topic {
    pub const ALL: [Self; 11] = [
        Self::Actions,
        Self::Repartition,
        Self::Commands,
        Self::Results,
        Self::Outcomes,
        Self::Audit,
        Self::Dlq,
        Self::Changelog,
        Self::Expiring,
        Self::Email,
        Self::Webhook,
    ];

    pub fn of(topic: OutTopic<'_>) -> Result<Self, LogError> {
        Ok(match topic {
            OutTopic::Outcomes => Self::Outcomes,
            OutTopic::Audit => Self::Audit,
            OutTopic::Dlq => Self::Dlq,
            OutTopic::Repartition => Self::Repartition,
            OutTopic::Changelog => Self::Changelog,
            OutTopic::ChangelogExpiring => Self::Expiring,
            OutTopic::Commands => Self::Commands,
            OutTopic::Definitions => return Err(LogError::Fatal("no provider has a circuit".to_owned())),
            OutTopic::Dispatch("email") => Self::Email,
            OutTopic::Dispatch("webhook") => Self::Webhook,
            OutTopic::Dispatch(other) => return Err(LogError::Fatal(format!("no topic for provider {other}"))),
        })
    }
}

#[derive(Debug, Clone, Default)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(of, _)| of == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// What stands at an offset.
#[derive(Debug, Clone)]
pub struct Entry {
    pub offset: i64,
    pub at: i64,
    /// When compaction first found it.
    cleaned: Option<i64>,
    transaction: Option<usize>,
    /// `None` is a control marker.
    pub record: Option<Record>,
}

#[derive(Debug, Default)]
pub struct Partition {
    entries: Vec<Entry>,
    pub low: i64,
    pub end: i64,
    /// First offsets of open transactions.
    open: BTreeMap<usize, i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Committed,
    Aborted,
}

#[derive(Debug)]
struct Transaction {
    fate: Fate,
    producer: String,
    began: i64,
    touched: Vec<(Topic, i32)>,
    /// Of the group: which one, its place in the offsets topic, and its value.
    offsets: Vec<((Topic, i32), u64, i64)>,
}

#[derive(Debug, Default)]
struct Producer {
    epoch: u32,
    open: Option<usize>,
}

pub struct Broker {
    /// True time, in milliseconds since 1970.
    pub now: i64,
    pub partitions: i32,
    pub group: Group,
    pub plant: Option<Plant>,
    /// How long a transaction may stay open, in milliseconds.
    transaction_timeout_ms: i64,
    logs: BTreeMap<(Topic, i32), Partition>,
    transactions: Vec<Transaction>,
    producers: BTreeMap<String, Producer>,
    /// The group's offsets, each with its place in the offsets topic: one that was sent earlier does not replace it.
    committed: BTreeMap<(Topic, i32), (u64, i64)>,
    /// Times that offsets were sent.
    sent: u64,
    /// Ends of transactions that have been decided and answered, and are still to be written: the transaction, and the
    /// partition, or `None` for the group's offsets.
    markers: Vec<(usize, Option<(Topic, i32)>)>,
    rng: fastrand::Rng,
    /// Ends of transactions that were asked for and are still under way: producer and epoch.
    delayed: Vec<(String, u32)>,
}

fn fenced() -> LogError {
    LogError::Fenced("a newer producer has this id, or the transaction timed out".to_owned())
}

impl Broker {
    pub fn new(
        partitions: i32,
        now: i64,
        rng: fastrand::Rng,
        (session_timeout_ms, transaction_timeout_ms): (i64, i64),
    ) -> Self {
        let mut logs = BTreeMap::new();
        for topic in Topic::ALL {
            let count = if topic >= Topic::Email { DISPATCH_PARTITIONS } else { partitions };
            logs.extend((0..count).map(|partition| ((topic, partition), Partition::default())));
        }
        Self {
            now,
            partitions,
            group: Group::new(partitions, session_timeout_ms),
            plant: None,
            transaction_timeout_ms,
            logs,
            transactions: Vec::new(),
            producers: BTreeMap::new(),
            committed: BTreeMap::new(),
            sent: 0,
            markers: Vec::new(),
            rng,
            delayed: Vec::new(),
        }
    }

    fn log(&mut self, topic: Topic, partition: i32) -> &mut Partition {
        self.logs.entry((topic, partition)).or_default()
    }

    pub fn partition(&self, topic: Topic, partition: i32) -> &Partition {
        &self.logs[&(topic, partition)]
    }

    pub fn partitions_of(&self, topic: Topic) -> i32 {
        self.logs.keys().filter(|(of, _)| *of == topic).count() as i32
    }

    /// Appends a record outside any transaction.
    pub fn append(&mut self, topic: Topic, partition: i32, record: Record) -> i64 {
        self.push(topic, partition, None, Some(record))
    }

    fn push(&mut self, topic: Topic, partition: i32, transaction: Option<usize>, record: Option<Record>) -> i64 {
        let at = self.now;
        let log = self.log(topic, partition);
        let offset = log.end;
        log.entries.push(Entry { offset, at, cleaned: None, transaction, record });
        log.end += 1;
        offset
    }

    /// Makes a producer: ends what the one before left open, and fences it.
    pub fn init_producer(&mut self, id: &str) -> u32 {
        if self.plant != Some(Plant::NoFencing) {
            self.finish(id, Fate::Aborted);
        }
        self.write_markers_of(id);
        let producer = self.producers.entry(id.to_owned()).or_default();
        producer.epoch += 1;
        producer.epoch
    }

    fn producer(&mut self, id: &str, epoch: u32) -> Result<&mut Producer, LogError> {
        let lax = self.plant == Some(Plant::NoFencing);
        let producer = self.producers.entry(id.to_owned()).or_default();
        if producer.epoch == epoch || lax { Ok(producer) } else { Err(fenced()) }
    }

    fn transaction(&mut self, id: &str, epoch: u32) -> Result<usize, LogError> {
        let none = || LogError::Retriable("no transaction is open".to_owned());
        self.producer(id, epoch)?.open.ok_or_else(none)
    }

    pub fn begin(&mut self, id: &str, epoch: u32) -> Result<(), LogError> {
        self.write_markers_of(id);
        let (began, number) = (self.now, self.transactions.len());
        let lax = self.plant == Some(Plant::NoFencing);
        let producer = self.producer(id, epoch)?;
        if producer.open.is_some() {
            if lax {
                return Ok(());
            }
            return Err(LogError::Retriable("a transaction is open already".to_owned()));
        }
        producer.open = Some(number);
        let producer = id.to_owned();
        self.transactions.push(Transaction {
            fate: Fate::Open,
            producer,
            began,
            touched: Vec::new(),
            offsets: Vec::new(),
        });
        Ok(())
    }

    pub fn send(
        &mut self,
        id: &str,
        epoch: u32,
        (topic, partition): (Topic, i32),
        record: Record,
    ) -> Result<i64, LogError> {
        let number = self.transaction(id, epoch)?;
        let offset = self.push(topic, partition, Some(number), Some(record));
        let transaction = &mut self.transactions[number];
        if !transaction.touched.contains(&(topic, partition)) {
            transaction.touched.push((topic, partition));
            self.log(topic, partition).open.insert(number, offset);
        }
        Ok(offset)
    }

    /// Adds the group's offsets to the open transaction, where the sender is a member of this generation.
    pub fn send_offsets(
        &mut self,
        id: &str,
        epoch: u32,
        member: (u64, i32),
        offsets: &[((Topic, i32), i64)],
    ) -> Result<(), LogError> {
        let number = self.transaction(id, epoch)?;
        if !self.group.is_current(member) && self.plant != Some(Plant::StaleMembersCommit) {
            return Err(LogError::Retriable("illegal generation or unknown member".to_owned()));
        }
        self.sent += 1;
        let sent = self.sent;
        self.transactions[number].offsets.extend(offsets.iter().map(|(place, offset)| (*place, sent, *offset)));
        Ok(())
    }

    pub fn end(&mut self, id: &str, epoch: u32, commit: bool) -> Result<(), LogError> {
        self.transaction(id, epoch)?;
        self.finish(id, if commit { Fate::Committed } else { Fate::Aborted });
        Ok(())
    }

    /// Takes a commit that will be carried out at some later time, if its producer isn't fenced before.
    pub fn end_later(&mut self, id: &str, epoch: u32) {
        self.delayed.push((id.to_owned(), epoch));
    }

    pub fn deliver_delayed(&mut self) {
        for (id, epoch) in std::mem::take(&mut self.delayed) {
            // Refused where its producer is fenced by now: nobody waits for the answer.
            let _ = self.end(&id, epoch, true);
        }
    }

    /// Decides a transaction. Its markers are written now or later, each by itself.
    fn finish(&mut self, id: &str, fate: Fate) {
        let Some(number) = self.producers.get_mut(id).and_then(|producer| producer.open.take()) else { return };
        let transaction = &mut self.transactions[number];
        transaction.fate = fate;
        self.markers.extend(transaction.touched.iter().map(|place| (number, Some(*place))));
        self.markers.push((number, None));
        if self.rng.bool() {
            self.write_markers(|of| of == number);
        } else {
            self.write_some_markers();
        }
    }

    /// Writes some of the markers that are still to be written.
    pub fn write_some_markers(&mut self) {
        let chosen: Vec<usize> = (0..self.transactions.len()).rev().take(8).filter(|_| self.rng.bool()).collect();
        if self.rng.bool() {
            self.write_markers(|of| chosen.contains(&of));
        } else if !self.markers.is_empty() {
            let place = self.rng.usize(0..self.markers.len());
            let marker = self.markers.remove(place);
            self.write_marker(marker);
        }
    }

    pub fn write_all_markers(&mut self) {
        self.write_markers(|_| true);
    }

    fn write_markers(&mut self, which: impl Fn(usize) -> bool) {
        let (now, later) = std::mem::take(&mut self.markers).into_iter().partition(|(number, _)| which(*number));
        self.markers = later;
        let now: Vec<_> = now;
        now.into_iter().for_each(|marker| self.write_marker(marker));
    }

    fn write_marker(&mut self, (number, place): (usize, Option<(Topic, i32)>)) {
        if let Some((topic, partition)) = place {
            self.push(topic, partition, Some(number), None);
            self.log(topic, partition).open.remove(&number);
            return;
        }
        let offsets = std::mem::take(&mut self.transactions[number].offsets);
        for (place, sent, offset) in offsets.into_iter().filter(|_| self.transactions[number].fate == Fate::Committed) {
            let committed = self.committed.entry(place).or_insert((sent, offset));
            if committed.0 <= sent {
                *committed = (sent, offset);
            }
        }
    }

    /// A producer's next transaction begins when all of the last one has been written.
    fn write_markers_of(&mut self, id: &str) {
        let own: Vec<usize> =
            self.markers.iter().map(|(number, _)| *number).filter(|of| self.transactions[*of].producer == id).collect();
        self.write_markers(|of| own.contains(&of));
    }

    /// Aborts transactions that have been open for too long, and fences their producers.
    pub fn expire_transactions(&mut self) {
        let deadline = self.now - self.transaction_timeout_ms;
        let open = self.producers.values().filter_map(|producer| producer.open);
        let late: Vec<String> = open
            .filter(|number| self.transactions[*number].began <= deadline)
            .map(|number| self.transactions[number].producer.clone())
            .collect();
        for id in late {
            self.finish(&id, Fate::Aborted);
            if let Some(producer) = self.producers.get_mut(&id) {
                producer.epoch += 1;
            }
        }
    }

    pub fn has_open_transactions(&self) -> bool {
        !self.markers.is_empty() || self.producers.values().any(|producer| producer.open.is_some())
    }

    /// Where the group stands; an error while an open transaction may still move it.
    pub fn committed(&self, topic: Topic, partition: i32) -> Result<i64, LogError> {
        let place = (topic, partition);
        let open = self.producers.values().filter_map(|producer| producer.open);
        let unwritten = self.markers.iter().filter(|(_, place)| place.is_none()).map(|(number, _)| *number);
        let holds = |number: usize| self.transactions[number].offsets.iter().any(|(of, ..)| *of == place);
        let pending = open.chain(unwritten).any(holds);
        if pending && self.plant != Some(Plant::UnstableOffsets) {
            return Err(LogError::Retriable("a transaction may still move the offset".to_owned()));
        }
        let low = self.partition(topic, partition).low;
        Ok(self.committed.get(&place).map_or(low, |(_, offset)| *offset))
    }

    /// End of what a reader of committed records is shown.
    pub fn stable(&self, topic: Topic, partition: i32) -> i64 {
        let log = self.partition(topic, partition);
        log.open.values().min().copied().unwrap_or(log.end)
    }

    /// Whether the log reaches up to an offset, and the transaction of what stands right before it is not open any more.
    pub fn is_decided(&self, topic: Topic, partition: i32, offset: i64) -> bool {
        let log = self.partition(topic, partition);
        let is_open =
            |entry: &Entry| entry.transaction.is_some_and(|number| self.transactions[number].fate == Fate::Open);
        let last = log.entries.partition_point(|entry| entry.offset < offset).checked_sub(1);
        offset <= log.end && !last.is_some_and(|place| is_open(&log.entries[place]))
    }

    /// The next committed record at or after an offset.
    pub fn read(&self, topic: Topic, partition: i32, from: i64) -> Option<&Entry> {
        let (log, stable) = (self.partition(topic, partition), self.stable(topic, partition));
        let first = log.entries.partition_point(|entry| entry.offset < from);
        log.entries[first..]
            .iter()
            .take_while(|entry| entry.offset < stable)
            .find(|entry| entry.record.is_some() && self.is_committed(entry))
    }

    /// As [`Self::read`], but of what stands there, open and aborted transactions' records included.
    pub fn read_uncommitted(&self, topic: Topic, partition: i32, from: i64) -> Option<&Entry> {
        let log = self.partition(topic, partition);
        let first = log.entries.partition_point(|entry| entry.offset < from);
        log.entries[first..].iter().find(|entry| entry.record.is_some())
    }

    fn is_committed(&self, entry: &Entry) -> bool {
        entry.transaction.is_none_or(|number| self.transactions[number].fate == Fate::Committed)
    }

    /// Compacts a changelog up to its stable end: of each key the last value stays, and a tombstone for a while.
    pub fn compact(&mut self, topic: Topic, partition: i32) {
        let (stable, now) = (self.stable(topic, partition), self.now);
        let mut log = std::mem::take(self.log(topic, partition));
        let mut last: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
        let behind = log.entries.partition_point(|entry| entry.offset < stable);
        for entry in log.entries[..behind].iter().filter(|entry| self.is_committed(entry)) {
            if let Some(key) = entry.record.as_ref().and_then(|record| record.key.clone()) {
                last.insert(key, entry.offset);
            }
        }
        log.entries.retain_mut(|entry| {
            let Some(record) = &entry.record else { return entry.offset >= stable };
            if entry.offset >= stable {
                return true;
            }
            let latest = record.key.as_ref().is_some_and(|key| last.get(key) == Some(&entry.offset));
            let cleaned = *entry.cleaned.get_or_insert(now);
            let forgotten = record.value.is_none() && cleaned + TOMBSTONE_RETENTION_MS <= now;
            latest && !forgotten
        });
        *self.log(topic, partition) = log;
    }

    /// Deletes what the expiring changelog need not keep any more.
    pub fn retain(&mut self, partition: i32) {
        let (stable, keep) = (self.stable(Topic::Expiring, partition), self.now - EXPIRING_RETENTION_MS);
        let log = self.log(Topic::Expiring, partition);
        let kept = log.entries.iter().find(|entry| entry.at > keep).map_or(log.end, |entry| entry.offset);
        log.low = log.low.max(kept.min(stable));
        let low = log.low;
        log.entries.retain(|entry| entry.offset >= low);
    }
}
