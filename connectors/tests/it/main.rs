//! The connectors between a broker and a real HTTP receiver.
//!
//! Runs on the embedded broker; `ACTEON_TEST_BROKER=apache` runs the same on Apache Kafka.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "aws")]
mod aws;
mod bed;
mod calls;
mod circuits;
mod health;
mod kafka;
mod recovery;
mod sharing;
mod signatures;
mod smtp;
