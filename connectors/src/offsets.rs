use std::collections::VecDeque;

/// What of one partition has been taken and what of it is complete: tells the offset that may be committed.
///
/// Offsets in Kafka have gaps (transaction markers, aborted records), so "contiguous" is in terms of the records taken.
#[derive(Debug, Default)]
pub(crate) struct OffsetTracker {
    /// Taken records from the oldest incomplete one on, in order of their offsets, with whether each is complete.
    taken: VecDeque<(i64, bool)>,
    /// The offset after the newest record that, with all before it, is complete.
    position: Option<i64>,
}

impl OffsetTracker {
    /// Notes that the record at `offset` was taken. Returns false, and notes nothing, where a record at or after it was
    /// taken before.
    pub(crate) fn take(&mut self, offset: i64) -> bool {
        let newest = self.taken.back().map(|(newest, _)| *newest);
        let expected = newest.map(|newest| newest + 1).or(self.position);
        if expected.is_some_and(|expected| offset < expected) {
            return false;
        }
        self.taken.push_back((offset, false));
        true
    }

    /// Notes that the record at `offset` is complete; one that was not taken, or is complete already, changes nothing.
    pub(crate) fn complete(&mut self, offset: i64) {
        if let Ok(index) = self.taken.binary_search_by_key(&offset, |(offset, _)| *offset) {
            self.taken[index].1 = true;
        }
        while let Some((offset, true)) = self.taken.front() {
            self.position = Some(offset + 1);
            self.taken.pop_front();
        }
    }

    /// The offset to commit: the one after the last record that, with all taken before it, is complete. `None` until
    /// there is one.
    pub(crate) fn position(&self) -> Option<i64> {
        self.position
    }

    /// Records taken from the oldest incomplete one on, complete or not: what a crash now would bring again.
    pub(crate) fn uncommitted(&self) -> usize {
        self.taken.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_is_the_last_contiguous_completion() {
        // Taken in this order, completed in that one, with the position after each completion.
        type Case<'a> = (&'a [i64], &'a [(i64, Option<i64>)]);
        let cases: [Case<'_>; 6] = [
            (&[0, 1, 2], &[(0, Some(1)), (1, Some(2)), (2, Some(3))]),
            (&[0, 1, 2], &[(2, None), (1, None), (0, Some(3))]),
            (&[5, 6, 9], &[(6, None), (5, Some(7)), (9, Some(10))]),
            (&[5, 6], &[(7, None), (5, Some(6)), (5, Some(6))]),
            (&[0, 3, 4], &[(3, None), (0, Some(4)), (1, Some(4)), (4, Some(5))]),
            (&[], &[(0, None)]),
        ];
        for (taken, completed) in cases {
            let mut tracker = OffsetTracker::default();
            assert!(taken.iter().all(|offset| tracker.take(*offset)));
            for (offset, position) in completed {
                tracker.complete(*offset);
                assert_eq!(tracker.position(), *position, "{taken:?} after {offset}");
            }
        }
    }

    #[test]
    fn an_offset_is_taken_once() {
        let mut tracker = OffsetTracker::default();
        let cases = [(3, true), (3, false), (2, false), (5, true), (4, false)];
        for (offset, is_new) in cases {
            assert_eq!(tracker.take(offset), is_new, "{offset}");
        }
        tracker.complete(3);
        tracker.complete(5);
        assert_eq!((tracker.take(5), tracker.take(6), tracker.uncommitted()), (false, true, 1));
    }

    #[test]
    fn agrees_with_a_plain_model_on_any_order_of_completion() {
        for seed in 0..500 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut tracker = OffsetTracker::default();
            let (mut taken, mut open) = (Vec::new(), Vec::new());
            let mut next = random.i64(0..1_000);
            for _ in 0..200 {
                if open.is_empty() || random.bool() {
                    assert!(tracker.take(next), "seed {seed}");
                    taken.push(next);
                    open.push(next);
                    next += random.i64(1..4);
                } else {
                    tracker.complete(open.swap_remove(random.usize(..open.len())));
                }
                let first_open = open.iter().min();
                let done: Vec<_> = taken.iter().filter(|o| first_open.is_none_or(|first| *o < first)).collect();
                assert_eq!(tracker.position(), done.last().map(|offset| **offset + 1), "seed {seed}");
                assert_eq!(tracker.uncommitted(), taken.len() - done.len(), "seed {seed}");
            }
        }
    }
}
