//! Scenario files: the format, what runs of them show, and the same result over any number of partitions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bad_input;
mod support;
mod working;
