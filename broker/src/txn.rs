//! The transaction coordinator's decisions, pure: what a request may do in the state a transactional id is in.

use crate::meta::Committed;
use kafka_protocol::error::ResponseError;
use std::collections::{BTreeMap, BTreeSet};

/// A topic and a partition number.
pub(crate) type TopicPartition = (String, i32);

/// The longest transaction time-out that a producer may ask for, milliseconds (Apache Kafka's default).
pub(crate) const MAX_TIMEOUT_MS: i32 = 900_000;

/// Where the transaction of a transactional id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Never begun.
    Empty,
    Ongoing,
    /// Decided; markers are being written.
    Prepared {
        commit: bool,
    },
    /// Markers written, offsets applied.
    Complete {
        commit: bool,
    },
}

/// A transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Txn {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    /// The epoch before, if the producer now at `epoch` may still know itself by it; else -1.
    pub(crate) last_epoch: i16,
    pub(crate) timeout_ms: i32,
    pub(crate) state: State,
    pub(crate) partitions: BTreeSet<TopicPartition>,
    /// Pending offsets of each group that was added.
    pub(crate) groups: BTreeMap<String, BTreeMap<TopicPartition, Committed>>,
    /// When the open transaction began, or the id was last used (wall clock, ms).
    pub(crate) since: i64,
}

/// How InitProducerId is answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Init {
    Refuse(ResponseError),
    /// Abort the open transaction under the next epoch, then ask again.
    AbortFirst,
    /// A repeated request: the id and epoch it already has.
    Same,
    NextEpoch(i16),
    /// The epochs are used up, or the id is new.
    NewProducerId,
}

/// How EndTxn is answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Refuse(ResponseError),
    Proceed,
    /// A repeated request.
    AlreadyDone,
}

impl Txn {
    /// A transactional id that has just got its producer.
    pub(crate) fn new(producer_id: i64, epoch: i16, last_epoch: i16, timeout_ms: i32, since: i64) -> Self {
        Self {
            producer_id,
            epoch,
            last_epoch,
            timeout_ms,
            state: State::Empty,
            partitions: BTreeSet::new(),
            groups: BTreeMap::new(),
            since,
        }
    }

