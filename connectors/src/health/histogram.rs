use acteon_schemas::{LatencyBucket, LatencyHistogram};
use std::time::Duration;

/// Buckets a doubling of the duration: bounds are at most a sixteenth apart, and so are percentiles from the truth.
const STEPS: u64 = 16;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// The doublings: what takes longer than 2^31 µs (35 min) counts as that. No call may take half as long.
const MAX_BITS: u32 = 31;
/// The buckets: below [`STEPS`] each microsecond has one.
const BUCKETS: usize = (MAX_BITS - STEP_BITS + 1) as usize * STEPS as usize;

/// Durations by fixed buckets: as large however many there are.
#[derive(Clone)]
pub(super) struct Histogram {
    sum_us: u64,
    max_us: u64,
    counts: Box<[u32; BUCKETS]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { sum_us: 0, max_us: 0, counts: Box::new([0; BUCKETS]) }
    }
}

impl Histogram {
    pub(super) fn record(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).min((1 << MAX_BITS) - 1);
        self.sum_us = self.sum_us.saturating_add(us);
        self.max_us = self.max_us.max(us);
        let count = &mut self.counts[index(us)];
        *count = count.saturating_add(1);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.max_us = self.max_us.max(other.max_us);
        for (count, more) in self.counts.iter_mut().zip(other.counts.iter()) {
            *count = count.saturating_add(*more);
        }
    }

    pub(super) fn clear(&mut self) {
        (self.sum_us, self.max_us) = (0, 0);
        self.counts.fill(0);
    }

    /// As it is published: the buckets that hold a call.
    pub(super) fn to_record(&self) -> LatencyHistogram {
        let held = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let buckets = held.map(|(index, count)| LatencyBucket { le_us: bound(index), count: u64::from(*count) });
        LatencyHistogram { sum_us: self.sum_us, max_us: self.max_us, buckets: buckets.collect() }
    }
}

/// The bucket of a duration below 2^[`MAX_BITS`] µs: its highest bits.
fn index(us: u64) -> usize {
    let shift = us.max(1).ilog2().saturating_sub(STEP_BITS);
    // Of at most 31 - 4 shifts and 2 * 16 - 1 steps.
    (u64::from(shift) * STEPS + (us >> shift)) as usize
}

/// The longest duration of a bucket, in microseconds.
fn bound(index: usize) -> u64 {
    let index = index as u64;
    let shift = (index / STEPS).saturating_sub(1);
    let step = index - shift * STEPS;
    ((step + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_the_bucket_of_its_bound() {
        for index_wanted in 0..BUCKETS {
            let longest = bound(index_wanted);
            assert_eq!(index(longest), index_wanted, "{longest} µs");
            if index_wanted + 1 < BUCKETS {
                assert_eq!(index(longest + 1), index_wanted + 1, "{} µs", longest + 1);
            }
        }
        assert_eq!(bound(BUCKETS - 1), (1 << MAX_BITS) - 1, "the last one is the longest there is");
    }

    #[test]
    fn a_bound_is_at_most_a_sixteenth_above_its_durations() {
        for us in [1, 15, 16, 17, 31, 32, 33, 999, 1_000, 30_000, 123_456, 30_000_000, 900_000_000] {
            let bound = bound(index(us));
            assert!(bound >= us && (bound - us) * STEPS <= us, "{us} µs is in the bucket to {bound} µs");
        }
    }

    #[test]
    fn durations_are_counted_summed_and_capped() {
        let mut histogram = Histogram::default();
        for us in [0, 20, 20, 1_000] {
            histogram.record(Duration::from_micros(us));
        }
        let mut other = Histogram::default();
        other.record(Duration::MAX);
        let longest = (1 << MAX_BITS) - 1;
        assert_eq!(other.to_record().max_us, longest);
        other.add(&histogram);
        let record = other.to_record();
        let buckets: Vec<(u64, u64)> = record.buckets.iter().map(|bucket| (bucket.le_us, bucket.count)).collect();
        assert_eq!(buckets, [(0, 1), (20, 2), (1_023, 1), (longest, 1)]);
        assert_eq!((record.sum_us, record.max_us), (1_040 + longest, longest));
        other.clear();
        assert_eq!(other.to_record(), LatencyHistogram::default());
    }

    #[test]
    fn percentiles_are_near_the_true_ones() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut histogram = Histogram::default();
        // Between 100 µs and 10 s, long ones rarer.
        let mut all: Vec<u64> = (0..10_000).map(|_| 10_f64.powf(2.0 + 5.0 * random.f64()) as u64).collect();
        all.iter().for_each(|us| histogram.record(Duration::from_micros(*us)));
        all.sort_unstable();
        let record = histogram.to_record();
        for percent in [1, 50, 95, 99, 100] {
            let truth = all[all.len() * usize::from(percent) / 100 - 1] as f64 / 1_000.0;
            let found = record.percentile_ms(percent).unwrap_or_default();
            assert!((truth..=truth * 1.0625).contains(&found), "p{percent} is {truth} ms, found {found} ms");
        }
    }
}
