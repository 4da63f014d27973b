use crate::log::{ChangelogOffsets, Positions};
use crate::overlay::Overlay;
use crate::store::{Store, StoreError};
use crate::timers::Timers;
use acteon_core::{PartitionClock, is_expired, keys};
use smallvec::SmallVec;

/// Writes kept together while a task is being restored.
const RESTORE_BATCH: usize = 1_000;

/// What a task is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Assigned; where the group stands is not known yet.
    Unread,
    /// Reading its changelogs; it will go on at these positions.
    Restoring(Positions),
    /// Deciding.
    Running,
}

/// A partition number and its store.
#[derive(Debug)]
pub(crate) struct Task<S> {
    pub(crate) phase: Phase,
    pub(crate) overlay: Overlay<S>,
    pub(crate) clock: PartitionClock,
    pub(crate) timers: Timers,
    /// Next offsets, the open transaction's included.
    pub(crate) positions: Positions,
    /// Next offsets as committed.
    pub(crate) committed: Positions,
    /// Next offsets of the transaction that is being committed, where that has anything of this task.
    sealed: Option<Positions>,
    /// Whether the open transaction has its first records.
    pub(crate) is_announced: bool,
    /// The writes of its state among these.
    pub(crate) announced: SmallVec<[(Vec<u8>, Option<Vec<u8>>); 2]>,
    /// Records restored since it was assigned.
    pub(crate) restored: u64,
    restore_batch: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The partition's time as far as it has been restored.
    restored_clock: i64,
}

impl<S: Store> Task<S> {
    pub(crate) fn new(store: S) -> Self {
        Self {
            phase: Phase::Unread,
            overlay: Overlay::new(store),
            clock: PartitionClock::default(),
            timers: Timers::new(),
            positions: Positions::default(),
            committed: Positions::default(),
            sealed: None,
            is_announced: false,
            announced: SmallVec::new(),
            restored: 0,
            restore_batch: Vec::new(),
            restored_clock: 0,
        }
    }

    /// Whether the open transaction has anything of this task.
    pub(crate) fn is_touched(&self) -> bool {
        self.positions != self.sealed.unwrap_or(self.committed) || !self.timers.spent().is_empty()
    }

    /// The open transaction is being committed; what is decided from now on is the next one's.
    pub(crate) fn seal(&mut self) {
        self.timers.seal(self.overlay.seal());
        self.sealed = Some(self.positions);
        self.forget_announced();
    }

    /// Whether the transaction that is being committed has anything of this task.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Moves what the committed transaction wrote into the store, which then stands at `reached`.
    pub(crate) fn apply(&mut self, reached: ChangelogOffsets, now: i64) -> Result<(), StoreError> {
        self.overlay.apply(self.timers.sealed(), reached, now)?;
        self.timers.applied();
        self.committed = self.sealed.take().unwrap_or(self.committed);
        Ok(())
    }

    /// Takes stale timers out of the index, which is not in the log: with nothing else to commit, they go by themselves.
    /// Not while a transaction is open, or is being committed.
    pub(crate) fn take_out_stale(&mut self, now: i64) -> Result<(), StoreError> {
        self.seal();
        let reached = self.overlay.store.offsets();
        self.apply(reached, now)
    }

    /// Empties the store: the state is read from its log's beginning.
    pub(crate) fn start_over(&mut self) -> Result<(), StoreError> {
        self.restore_batch.clear();
        self.restored_clock = 0;
        self.overlay.clear()
    }

    /// Takes a record of its changelogs. What has expired by the partition's own time is deleted rather than kept; by the
    /// wall's time (`now`) it might come back to life, when that is put back.
    pub(crate) fn restore(&mut self, key: &[u8], value: Option<&[u8]>, now: i64) -> Result<(), StoreError> {
        if let Some(at) = value.and_then(|value| PartitionClock::read(key, value)) {
            self.restored_clock = self.restored_clock.max(at);
        }
        let expires = keys::Store::of(key).is_some_and(keys::Store::expires);
        let value = value.filter(|value| !(expires && is_expired(value, self.restored_clock)));
        self.restore_batch.push((key.to_vec(), value.map(<[u8]>::to_vec)));
        self.restored += 1;
        if self.restore_batch.len() >= RESTORE_BATCH { self.flush_restore(None, now) } else { Ok(()) }
    }

    /// Writes what was restored to the store, which then stands at `reached`, or where it stood.
    pub(crate) fn flush_restore(&mut self, reached: Option<ChangelogOffsets>, now: i64) -> Result<(), StoreError> {
        // Until all has been read the offsets stay: reading the same records again leads to the same state.
        let offsets = reached.unwrap_or_else(|| self.overlay.store.offsets());
        let mut writes = self.restore_batch.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
        self.overlay.restore(&mut writes, offsets, now)?;
        self.restore_batch.clear();
        Ok(())
    }

    /// Drops what is not committed; the task has to be restored before it goes on.
    pub(crate) fn reset(&mut self) {
        self.overlay.discard();
        self.timers = Timers::new();
        self.restore_batch.clear();
        self.positions = self.committed;
        self.sealed = None;
        self.forget_announced();
        self.phase = Phase::Unread;
    }

    fn forget_announced(&mut self) {
        self.is_announced = false;
        self.announced.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    #[test]
    fn what_was_read_before_a_restore_starts_over_is_forgotten() {
        let mut task = Task::new(MemoryStore::default());
        task.restore(b"\x20old", Some(b"v"), 0).unwrap();
        task.start_over().unwrap();
        task.restore(b"\x20new", Some(b"v"), 0).unwrap();
        task.flush_restore(Some(ChangelogOffsets { compacted: 1, expiring: 0 }), 0).unwrap();
        assert_eq!(task.overlay.store.entries.keys().collect::<Vec<_>>(), [b"\x20new"]);
    }
}
