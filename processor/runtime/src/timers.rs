use crate::store::{Store, StoreError, Timer};

/// Where a task is in the index of its store's timers.
#[derive(Debug)]
pub(crate) struct Timers {
    /// The store holds no timer before this one.
    floor: Timer,
    /// No timer that is not spent is due before this time.
    next: i64,
    /// Those that the open transaction has fired or found stale, in order. The store still holds them.
    spent: Vec<Timer>,
}

impl Timers {
    /// Of a store that nothing is known of.
    pub(crate) fn new() -> Self {
        Self { floor: Timer { due: i64::MIN, key: Vec::new() }, next: i64::MIN, spent: Vec::new() }
    }

    /// The time before which none is due: all that a turn without due timers looks at.
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    /// The timers that are due at `now`, at most `limit`. Each is to be spent.
    pub(crate) fn find(&mut self, store: &impl Store, now: i64, limit: usize) -> Result<Vec<Timer>, StoreError> {
        let behind = self.spent.last().map(after);
        let found = store.due(behind.as_ref().unwrap_or(&self.floor), now, limit)?;
        self.next = found.next.unwrap_or(i64::MAX);
        Ok(found.timers)
    }

    /// Remembers a timer that was fired, or found stale: it is not found again.
    pub(crate) fn spend(&mut self, timer: Timer) {
        self.spent.push(timer);
    }

    pub(crate) fn spent(&self) -> &[Timer] {
        &self.spent
    }

    /// The store has taken out what was spent, and `earliest` is the first of those that it has taken in.
    pub(crate) fn applied(&mut self, earliest: Option<Timer>) {
        if let Some(last) = self.spent.last() {
            self.floor = after(last);
        }
        self.spent.clear();
        if let Some(earliest) = earliest {
            self.next = self.next.min(earliest.due);
            if earliest < self.floor {
                self.floor = earliest;
            }
        }
    }
}

/// The least timer that comes after one.
fn after(timer: &Timer) -> Timer {
    let mut key = Vec::with_capacity(timer.key.len() + 1);
    key.extend_from_slice(&timer.key);
    key.push(0);
    Timer { due: timer.due, key }
}
