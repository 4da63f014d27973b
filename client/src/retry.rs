use std::time::Duration;

/// Most retries that can be asked for.
pub const MAX_RETRIES: u32 = 20;
/// Longest wait that a gateway can ask for; a longer one is cut to this.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How often and after what time a request is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Retries behind the first attempt, at most [`MAX_RETRIES`]; 0 for none.
    pub max_retries: u32,
    /// Longest wait before the first retry; doubles with each further one.
    pub initial: Duration,
    /// Longest wait of all.
    pub max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_retries: 3, initial: Duration::from_millis(200), max: Duration::from_secs(10) }
    }
}

impl RetryPolicy {
    /// No retries.
    #[must_use]
    pub fn never() -> Self {
        Self { max_retries: 0, ..Self::default() }
    }

    /// The wait after failed attempt number `attempt` (from 1); `random` is a share in 0..=1, so that clients that failed
    /// together do not come again together. A wait that the gateway asked for is kept, with a first one's share on top.
    pub(crate) fn delay(&self, attempt: u32, asked: Option<Duration>, random: f64) -> Duration {
        if let Some(asked) = asked {
            return asked.min(MAX_RETRY_AFTER).saturating_add(self.delay(1, None, random));
        }
        // 2^31 times any wait of note is past every maximum.
        let doublings = attempt.saturating_sub(1).min(31);
        self.initial.saturating_mul(1 << doublings).min(self.max).mul_f64(random.clamp(0.0, 1.0))
    }

    /// Whether there is an attempt behind failed attempt number `attempt` (from 1).
    pub(crate) fn goes_on_after(&self, attempt: u32) -> bool {
        attempt <= self.max_retries.min(MAX_RETRIES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_maximum_and_follow_the_gateway() {
        let policy = RetryPolicy::default();
        let ms = Duration::from_millis;
        let cases = [
            (1, None, 1.0, ms(200)),
            (2, None, 0.5, ms(200)),
            (4, None, 1.0, ms(1_600)),
            (7, None, 1.0, ms(10_000)),
            (u32::MAX, None, 1.0, ms(10_000)),
            (3, Some(ms(1_000)), 1.0, ms(1_200)),
            (1, Some(Duration::MAX), 0.0, MAX_RETRY_AFTER),
        ];
        for (attempt, asked, random, expected) in cases {
            assert_eq!(policy.delay(attempt, asked, random), expected, "{attempt} {asked:?}");
        }
        assert!(policy.goes_on_after(3) && !policy.goes_on_after(4));
        assert!(!RetryPolicy::never().goes_on_after(1));
        assert!(!RetryPolicy { max_retries: u32::MAX, ..policy }.goes_on_after(MAX_RETRIES + 1));
    }
}
