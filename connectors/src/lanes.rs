use std::collections::{HashMap, VecDeque};

/// One lane a key: items of one key pass one after the other, those of different keys side by side.
///
/// Holds only keys with an item on the way; how many items there can be is limited by whoever lets them enter.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    waiting: HashMap<Vec<u8>, VecDeque<T>>,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { waiting: HashMap::new() }
    }
}

impl<T> Lanes<T> {
    /// Gives the item back where its lane was free, which it holds from now on; keeps it waiting otherwise.
    pub(crate) fn enter(&mut self, key: &[u8], item: T) -> Option<T> {
        if let Some(waiting) = self.waiting.get_mut(key) {
            waiting.push_back(item);
            return None;
        }
        self.waiting.insert(key.to_vec(), VecDeque::new());
        Some(item)
    }

    /// The next item of a lane whose holder is through; frees the lane where none waits.
    pub(crate) fn next(&mut self, key: &[u8]) -> Option<T> {
        let next = self.waiting.get_mut(key)?.pop_front();
        if next.is_none() {
            self.waiting.remove(key);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_waits_and_others_pass() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.enter(b"a", 1), Some(1));
        assert_eq!(lanes.enter(b"a", 2), None);
        assert_eq!(lanes.enter(b"b", 3), Some(3));
        assert_eq!(lanes.enter(b"a", 4), None);
        assert_eq!(
            [lanes.next(b"a"), lanes.next(b"a"), lanes.next(b"a"), lanes.next(b"a")],
            [Some(2), Some(4), None, None]
        );
        assert_eq!(lanes.enter(b"a", 5), Some(5));
        assert_eq!((lanes.next(b"a"), lanes.next(b"b")), (None, None));
        assert!(lanes.waiting.is_empty());
    }
}
