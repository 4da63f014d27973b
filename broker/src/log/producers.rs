//! What a partition knows of its producers: sequence numbers, open transactions, aborted ones.

use super::batch::{Header, advance_sequence};
use kafka_protocol::error::ResponseError;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Batches remembered per producer, to answer a repeated one with its first offset (as Apache Kafka does).
const BATCHES_REMEMBERED: usize = 5;
/// Producers remembered per partition; beyond it the one unseen for longest without an open transaction is forgotten.
const MAX_PRODUCERS: usize = 5_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    first_sequence: i32,
    last_sequence: i32,
    offset: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Producer {
    epoch: i16,
    last_offset: i64,
    recent: VecDeque<Remembered>,
}

impl Producer {
    fn new(epoch: i16) -> Self {
        Self { epoch, last_offset: -1, recent: VecDeque::new() }
    }
}

/// An aborted transaction, as fetch responses list it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    /// Offset of the abort marker.
    pub(crate) last_offset: i64,
}

/// Whether a batch may be appended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Append,
    /// The batch is already in the log, at this offset.
    Duplicate(i64),
    Refuse(ResponseError),
}

/// The producer state of one partition; rebuilt from the log, or read from a checkpoint.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Producers {
    known: HashMap<i64, Producer>,
    /// First offset of each open transaction, by producer id.
    open: BTreeMap<i64, i64>,
    aborted: Vec<Aborted>,
}

impl Producers {
    /// Checks epoch and sequence of a batch from an idempotent producer.
    pub(crate) fn check(&self, header: &Header) -> Check {
        let Some(producer) = self.known.get(&header.producer_id) else { return Check::Append };
        if header.producer_epoch < producer.epoch {
            return Check::Refuse(ResponseError::InvalidProducerEpoch);
        }
        if header.producer_epoch > producer.epoch {
            return if header.base_sequence == 0 {
                Check::Append
            } else {
                Check::Refuse(ResponseError::OutOfOrderSequenceNumber)
            };
        }
        let last_sequence = header.last_sequence();
        if let Some(same) = producer
            .recent
            .iter()
            .find(|r| r.first_sequence == header.base_sequence && r.last_sequence == last_sequence)
        {
            return Check::Duplicate(same.offset);
        }
        match producer.recent.back() {
            Some(last) if advance_sequence(last.last_sequence, 1) != header.base_sequence => {
                Check::Refuse(ResponseError::OutOfOrderSequenceNumber)
            }
            _ => Check::Append,
        }
    }

    /// Takes note of an appended batch. `commits` is what a marker decides, `None` for records.
    pub(crate) fn note(&mut self, header: &Header, commits: Option<bool>) {
        if header.producer_id < 0 {
            return;
        }
        self.make_room(header.producer_id);
        let producer = self.known.entry(header.producer_id).or_insert_with(|| Producer::new(header.producer_epoch));
        if header.producer_epoch > producer.epoch {
            *producer = Producer::new(header.producer_epoch);
        }
        producer.last_offset = header.last_offset();
        if header.is_control() {
            let opened = self.open.remove(&header.producer_id);
            if let (Some(first_offset), Some(false)) = (opened, commits) {
                let last_offset = header.base_offset;
                self.aborted.push(Aborted { producer_id: header.producer_id, first_offset, last_offset });
            }
            return;
        }
        if producer.recent.len() == BATCHES_REMEMBERED {
            producer.recent.pop_front();
        }
        producer.recent.push_back(Remembered {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            offset: header.base_offset,
        });
        if header.is_transactional() {
            self.open.entry(header.producer_id).or_insert(header.base_offset);
        }
    }

    fn make_room(&mut self, newcomer: i64) {
        if self.known.len() < MAX_PRODUCERS || self.known.contains_key(&newcomer) {
            return;
        }
        let idle = self.known.iter().filter(|(id, _)| !self.open.contains_key(id));
        if let Some(oldest) = idle.min_by_key(|(_, p)| p.last_offset).map(|(id, _)| *id) {
            self.known.remove(&oldest);
        }
    }

    /// Whether this producer has a transaction open here under this epoch.
    pub(crate) fn has_open(&self, producer_id: i64, epoch: i16) -> bool {
        self.open.contains_key(&producer_id) && self.known.get(&producer_id).is_some_and(|p| p.epoch == epoch)
    }

    /// Whether this producer has a transaction open here.
    pub(crate) fn is_open(&self, producer_id: i64) -> bool {
        self.open.contains_key(&producer_id)
    }

    /// First offset of the earliest open transaction.
    pub(crate) fn first_open(&self) -> Option<i64> {
        self.open.values().copied().min()
    }

