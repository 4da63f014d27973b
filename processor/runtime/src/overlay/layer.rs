//! A transaction's writes to a task's state.

use crate::store::Write;
use acteon_core::keys;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::iter::Peekable;
use std::ops::Bound;

/// What is written under a key; `None` deletes it.
pub(super) type Value = Option<Vec<u8>>;

/// The last write of each key.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// To the stores that each action asks for whole keys.
    hashed: FxHashMap<Vec<u8>, Value>,
    /// To all others: features scan these, for each action.
    ordered: BTreeMap<Vec<u8>, Value>,
}

/// Whether a key is of a store that is hardly ever scanned, and looked up with each action.
pub(super) fn is_hashed(key: &[u8]) -> bool {
    use keys::Store::{Clock, Dedup, Seen, Throttle};
    key.first().is_some_and(|tag| [Dedup, Throttle, Seen, Clock].iter().any(|store| *store as u8 == *tag))
}

impl Layer {
    pub(super) fn insert(&mut self, key: Vec<u8>, value: Value) {
        if is_hashed(&key) {
            self.hashed.insert(key, value);
        } else {
            self.ordered.insert(key, value);
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Value> {
        if is_hashed(key) { self.hashed.get(key) } else { self.ordered.get(key) }
    }

    pub(super) fn hashed(&self) -> &FxHashMap<Vec<u8>, Value> {
        &self.hashed
    }

    pub(super) fn ordered(&self) -> &BTreeMap<Vec<u8>, Value> {
        &self.ordered
    }

    pub(super) fn writes(&self) -> impl Iterator<Item = Write<'_>> {
        let all = self.hashed.iter().chain(&self.ordered);
        all.map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// The ordered keys under a prefix of two layers, in order, and whether each is set. What the `upper` one says of a key
    /// counts.
    pub(super) fn under<'l>(lower: &'l Self, upper: &'l Self, prefix: &[u8]) -> impl Iterator<Item = (&'l [u8], bool)> {
        let (mut lower, mut upper) = (lower.from(prefix), upper.from(prefix));
        let all = std::iter::from_fn(move || {
            let from_lower = match (lower.peek(), upper.peek()) {
                (Some((low, _)), Some((up, _))) => {
                    if low == up {
                        lower.next();
                        false
                    } else {
                        low < up
                    }
                }
                (low, _) => low.is_some(),
            };
            if from_lower { lower.next() } else { upper.next() }
        });
        let all = all.map(|(key, value)| (key.as_slice(), value.is_some()));
        all.take_while(move |(key, _)| key.starts_with(prefix))
    }

    fn from(&self, prefix: &[u8]) -> Peekable<btree_map::Range<'_, Vec<u8>, Value>> {
        self.ordered.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded)).peekable()
    }

    pub(super) fn clear(&mut self) {
        self.hashed.clear();
        self.ordered.clear();
    }
}
