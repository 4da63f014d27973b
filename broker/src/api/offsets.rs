//! Committed offsets outside of transactions: OffsetCommit, OffsetFetch, OffsetDelete.

use super::{code, storage, text, topic_name};
use crate::clock;
use crate::coordinator::Coordinator;
use crate::meta::{Committed, Entry};
use crate::shared::Shared;
use crate::txn::TopicPartition;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{OffsetFetchResponsePartition, OffsetFetchResponseTopic};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse, TopicName,
};
use std::collections::BTreeMap;

/// Bytes of the metadata that may be committed with an offset (Apache Kafka's default).
pub(super) const MAX_METADATA_BYTES: usize = 4096;

pub(super) fn commit(shared: &Shared, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let group = request.group_id.to_string();
    let mut offsets = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for p in topic.partitions {
            let metadata = p.committed_metadata.map(|m| m.to_string()).unwrap_or_default();
            let taken = check(shared, &topic.name, p.partition_index, &metadata);
            if taken.is_ok() {
                let committed =
                    Committed { offset: p.committed_offset, leader_epoch: p.committed_leader_epoch, metadata };
                offsets.push(((topic.name.to_string(), p.partition_index), committed));
            }
            let answer = OffsetCommitResponsePartition::default().with_partition_index(p.partition_index);
            partitions.push(answer.with_error_code(code(&taken)));
        }
        topics.push(OffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions));
    }
    let member = (&*request.member_id, request.group_instance_id.as_deref(), request.generation_id_or_member_epoch);
    let mut coordinator = shared.coordinator();
    let checked = coordinator.check_commit(&group, member, false, clock::steady_ms());
    let recorded = checked.and_then(|()| match offsets.is_empty() {
        true => Ok(()),
        false => coordinator.record(Entry::Offsets { group, offsets }).map_err(storage),
    });
    if let Err(error) = recorded {
        for partition in topics.iter_mut().flat_map(|t| &mut t.partitions) {
            partition.error_code = error.code();
        }
    }
    OffsetCommitResponse::default().with_topics(topics)
}

/// Whether an offset may be committed for this partition.
pub(super) fn check(shared: &Shared, topic: &str, partition: i32, metadata: &str) -> Result<(), ResponseError> {
    if shared.catalog.partition(topic, partition).is_none() {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    if metadata.len() > MAX_METADATA_BYTES {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    Ok(())
}

pub(super) fn fetch(shared: &Shared, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let coordinator = shared.coordinator();
    let group = request.group_id.as_str();
    let wanted: Vec<(TopicName, Vec<i32>)> = match request.topics {
        Some(topics) => topics.into_iter().map(|t| (t.name, t.partition_indexes)).collect(),
        None => {
            let mut all: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
            for (topic, partition) in coordinator.meta.offsets.get(group).into_iter().flat_map(BTreeMap::keys) {
                all.entry(topic).or_default().push(*partition);
            }
            all.into_iter().map(|(topic, partitions)| (topic_name(topic), partitions)).collect()
        }
    };
    let topics = wanted.into_iter().map(|(name, partitions)| {
        let partitions = partitions
            .into_iter()
            .map(|p| fetch_one(&coordinator, group, &(name.to_string(), p), request.require_stable));
        let partitions = partitions.collect();
        OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions)
    });
    let topics = topics.collect();
    OffsetFetchResponse::default().with_topics(topics)
}

fn fetch_one(
    coordinator: &Coordinator,
    group: &str,
    partition: &TopicPartition,
    stable: bool,
) -> OffsetFetchResponsePartition {
    let answer = OffsetFetchResponsePartition::default()
        .with_partition_index(partition.1)
        .with_committed_leader_epoch(-1)
        .with_committed_offset(-1)
        .with_metadata(Some(text("")));
    if stable && coordinator.meta.has_pending_offset(group, partition) {
        return answer.with_error_code(ResponseError::UnstableOffsetCommit.code());
    }
    match coordinator.meta.offsets.get(group).and_then(|offsets| offsets.get(partition)) {
        Some(committed) => answer
            .with_committed_offset(committed.offset)
            .with_committed_leader_epoch(committed.leader_epoch)
            .with_metadata(Some(text(committed.metadata.as_str()))),
        None => answer,
    }
}

pub(super) fn delete(shared: &Shared, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut coordinator = shared.coordinator();
    let group = request.group_id.to_string();
    if coordinator.groups.get(&group).is_some_and(|live| !live.group.is_idle()) {
        return OffsetDeleteResponse::default().with_error_code(ResponseError::NonEmptyGroup.code());
    }
    if !coordinator.meta.offsets.contains_key(&group) {
        return OffsetDeleteResponse::default().with_error_code(ResponseError::GroupIdNotFound.code());
    }
    let named =
        request.topics.iter().flat_map(|t| t.partitions.iter().map(|p| (t.name.to_string(), p.partition_index)));
    let partitions: Vec<TopicPartition> = named.collect();
    let deleted = coordinator.record(Entry::DeleteOffsets { group, partitions }).map_err(storage);
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|p| {
            OffsetDeleteResponsePartition::default()
                .with_partition_index(p.partition_index)
                .with_error_code(code(&deleted))
        });
        let partitions = partitions.collect();
        OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(partitions)
    });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}
