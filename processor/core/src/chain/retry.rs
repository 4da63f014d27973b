//! When a failed call is made again.

use super::limits::MAX_BACKOFF_MS;
use acteon_schemas::{ChainRetry, RetryStrategy};
use uuid::Uuid;

/// The first pause where the definition does not say, in milliseconds.
const DEFAULT_BACKOFF_MS: u64 = 1_000;

/// The pause before an attempt (the first one is 0 and has none), in milliseconds.
///
/// `id` is the attempt's own: jitter is made from it, so that it differs from attempt to attempt and is the same whenever
/// the same attempt is decided.
pub(super) fn pause_ms(retry: &ChainRetry, attempt: u32, id: &Uuid) -> u64 {
    let base = retry.backoff_ms.unwrap_or(DEFAULT_BACKOFF_MS);
    let pause = match retry.strategy.unwrap_or(RetryStrategy::Fixed) {
        RetryStrategy::Fixed => base,
        RetryStrategy::Linear => base.saturating_mul(u64::from(attempt)),
        RetryStrategy::Exponential => {
            base.saturating_mul(1_u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX))
        }
    };
    let spread = retry.jitter_ms.unwrap_or_default().saturating_add(1);
    let jitter = id.as_u64_pair().1 % spread;
    pause.saturating_add(jitter).min(MAX_BACKOFF_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_as_told() {
        let id = Uuid::from_u128(12_345);
        let retry = |strategy| ChainRetry { max_retries: 9, backoff_ms: Some(100), strategy, jitter_ms: None };
        for (strategy, expected) in [
            (None, [100, 100, 100, 100]),
            (Some(RetryStrategy::Fixed), [100, 100, 100, 100]),
            (Some(RetryStrategy::Linear), [100, 200, 300, 400]),
            (Some(RetryStrategy::Exponential), [100, 200, 400, 800]),
        ] {
            let found = [1, 2, 3, 4].map(|attempt| pause_ms(&retry(strategy), attempt, &id));
            assert_eq!(found, expected, "{strategy:?}");
        }
        let endless = ChainRetry { backoff_ms: Some(u64::MAX), ..retry(Some(RetryStrategy::Exponential)) };
        assert_eq!(pause_ms(&endless, 200, &id), MAX_BACKOFF_MS);
        let plain = ChainRetry { max_retries: 1, backoff_ms: None, strategy: None, jitter_ms: None };
        assert_eq!(pause_ms(&plain, 1, &id), DEFAULT_BACKOFF_MS);
    }

    #[test]
    fn jitter_comes_from_the_attempt() {
        let retry = ChainRetry { max_retries: 9, backoff_ms: Some(100), strategy: None, jitter_ms: Some(50) };
        let pauses: Vec<u64> = (0..200).map(|n| pause_ms(&retry, 1, &Uuid::new_v5(&Uuid::nil(), &[n]))).collect();
        assert!(pauses.iter().all(|pause| (100..=150).contains(pause)));
        assert!(pauses.iter().min() < pauses.iter().max());
        assert_eq!(pause_ms(&retry, 1, &Uuid::from_u128(7)), pause_ms(&retry, 1, &Uuid::from_u128(7)));
    }
}
