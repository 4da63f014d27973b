//! The tests' clock: for giving up, and for what must come late.
#![allow(clippy::disallowed_methods)]

use std::time::Instant;

pub(crate) fn now() -> Instant {
    Instant::now()
}
