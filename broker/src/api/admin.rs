//! Topics: CreateTopics, DeleteTopics, CreatePartitions, DeleteRecords.

use super::{code, storage, text};
use crate::catalog::lock;
use crate::clock;
use crate::meta::Entry;
use crate::shared::Shared;
use crate::topic_config::TopicConfig;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
};
use std::collections::BTreeMap;

/// The longest topic name (Apache Kafka's limit).
const MAX_NAME_BYTES: usize = 249;
/// Partitions of a topic for which a request names no number.
const DEFAULT_PARTITIONS: i32 = 1;
/// From this version of CreateTopics on the partitions are part of the answer.
const DETAILS_FROM: i16 = 5;

/// An error code with a sentence for the client.
type Refused = (ResponseError, String);

fn check_name(name: &str) -> Result<(), Refused> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || matches!(name, "." | "..") || !name.chars().all(legal) {
        let reason = format!("topic name {name:?} must be of 1 to {MAX_NAME_BYTES} letters, digits, '.', '_' and '-'");
        return Err((ResponseError::InvalidTopicException, reason));
    }
    Ok(())
}

fn check_count(shared: &Shared, count: i32, present: i32) -> Result<(), Refused> {
    let more = usize::try_from(count.saturating_sub(present)).unwrap_or(0);
    if count < 1 || more == 0 {
        let reason = match present {
            0 => "a topic has at least one partition".into(),
            _ => format!("the topic has {present} partitions already, and can only grow"),
        };
        return Err((ResponseError::InvalidPartitions, reason));
    }
    let max = shared.config.max_partitions;
    if shared.catalog.partition_count() + more > max {
        return Err((ResponseError::PolicyViolation, format!("the embedded broker holds at most {max} partitions")));
    }
    Ok(())
}

fn keep_reason<T>(result: Result<T, ResponseError>) -> Result<T, Refused> {
    result.map_err(|e| (e, e.to_string()))
}

/// Creates a topic, or only checks that it could be created.
pub(super) fn create(
    shared: &Shared,
    name: &str,
    partitions: i32,
    config: BTreeMap<String, String>,
    only_check: bool,
) -> Result<(), Refused> {
    check_name(name)?;
    TopicConfig::new(config.clone()).map_err(|reason| (ResponseError::InvalidConfig, reason))?;
    let mut coordinator = shared.coordinator();
    if coordinator.meta.topics.contains_key(name) {
        return Err((ResponseError::TopicAlreadyExists, format!("topic '{name}' already exists")));
    }
    check_count(shared, partitions, 0)?;
    if only_check {
        return Ok(());
    }
    let id = coordinator.meta.next_topic_id;
    let entry = Entry::Topic { name: name.to_string(), id, partitions, config };
    keep_reason(coordinator.record(entry).map_err(storage))?;
    if let Some(meta) = coordinator.meta.topics.get(name) {
        let added = shared.catalog.add(name, meta, clock::wall_ms());
        if added.is_err() {
            let undone = coordinator.record(Entry::DeleteTopic { name: name.to_string() });
            keep_reason(added.and(undone).map_err(storage))?;
        }
    }
    Ok(())
}

pub(super) fn create_topics(shared: &Shared, request: CreateTopicsRequest, version: i16) -> CreateTopicsResponse {
    let topics = request.topics.into_iter().map(|t| {
        let assigned = i32::try_from(t.assignments.len()).unwrap_or(i32::MAX);
        let partitions = match t.num_partitions {
            -1 if assigned > 0 => assigned,
            -1 => shared.config.auto_create_partitions.unwrap_or(DEFAULT_PARTITIONS),
            n => n,
        };
        let config = t.configs.iter().filter_map(|c| Some((c.name.to_string(), c.value.as_ref()?.to_string())));
        let created = match t.replication_factor {
            -1..=1 if t.replication_factor != 0 => {
                create(shared, &t.name, partitions, config.collect(), request.validate_only)
            }
            n => Err((
                ResponseError::InvalidReplicationFactor,
                format!("replication factor {n}: the embedded broker is one node, use 1"),
            )),
        };
        let answer = CreatableTopicResult::default().with_name(t.name);
        match created {
            Ok(()) if version >= DETAILS_FROM => {
                answer.with_num_partitions(partitions).with_replication_factor(1).with_configs(Some(Vec::new()))
            }
            Ok(()) => answer,
            Err((error, reason)) => answer.with_error_code(error.code()).with_error_message(Some(text(reason))),
        }
    });
    CreateTopicsResponse::default().with_topics(topics.collect())
}

