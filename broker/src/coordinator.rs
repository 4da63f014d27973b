//! Coordinates groups and transactions: the metadata with its journal, and the groups that have members.

use crate::Error;
use crate::catalog::{Catalog, Wake, lock};
use crate::faults::Faults;
use crate::group::Group;
use crate::journal::Journal;
use crate::log::batch::{Header, marker};
use crate::meta::{Entry, Meta};
use crate::txn::{State, TopicPartition, Txn};
use kafka_protocol::error::ResponseError;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Notify;

/// Groups with members.
const MAX_GROUPS: usize = 10_000;

/// A group and those who wait for its answers.
#[derive(Default)]
pub(crate) struct LiveGroup {
    pub(crate) group: Group,
    pub(crate) changed: Arc<Notify>,
}

/// Everything that is coordinated; behind one lock. Locks of partitions are taken inside it, never the other way.
pub(crate) struct Coordinator {
    pub(crate) meta: Meta,
    journal: Journal,
    pub(crate) groups: HashMap<String, LiveGroup>,
    members_made: u64,
}

/// What ending a transaction works on.
pub(crate) struct Ground<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) faults: &'a Faults,
    pub(crate) now: i64,
}

impl Coordinator {
    /// Replays the journal in `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let mut meta = Meta::default();
        meta.apply(Entry::ProducerIds { next: 1 });
        let journal = Journal::open(dir, |entry| meta.apply(entry))?;
        Ok(Self { meta, journal, groups: HashMap::new(), members_made: 0 })
    }

    /// Writes a change down, then makes it.
    pub(crate) fn record(&mut self, entry: Entry) -> Result<(), Error> {
        self.journal.append(&entry)?;
        self.meta.apply(entry);
        if self.journal.wants_snapshot()
            && let Err(error) = self.journal.rewrite(self.meta.snapshot())
        {
            tracing::warn!(%error, "journal can't be rewritten, it goes on growing");
        }
        Ok(())
    }

    /// Rewrites the journal as a snapshot; the broker is about to stop.
    pub(crate) fn finish(&mut self) {
        let done = self.journal.rewrite(self.meta.snapshot()).or_else(|_| self.journal.flush());
        if let Err(error) = done {
            tracing::error!(%error, "journal can't be flushed");
        }
    }

    /// An id for a new group member.
    pub(crate) fn new_member_id(&mut self, client: &str, now: i64) -> String {
        self.members_made += 1;
        format!("{client}-{now:x}-{}", self.members_made)
    }

    /// The group of this id, made if need be.
    pub(crate) fn group_mut(&mut self, id: &str) -> Result<&mut LiveGroup, ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(id) {
            return Err(ResponseError::PolicyViolation);
        }
        Ok(self.groups.entry(id.to_string()).or_default())
    }

    /// Checks that who commits offsets is a member of the group's generation. A commit without generation and member
    /// is taken for a consumer that uses no group, as Apache Kafka does.
    pub(crate) fn check_commit(
        &mut self,
        group: &str,
        (member, instance, generation): (&str, Option<&str>, i32),
        in_transaction: bool,
        now: i64,
    ) -> Result<(), ResponseError> {
        if generation < 0 && member.is_empty() && instance.is_none() {
            let busy = |live: &LiveGroup| !in_transaction && live.group.state != crate::group::State::Empty;
            return if self.groups.get(group).is_some_and(busy) { Err(ResponseError::UnknownMemberId) } else { Ok(()) };
        }
        let Some(live) = self.groups.get_mut(group) else { return Err(ResponseError::IllegalGeneration) };
        live.group.check(member, instance, generation, now)?;
        if !in_transaction && live.group.state == crate::group::State::Completing {
            return Err(ResponseError::RebalanceInProgress);
        }
        Ok(())
    }

    /// Whether records of a transaction may be appended to a partition.
    pub(crate) fn check_append(&self, header: &Header, partition: &TopicPartition) -> Result<(), ResponseError> {
        let txn = self.meta.txn_of(header.producer_id).ok_or(ResponseError::InvalidProducerIdMapping)?;
        txn.check_append(header.producer_epoch, partition)
    }

    /// The transactional id, if it is known.
    pub(crate) fn txn(&self, id: &str) -> Result<&Txn, ResponseError> {
        self.meta.txns.get(id).ok_or(ResponseError::InvalidProducerIdMapping)
    }

    /// Decides the open transaction of an id and carries the decision out.
    pub(crate) fn end(&mut self, id: &str, commit: bool, ground: &Ground<'_>) -> Result<(), Error> {
        self.record(Entry::Prepare { id: id.to_string(), commit })?;
        self.complete(id, true, ground)
    }

    /// Aborts the open transaction of an id under the next epoch, so that its producer is fenced.
    pub(crate) fn abort_and_fence(&mut self, id: &str, ground: &Ground<'_>) -> Result<(), Error> {
        let Some(epoch) = self.meta.txns.get(id).map(Txn::fencing_epoch) else { return Ok(()) };
        self.record(Entry::Fence { id: id.to_string(), epoch })?;
        self.end(id, false, ground)
    }

    /// Writes the markers of a decided transaction and applies its offsets. When it is done again after a failure
    /// (`first` is false), partitions that have their marker get no second one.
    fn complete(&mut self, id: &str, first: bool, ground: &Ground<'_>) -> Result<(), Error> {
        let Some(txn) = self.meta.txns.get(id) else { return Ok(()) };
        let State::Prepared { commit } = txn.state else { return Ok(()) };
        let batch = marker(txn.producer_id, txn.epoch, commit, ground.now);
        let Some(header) = Header::parse(&batch) else { return Ok(()) };
        let partitions = txn.partitions.iter().filter_map(|(topic, number)| ground.catalog.partition(topic, *number));
        let partitions: Vec<_> = partitions.collect();
        let marked = partitions.iter().try_for_each(|partition| {
            let mut log = lock(&partition.log);
            if first || log.producers.is_open(txn.producer_id) {
                log.append(&header, &batch, Some(commit), ground.now)?;
            }
            Ok::<_, Error>(())
        });
        // Once all markers stand: a fetch of several partitions is answered with all of them then.
        partitions.iter().for_each(|partition| partition.wake(Wake::All));
        marked?;
        if ground.faults.crash_now() {
            return Err(Error::Halted);
        }
        self.record(Entry::Done { id: id.to_string(), at: ground.now })
    }

    /// Completes what was decided before a restart, or could not be completed before.
    pub(crate) fn complete_prepared(&mut self, ground: &Ground<'_>) -> Result<(), Error> {
        let prepared = self.ids(|txn| matches!(txn.state, State::Prepared { .. }));
        prepared.iter().try_for_each(|id| self.complete(id, false, ground))
    }

    /// Aborts the transactions that have outlived their time-out.
    pub(crate) fn abort_late(&mut self, ground: &Ground<'_>) -> Result<(), Error> {
        for id in self.ids(|txn| txn.is_late(ground.now)) {
            tracing::info!(transactional_id = id, "transaction timed out, aborted");
            self.abort_and_fence(&id, ground)?;
        }
        Ok(())
    }

    fn ids(&self, which: impl Fn(&Txn) -> bool) -> Vec<String> {
        self.meta.txns.iter().filter(|(_, txn)| which(txn)).map(|(id, _)| id.clone()).collect()
    }

    /// Lets time pass for the groups; wakes those who wait, and forgets groups without members.
    pub(crate) fn tick_groups(&mut self, now: i64) {
        self.groups.retain(|_, live| {
            if live.group.tick(now) {
                live.changed.notify_waiters();
            }
            // A waiting request holds the notifier: its group must stay until it has its answer.
            !live.group.is_idle() || Arc::strong_count(&live.changed) > 1
        });
    }
}
