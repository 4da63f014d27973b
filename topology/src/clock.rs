//! The only place of this crate that reads a clock.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant};

/// A point in time until which something is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    started: Instant,
    limit: Duration,
}

impl Deadline {
    /// From now on.
    pub(crate) fn after(limit: Duration) -> Self {
        Self { started: Instant::now(), limit }
    }

    /// What is left; zero when it has passed.
    pub(crate) fn left(self) -> Duration {
        self.limit.saturating_sub(self.started.elapsed())
    }
}
