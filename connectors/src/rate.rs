//! How often a provider is called.

use std::time::{Duration, Instant};

/// Lowest rate that can be configured, in calls a second: about four an hour.
pub(crate) const MIN_RATE: f64 = 0.001;
/// Highest rate that can be configured, in calls a second.
pub(crate) const MAX_RATE: f64 = 1_000_000.0;
/// Calls that may come at once after a pause, as a time's worth of the rate; at least one.
const BURST: Duration = Duration::from_secs(1);
/// Longest time that a caller waits before it asks again, so that a new share or the end of a pause takes effect.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// A token bucket. Pure: the time comes as an argument, and never runs back.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Calls a second of the whole fleet; no limit where absent.
    rate: Option<f64>,
    /// This member's part of it, from 0 to 1.
    share: f64,
    tokens: f64,
    counted: Instant,
    /// Until when the provider has asked for quiet.
    paused_until: Option<Instant>,
}

impl Bucket {
    pub(crate) fn new(rate: Option<f64>, now: Instant) -> Self {
        let mut bucket = Self { rate, share: 1.0, tokens: 0.0, counted: now, paused_until: None };
        bucket.tokens = bucket.capacity();
        bucket
    }

    /// Takes leave for one call, or says how long to wait before asking again.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        if let Some(until) = self.paused_until {
            match until.checked_duration_since(now) {
                Some(left) if !left.is_zero() => return Err(left.min(MAX_WAIT)),
                _ => self.paused_until = None,
            }
        }
        let Some(rate) = self.rate else { return Ok(()) };
        self.refill(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let own = rate * self.share;
        let wait = if own > 0.0 { (1.0 - self.tokens) / own } else { f64::INFINITY };
        Err(Duration::try_from_secs_f64(wait).unwrap_or(MAX_WAIT).clamp(Duration::from_micros(100), MAX_WAIT))
    }

    /// Makes no calls for so long: the provider has asked for it.
    pub(crate) fn pause(&mut self, now: Instant, wait: Duration) {
        let until = now.checked_add(wait);
        self.paused_until = self.paused_until.max(until);
    }

    /// Sets this member's part: `own` of `all` partitions. Where `all` is not known, the whole rate.
    pub(crate) fn set_share(&mut self, now: Instant, own: usize, all: usize) {
        self.refill(now);
        let part = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        self.share = if all == 0 { 1.0 } else { (part(own) / part(all)).min(1.0) };
        self.tokens = self.tokens.min(self.capacity());
    }

    /// Whether there is a rate to share.
    pub(crate) fn is_limited(&self) -> bool {
        self.rate.is_some()
    }

    fn capacity(&self) -> f64 {
        self.rate.map_or(0.0, |rate| (rate * self.share * BURST.as_secs_f64()).max(1.0))
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.counted);
        self.counted = self.counted.max(now);
        let more = self.rate.map_or(0.0, |rate| rate * self.share * passed.as_secs_f64());
        self.tokens = (self.tokens + more).min(self.capacity());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    /// Calls made in so many milliseconds by a caller that asks again when it is told to.
    fn calls(bucket: &mut Bucket, start: Instant, from_ms: u64, to_ms: u64) -> usize {
        let (mut now, mut count) = (start + Duration::from_millis(from_ms), 0);
        while now < start + Duration::from_millis(to_ms) {
            match bucket.take(now) {
                Ok(()) => count += 1,
                Err(wait) => now += wait,
            }
        }
        count
    }

    #[test]
    fn so_many_a_second_after_a_burst_of_one_second() {
        let start = clock::now();
        for (rate, seconds, wanted) in [(10.0, 10, 110), (1.0, 10, 11), (0.5, 10, 6), (1_000.0, 2, 3_000)] {
            let mut bucket = Bucket::new(Some(rate), start);
            let made = calls(&mut bucket, start, 0, seconds * 1_000);
            assert!(made.abs_diff(wanted) <= 1, "{rate}: {made} calls, not {wanted}");
        }
    }

    #[test]
    fn without_a_rate_only_a_pause_holds_calls_back() {
        let start = clock::now();
        let mut bucket = Bucket::new(None, start);
        assert!((0..1_000).all(|_| bucket.take(start).is_ok()));
        bucket.pause(start, Duration::from_millis(300));
        bucket.pause(start, Duration::from_millis(100));
        assert_eq!(bucket.take(start), Err(Duration::from_millis(300)), "the longer pause holds");
        assert_eq!(bucket.take(start + Duration::from_millis(299)), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take(start + Duration::from_millis(300)), Ok(()));
        bucket.pause(start, Duration::from_secs(3_600));
        assert_eq!(bucket.take(start), Err(MAX_WAIT), "a long one is looked at again");
    }

    #[test]
    fn a_member_makes_its_share() {
        let start = clock::now();
        let mut bucket = Bucket::new(Some(100.0), start);
        bucket.set_share(start, 1, 4);
        let made = calls(&mut bucket, start, 0, 10_000);
        assert!(made.abs_diff(275) <= 1, "{made}");
        bucket.set_share(start + Duration::from_secs(10), 0, 4);
        assert!(calls(&mut bucket, start, 10_000, 60_000) <= 1, "a member without partitions has nothing to call for");
        bucket.set_share(start + Duration::from_secs(60), 4, 4);
        let made = calls(&mut bucket, start, 60_000, 61_000);
        assert!(made.abs_diff(101) <= 2, "{made}");
    }
}