pub(super) fn delete_topics(shared: &Shared, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let responses = request.topic_names.into_iter().map(|name| {
        let deleted = {
            let mut coordinator = shared.coordinator();
            if coordinator.meta.topics.contains_key(name.as_str()) {
                let recorded = coordinator.record(Entry::DeleteTopic { name: name.to_string() });
                recorded.map(|()| shared.catalog.remove(&name)).map_err(storage)
            } else {
                Err(ResponseError::UnknownTopicOrPartition)
            }
        };
        DeletableTopicResult::default().with_name(Some(name)).with_error_code(code(&deleted))
    });
    DeleteTopicsResponse::default().with_responses(responses.collect())
}

pub(super) fn create_partitions(shared: &Shared, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let results = request.topics.into_iter().map(|t| {
        let grown = grow(shared, &t.name, t.count, request.validate_only);
        let answer = CreatePartitionsTopicResult::default().with_name(t.name);
        match grown {
            Ok(()) => answer,
            Err((error, reason)) => answer.with_error_code(error.code()).with_error_message(Some(text(reason))),
        }
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

fn grow(shared: &Shared, name: &str, count: i32, only_check: bool) -> Result<(), Refused> {
    let mut coordinator = shared.coordinator();
    let Some(topic) = coordinator.meta.topics.get(name) else {
        return Err((ResponseError::UnknownTopicOrPartition, format!("there is no topic '{name}'")));
    };
    check_count(shared, count, topic.partitions)?;
    if only_check {
        return Ok(());
    }
    let mut grown = topic.clone();
    grown.partitions = count;
    // Files first: the journal must not name a partition that can't be opened.
    keep_reason(shared.catalog.grow(name, &grown, clock::wall_ms()).map_err(storage))?;
    keep_reason(coordinator.record(Entry::Partitions { name: name.to_string(), count }).map_err(storage))
}

pub(super) fn delete_records(shared: &Shared, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = request.topics.into_iter().map(|t| {
        let partitions = t.partitions.iter().map(|p| {
            let answer = DeleteRecordsPartitionResult::default().with_partition_index(p.partition_index);
            match delete_before(shared, &t.name, p.partition_index, p.offset) {
                Ok(start) => answer.with_low_watermark(start),
                Err(error) => answer.with_low_watermark(-1).with_error_code(error.code()),
            }
        });
        let partitions = partitions.collect();
        DeleteRecordsTopicResult::default().with_name(t.name).with_partitions(partitions)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

/// Moves the log start offset to `offset`, -1 for the end; returns the new one.
fn delete_before(shared: &Shared, topic: &str, number: i32, offset: i64) -> Result<i64, ResponseError> {
    let partition = shared.catalog.partition(topic, number).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let mut coordinator = shared.coordinator();
    let mut log = lock(&partition.log);
    let offset = if offset == -1 { log.end() } else { offset };
    if offset < 0 || offset > log.end() {
        return Err(ResponseError::OffsetOutOfRange);
    }
    if !log.config.delete {
        return Err(ResponseError::PolicyViolation);
    }
    let entry = Entry::LogStart { topic: topic.to_string(), partition: number, offset };
    coordinator.record(entry).map_err(storage)?;
    log.advance_start(offset).map_err(storage)?;
    Ok(log.start())
}
