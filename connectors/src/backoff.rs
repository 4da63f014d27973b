use std::time::Duration;

/// How long to wait before a call is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BackoffPolicy {
    /// Longest wait after the first failure; doubles with each further one.
    pub(crate) initial: Duration,
    /// Longest wait of all.
    pub(crate) max: Duration,
    /// Longest wait that a provider can ask for (`Retry-After`); a longer one is cut to this.
    pub(crate) retry_after_max: Duration,
}

/// Exponential backoff with full jitter: the wait after failed call number `attempt` (from 1).
///
/// `random` is a share in 0..=1 of the longest wait for that attempt, so that calls which failed together do not come
/// again together.
pub(crate) fn backoff(attempt: u32, policy: &BackoffPolicy, random: f64) -> Duration {
    // 2^31 times any initial wait of note is past every maximum.
    let doublings = attempt.saturating_sub(1).min(31);
    let longest = policy.initial.saturating_mul(1 << doublings).min(policy.max);
    let share = if random.is_nan() { 1.0 } else { random.clamp(0.0, 1.0) };
    longest.mul_f64(share)
}

/// The wait after failed call number `attempt`, where the provider may have asked for one of its own.
///
/// A wait that was asked for is kept, with the jitter of a first failure on top.
pub(crate) fn retry_delay(attempt: u32, asked: Option<Duration>, policy: &BackoffPolicy, random: f64) -> Duration {
    match asked {
        Some(asked) => asked.min(policy.retry_after_max).saturating_add(backoff(1, policy, random)),
        None => backoff(attempt, policy, random),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BackoffPolicy = BackoffPolicy {
        initial: Duration::from_millis(100),
        max: Duration::from_secs(10),
        retry_after_max: Duration::from_secs(60),
    };

    #[test]
    fn grows_twofold_to_the_maximum() {
        let cases: [(u32, f64, u64); 10] = [
            (0, 1.0, 100),
            (1, 1.0, 100),
            (2, 1.0, 200),
            (5, 1.0, 1_600),
            (8, 1.0, 10_000),
            (u32::MAX, 1.0, 10_000),
            (3, 0.0, 0),
            (3, 0.5, 200),
            (3, 7.0, 400),
            (3, f64::NAN, 400),
        ];
        for (attempt, random, ms) in cases {
            assert_eq!(backoff(attempt, &POLICY, random), Duration::from_millis(ms), "attempt {attempt} × {random}");
        }
    }

    #[test]
    fn a_wait_that_was_asked_for_is_kept_up_to_the_limit() {
        let cases: [(Option<u64>, f64, u64); 5] = [
            (Some(2_000), 0.0, 2_000),
            (Some(2_000), 1.0, 2_100),
            (Some(0), 0.5, 50),
            (Some(3_600_000), 0.0, 60_000),
            (None, 1.0, 400),
        ];
        for (asked, random, ms) in cases {
            let delay = retry_delay(3, asked.map(Duration::from_millis), &POLICY, random);
            assert_eq!(delay, Duration::from_millis(ms), "asked {asked:?}");
        }
    }
}
