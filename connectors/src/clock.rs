//! The only place of this crate that reads a wall clock.
#![allow(clippy::disallowed_methods)]

use chrono::{DateTime, Utc};
use std::time::Instant;

/// The monotonic time now.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall-clock time now.
pub(crate) fn utc() -> DateTime<Utc> {
    Utc::now()
}

/// The wall-clock time now, in milliseconds since 1970.
pub(crate) fn unix_ms() -> i64 {
    utc().timestamp_millis()
}
