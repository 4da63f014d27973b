//! The only place of this crate that reads clocks.
#![allow(clippy::disallowed_methods)]

use std::time::Instant;

/// The monotonic time now.
pub(crate) fn now() -> Instant {
    Instant::now()
}
