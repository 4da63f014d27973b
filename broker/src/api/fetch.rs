//! Fetch: whole batches as they stand in the log, with a long poll that an append ends.

use crate::catalog::{Partition, lock};
use crate::clock;
use crate::shared::Shared;
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, ProducerId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The longest a fetch waits, whatever the client asks for, milliseconds.
const MAX_WAIT_MS: i32 = 60_000;
/// Bytes of records in one response, whatever the client asks for.
const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;
/// `isolation_level` of a reader that wants committed records only.
const READ_COMMITTED: i8 = 1;

/// One round over the partitions of a request.
struct Round {
    topics: Vec<FetchableTopicResponse>,
    bytes: usize,
    /// A partition has an error, which is answered at once.
    failed: bool,
}

pub(super) async fn fetch(shared: &Shared, request: FetchRequest) -> FetchResponse {
    let enough = usize::try_from(request.min_bytes).unwrap_or(0);
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms.min(MAX_WAIT_MS)).unwrap_or(0));
    let until = tokio::time::Instant::from_std(clock::now() + wait);
    let mut round = read(shared, &request);
    if wait.is_zero() || round.failed || round.bytes >= enough {
        return FetchResponse::default().with_responses(round.topics);
    }
    let appended = Arc::new(Notify::new());
    let committed = request.isolation_level == READ_COMMITTED;
    loop {
        let wanted = request.topics.iter().flat_map(|t| t.partitions.iter().map(move |p| (&t.topic, p.partition)));
        for partition in wanted.filter_map(|(topic, number)| shared.catalog.partition(topic, number)) {
            partition.wait(&appended, committed);
        }
        // Read again: something may have come between the last read and the registration.
        round = read(shared, &request);
        if round.failed || round.bytes >= enough {
            break;
        }
        if tokio::time::timeout_at(until, appended.notified()).await.is_err() {
            break;
        }
    }
    FetchResponse::default().with_responses(round.topics)
}

/// Bytes that the response will have, about: growing a buffer of megabytes step by step copies it again and again.
pub(super) fn size_hint(response: &FetchResponse) -> usize {
    const PARTITION_BYTES: usize = 128;
    let partitions = response.responses.iter().flat_map(|t| &t.partitions);
    partitions.map(|p| PARTITION_BYTES + p.records.as_ref().map_or(0, Bytes::len)).sum()
}

fn read(shared: &Shared, request: &FetchRequest) -> Round {
    let room = usize::try_from(request.max_bytes).unwrap_or(0).min(MAX_RESPONSE_BYTES);
    let committed = request.isolation_level == READ_COMMITTED;
    let mut round = Round { topics: Vec::with_capacity(request.topics.len()), bytes: 0, failed: false };
    for topic in &request.topics {
        let found = shared.catalog.topic(&topic.topic).map(|t| t.partitions());
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let at = usize::try_from(wanted.partition).unwrap_or(usize::MAX);
            let partition = found.as_deref().and_then(|all| all.get(at));
            let left = room.saturating_sub(round.bytes);
            let data = read_one(partition.map(AsRef::as_ref), wanted, committed, left, round.bytes == 0);
            round.failed |= data.error_code != 0;
            round.bytes += data.records.as_ref().map_or(0, Bytes::len);
            partitions.push(data);
        }
        let answer = FetchableTopicResponse::default().with_topic(topic.topic.clone()).with_partitions(partitions);
        round.topics.push(answer);
    }
    round
}

fn read_one(
    partition: Option<&Partition>,
    wanted: &FetchPartition,
    committed: bool,
    room: usize,
    at_least_one: bool,
) -> PartitionData {
    let answer = PartitionData::default()
        .with_partition_index(wanted.partition)
        .with_preferred_read_replica(BrokerId(-1))
        .with_records(Some(Bytes::new()));
    let Some(partition) = partition else {
        return answer
            .with_error_code(ResponseError::UnknownTopicOrPartition.code())
            .with_high_watermark(-1)
            .with_last_stable_offset(-1)
            .with_log_start_offset(-1);
    };
    let (from, max) = (wanted.fetch_offset, usize::try_from(wanted.partition_max_bytes).unwrap_or(0));
    let mut log = lock(&partition.log);
    let (start, end, stable_end) = (log.start(), log.end(), log.stable_end());
    let answer = answer.with_high_watermark(end).with_last_stable_offset(stable_end).with_log_start_offset(start);
    if from < start || from > end {
        return answer.with_error_code(ResponseError::OffsetOutOfRange.code());
    }
    let upto = if committed { stable_end } else { end };
    let stretch = log.stretch(from, upto);
    let aborted = committed.then(|| {
        let view = |a: &crate::log::producers::Aborted| {
            AbortedTransaction::default().with_producer_id(ProducerId(a.producer_id)).with_first_offset(a.first_offset)
        };
        log.producers.aborted_between(from, upto).map(view).collect()
    });
    drop(log);
    let records = stretch.and_then(|stretch| match stretch {
        Some(stretch) => stretch.read(max.min(room), at_least_one),
        None => Ok(Bytes::new()),
    });
    match records {
        Ok(records) => answer.with_records(Some(records)).with_aborted_transactions(aborted),
        Err(error) => {
            tracing::error!(%error, "log can't be read");
            answer.with_error_code(ResponseError::KafkaStorageError.code())
        }
    }
}
