//! Which occurrences have run, so that a backfill runs none twice.

use serde::{Deserialize, Serialize};

/// Most ranges that are remembered. Beyond that the two oldest become one: what was missed between them counts as run, so
/// that nothing runs twice.
const MAX_RANGES: usize = 64;

/// Ranges of time, both ends included, all of whose occurrences have run; apart and in order. Times are in milliseconds
/// since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ran {
    ranges: Vec<(i64, i64)>,
    /// Whether nothing was missed since the end of the last range.
    unbroken: bool,
}

impl Ran {
    /// Notes that an occurrence has run, and all since the one noted before unless there was a [`Ran::gap`].
    pub(super) fn note(&mut self, at: i64) {
        match self.ranges.last_mut() {
            Some((_, end)) if self.unbroken && *end <= at => *end = at,
            _ => self.cover(at, at),
        }
        self.unbroken = true;
    }

    /// Notes that an occurrence may have been passed over.
    pub(super) fn gap(&mut self) {
        self.unbroken = false;
    }

    /// Notes that all occurrences of a range have run.
    pub(super) fn cover(&mut self, mut from: i64, mut to: i64) {
        self.ranges.retain(|&(start, end)| {
            let apart = end < from || to < start;
            if !apart {
                from = from.min(start);
                to = to.max(end);
            }
            apart
        });
        let place = self.ranges.partition_point(|&(start, _)| start < from);
        self.ranges.insert(place, (from, to));
        if self.ranges.len() > MAX_RANGES {
            let (start, _) = self.ranges.remove(0);
            self.ranges[0].0 = start;
        }
    }

    /// Whether an occurrence has run.
    pub(super) fn has(&self, at: i64) -> bool {
        self.ranges.iter().any(|&(start, end)| start <= at && at <= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_grow_and_break() {
        let mut ran = Ran::default();
        for at in [10, 20, 30] {
            ran.note(at);
        }
        ran.gap();
        for at in [60, 70] {
            ran.note(at);
        }
        assert_eq!(ran.ranges, [(10, 30), (60, 70)]);
        assert!([10, 15, 30, 60].into_iter().all(|at| ran.has(at)));
        assert!([9, 31, 59, 71].into_iter().all(|at| !ran.has(at)));
        ran.cover(0, 5);
        assert_eq!(ran.ranges, [(0, 5), (10, 30), (60, 70)]);
        ran.cover(25, 65);
        assert_eq!(ran.ranges, [(0, 5), (10, 70)]);
        ran.note(80);
        assert_eq!(ran.ranges, [(0, 5), (10, 80)]);
    }

    #[test]
    fn what_is_forgotten_counts_as_run() {
        let mut ran = Ran::default();
        for n in 0..=64 {
            ran.gap();
            ran.note(n * 100);
        }
        assert_eq!(ran.ranges.len(), MAX_RANGES);
        assert_eq!(ran.ranges[..2], [(0, 100), (200, 200)]);
        assert!(ran.has(50) && !ran.has(150));
    }
}
