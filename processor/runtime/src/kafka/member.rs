//! What a consumer is to its group.

use rdkafka::bindings::{
    rd_kafka_consumer_group_metadata, rd_kafka_consumer_group_metadata_destroy,
    rd_kafka_consumer_group_metadata_generation_id, rd_kafka_consumer_group_metadata_member_id,
};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use std::ffi::CStr;

/// Proof that a consumer is a member of its group: a commit that carries it is refused once the group has gone on without
/// that member.
pub struct Member {
    /// As librdkafka's own producer takes it.
    pub(crate) metadata: ConsumerGroupMetadata,
    id: String,
    generation: i32,
}

impl Member {
    /// What the consumer is now; `None` before it has joined a group.
    pub(crate) fn of<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<Self> {
        let metadata = consumer.group_metadata()?;
        let (id, generation) = identity(consumer)?;
        Some(Self { metadata, id, generation })
    }

    /// The member's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The generation of the group that it belongs to.
    #[must_use]
    pub fn generation(&self) -> i32 {
        self.generation
    }
}

/// The member's id and generation, which rdkafka keeps to itself.
#[allow(unsafe_code)]
fn identity<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<(String, i32)> {
    // SAFETY: the consumer outlives the call, so its handle is valid. librdkafka gives a copy of the metadata, or null; the
    // copy and the id inside it are read before it is destroyed, once.
    unsafe {
        let metadata = rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return None;
        }
        let id = CStr::from_ptr(rd_kafka_consumer_group_metadata_member_id(metadata)).to_string_lossy().into_owned();
        let generation = rd_kafka_consumer_group_metadata_generation_id(metadata);
        rd_kafka_consumer_group_metadata_destroy(metadata);
        Some((id, generation))
    }
}
