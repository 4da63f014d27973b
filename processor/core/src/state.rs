use std::collections::BTreeMap;

/// One partition's keyed state as a step sees it: what is committed, under the writes of the open transaction.
pub trait State {
    /// The value of a key, or `None`.
    ///
    /// # Errors
    /// The store can't be read.
    fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, StateError>;
    /// The keys that begin with `prefix`, in order, at most `limit` of them.
    ///
    /// # Errors
    /// The store can't be read.
    fn scan(&mut self, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StateError>;
    /// Sets a key.
    fn put(&mut self, key: &[u8], value: &[u8]);
    /// Removes a key.
    fn delete(&mut self, key: &[u8]);
}

/// Why state could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store failed; the task can't go on.
    #[error("the state store failed: {0}")]
    Store(String),
    /// A value is not what this version or an older one wrote; the input goes to the dead-letter topic.
    #[error("corrupt value in store `{store}`: {problem}")]
    Corrupt {
        /// Name of the store.
        store: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
}

/// State in memory: for dry runs, rule tests and models.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryState(pub BTreeMap<Vec<u8>, Vec<u8>>);

impl MemoryState {
    /// The entry whose timer fires first, with its time (milliseconds since 1970): the least by time and then by key, the
    /// order in which a processor fires them. It looks at every entry, which is meant for the small states of tests.
    #[must_use]
    pub fn next_due(&self) -> Option<(i64, &[u8])> {
        let timers = self.0.iter().filter_map(|(key, value)| Some((crate::keys::due_at(key, value)?, key.as_slice())));
        timers.min()
    }
}

impl State for MemoryState {
    fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, StateError> {
        Ok(self.0.get(key).map(Vec::as_slice))
    }
    fn scan(&mut self, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StateError> {
        let from = self.0.range(prefix.to_vec()..);
        Ok(from.map(|(key, _)| key.clone()).take_while(|key| key.starts_with(prefix)).take(limit).collect())
    }
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.insert(key.to_vec(), value.to_vec());
    }
    fn delete(&mut self, key: &[u8]) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Store;
    use crate::value;

    #[test]
    fn the_next_timer_is_the_least_by_time_and_key() {
        let mut state = MemoryState::default();
        assert_eq!(state.next_due(), None);
        for (store, name, due) in [
            (Store::Scheduled, b'b', 20),
            (Store::Scheduled, b'a', 20),
            (Store::Group, b'a', value::NEVER),
            (Store::Dedup, b'a', 10),
            (Store::Chain, b'a', 30),
        ] {
            state.put(&[store as u8, name], &value::encode(due, &()));
        }
        assert_eq!(state.next_due(), Some((20, [Store::Scheduled as u8, b'a'].as_slice())));
    }
}
