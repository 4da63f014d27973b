#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod paging;
mod questions;
mod speed;
mod tallies;
mod writing;
