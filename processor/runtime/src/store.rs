#[cfg(test)]
pub(crate) mod memory;

use crate::log::ChangelogOffsets;

/// A write to a store: a key, and its value or `None` to delete it.
pub type Write<'w> = (&'w [u8], Option<&'w [u8]>);

/// A timer: when it fires, in milliseconds since 1970, and the key of the entry that it belongs to. Timers are ordered by
/// time, then key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    /// When it fires.
    pub due: i64,
    /// Its entry.
    pub key: Vec<u8>,
}

/// What [`Store::due`] has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DueTimers {
    /// In order.
    pub timers: Vec<Timer>,
    /// The time of the first one behind them, due or not.
    pub next: Option<i64>,
}

/// A task's committed state on this machine: never ahead of the log, after a crash only behind.
///
/// It keeps an index of its entries' timers ([`acteon_core::due_at`]), which is no state: it is not in the changelog, and a
/// restore makes it anew. An entry that is written again or deleted leaves its old timer in the index, so that no write
/// costs a read; whoever takes timers out compares them with their entries.
pub trait Store {
    /// Appends the value of `key` to `out`; returns whether there is one.
    ///
    /// # Errors
    /// The store can't be read.
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, StoreError>;
    /// The keys that begin with `prefix`, in order, at most `limit` of them.
    ///
    /// # Errors
    /// The store can't be read.
    fn scan(&self, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StoreError>;
    /// The timers from `from` on that are due at `until`, at most `limit` of them. Nothing before `from` is looked at: the
    /// front of the index, where timers have been taken out, is slow to pass.
    ///
    /// # Errors
    /// The store can't be read.
    fn due(&self, from: &Timer, until: i64, limit: usize) -> Result<DueTimers, StoreError>;
    /// Takes `spent` timers out, then applies writes with the timers that they set, together with the changelog offsets
    /// that they reach: all or nothing. `now` is the time in milliseconds since 1970, kept as the store's last sign of
    /// life.
    ///
    /// # Errors
    /// The store can't be written.
    fn apply(
        &mut self,
        writes: &mut dyn Iterator<Item = Write<'_>>,
        spent: &[Timer],
        offsets: ChangelogOffsets,
        now: i64,
    ) -> Result<(), StoreError>;
    /// The changelog offsets that it has reached.
    fn offsets(&self) -> ChangelogOffsets;
    /// Removes everything, timers included: the state will be read from the log's beginning.
    ///
    /// # Errors
    /// The store can't be written.
    fn clear(&mut self) -> Result<(), StoreError>;
    /// Estimated size in bytes.
    fn size_bytes(&self) -> u64;
    /// Writes what is in memory to disk, so that the next start has little to restore.
    ///
    /// # Errors
    /// The store can't be written.
    fn flush(&mut self) -> Result<(), StoreError>;
}

/// Opens stores.
pub trait Stores {
    /// The kind of store.
    type Store: Store;
    /// Opens, or makes, the store of a task. `now` is the time in milliseconds since 1970: what has not been alive for
    /// too long is emptied, since the log may have forgotten deletions since then.
    ///
    /// `None` while a sibling worker holds it: one that was given the partition before and has not heard yet that it lost
    /// it.
    ///
    /// # Errors
    /// The store can't be opened.
    fn open(&mut self, partition: i32, now: i64) -> Result<Option<Self::Store>, StoreError>;
}

/// A failed operation of a store, with the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("state store {place}: {problem}")]
pub struct StoreError {
    /// The directory.
    pub place: String,
    /// What happened and what to do.
    pub problem: String,
}
