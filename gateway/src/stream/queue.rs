//! What waits to be sent over one connection.

use super::event::Ends;
use super::position::{Place, Position};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Most events that wait for one connection; those that come while so many wait are left out, which it is told.
pub(crate) const MAX_QUEUED_EVENTS: usize = 1_024;
/// Most bytes of events that wait for one connection.
pub(crate) const MAX_QUEUED_BYTES: usize = 1024 * 1024;
/// A queue that is empty again gives memory for more than this many back.
const KEPT_CAPACITY: usize = 16;

/// An event as it goes over the wire; its text is shared by all who are sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Where its record stands.
    pub(crate) partition: i32,
    /// Where its record stands, and which of that record's events it is.
    pub(crate) place: Place,
    pub(crate) ends: Ends,
    pub(crate) text: Bytes,
}

/// What comes next of a queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Frame(Frame),
    /// So many events were left out; those before this position were not.
    Gap(u64, Position),
    /// Nothing will come any more.
    Closed,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    bytes: usize,
    gap: Option<(u64, Position)>,
    closed: bool,
}

/// A bounded queue. Writing never waits.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Each change is complete when the lock is given back.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event; returns false where it is left out. `before` is the position before the event.
    pub(crate) fn push(&self, frame: &Frame, before: &Position) -> bool {
        let mut waiting = self.lock();
        let is_full = waiting.frames.len() >= MAX_QUEUED_EVENTS
            || waiting.bytes.saturating_add(frame.text.len()) > MAX_QUEUED_BYTES && !waiting.frames.is_empty();
        // Once something is left out, so is all until the reader knows: what it gets is in order.
        if is_full || waiting.gap.is_some() {
            waiting.gap.get_or_insert_with(|| (0, before.clone())).0 += 1;
            return false;
        }
        waiting.bytes += frame.text.len();
        waiting.frames.push_back(frame.clone());
        drop(waiting);
        self.changed.notify_one();
        true
    }

    /// Lets the reader finish what waits, and end.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        let waiting = self.lock();
        waiting.frames.is_empty() && waiting.gap.is_none()
    }

    fn take(&self) -> Option<Item> {
        let mut waiting = self.lock();
        if let Some(frame) = waiting.frames.pop_front() {
            waiting.bytes -= frame.text.len();
            if waiting.frames.is_empty() && waiting.frames.capacity() > KEPT_CAPACITY {
                waiting.frames = VecDeque::new();
            }
            return Some(Item::Frame(frame));
        }
        if let Some((missed, before)) = waiting.gap.take() {
            return Some(Item::Gap(missed, before));
        }
        waiting.closed.then_some(Item::Closed)
    }

    /// What comes next. Only one may wait at a time; to stop waiting loses nothing.
    pub(crate) async fn next(&self) -> Item {
        loop {
            if let Some(item) = self.take() {
                return item;
            }
            self.changed.notified().await;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    fn frame(offset: i64, bytes: usize) -> Frame {
        Frame { partition: 0, place: Place::at(offset), ends: Ends::Nothing, text: Bytes::from(vec![b'x'; bytes]) }
    }

    fn before(offset: i64) -> Position {
        Position::new(vec![Place::at(offset)])
    }

    #[tokio::test]
    async fn what_does_not_fit_is_counted_and_told_where_it_is_missing() {
        let queue = Queue::default();
        let most = i64::try_from(MAX_QUEUED_EVENTS).unwrap();
        for offset in 0..most + 3 {
            assert_eq!(queue.push(&frame(offset, 1), &before(offset)), offset < most);
        }
        assert_eq!(queue.next().await, Item::Frame(frame(0, 1)));
        assert!(!queue.push(&frame(most + 3, 1), &before(most + 3)), "there is room, but it would come before the gap");
        for offset in 1..most {
            assert_eq!(queue.next().await, Item::Frame(frame(offset, 1)));
        }
        assert!(!queue.is_empty(), "the gap is still to be told");
        assert_eq!(queue.next().await, Item::Gap(4, before(most)));
        assert!(queue.is_empty() && queue.push(&frame(9, 1), &before(9)));
        queue.close();
        assert_eq!(queue.next().await, Item::Frame(frame(9, 1)));
        assert_eq!(queue.next().await, Item::Closed);
    }

    #[tokio::test]
    async fn bytes_are_bounded_and_one_large_event_still_fits() {
        let queue = Queue::default();
        assert!(queue.push(&frame(0, MAX_QUEUED_BYTES * 2), &before(0)));
        assert!(!queue.push(&frame(1, 1), &before(1)));
        assert_eq!(queue.next().await, Item::Frame(frame(0, MAX_QUEUED_BYTES * 2)));
        assert_eq!(queue.next().await, Item::Gap(1, before(1)));
        assert!(queue.push(&frame(2, MAX_QUEUED_BYTES), &before(2)));
    }

    #[tokio::test]
    async fn one_who_waits_is_woken() {
        let queue = Arc::new(Queue::default());
        let reader = Arc::clone(&queue);
        let waits = tokio::spawn(async move { reader.next().await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        queue.push(&frame(1, 1), &before(1));
        assert_eq!(waits.await.unwrap(), Item::Frame(frame(1, 1)));
    }
}
