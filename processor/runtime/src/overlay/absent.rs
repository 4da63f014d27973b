//! Keys that a store is known not to have.

use acteon_core::keys;
use rustc_hash::FxHashSet;

/// Most keys remembered. One more, and all are forgotten and asked for anew: a task with that many tenants is no slower
/// than one that remembers none.
const MAX_ABSENT: usize = 4_096;

/// What the store has answered to questions for keys that it does not have. Each action asks for its tenant's policy, and
/// few tenants have one: in a store of many entries such a question passes every level of it.
#[derive(Debug, Default)]
pub(super) struct Absent(FxHashSet<Vec<u8>>);

impl Absent {
    /// Whether the answer for a key is remembered: its store is asked with each action, for few and mostly the same keys.
    pub(super) fn remembers(key: &[u8]) -> bool {
        key.first().is_some_and(|tag| *tag == keys::Store::Policy as u8)
    }

    /// Whether the store is known not to have a key.
    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.0.contains(key)
    }

    /// The store does not have this key.
    pub(super) fn add(&mut self, key: &[u8]) {
        if self.0.len() >= MAX_ABSENT {
            self.0.clear();
        }
        self.0.insert(key.to_vec());
    }

    /// The store has been given this key.
    pub(super) fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }

    /// The store may have been given any key.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_is_remembered() {
        let mut absent = Absent::default();
        for number in 0..=MAX_ABSENT {
            absent.add(&number.to_be_bytes());
            assert!(absent.0.len() <= MAX_ABSENT && absent.has(&number.to_be_bytes()));
        }
        assert!(!absent.has(&0_usize.to_be_bytes()));
    }
}
