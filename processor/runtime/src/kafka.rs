//! Kafka behind the worker's seams, by librdkafka.

mod client;
mod member;
mod restorer;
mod sink;
mod source;

pub(crate) use client::{QuietContext, REQUEST_TIMEOUT, SETTLE_TIMEOUT, cluster_id, is_fenced, quiet};
pub use member::Member;
pub(crate) use restorer::KafkaRestorer;
pub(crate) use sink::KafkaSink;
pub(crate) use source::KafkaSource;

use acteon_topology::Names;

/// Names of the topics that a worker reads, in the order of [`crate::InTopic::ALL`].
#[must_use]
pub fn input_topics(names: &Names) -> [String; 4] {
    [names.actions(), names.repartition(), names.commands(), names.results()].map(str::to_owned)
}
