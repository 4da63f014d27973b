mod absent;
mod layer;

use crate::log::ChangelogOffsets;
use crate::store::{Store, StoreError, Timer, Write};
use absent::Absent;
use acteon_core::{State, StateError, due_at};
use layer::{Layer, Value, is_hashed};
use std::collections::BTreeMap;

/// A task's state inside a transaction: the store, under the writes of the transaction that is being committed, under those
/// of the open one, under the writes of the step that is being made.
#[derive(Debug)]
pub(crate) struct Overlay<S> {
    /// What is written to it without this overlay has to be made known by [`Self::restore`] or [`Self::clear`].
    pub(crate) store: S,
    /// What the store has answered before. The layers above it are looked at first.
    absent: Absent,
    /// Of the transaction that is being committed.
    sealed: Layer,
    /// Of the open transaction.
    open: Layer,
    step: Vec<(Vec<u8>, Value)>,
    found: Vec<u8>,
}

impl<S: Store> Overlay<S> {
    pub(crate) fn new(store: S) -> Self {
        let (sealed, open) = (Layer::default(), Layer::default());
        Self { store, absent: Absent::default(), sealed, open, step: Vec::new(), found: Vec::new() }
    }

    /// Keeps the step's writes for the open transaction; returns their bytes.
    pub(crate) fn keep_step(&mut self) -> usize {
        let mut bytes = 0;
        for (key, value) in self.step.drain(..) {
            bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            self.open.insert(key, value);
        }
        bytes
    }

    /// Forgets the step's writes.
    pub(crate) fn drop_step(&mut self) {
        self.step.clear();
    }

    /// The size in bytes of the largest value that the step has written.
    pub(crate) fn largest_in_step(&self) -> usize {
        self.step.iter().filter_map(|(_, value)| value.as_ref().map(Vec::len)).max().unwrap_or(0)
    }

    /// The open transaction's writes: the last one of each key.
    pub(crate) fn writes(&self) -> impl Iterator<Item = Write<'_>> {
        self.open.writes()
    }

    /// The open transaction is being committed, and the next one's writes come above its own. Not before the last one's
    /// were applied. Returns the timers that it has set.
    pub(crate) fn seal(&mut self) -> impl Iterator<Item = Timer> {
        debug_assert!(self.sealed.writes().next().is_none(), "one commit at a time");
        std::mem::swap(&mut self.sealed, &mut self.open);
        // No hashed store has timers.
        let timers = self.sealed.ordered().iter();
        timers.filter_map(|(key, value)| Some(Timer { due: due_at(key, value.as_ref()?)?, key: key.clone() }))
    }

    /// Moves the sealed writes into the store, and takes spent timers out of it.
    pub(crate) fn apply(&mut self, spent: &[Timer], offsets: ChangelogOffsets, now: i64) -> Result<(), StoreError> {
        self.store.apply(&mut self.sealed.writes(), spent, offsets, now)?;
        for key in self.sealed.ordered().keys().filter(|key| Absent::remembers(key)) {
            self.absent.remove(key);
        }
        self.sealed.clear();
        Ok(())
    }

    /// Gives the store what was restored.
    pub(crate) fn restore(
        &mut self,
        writes: &mut dyn Iterator<Item = Write<'_>>,
        offsets: ChangelogOffsets,
        now: i64,
    ) -> Result<(), StoreError> {
        self.absent.clear();
        self.store.apply(writes, &[], offsets, now)
    }

    /// Empties the store.
    pub(crate) fn clear(&mut self) -> Result<(), StoreError> {
        self.absent.clear();
        self.store.clear()
    }

    /// Forgets everything that is not in the store.
    pub(crate) fn discard(&mut self) {
        self.absent.clear();
        self.step.clear();
        self.open.clear();
        self.sealed.clear();
    }

    /// What the writes say about the keys under a prefix: whether each is set. Of those that are, no more than `limit`
    /// are needed.
    fn above(&self, prefix: &[u8], limit: usize) -> BTreeMap<&[u8], bool> {
        let in_step = || self.step.iter().filter(|(key, _)| key.starts_with(prefix));
        let deleted = in_step().filter(|(_, value)| value.is_none()).count();
        let mut left = limit.saturating_add(deleted);
        let mut above = BTreeMap::new();
        for (key, is_set) in Layer::under(&self.sealed, &self.open, prefix) {
            above.insert(key, is_set);
            left -= usize::from(is_set);
            if left == 0 {
                break;
            }
        }
        if prefix.is_empty() || is_hashed(prefix) {
            let hashed = self.sealed.hashed().iter().chain(self.open.hashed());
            let hashed = hashed.filter(|(key, _)| key.starts_with(prefix));
            above.extend(hashed.map(|(key, value)| (key.as_slice(), value.is_some())));
        }
        above.extend(in_step().map(|(key, value)| (key.as_slice(), value.is_some())));
        above
    }
}

impl<S: Store> State for Overlay<S> {
    fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, StateError> {
        if let Some((_, value)) = self.step.iter().rev().find(|(written, _)| written == key) {
            return Ok(value.as_deref());
        }
        if let Some(value) = self.open.get(key).or_else(|| self.sealed.get(key)) {
            return Ok(value.as_deref());
        }
        let remembered = Absent::remembers(key);
        if remembered && self.absent.has(key) {
            return Ok(None);
        }
        self.found.clear();
        let found = self.store.get(key, &mut self.found).map_err(|error| StateError::Store(error.to_string()))?;
        if remembered && !found {
            self.absent.add(key);
        }
        Ok(found.then_some(self.found.as_slice()))
    }

    fn scan(&mut self, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StateError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let above = self.above(prefix, limit);
        // Deletions above can hide that many keys below.
        let hidden = above.values().filter(|is_set| !**is_set).count();
        let below = self.store.scan(prefix, limit.saturating_add(hidden));
        let below = below.map_err(|error| StateError::Store(error.to_string()))?;
        let mut keys: Vec<Vec<u8>> = below.into_iter().filter(|key| !above.contains_key(key.as_slice())).collect();
        keys.extend(above.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key.to_vec()));
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.step.push((key.to_vec(), Some(value.to_vec())));
    }

    fn delete(&mut self, key: &[u8]) {
        self.step.push((key.to_vec(), None));
    }
}

#[cfg(test)]
mod tests;
