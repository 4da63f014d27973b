#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)]

mod commands;
mod ends;
mod parallel;
mod paths;
mod retention;
mod retries;
mod subs;
mod waits;
mod world;
