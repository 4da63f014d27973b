//! The broker's metadata as a state machine: topics, committed offsets, transactional ids, producer ids.
//!
//! Every change is an [`Entry`], written to the journal and then applied; a restart applies the same entries again.

use crate::txn::{State, TopicPartition, Txn};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Transactional ids remembered; beyond it the one idle for longest is forgotten.
pub(crate) const MAX_TRANSACTIONAL_IDS: usize = 10_000;

/// An offset that a group has committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Committed {
    #[serde(rename = "o")]
    pub(crate) offset: i64,
    #[serde(rename = "e")]
    pub(crate) leader_epoch: i32,
    #[serde(rename = "m", default, skip_serializing_if = "String::is_empty")]
    pub(crate) metadata: String,
}

/// Offsets with their partitions.
pub(crate) type Offsets = Vec<(TopicPartition, Committed)>;

/// A change of the metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "k", rename_all = "snake_case")]
pub(crate) enum Entry {
    Topic {
        name: String,
        id: u64,
        partitions: i32,
        config: BTreeMap<String, String>,
    },
    Partitions {
        name: String,
        count: i32,
    },
    Config {
        name: String,
        config: BTreeMap<String, String>,
    },
    DeleteTopic {
        name: String,
    },
    LogStart {
        topic: String,
        partition: i32,
        offset: i64,
    },
    Offsets {
        group: String,
        offsets: Offsets,
    },
    DeleteOffsets {
        group: String,
        partitions: Vec<TopicPartition>,
    },
    DeleteGroup {
        group: String,
    },
    /// The next producer id to give out.
    ProducerIds {
        next: i64,
    },
    /// A transactional id has a (new) producer or epoch. `completed`: how its last transaction ended, in snapshots.
    Producer {
        id: String,
        producer_id: i64,
        epoch: i16,
        last_epoch: i16,
        timeout_ms: i32,
        at: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        completed: Option<bool>,
    },
    TxnPartitions {
        id: String,
        partitions: Vec<TopicPartition>,
        at: i64,
    },
    TxnGroup {
        id: String,
        group: String,
        at: i64,
    },
    TxnOffsets {
        id: String,
        group: String,
        offsets: Offsets,
    },
    /// The coordinator takes the transaction from its producer: the epoch goes up, the transaction stays.
    Fence {
        id: String,
        epoch: i16,
    },
    Prepare {
        id: String,
        commit: bool,
    },
    Done {
        id: String,
        at: i64,
    },
}

/// A topic as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicMeta {
    pub(crate) id: u64,
    pub(crate) partitions: i32,
    pub(crate) config: BTreeMap<String, String>,
    /// Log start offsets set by DeleteRecords.
    pub(crate) log_starts: BTreeMap<i32, i64>,
}

/// All metadata.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) topics: BTreeMap<String, TopicMeta>,
    pub(crate) offsets: HashMap<String, BTreeMap<TopicPartition, Committed>>,
    pub(crate) txns: HashMap<String, Txn>,
    /// The transactional id of each producer id in use.
    owners: HashMap<i64, String>,
    pub(crate) next_producer_id: i64,
    pub(crate) next_topic_id: u64,
}

