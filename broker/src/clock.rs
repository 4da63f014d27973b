//! The only place of this crate that reads a clock; everything else takes the time as an argument.
#![allow(clippy::disallowed_methods)]

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch: record timestamps, retention, transaction time-outs (they outlive a restart).
pub(crate) fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// Milliseconds of a clock that never goes back, from an arbitrary start: group sessions and rebalances.
pub(crate) fn steady_ms() -> i64 {
    static START: OnceLock<Instant> = OnceLock::new();
    i64::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// The instant to hand to the runtime's timers.
pub(crate) fn now() -> Instant {
    Instant::now()
}
