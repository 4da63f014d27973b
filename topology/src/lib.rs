//! What Acteon needs of Kafka: its topics, their partition counts and retention, and how keys map to partitions.
//!
//! [`Topology`] says what is wanted, [`read_actual`] what is there, [`plan`] (pure) what is to be done about it,
//! [`apply`] does it and [`check`] refuses to start without it. [`KafkaConfig::producer`] makes the configuration of a
//! producer whose records go to the partitions that are expected, and [`Follower`] reads a topic outside any group.
//!
//! All functions that talk to Kafka block, each for a bounded time: call them from `spawn_blocking` in async code.

mod actual;
mod apply;
mod check;
mod client;
mod clock;
mod error;
mod follow;
mod kafka;
mod mermaid;
mod names;
mod plan;
mod topic;
mod topology;

pub use acteon_schemas::partition_of;
pub use actual::read_actual;
pub use apply::{Applied, apply, ensure_dispatch_topic};
pub use check::{APPLY_COMMAND, check};
pub use client::wait_for_kafka;
pub use error::Error;
pub use follow::{Follower, From, Next, Quiet, partitions, reader_properties};
pub use kafka::KafkaConfig;
pub use names::{MAX_PREFIX_BYTES, MAX_PROVIDER_BYTES, Names};
pub use plan::{Actual, ActualTopic, BOOTSTRAP_PLACEHOLDER, Change, Conflict, Plan, Step, plan};
pub use topic::{
    DEAD_LETTER_MAX_MESSAGE_BYTES, DERIVED_MAX_MESSAGE_BYTES, INPUT_MAX_MESSAGE_BYTES, Party, Role,
    TOMBSTONE_RETENTION_MS, TopicSpec,
};
pub use topology::{
    DEFAULT_DLQ_RETENTION_MS, DEFAULT_PARTITIONS, DEFAULT_RETENTION_MS, MAX_PARTITIONS, MAX_PROVIDERS,
    MIN_EXPIRING_RETENTION_MS, Settings, Store, Topology, expiring_retention_ms,
};
