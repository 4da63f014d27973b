//! The worker on real logs: Apache Kafka, the embedded broker, and the simulated one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub
)]

mod circuits;
mod definitions;
mod harness;
mod processing;
mod restart;
mod sim;
mod trouble;
