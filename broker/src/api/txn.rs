//! Transactions: InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit, EndTxn.
//!
//! A handler fails only when a failpoint has halted the broker; everything else is an error code.

use super::{code, offsets, storage};
use crate::coordinator::{Coordinator, Ground};
use crate::meta::{Committed, Entry};
use crate::shared::Shared;
use crate::txn::{End, Init, MAX_TIMEOUT_MS, TopicPartition, Txn, init};
use crate::{Error, clock};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    EndTxnRequest, EndTxnResponse, InitProducerIdRequest, InitProducerIdResponse, ProducerId, TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
};

/// Partitions of one transaction, and offsets of one transaction.
const MAX_PARTITIONS: usize = 10_000;

/// Clients that speak an older version than this know a fenced producer by its old name only.
fn known_to_client(error: ResponseError, version: i16, fenced_from: i16) -> ResponseError {
    if error == ResponseError::ProducerFenced && version < fenced_from {
        ResponseError::InvalidProducerEpoch
    } else {
        error
    }
}

/// Turns what stops the broker into an error, and everything else into a code that clients retry.
fn end_error(error: Error) -> Result<ResponseError, Error> {
    match error {
        Error::Halted => Err(error),
        error => {
            tracing::error!(%error, "a transaction can't be completed yet");
            Ok(ResponseError::ConcurrentTransactions)
        }
    }
}

pub(super) fn init_producer_id(
    shared: &Shared,
    request: &InitProducerIdRequest,
    version: i16,
) -> Result<InitProducerIdResponse, Error> {
    let mut coordinator = shared.coordinator();
    let made = match &request.transactional_id {
        None => next_producer_id(&mut coordinator).map(|id| (id, 0)),
        Some(id) => {
            let given = (request.producer_id.0 >= 0).then_some((request.producer_id.0, request.producer_epoch));
            init_transactional(&mut coordinator, id, given, request.transaction_timeout_ms, &shared.ground())?
        }
    };
    let answer = InitProducerIdResponse::default();
    Ok(match made {
        Ok((id, epoch)) => answer.with_producer_id(ProducerId(id)).with_producer_epoch(epoch),
        Err(error) => answer
            .with_error_code(known_to_client(error, version, 4).code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1),
    })
}

fn next_producer_id(coordinator: &mut Coordinator) -> Result<i64, ResponseError> {
    let id = coordinator.meta.next_producer_id;
    coordinator.record(Entry::ProducerIds { next: id + 1 }).map_err(storage)?;
    Ok(id)
}

/// Gives a transactional id a producer, with its id and epoch. `given` is what the producer believes it has, if anything.
pub(crate) fn init_transactional(
    coordinator: &mut Coordinator,
    id: &str,
    given: Option<(i64, i16)>,
    timeout_ms: i32,
    ground: &Ground<'_>,
) -> Result<Result<(i64, i16), ResponseError>, Error> {
    if id.is_empty() {
        return Ok(Err(ResponseError::InvalidRequest));
    }
    if !(1..=MAX_TIMEOUT_MS).contains(&timeout_ms) {
        return Ok(Err(ResponseError::InvalidTransactionTimeout));
    }
    let mut given = given;
    if init(coordinator.meta.txns.get(id), given) == Init::AbortFirst {
        if let Err(error) = coordinator.abort_and_fence(id, ground) {
            return end_error(error).map(Err);
        }
        given = None; // it was checked, and the epoch has moved on
    }
    let txn = coordinator.meta.txns.get(id);
    let (producer_id, old_epoch) = txn.map_or((-1, -1), |t| (t.producer_id, t.epoch));
    let (producer_id, epoch, last_epoch) = match init(txn, given) {
        Init::Refuse(error) => return Ok(Err(error)),
        Init::AbortFirst => return Ok(Err(ResponseError::ConcurrentTransactions)),
        Init::Same => return Ok(Ok((producer_id, old_epoch))),
        Init::NextEpoch(epoch) => (producer_id, epoch, if given.is_some() { old_epoch } else { -1 }),
        Init::NewProducerId => (coordinator.meta.next_producer_id, 0, -1),
    };
    let (id, at) = (id.to_string(), ground.now);
    let entry = Entry::Producer { id, producer_id, epoch, last_epoch, timeout_ms, at, completed: None };
    Ok(coordinator.record(entry).map_err(storage).map(|()| (producer_id, epoch)))
}

