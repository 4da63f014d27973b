//! Latencies in buckets of 2 %: percentiles of any number of samples in bounded memory. Pure.

use std::time::Duration;

/// Growth of the bounds from one bucket to the next.
const GROWTH: f64 = 1.02;
/// Buckets: from 1 µs to over two hours.
const BUCKETS: usize = 1_152;

/// Counts of latencies.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn record(&mut self, latency: Duration) {
        let micros = (latency.as_secs_f64() * 1e6).max(1.0);
        // At least 0; what is over the last bucket is counted there.
        let bucket = (micros.ln() / GROWTH.ln()) as usize;
        self.buckets[bucket.min(BUCKETS - 1)] += 1;
        self.total += 1;
    }

    /// A latency that `percent` of the samples are not above, to 2 %; `None` without samples.
    pub(super) fn percentile(&self, percent: u64) -> Option<Duration> {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        let exponent = i32::try_from(bucket + 1).unwrap_or(i32::MAX);
        Some(Duration::from_secs_f64(GROWTH.powi(exponent) / 1e6))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_two_percent() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50), None);
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }
        for (percent, ms) in [(50, 500.0), (99, 990.0), (100, 1000.0)] {
            let found = histogram.percentile(percent).unwrap().as_secs_f64() * 1e3;
            assert!((ms..ms * 1.03).contains(&found), "p{percent}: {found} ms, not {ms}");
        }
        histogram.record(Duration::from_secs(1_000_000));
        assert!(histogram.percentile(100).unwrap() > Duration::from_secs(7_000));
    }
}
