//! A store in memory, for tests.

use super::{DueTimers, Store, StoreError, Timer, Write};
use crate::log::ChangelogOffsets;
use acteon_core::due_at;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    pub(crate) entries: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) timers: BTreeSet<Timer>,
    pub(crate) offsets: ChangelogOffsets,
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, StoreError> {
        let value = self.entries.get(key);
        out.extend_from_slice(value.map_or(&[], Vec::as_slice));
        Ok(value.is_some())
    }

    fn scan(&self, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let from = self.entries.range(prefix.to_vec()..).map(|(key, _)| key);
        Ok(from.take_while(|key| key.starts_with(prefix)).take(limit).cloned().collect())
    }

    fn due(&self, from: &Timer, until: i64, limit: usize) -> Result<DueTimers, StoreError> {
        let timers: Vec<Timer> =
            self.timers.range(from..).take_while(|timer| timer.due <= until).take(limit).cloned().collect();
        let next = self.timers.range(from..).nth(timers.len()).map(|timer| timer.due);
        Ok(DueTimers { timers, next })
    }

    fn apply(
        &mut self,
        writes: &mut dyn Iterator<Item = Write<'_>>,
        spent: &[Timer],
        offsets: ChangelogOffsets,
        _: i64,
    ) -> Result<(), StoreError> {
        for timer in spent {
            self.timers.remove(timer);
        }
        for (key, value) in writes {
            let Some(value) = value else {
                self.entries.remove(key);
                continue;
            };
            self.entries.insert(key.to_vec(), value.to_vec());
            self.timers.extend(due_at(key, value).map(|due| Timer { due, key: key.to_vec() }));
        }
        self.offsets = offsets;
        Ok(())
    }

    fn offsets(&self) -> ChangelogOffsets {
        self.offsets
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        *self = Self::default();
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        0
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}
