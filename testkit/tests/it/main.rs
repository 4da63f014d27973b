//! The counterparts do what tests rely on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod http;
mod kafka;
mod process;
