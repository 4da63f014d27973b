//! Produce: batches go to the log as they are.

use crate::catalog::{Partition, Wake, append, lock};
use crate::clock;
use crate::log::batch::{Header, split};
use crate::shared::Shared;
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};

pub(super) fn produce(shared: &Shared, request: ProduceRequest) -> ProduceResponse {
    let now = clock::wall_ms();
    let topics = request.topic_data.into_iter().map(|topic| {
        let partitions = topic.partition_data.into_iter().map(|p| {
            let answer = PartitionProduceResponse::default().with_index(p.index).with_log_append_time_ms(-1);
            match produce_one(shared, &topic.name, p.index, p.records.unwrap_or_default(), now) {
                Ok((base, start)) => answer.with_base_offset(base).with_log_start_offset(start),
                Err(error) => answer.with_base_offset(-1).with_log_start_offset(-1).with_error_code(error.code()),
            }
        });
        let partitions = partitions.collect();
        TopicProduceResponse::default().with_name(topic.name).with_partition_responses(partitions)
    });
    ProduceResponse::default().with_responses(topics.collect())
}

/// Appends what is for one partition; returns the first offset and the log start offset.
fn produce_one(
    shared: &Shared,
    topic: &str,
    number: i32,
    records: Bytes,
    now: i64,
) -> Result<(i64, i64), ResponseError> {
    let partition = shared.catalog.partition(topic, number).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let max_batch_bytes = lock(&partition.log).config.max_message_bytes;
    let (mut first, mut whom) = (None, Wake::ReadUncommitted);
    let result = split(records, max_batch_bytes)?.iter().try_for_each(|(header, batch)| {
        if !header.is_transactional() {
            whom = Wake::All;
        }
        let offset = append_one(shared, (topic, number, &partition), header, batch, now)?;
        first.get_or_insert(offset);
        Ok(())
    });
    partition.wake(whom);
    result.map(|()| (first.unwrap_or(-1), lock(&partition.log).start()))
}

fn append_one(
    shared: &Shared,
    (topic, number, partition): (&str, i32, &Partition),
    header: &Header,
    batch: &[u8],
    now: i64,
) -> Result<i64, ResponseError> {
    if header.is_transactional() {
        if header.producer_id < 0 {
            return Err(ResponseError::InvalidRecord);
        }
        let mut log = lock(&partition.log);
        if log.producers.has_open(header.producer_id, header.producer_epoch) {
            return append(&mut log, header, batch, now);
        }
        drop(log);
        // The first batch of a transaction here: the coordinator stays locked until it is in the log, so that no
        // marker can be written in between and leave the transaction open for ever.
        let coordinator = shared.coordinator();
        coordinator.check_append(header, &(topic.to_string(), number))?;
        return append(&mut lock(&partition.log), header, batch, now);
    }
    append(&mut lock(&partition.log), header, batch, now)
}
