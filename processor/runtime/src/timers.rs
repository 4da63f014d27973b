use crate::store::{Store, StoreError, Timer};
use std::collections::BTreeSet;

/// Where a task is in the index of its store's timers.
#[derive(Debug)]
pub(crate) struct Timers {
    /// Where the search of the index goes on: it holds nothing before this that is not spent, but what is in `aside`.
    cursor: Timer,
    /// Timers that the search does not come by: those set by the transaction that is being committed, which the index does
    /// not have yet, and those that were set for a time before the cursor.
    aside: BTreeSet<Timer>,
    /// No timer that is not spent is due before this time.
    next: i64,
    /// Those that the open transaction has fired or found stale, in order. The store still holds them.
    spent: Vec<Timer>,
    /// Those of the transaction that is being committed.
    sealed: Vec<Timer>,
}

impl Timers {
    /// Of a store that nothing is known of.
    pub(crate) fn new() -> Self {
        let cursor = Timer { due: i64::MIN, key: Vec::new() };
        Self { cursor, aside: BTreeSet::new(), next: i64::MIN, spent: Vec::new(), sealed: Vec::new() }
    }

    /// The time before which none is due: all that a turn without due timers looks at.
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    /// The timers that are due at `now`, in order and at most `limit`. Each is to be spent, in that order.
    pub(crate) fn find(&mut self, store: &impl Store, now: i64, limit: usize) -> Result<Vec<Timer>, StoreError> {
        let found = store.due(&self.cursor, now, limit)?;
        let mut timers = found.timers;
        let mut next = found.next;
        if !self.aside.is_empty() {
            timers.extend(self.aside.iter().take(limit).filter(|timer| timer.due <= now).cloned());
            timers.sort_unstable();
            timers.dedup();
            let left = timers.drain(limit.min(timers.len())..).next().map(|timer| timer.due);
            let last = timers.last();
            let beside = self.aside.iter().find(|timer| last.is_none_or(|last| *timer > last)).map(|timer| timer.due);
            next = next.into_iter().chain(left).chain(beside).min();
        }
        self.next = next.unwrap_or(i64::MAX);
        Ok(timers)
    }

    /// Remembers a timer that was fired, or found stale: it is not found again.
    pub(crate) fn spend(&mut self, timer: Timer) {
        self.aside.remove(&timer);
        if timer >= self.cursor {
            self.cursor = after(&timer);
        }
        self.spent.push(timer);
    }

    /// Those that the open transaction has spent.
    pub(crate) fn spent(&self) -> &[Timer] {
        &self.spent
    }

    /// The open transaction is being committed, and `set` are the timers that it has set.
    pub(crate) fn seal(&mut self, set: impl Iterator<Item = Timer>) {
        self.sealed.append(&mut self.spent);
        self.aside.extend(set);
        if let Some(earliest) = self.aside.first() {
            self.next = self.next.min(earliest.due);
        }
    }

    /// Those that the store shall take out: of the transaction that is being committed.
    pub(crate) fn sealed(&self) -> &[Timer] {
        &self.sealed
    }

    /// The store has taken out what was sealed, and taken in what was set.
    pub(crate) fn applied(&mut self) {
        self.sealed.clear();
        // The search comes by the others.
        drop(self.aside.split_off(&self.cursor));
    }
}

/// The least timer that comes after one.
fn after(timer: &Timer) -> Timer {
    let mut key = Vec::with_capacity(timer.key.len() + 1);
    key.extend_from_slice(&timer.key);
    key.push(0);
    Timer { due: timer.due, key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::ChangelogOffsets;
    use crate::store::memory::MemoryStore;

    fn timer(due: i64, key: u8) -> Timer {
        Timer { due, key: vec![key] }
    }

    fn spend_due(timers: &mut Timers, store: &MemoryStore, now: i64, limit: usize) -> Vec<(i64, u8)> {
        let found = timers.find(store, now, limit).unwrap();
        found.iter().for_each(|timer| timers.spend(timer.clone()));
        found.iter().map(|timer| (timer.due, timer.key[0])).collect()
    }

    /// The store does what was sealed.
    fn apply(timers: &mut Timers, store: &mut MemoryStore, set: &[Timer]) {
        store.apply(&mut std::iter::empty(), timers.sealed(), ChangelogOffsets::default(), 0).unwrap();
        store.timers.extend(set.iter().cloned());
        timers.applied();
    }

    #[test]
    fn what_a_commit_under_way_has_set_fires_in_order_with_what_the_store_has() {
        let mut store = MemoryStore::default();
        store.timers.extend([timer(10, 1), timer(20, 2), timer(40, 4)]);
        let mut timers = Timers::new();
        assert_eq!(spend_due(&mut timers, &store, 10, 9), [(10, 1)]);
        let set = [timer(5, 9), timer(30, 3), timer(40, 4), timer(50, 5)];
        timers.seal(set.iter().cloned());
        assert_eq!((timers.next(), timers.spent()), (5, &[][..]));
        assert_eq!(spend_due(&mut timers, &store, 45, 2), [(5, 9), (20, 2)]);
        assert_eq!(timers.next(), 30);
        apply(&mut timers, &mut store, &set);
        assert_eq!(spend_due(&mut timers, &store, 45, 9), [(30, 3), (40, 4)]);
        assert_eq!(timers.next(), 50);
        timers.seal(std::iter::empty());
        apply(&mut timers, &mut store, &[]);
        assert_eq!(store.timers, [timer(50, 5)].into());
        assert_eq!(spend_due(&mut timers, &store, 60, 9), [(50, 5)]);
    }

    #[test]
    fn what_was_set_for_a_time_that_the_search_has_passed_is_found_until_it_fires() {
        let mut store = MemoryStore::default();
        store.timers.extend([timer(10, 1), timer(20, 2)]);
        let mut timers = Timers::new();
        assert_eq!(spend_due(&mut timers, &store, 20, 9), [(10, 1), (20, 2)]);
        let set = [timer(15, 3), timer(16, 4)];
        timers.seal(set.iter().cloned());
        apply(&mut timers, &mut store, &set);
        assert_eq!(spend_due(&mut timers, &store, 20, 1), [(15, 3)]);
        assert_eq!(timers.next(), 16);
        timers.seal(std::iter::empty());
        apply(&mut timers, &mut store, &[]);
        assert_eq!(spend_due(&mut timers, &store, 20, 1), [(16, 4)]);
        assert_eq!(timers.next(), i64::MAX);
    }
}
