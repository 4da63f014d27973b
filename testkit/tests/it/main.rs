//! The counterparts do what tests rely on, and the tree is tidy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod http;
mod kafka;
mod process;
mod tidy;
