//! Offsets by place and by time: ListOffsets, OffsetForLeaderEpoch.

use crate::Error;
use crate::catalog::{Partition, lock};
use crate::log::batch::Header;
use crate::log::reader::BatchReader;
use crate::log::segment::Segment;
use crate::records;
use crate::shared::Shared;
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

/// Timestamps that name a place.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
/// The only leader epoch there ever is.
const LEADER_EPOCH: i32 = 0;
/// Bytes read at a time when looking for a timestamp.
const LOOK_UP_BYTES: usize = 256 * 1024;

pub(super) fn list_offsets(shared: &Shared, request: ListOffsetsRequest, version: i16) -> ListOffsetsResponse {
    let committed = request.isolation_level == 1;
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|p| {
            let answer = ListOffsetsPartitionResponse::default()
                .with_partition_index(p.partition_index)
                .with_offset(-1)
                .with_timestamp(-1);
            let Some(partition) = shared.catalog.partition(&topic.name, p.partition_index) else {
                return answer.with_error_code(ResponseError::UnknownTopicOrPartition.code());
            };
            let answer = if version >= 4 { answer.with_leader_epoch(LEADER_EPOCH) } else { answer };
            match look_up(&partition, p.timestamp, committed) {
                Ok(Some((offset, timestamp))) => answer.with_offset(offset).with_timestamp(timestamp),
                Ok(None) => answer,
                Err(error) => {
                    tracing::error!(%error, "offsets can't be looked up");
                    answer.with_error_code(ResponseError::KafkaStorageError.code())
                }
            }
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// The offset and timestamp asked for; `None` if there is no such record.
fn look_up(partition: &Partition, timestamp: i64, committed: bool) -> Result<Option<(i64, i64)>, Error> {
    let timestamp = if timestamp == MAX_TIMESTAMP {
        match max_timestamp(partition)? {
            Some(timestamp) => timestamp,
            None => return Ok(None),
        }
    } else {
        timestamp
    };
    let mut log = lock(&partition.log);
    let upto = if committed { log.stable_end() } else { log.end() };
    let timestamp = match timestamp {
        LATEST => return Ok(Some((upto, -1))),
        EARLIEST => return Ok(Some((log.start(), -1))),
        timestamp => timestamp.max(0),
    };
    let start = log.start();
    let Some(mut stretch) = log.stretch_by_time(timestamp, upto)? else { return Ok(None) };
    drop(log);
    loop {
        let batches = stretch.read(LOOK_UP_BYTES, true)?;
        let Some(last) = last_header(&batches) else { return Ok(None) };
        if let Some(found) = first_at(&batches, timestamp, start)? {
            return Ok(Some(found));
        }
        stretch.from = last.last_offset() + 1;
        if stretch.from >= upto {
            return Ok(None);
        }
        let again = lock(&partition.log).stretch(stretch.from, upto)?;
        let Some(again) = again else { return Ok(None) };
        stretch = again;
    }
}

/// The largest timestamp of a record; markers do not count. Walks every header, so it is for admin clients only.
fn max_timestamp(partition: &Partition) -> Result<Option<i64>, Error> {
    let (start, files) = {
        let log = lock(&partition.log);
        let file = |s: &Segment| Ok((s.path.clone(), s.file()?, s.size));
        (log.start(), log.segments().iter().map(file).collect::<Result<Vec<_>, Error>>()?)
    };
    let mut max = None;
    for (path, file, size) in files {
        let mut reader = BatchReader::new(&file, 0, size).map_err(Error::io("read", &path))?;
        while let Some(header) = reader.next_header().map_err(Error::io("read", &path))? {
            if !header.is_control() && header.last_offset() >= start {
                max = max.max(Some(header.max_timestamp));
            }
        }
    }
    Ok(max)
}

fn headers(batches: &Bytes) -> impl Iterator<Item = (Header, Bytes)> {
    let mut rest = batches.clone();
    std::iter::from_fn(move || {
        let header = Header::parse(&rest).filter(|h| h.length <= rest.len())?;
        Some((header, rest.split_to(header.length)))
    })
}

fn last_header(batches: &Bytes) -> Option<Header> {
    headers(batches).last().map(|(header, _)| header)
}

/// The first record at or after `start` with at least this timestamp.
fn first_at(batches: &Bytes, timestamp: i64, start: i64) -> Result<Option<(i64, i64)>, Error> {
    for (header, batch) in headers(batches) {
        if header.max_timestamp < timestamp || header.is_control() || header.last_offset() < start {
            continue;
        }
        let section = records::section(&header, &batch)?;
        let records = records::records(&header, &section)?;
        if let Some(found) = records.iter().find(|r| r.timestamp >= timestamp && r.offset >= start) {
            return Ok(Some((found.offset, found.timestamp)));
        }
    }
    Ok(None)
}

pub(super) fn offset_for_leader_epoch(
    shared: &Shared,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|p| {
            let answer =
                EpochEndOffset::default().with_partition(p.partition).with_leader_epoch(-1).with_end_offset(-1);
            match shared.catalog.partition(&topic.topic, p.partition) {
                None => answer.with_error_code(ResponseError::UnknownTopicOrPartition.code()),
                Some(partition) if p.leader_epoch == LEADER_EPOCH => {
                    answer.with_leader_epoch(LEADER_EPOCH).with_end_offset(lock(&partition.log).end())
                }
                Some(_) => answer,
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}
