//! The broker as its clients see it: librdkafka on the wire, and the broker's own handle for what only it can do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cleaning;
mod client;
mod clock;
mod conformance;
mod crashes;
mod direct;
mod faults;
mod storage;
mod transactions;