impl Meta {
    /// Applies a change.
    pub(crate) fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Topic { name, id, partitions, config } => {
                self.next_topic_id = self.next_topic_id.max(id + 1);
                self.topics.insert(name, TopicMeta { id, partitions, config, log_starts: BTreeMap::new() });
            }
            Entry::Partitions { name, count } => self.on_topic(&name, |t| t.partitions = count),
            Entry::Config { name, config } => self.on_topic(&name, |t| t.config = config),
            Entry::DeleteTopic { name } => self.delete_topic(&name),
            Entry::LogStart { topic, partition, offset } => {
                self.on_topic(&topic, |t| {
                    t.log_starts.insert(partition, offset);
                });
            }
            Entry::Offsets { group, offsets } => self.offsets.entry(group).or_default().extend(offsets),
            Entry::DeleteOffsets { group, partitions } => {
                if let Some(offsets) = self.offsets.get_mut(&group) {
                    offsets.retain(|partition, _| !partitions.contains(partition));
                }
            }
            Entry::DeleteGroup { group } => drop(self.offsets.remove(&group)),
            Entry::ProducerIds { next } => self.next_producer_id = self.next_producer_id.max(next),
            other => self.apply_txn(other),
        }
    }

    fn apply_txn(&mut self, entry: Entry) {
        match entry {
            Entry::Producer { id, producer_id, epoch, last_epoch, timeout_ms, at, completed } => {
                let mut txn = Txn::new(producer_id, epoch, last_epoch, timeout_ms, at);
                txn.state = completed.map_or(State::Empty, |commit| State::Complete { commit });
                self.put_txn(id, txn);
            }
            Entry::TxnPartitions { id, partitions, at } => self.on_txn(&id, |t| {
                begin(t, at);
                t.partitions.extend(partitions);
            }),
            Entry::TxnGroup { id, group, at } => self.on_txn(&id, |t| {
                begin(t, at);
                t.groups.entry(group).or_default();
            }),
            Entry::TxnOffsets { id, group, offsets } => {
                self.on_txn(&id, |t| t.groups.entry(group).or_default().extend(offsets));
            }
            Entry::Fence { id, epoch } => self.on_txn(&id, |t| {
                t.last_epoch = t.epoch;
                t.epoch = epoch;
            }),
            Entry::Prepare { id, commit } => self.on_txn(&id, |t| t.state = State::Prepared { commit }),
            Entry::Done { id, at } => self.done(&id, at),
            _ => {}
        }
    }

    fn on_topic(&mut self, name: &str, change: impl FnOnce(&mut TopicMeta)) {
        self.topics.get_mut(name).map(change);
    }

    fn on_txn(&mut self, id: &str, change: impl FnOnce(&mut Txn)) {
        self.txns.get_mut(id).map(change);
    }

    fn delete_topic(&mut self, name: &str) {
        self.topics.remove(name);
        for offsets in self.offsets.values_mut() {
            offsets.retain(|(topic, _), _| topic != name);
        }
    }

    fn put_txn(&mut self, id: String, txn: Txn) {
        self.next_producer_id = self.next_producer_id.max(txn.producer_id + 1);
        if self.txns.len() >= MAX_TRANSACTIONAL_IDS && !self.txns.contains_key(&id) {
            let idle = self.txns.iter().filter(|(_, t)| matches!(t.state, State::Empty | State::Complete { .. }));
            // By age, then name: the same on every replay.
            if let Some(oldest) = idle.min_by_key(|(name, t)| (t.since, *name)).map(|(name, _)| name.clone()) {
                self.txns.remove(&oldest).map(|t| self.owners.remove(&t.producer_id));
            }
        }
        let producer_id = txn.producer_id;
        self.owners.insert(producer_id, id.clone());
        if let Some(old) = self.txns.insert(id, txn).filter(|old| old.producer_id != producer_id) {
            self.owners.remove(&old.producer_id);
        }
    }

    fn done(&mut self, id: &str, at: i64) {
        let Some(txn) = self.txns.get_mut(id) else { return };
        let State::Prepared { commit } = txn.state else { return };
        txn.state = State::Complete { commit };
        txn.since = at;
        txn.partitions.clear();
        for (group, offsets) in std::mem::take(&mut txn.groups) {
            if commit && !offsets.is_empty() {
                self.offsets.entry(group).or_default().extend(offsets);
            }
        }
    }

    /// The transactional id that a producer id belongs to.
    pub(crate) fn txn_of(&self, producer_id: i64) -> Option<&Txn> {
        self.txns.get(self.owners.get(&producer_id)?)
    }

    /// Whether an undecided transaction holds an offset of this group and partition.
    pub(crate) fn has_pending_offset(&self, group: &str, partition: &TopicPartition) -> bool {
        self.txns.values().any(|t| t.groups.get(group).is_some_and(|offsets| offsets.contains_key(partition)))
    }

    /// The entries that make this state from nothing.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Entry> {
        let topics = self.topics.iter().flat_map(|(name, t)| {
            let topic =
                Entry::Topic { name: name.clone(), id: t.id, partitions: t.partitions, config: t.config.clone() };
            let starts = t.log_starts.iter();
            std::iter::once(topic).chain(starts.map(|(partition, offset)| Entry::LogStart {
                topic: name.clone(),
                partition: *partition,
                offset: *offset,
            }))
        });
        let offsets = self.offsets.iter().map(|(group, offsets)| Entry::Offsets {
            group: group.clone(),
            offsets: offsets.iter().map(|(p, c)| (p.clone(), c.clone())).collect(),
        });
        let txns = self.txns.iter().flat_map(|(id, txn)| txn_entries(id, txn));
        let ids = Entry::ProducerIds { next: self.next_producer_id };
        topics.chain(offsets).chain(txns).chain(std::iter::once(ids))
    }
}

fn begin(txn: &mut Txn, at: i64) {
    if txn.state != State::Ongoing {
        txn.state = State::Ongoing;
        txn.since = at;
    }
}

