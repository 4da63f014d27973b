use std::time::Duration;

/// When a transaction is committed although there is more input at hand. Without more input it is committed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitLimits {
    /// Longest time that a transaction stays open, in milliseconds.
    pub interval_ms: u64,
    /// Most inputs in a transaction, records and timers.
    pub max_records: usize,
    /// Most bytes written by a transaction, state included.
    pub max_bytes: usize,
}

impl Default for CommitLimits {
    fn default() -> Self {
        Self { interval_ms: 100, max_records: 10_000, max_bytes: 16 * 1024 * 1024 }
    }
}

/// The open transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Transaction {
    /// When it began, on the monotonic clock.
    pub(crate) began: Duration,
    /// Inputs in it, records and timers.
    pub(crate) records: usize,
    /// Bytes written in it, those of state that was written again included.
    pub(crate) bytes: usize,
}

impl Transaction {
    /// Whether it is to be committed now.
    pub(crate) fn is_due(&self, limits: &CommitLimits, more_at_hand: bool, now: Duration) -> bool {
        !more_at_hand
            || self.records >= limits.max_records
            || self.bytes >= limits.max_bytes
            || now.saturating_sub(self.began) >= Duration::from_millis(limits.interval_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_ends_when_input_does_or_at_its_first_limit() {
        let limits = CommitLimits { interval_ms: 100, max_records: 10, max_bytes: 1000 };
        let open = |records, bytes| Transaction { began: Duration::from_millis(50), records, bytes };
        for (records, bytes, more, at, due) in [
            (1, 1, false, 50, true),
            (1, 1, true, 50, false),
            (9, 999, true, 149, false),
            (10, 1, true, 50, true),
            (1, 1000, true, 50, true),
            (1, 1, true, 150, true),
        ] {
            assert_eq!(open(records, bytes).is_due(&limits, more, Duration::from_millis(at)), due);
        }
    }
}