pub(super) fn add_partitions(
    shared: &Shared,
    request: AddPartitionsToTxnRequest,
    version: i16,
) -> Result<AddPartitionsToTxnResponse, Error> {
    let named = request.v3_and_below_topics.iter().flat_map(|t| t.partitions.iter().map(|p| (t.name.to_string(), *p)));
    let partitions: Vec<TopicPartition> = named.collect();
    let exists = |(topic, number): &TopicPartition| shared.catalog.partition(topic, *number).is_some();
    let all_exist = partitions.iter().all(exists);
    let id = request.v3_and_below_transactional_id.to_string();
    let add = || {
        let mut coordinator = shared.coordinator();
        let txn = coordinator.txn(&id)?;
        txn.check_add(request.v3_and_below_producer_id.0, request.v3_and_below_producer_epoch)?;
        if !all_exist {
            return Err(ResponseError::UnknownTopicOrPartition);
        }
        if txn.partitions.len() + partitions.len() > MAX_PARTITIONS {
            return Err(ResponseError::PolicyViolation);
        }
        if partitions.iter().all(|p| txn.partitions.contains(p)) {
            return Ok(());
        }
        let at = clock::wall_ms();
        coordinator.record(Entry::TxnPartitions { id: id.clone(), partitions, at }).map_err(storage)
    };
    let added = add().map_err(|e| known_to_client(e, version, 2));
    let topics = request.v3_and_below_topics.into_iter().map(|t| {
        let results = t.partitions.iter().map(|p| {
            let error = match added {
                // One unknown partition refuses all; the others are told that they were not tried.
                Err(ResponseError::UnknownTopicOrPartition) if shared.catalog.partition(&t.name, *p).is_some() => {
                    ResponseError::OperationNotAttempted.code()
                }
                _ => code(&added),
            };
            AddPartitionsToTxnPartitionResult::default().with_partition_index(*p).with_partition_error_code(error)
        });
        let results = results.collect();
        AddPartitionsToTxnTopicResult::default().with_name(t.name).with_results_by_partition(results)
    });
    Ok(AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics.collect()))
}

pub(super) fn add_offsets(
    shared: &Shared,
    request: &AddOffsetsToTxnRequest,
    version: i16,
) -> Result<AddOffsetsToTxnResponse, Error> {
    let add = || {
        let mut coordinator = shared.coordinator();
        let txn = coordinator.txn(&request.transactional_id)?;
        txn.check_add(request.producer_id.0, request.producer_epoch)?;
        let group = request.group_id.to_string();
        if txn.groups.contains_key(&group) {
            return Ok(());
        }
        let (id, at) = (request.transactional_id.to_string(), clock::wall_ms());
        coordinator.record(Entry::TxnGroup { id, group, at }).map_err(storage)
    };
    let added = add().map_err(|e| known_to_client(e, version, 2));
    Ok(AddOffsetsToTxnResponse::default().with_error_code(code(&added)))
}

pub(super) fn offset_commit(
    shared: &Shared,
    request: TxnOffsetCommitRequest,
) -> Result<TxnOffsetCommitResponse, Error> {
    let (id, group) = (request.transactional_id.to_string(), request.group_id.to_string());
    let mut pending = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for p in topic.partitions {
            let metadata = p.committed_metadata.map(|m| m.to_string()).unwrap_or_default();
            let taken = offsets::check(shared, &topic.name, p.partition_index, &metadata);
            if taken.is_ok() {
                let committed =
                    Committed { offset: p.committed_offset, leader_epoch: p.committed_leader_epoch, metadata };
                pending.push(((topic.name.to_string(), p.partition_index), committed));
            }
            let answer = TxnOffsetCommitResponsePartition::default().with_partition_index(p.partition_index);
            partitions.push(answer.with_error_code(code(&taken)));
        }
        topics.push(TxnOffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions));
    }
    let member = (&*request.member_id, request.group_instance_id.as_deref(), request.generation_id);
    let mut coordinator = shared.coordinator();
    let recorded = (|| {
        let txn = coordinator.txn(&id)?;
        txn.check_add(request.producer_id.0, request.producer_epoch)?;
        check_room(txn, &group, pending.len())?;
        coordinator.check_commit(&group, member, true, clock::steady_ms())?;
        coordinator.record(Entry::TxnOffsets { id, group, offsets: pending }).map_err(storage)
    })();
    if let Err(error) = recorded.map_err(|e| known_to_client(e, 0, 1)) {
        for partition in topics.iter_mut().flat_map(|t| &mut t.partitions) {
            partition.error_code = error.code();
        }
    }
    Ok(TxnOffsetCommitResponse::default().with_topics(topics))
}

/// The group must have been added to the transaction, and its offsets must fit.
fn check_room(txn: &Txn, group: &str, more: usize) -> Result<(), ResponseError> {
    let offsets = txn.groups.get(group).ok_or(ResponseError::InvalidTxnState)?;
    if offsets.len() + more > MAX_PARTITIONS { Err(ResponseError::PolicyViolation) } else { Ok(()) }
}

pub(super) fn end(shared: &Shared, request: &EndTxnRequest, version: i16) -> Result<EndTxnResponse, Error> {
    let id = request.transactional_id.as_str();
    let mut coordinator = shared.coordinator();
    let decided =
        coordinator.txn(id).map(|txn| txn.end(request.producer_id.0, request.producer_epoch, request.committed));
    let ended = match decided {
        _ if shared.faults.fail_end_now() => Err(ResponseError::UnknownServerError),
        Err(error) | Ok(End::Refuse(error)) => Err(error),
        Ok(End::AlreadyDone) => Ok(()),
        Ok(End::Proceed) => match coordinator.end(id, request.committed, &shared.ground()) {
            Ok(()) => Ok(()),
            Err(error) => Err(end_error(error)?),
        },
    };
    let ended = ended.map_err(|e| known_to_client(e, version, 2));
    Ok(EndTxnResponse::default().with_error_code(code(&ended)))
}