fn txn_entries(id: &str, txn: &Txn) -> Vec<Entry> {
    let id = || id.to_string();
    let at = txn.since;
    let completed = match txn.state {
        State::Complete { commit } => Some(commit),
        _ => None,
    };
    let Txn { producer_id, epoch, last_epoch, timeout_ms, .. } = *txn;
    let mut entries = vec![Entry::Producer { id: id(), producer_id, epoch, last_epoch, timeout_ms, at, completed }];
    if !txn.partitions.is_empty() {
        entries.push(Entry::TxnPartitions { id: id(), partitions: txn.partitions.iter().cloned().collect(), at });
    }
    for (group, offsets) in &txn.groups {
        entries.push(Entry::TxnGroup { id: id(), group: group.clone(), at });
        let offsets = offsets.iter().map(|(p, c)| (p.clone(), c.clone())).collect();
        entries.push(Entry::TxnOffsets { id: id(), group: group.clone(), offsets });
    }
    if let State::Prepared { commit } = txn.state {
        entries.push(Entry::Prepare { id: id(), commit });
    }
    entries
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn committed(offset: i64) -> Committed {
        Committed { offset, leader_epoch: -1, metadata: String::new() }
    }

    fn producer(id: &str, producer_id: i64, epoch: i16) -> Entry {
        Entry::Producer { id: id.into(), producer_id, epoch, last_epoch: -1, timeout_ms: 1_000, at: 5, completed: None }
    }

    /// Every kind of entry, leaving transactions in every state.
    fn history() -> Vec<Entry> {
        let tp = |n| ("t".to_string(), n);
        let s = str::to_string;
        vec![
            Entry::Topic { name: s("t"), id: 3, partitions: 1, config: BTreeMap::new() },
            Entry::Topic { name: s("gone"), id: 4, partitions: 1, config: BTreeMap::new() },
            Entry::Partitions { name: s("t"), count: 4 },
            Entry::Config { name: s("t"), config: [(s("retention.ms"), s("1"))].into() },
            Entry::LogStart { topic: s("t"), partition: 2, offset: 77 },
            Entry::Offsets { group: s("g"), offsets: vec![(tp(0), committed(1)), ((s("gone"), 0), committed(9))] },
            Entry::DeleteTopic { name: s("gone") },
            Entry::Offsets { group: s("h"), offsets: vec![(tp(0), committed(1))] },
            Entry::DeleteGroup { group: s("h") },
            Entry::ProducerIds { next: 40 },
            producer("open", 41, 0),
            Entry::TxnPartitions { id: s("open"), partitions: vec![tp(0)], at: 10 },
            Entry::TxnGroup { id: s("open"), group: s("g"), at: 11 },
            Entry::TxnOffsets { id: s("open"), group: s("g"), offsets: vec![(tp(1), committed(5))] },
            Entry::Fence { id: s("open"), epoch: 1 },
            producer("prepared", 42, 0),
            Entry::TxnPartitions { id: s("prepared"), partitions: vec![tp(1)], at: 12 },
            Entry::Prepare { id: s("prepared"), commit: true },
            producer("done", 43, 0),
            Entry::TxnGroup { id: s("done"), group: s("g"), at: 12 },
            Entry::TxnOffsets { id: s("done"), group: s("g"), offsets: vec![(tp(2), committed(6))] },
            Entry::Prepare { id: s("done"), commit: true },
            Entry::Done { id: s("done"), at: 13 },
        ]
    }

    fn build(entries: impl IntoIterator<Item = Entry>) -> Meta {
        let mut meta = Meta::default();
        entries.into_iter().for_each(|e| meta.apply(e));
        meta
    }

    #[test]
    fn history_leaves_the_expected_state() {
        let meta = build(history());
        assert_eq!(meta.topics.keys().collect::<Vec<_>>(), ["t"]);
        assert_eq!((meta.topics["t"].partitions, meta.topics["t"].log_starts[&2]), (4, 77));
        assert_eq!(meta.offsets["g"].len(), 2, "the deleted topic's offset is gone, the transaction's is in");
        assert_eq!(meta.offsets["g"][&("t".to_string(), 2)], committed(6));
        assert!(!meta.offsets.contains_key("h"));
        assert_eq!((meta.next_producer_id, meta.next_topic_id), (44, 5));
        assert_eq!((meta.txns["open"].epoch, meta.txns["open"].last_epoch, meta.txns["open"].since), (1, 0, 10));
        assert!(meta.has_pending_offset("g", &("t".to_string(), 1)));
        assert_eq!(meta.txns["done"].state, State::Complete { commit: true });
        assert_eq!(meta.txn_of(42).unwrap().state, State::Prepared { commit: true });
    }

    #[test]
    fn a_snapshot_makes_the_same_state() {
        let meta = build(history());
        let mut again = build(meta.snapshot());
        again.next_topic_id = meta.next_topic_id; // the topic that held the largest id is gone
        assert_eq!(again, meta);
    }

    #[test]
    fn an_aborted_transaction_applies_no_offsets() {
        let mut entries = history();
        entries.truncate(14);
        entries.push(Entry::Prepare { id: "open".into(), commit: false });
        entries.push(Entry::Done { id: "open".into(), at: 99 });
        let meta = build(entries);
        assert_eq!(meta.offsets["g"].len(), 1);
        assert!(!meta.has_pending_offset("g", &("t".to_string(), 1)));
    }

    #[test]
    fn transactional_ids_are_bounded_and_the_idlest_goes() {
        let mut meta = Meta::default();
        for n in 0..=MAX_TRANSACTIONAL_IDS as i64 {
            let mut entry = producer(&format!("id{n}"), n, 0);
            if let Entry::Producer { at, .. } = &mut entry {
                *at = n;
            }
            meta.apply(entry);
        }
        assert_eq!(meta.txns.len(), MAX_TRANSACTIONAL_IDS);
        assert!(!meta.txns.contains_key("id0") && meta.txn_of(0).is_none());
    }
}