    /// Whether a request speaks for the current producer of this id.
    pub(crate) fn check_producer(&self, producer_id: i64, epoch: i16) -> Result<(), ResponseError> {
        if producer_id != self.producer_id {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        if epoch != self.epoch { Err(ResponseError::ProducerFenced) } else { Ok(()) }
    }

    /// Whether partitions, groups or offsets may be added now.
    pub(crate) fn check_add(&self, producer_id: i64, epoch: i16) -> Result<(), ResponseError> {
        self.check_producer(producer_id, epoch)?;
        match self.state {
            State::Prepared { .. } => Err(ResponseError::ConcurrentTransactions),
            _ => Ok(()),
        }
    }

    /// Whether records of the open transaction may be appended to a partition.
    pub(crate) fn check_append(&self, epoch: i16, partition: &TopicPartition) -> Result<(), ResponseError> {
        if epoch != self.epoch {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        if self.state != State::Ongoing || !self.partitions.contains(partition) {
            return Err(ResponseError::InvalidTxnState);
        }
        Ok(())
    }

    /// Decides an EndTxn request.
    pub(crate) fn end(&self, producer_id: i64, epoch: i16, commit: bool) -> End {
        if let Err(error) = self.check_producer(producer_id, epoch) {
            return End::Refuse(error);
        }
        match self.state {
            State::Ongoing => End::Proceed,
            State::Complete { commit: done } if done == commit => End::AlreadyDone,
            State::Prepared { commit: decided } if decided == commit => {
                End::Refuse(ResponseError::ConcurrentTransactions)
            }
            _ => End::Refuse(ResponseError::InvalidTxnState),
        }
    }

    /// Whether the open transaction has outlived its time-out.
    pub(crate) fn is_late(&self, now: i64) -> bool {
        self.state == State::Ongoing && now.saturating_sub(self.since) > i64::from(self.timeout_ms)
    }

    /// The epoch under which the coordinator aborts, so that the producer is fenced.
    pub(crate) fn fencing_epoch(&self) -> i16 {
        self.epoch.saturating_add(1)
    }
}

/// Decides an InitProducerId request. `given` is the id and epoch that the producer believes it has, if any.
pub(crate) fn init(txn: Option<&Txn>, given: Option<(i64, i16)>) -> Init {
    let Some(txn) = txn else { return Init::NewProducerId };
    if let Some((producer_id, epoch)) = given {
        if producer_id != txn.producer_id {
            return Init::Refuse(ResponseError::ProducerFenced);
        }
        if epoch != txn.epoch {
            let repeated = epoch == txn.last_epoch && txn.state != State::Ongoing;
            return if repeated { Init::Same } else { Init::Refuse(ResponseError::ProducerFenced) };
        }
    }
    match txn.state {
        State::Prepared { .. } => Init::Refuse(ResponseError::ConcurrentTransactions),
        State::Ongoing => Init::AbortFirst,
        // The last epoch is kept for the coordinator's own abort.
        _ if txn.epoch >= i16::MAX - 1 => Init::NewProducerId,
        _ => Init::NextEpoch(txn.epoch + 1),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn txn(epoch: i16, state: State) -> Txn {
        Txn { state, ..Txn::new(7, epoch, epoch - 1, 1_000, 0) }
    }

    const COMMITTED: State = State::Complete { commit: true };

    #[test]
    fn init_bumps_fences_and_starts_over() {
        let fenced = || Init::Refuse(ResponseError::ProducerFenced);
        for (name, txn, given, want) in [
            ("unknown id", None, None, Init::NewProducerId),
            ("again", Some(txn(3, State::Empty)), None, Init::NextEpoch(4)),
            ("open transaction", Some(txn(3, State::Ongoing)), None, Init::AbortFirst),
            (
                "being decided",
                Some(txn(3, State::Prepared { commit: true })),
                None,
                Init::Refuse(ResponseError::ConcurrentTransactions),
            ),
            ("bump by the producer", Some(txn(3, COMMITTED)), Some((7, 3)), Init::NextEpoch(4)),
            ("repeated bump", Some(txn(3, COMMITTED)), Some((7, 2)), Init::Same),
            ("old epoch of an open one", Some(txn(3, State::Ongoing)), Some((7, 2)), fenced()),
            ("older epoch", Some(txn(3, COMMITTED)), Some((7, 1)), fenced()),
            ("other producer", Some(txn(3, COMMITTED)), Some((6, 3)), fenced()),
            ("last epoch but one", Some(txn(i16::MAX - 2, COMMITTED)), None, Init::NextEpoch(i16::MAX - 1)),
            ("exhausted", Some(txn(i16::MAX - 1, COMMITTED)), None, Init::NewProducerId),
            ("exhausted by an abort", Some(txn(i16::MAX, COMMITTED)), None, Init::NewProducerId),
        ] {
            assert_eq!(init(txn.as_ref(), given), want, "{name}");
        }
    }

    #[test]
    fn end_is_idempotent_and_final() {
        let refuse = End::Refuse;
        for (state, commit, want) in [
            (State::Ongoing, true, End::Proceed),
            (State::Ongoing, false, End::Proceed),
            (COMMITTED, true, End::AlreadyDone),
            (COMMITTED, false, refuse(ResponseError::InvalidTxnState)),
            (State::Complete { commit: false }, false, End::AlreadyDone),
            (State::Complete { commit: false }, true, refuse(ResponseError::InvalidTxnState)),
            (State::Prepared { commit: true }, true, refuse(ResponseError::ConcurrentTransactions)),
            (State::Prepared { commit: true }, false, refuse(ResponseError::InvalidTxnState)),
            (State::Empty, true, refuse(ResponseError::InvalidTxnState)),
        ] {
            assert_eq!(txn(3, state).end(7, 3, commit), want, "{state:?} {commit}");
        }
        assert_eq!(txn(3, State::Ongoing).end(7, 2, true), refuse(ResponseError::ProducerFenced));
        assert_eq!(txn(3, State::Ongoing).end(8, 3, true), refuse(ResponseError::InvalidProducerIdMapping));
    }

    #[test]
    fn records_need_an_open_transaction_that_holds_the_partition() {
        let partition = ("t".to_string(), 0);
        let mut open = txn(3, State::Ongoing);
        assert_eq!(open.check_append(3, &partition), Err(ResponseError::InvalidTxnState));
        open.partitions.insert(partition.clone());
        assert_eq!(open.check_append(3, &partition), Ok(()));
        assert_eq!(open.check_append(2, &partition), Err(ResponseError::InvalidProducerEpoch));
        open.state = COMMITTED;
        assert_eq!(open.check_append(3, &partition), Err(ResponseError::InvalidTxnState));
    }

    #[test]
    fn only_an_open_transaction_can_be_late() {
        assert!(!txn(1, State::Ongoing).is_late(1_000));
        assert!(txn(1, State::Ongoing).is_late(1_001));
        assert!(!txn(1, COMMITTED).is_late(i64::MAX));
        assert_eq!(txn(i16::MAX - 1, State::Ongoing).fencing_epoch(), i16::MAX);
    }
}