    /// The aborted transactions that touch offsets from `from` up to, not including, `upto`.
    pub(crate) fn aborted_between(&self, from: i64, upto: i64) -> impl Iterator<Item = &Aborted> {
        // In the order of their markers.
        let at = self.aborted.partition_point(|a| a.last_offset < from);
        self.aborted[at..].iter().filter(move |a| a.first_offset < upto)
    }

    /// Forgets aborted transactions that lie wholly below `offset`: their records are gone.
    pub(crate) fn forget_aborted_below(&mut self, offset: i64) {
        self.aborted.retain(|a| a.last_offset >= offset);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::batch::tests::{batch_of, records_section};
    use super::super::batch::{TRANSACTIONAL, marker};
    use super::*;

    fn header(producer: (i64, i16, i32), count: usize, attributes: i16, offset: i64) -> Header {
        let records = vec![("k", Some("v")); count];
        let batch = batch_of(&records_section(&records), count, attributes, producer, 0);
        Header { base_offset: offset, ..Header::parse(&batch).unwrap() }
    }

    #[test]
    fn duplicates_gaps_and_old_epochs() {
        let mut producers = Producers::default();
        for batch in 0..7 {
            producers.note(&header((9, 1, batch * 2), 2, 0, i64::from(batch) * 2), None);
        }
        let check = |epoch, sequence| producers.check(&header((9, epoch, sequence), 2, 0, 0));
        assert_eq!(check(1, 14), Check::Append, "the next");
        assert_eq!(check(1, 12), Check::Duplicate(12), "the last again");
        assert_eq!(check(1, 4), Check::Duplicate(4), "the fifth last again");
        assert_eq!(check(1, 2), Check::Refuse(ResponseError::OutOfOrderSequenceNumber), "too old to know");
        assert_eq!(check(1, 16), Check::Refuse(ResponseError::OutOfOrderSequenceNumber), "a gap");
        assert_eq!(check(0, 14), Check::Refuse(ResponseError::InvalidProducerEpoch), "a zombie");
        assert_eq!(check(2, 0), Check::Append, "a new epoch begins at 0");
        assert_eq!(check(2, 1), Check::Refuse(ResponseError::OutOfOrderSequenceNumber));
        assert_eq!(producers.check(&header((10, 0, 77), 1, 0, 0)), Check::Append, "an unknown producer");
    }

    #[test]
    fn transactions_hold_the_first_open_offset_and_leave_aborts() {
        let mut producers = Producers::default();
        producers.note(&header((1, 0, 0), 1, TRANSACTIONAL, 0), None);
        producers.note(&header((2, 0, 0), 1, TRANSACTIONAL, 1), None);
        assert_eq!(producers.first_open(), Some(0));
        assert!(producers.has_open(1, 0) && !producers.has_open(1, 1));
        let end = |id, commit, offset| {
            let batch = marker(id, 0, commit, 0);
            (Header { base_offset: offset, ..Header::parse(&batch).unwrap() }, Some(commit))
        };
        let (h, c) = end(1, false, 2);
        producers.note(&h, c);
        assert_eq!(producers.first_open(), Some(1));
        let (h, c) = end(2, true, 3);
        producers.note(&h, c);
        assert_eq!(producers.first_open(), None);
        let aborted: Vec<_> = producers.aborted_between(0, 4).copied().collect();
        assert_eq!(aborted, [Aborted { producer_id: 1, first_offset: 0, last_offset: 2 }]);
        producers.forget_aborted_below(3);
        assert_eq!(producers.aborted_between(0, 4).count(), 0);
    }

    #[test]
    fn a_marker_of_a_later_epoch_fences_the_earlier_one() {
        let mut producers = Producers::default();
        producers.note(&header((1, 4, 0), 1, TRANSACTIONAL, 0), None);
        let abort = marker(1, 5, false, 0);
        producers.note(&Header { base_offset: 1, ..Header::parse(&abort).unwrap() }, Some(false));
        let zombie = header((1, 4, 1), 1, TRANSACTIONAL, 0);
        assert_eq!(producers.check(&zombie), Check::Refuse(ResponseError::InvalidProducerEpoch));
    }

    #[test]
    fn memory_is_bounded() {
        let mut producers = Producers::default();
        for id in 0..MAX_PRODUCERS as i64 + 10 {
            producers.note(&header((id, 0, 0), 1, 0, id), None);
        }
        assert_eq!(producers.known.len(), MAX_PRODUCERS);
        assert!(!producers.known.contains_key(&0) && producers.known.contains_key(&10));
    }
}
