use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const US_PER_MS: f64 = 1_000.0;

/// Calls by how long they took. Two of them add up to that of all their calls, so percentiles of a fleet are those of its
/// calls and not a mean of its members'.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyHistogram {
    /// Sum of all durations, in microseconds.
    pub sum_us: u64,
    /// The longest duration, in microseconds.
    pub max_us: u64,
    /// The buckets that hold a call, by their bounds.
    pub buckets: Vec<LatencyBucket>,
}

/// Calls of nearly the same duration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyBucket {
    /// The longest duration that belongs here, in microseconds. The shortest one is longer than the bound before.
    pub le_us: u64,
    /// Calls.
    pub count: u64,
}

impl LatencyHistogram {
    /// Calls in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.count))
    }

    /// Adds another one's calls. Where bounds differ, which they don't between members of one version, both stay.
    pub fn add(&mut self, other: &Self) {
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.max_us = self.max_us.max(other.max_us);
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for bucket in self.buckets.iter().chain(&other.buckets) {
            let count = counts.entry(bucket.le_us).or_default();
            *count = count.saturating_add(bucket.count);
        }
        self.buckets = counts.into_iter().map(|(le_us, count)| LatencyBucket { le_us, count }).collect();
    }

    /// The mean duration in milliseconds; `None` without a call.
    #[must_use]
    pub fn mean_ms(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum_us as f64 / count as f64 / US_PER_MS)
    }

    /// The duration in milliseconds that `percent` of the calls did not exceed, to the bound of its bucket; `None` without
    /// a call.
    #[must_use]
    pub fn percentile_ms(&self, percent: u8) -> Option<f64> {
        let count = u128::from(self.count());
        let rank = (count * u128::from(percent.min(100))).div_ceil(100).max(1);
        let mut seen = 0;
        let bucket = self.buckets.iter().find(|bucket| {
            seen += u128::from(bucket.count);
            seen >= rank
        })?;
        Some(bucket.le_us.min(self.max_us) as f64 / US_PER_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(max_us: u64, buckets: &[(u64, u64)]) -> LatencyHistogram {
        let sum_us = buckets.iter().map(|(le_us, count)| le_us * count).sum();
        let buckets = buckets.iter().map(|&(le_us, count)| LatencyBucket { le_us, count }).collect();
        LatencyHistogram { sum_us, max_us, buckets }
    }

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        // Longest, buckets, percentile, milliseconds.
        type Case<'a> = (u64, &'a [(u64, u64)], u8, Option<f64>);
        let cases: [Case<'_>; 12] = [
            (0, &[], 50, None),
            (900, &[(1_000, 1)], 50, Some(0.9)),
            (900, &[(1_000, 1)], 0, Some(0.9)),
            (9_000, &[(1_000, 50), (9_000, 50)], 50, Some(1.0)),
            (9_000, &[(1_000, 49), (9_000, 51)], 50, Some(9.0)),
            (9_000, &[(1_000, 95), (9_000, 5)], 95, Some(1.0)),
            (9_000, &[(1_000, 94), (9_000, 6)], 95, Some(9.0)),
            (9_000, &[(1_000, 99), (9_000, 1)], 99, Some(1.0)),
            (9_000, &[(1_000, 99), (9_000, 1)], 100, Some(9.0)),
            (9_000, &[(1_000, 99), (9_000, 1)], 255, Some(9.0)),
            (9_000, &[(1_000, 1), (9_000, 1)], 99, Some(9.0)),
            (3, &[(1, u64::MAX), (3, u64::MAX)], 99, Some(0.001)),
        ];
        for (max_us, buckets, percent, wanted) in cases {
            let buckets = buckets.iter().map(|&(le_us, count)| LatencyBucket { le_us, count }).collect();
            let histogram = LatencyHistogram { sum_us: 0, max_us, buckets };
            assert_eq!(histogram.percentile_ms(percent), wanted, "p{percent} of {histogram:?}");
        }
    }

    #[test]
    fn the_percentile_of_the_sum_is_not_the_mean_of_percentiles() {
        let (fast, slow) = (histogram(1_000, &[(1_000, 990)]), histogram(500_000, &[(1_000, 5), (500_000, 5)]));
        let mut both = LatencyHistogram::default();
        both.add(&fast);
        both.add(&slow);
        assert_eq!(both, histogram(500_000, &[(1_000, 995), (500_000, 5)]));
        assert_eq!((fast.percentile_ms(95), slow.percentile_ms(95)), (Some(1.0), Some(500.0)));
        assert_eq!((both.percentile_ms(95), both.percentile_ms(100)), (Some(1.0), Some(500.0)));
        assert_eq!((both.count(), both.mean_ms()), (1_000, Some(3.495)));
        assert_eq!(LatencyHistogram::default().mean_ms(), None);
    }
}
