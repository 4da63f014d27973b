use crate::store::Store;
use acteon_core::{State, StateError};
use rustc_hash::FxHashMap;

/// A task's state inside a transaction: the store, under the writes that are not committed yet, under the writes of the
/// step that is being made.
#[derive(Debug)]
pub(crate) struct Overlay<S> {
    pub(crate) store: S,
    writes: FxHashMap<Vec<u8>, Option<Vec<u8>>>,
    step: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    found: Vec<u8>,
}

impl<S: Store> Overlay<S> {
    pub(crate) fn new(store: S) -> Self {
        Self { store, writes: FxHashMap::default(), step: Vec::new(), found: Vec::new() }
    }

    /// Keeps the step's writes for the transaction.
    pub(crate) fn keep_step(&mut self) {
        self.writes.extend(self.step.drain(..));
    }

    /// Forgets the step's writes.
    pub(crate) fn drop_step(&mut self) {
        self.step.clear();
    }

    /// The transaction's writes: the last one of each key.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.writes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// Moves the transaction's writes into the store.
    pub(crate) fn apply(
        &mut self,
        offsets: crate::log::ChangelogOffsets,
        now: i64,
    ) -> Result<(), crate::store::StoreError> {
        let writes = &self.writes;
        let mut iter = writes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
        self.store.apply(&mut iter, offsets, now)?;
        self.writes.clear();
        Ok(())
    }

    /// Forgets everything that is not in the store.
    pub(crate) fn discard(&mut self) {
        self.step.clear();
        self.writes.clear();
    }
}

impl<S: Store> State for Overlay<S> {
    fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, StateError> {
        if let Some((_, value)) = self.step.iter().rev().find(|(written, _)| written == key) {
            return Ok(value.as_deref());
        }
        if let Some(value) = self.writes.get(key) {
            return Ok(value.as_deref());
        }
        self.found.clear();
        let found = self.store.get(key, &mut self.found).map_err(|error| StateError::Store(error.to_string()))?;
        Ok(found.then_some(self.found.as_slice()))
    }

    fn scan(&mut self, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StateError> {
        // Deletions above can hide that many keys below.
        let hidden = self.writes.len() + self.step.len();
        let below = self
            .store
            .scan(prefix, limit.saturating_add(hidden))
            .map_err(|error| StateError::Store(error.to_string()))?;
        let mut keys: std::collections::BTreeSet<Vec<u8>> = below.into_iter().collect();
        let above = self.writes.iter().chain(self.step.iter().map(|(k, v)| (k, v)));
        for (key, value) in above.filter(|(key, _)| key.starts_with(prefix)) {
            match value {
                Some(_) => keys.insert(key.clone()),
                None => keys.remove(key),
            };
        }
        Ok(keys.into_iter().take(limit).collect())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.step.push((key.to_vec(), Some(value.to_vec())));
    }

    fn delete(&mut self, key: &[u8]) {
        self.step.push((key.to_vec(), None));
    }
}
