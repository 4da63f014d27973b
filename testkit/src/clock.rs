//! The only place of this crate that reads a wall clock.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic time now.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall-clock time now, in milliseconds since 1970 (as Kafka's record timestamps).
#[must_use]
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
