//! How a provider's calls fare at this member: measured where they are made, published on the provider-health topic and
//! shown as gauges.

mod histogram;
mod publisher;
mod window;

pub(crate) use publisher::{Lane, Leave, Publisher};

use crate::clock;
use crate::kafka::lock;
use acteon_schemas::{CallFailure, LatencyHistogram, ProviderError};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use window::Window;

/// Longest message of a failure that is told, in bytes; the rest of a longer one is cut off.
const MAX_MESSAGE_BYTES: usize = 512;

/// Measures the calls of one provider. What it keeps does not grow with them.
pub(crate) struct Monitor {
    started: Instant,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    window: Window,
    consecutive_failures: u64,
    last_request_at: Option<i64>,
    last_error: Option<CallFailure>,
}

/// What was measured, up to a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) successes: u64,
    pub(crate) failures: u64,
    pub(crate) latency: LatencyHistogram,
    pub(crate) consecutive_failures: u64,
    pub(crate) last_request_at: Option<i64>,
    pub(crate) last_error: Option<CallFailure>,
}

/// A moment by both clocks: the one that only goes forward, and the one that others read, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    pub(crate) unix_ms: i64,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { instant: clock::now(), unix_ms: clock::unix_ms() }
    }
}

impl Monitor {
    pub(crate) fn new(started: Instant) -> Self {
        Self { started, inner: Mutex::default() }
    }

    /// Takes in a call that ended at `now` after `took`, with its error where it failed.
    pub(crate) fn record(&self, now: Moment, took: Duration, error: Option<&ProviderError<'_>>) {
        // Made before the lock is taken, which all calls of the provider go through.
        let failure = error.map(|error| CallFailure {
            code: error.code.clone().into_owned(),
            message: beginning(&error.message).to_owned(),
            at: now.unix_ms,
        });
        let since_start = now.instant.saturating_duration_since(self.started);
        let mut inner = lock(&self.inner);
        inner.window.record(since_start, took, failure.is_none());
        inner.last_request_at = Some(now.unix_ms);
        match failure {
            Some(failure) => {
                inner.consecutive_failures = inner.consecutive_failures.saturating_add(1);
                inner.last_error = Some(failure);
            }
            None => inner.consecutive_failures = 0,
        }
    }

    /// What was measured up to `now`.
    pub(crate) fn measured(&self, now: Instant) -> Measured {
        let inner = lock(&self.inner);
        let sum = inner.window.sum(now.saturating_duration_since(self.started));
        Measured {
            successes: sum.successes,
            failures: sum.failures,
            latency: sum.latency.to_record(),
            consecutive_failures: inner.consecutive_failures,
            last_request_at: inner.last_request_at,
            last_error: inner.last_error.clone(),
        }
    }
}

/// What a message begins with, at most [`MAX_MESSAGE_BYTES`] of it.
fn beginning(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &'static str, message: String) -> ProviderError<'static> {
        ProviderError { code: code.into(), message: message.into(), retryable: true, retry_after_ms: None }
    }

    #[test]
    fn failures_in_a_row_end_with_a_success_and_the_last_error_stays() {
        let start = clock::now();
        let monitor = Monitor::new(start);
        let at = |second| Moment { instant: start + Duration::from_secs(second), unix_ms: 1_000 * second as i64 };
        let none = monitor.measured(start);
        assert_eq!((none.last_request_at, none.last_error, none.latency.count()), (None, None, 0));
        let timeout = error("TIMEOUT", "no answer".to_owned());
        for (second, failed, in_a_row) in [(1, true, 1), (2, true, 2), (3, false, 0), (4, true, 1), (5, false, 0)] {
            monitor.record(at(second), Duration::from_millis(7), failed.then_some(&timeout));
            assert_eq!(monitor.measured(start).consecutive_failures, in_a_row, "after {second} s");
        }
        let measured = monitor.measured(at(6).instant);
        assert_eq!((measured.successes, measured.failures, measured.latency.count()), (2, 3, 5));
        assert_eq!(measured.last_request_at, Some(5_000));
        let wanted = CallFailure { code: "TIMEOUT".to_owned(), message: "no answer".to_owned(), at: 4_000 };
        assert_eq!(measured.last_error, Some(wanted));
        // What has left the window is still the last that happened.
        let later = monitor.measured(start + Duration::from_secs(2 * u64::from(Window::SECONDS)));
        assert_eq!((later.successes, later.failures, later.latency.count()), (0, 0, 0));
        assert_eq!((later.last_error, later.last_request_at), (measured.last_error, Some(5_000)));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let monitor = Monitor::new(clock::now());
        let long = error("EXECUTION_FAILED", format!("x{}", "ä".repeat(MAX_MESSAGE_BYTES)));
        monitor.record(Moment::now(), Duration::ZERO, Some(&long));
        let told = monitor.measured(clock::now()).last_error.map(|failure| failure.message.len());
        assert_eq!(told, Some(MAX_MESSAGE_BYTES - 1));
    }
}
