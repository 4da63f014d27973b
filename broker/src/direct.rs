//! Transactions from the broker's own process: what a client asks for over the network, asked for at once.

mod records;

pub use records::RecordBatch;

use crate::catalog::{Partition, append, lock};
use crate::coordinator::Coordinator;
use crate::log::batch::advance_sequence;
use crate::meta::{Committed, Entry};
use crate::shared::Shared;
use crate::txn::TopicPartition;
use crate::{Broker, Error, api, clock};
use kafka_protocol::error::ResponseError;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, MutexGuard};

/// A transactional producer's way into a broker of the same process.
#[derive(Debug, Clone)]
pub struct Direct(Arc<Shared>);

/// A transactional producer of the broker's own process.
///
/// A transaction is made known with its commit and not before: whatever refuses it leaves nothing behind, or what the next
/// producer of this id ends first, as a client's does.
#[derive(Debug)]
pub struct DirectProducer {
    shared: Arc<Shared>,
    id: String,
    producer_id: i64,
    epoch: i16,
    /// The next sequence number of each partition.
    sequences: HashMap<TopicPartition, i32>,
}

/// Who commits input offsets, as its group knows it.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The group.
    pub group: &'a str,
    /// The member's id.
    pub id: &'a str,
    /// The group's generation that it is a member of.
    pub generation: i32,
}

/// Why the broker refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    error: ResponseError,
    /// The batch that is refused for what it holds or where it goes, by its place.
    pub batch: Option<usize>,
}

impl Refused {
    /// Whether another producer has taken the transactional id.
    pub fn is_fenced(&self) -> bool {
        matches!(
            self.error,
            ResponseError::ProducerFenced
                | ResponseError::InvalidProducerEpoch
                | ResponseError::InvalidProducerIdMapping
        )
    }
}

impl From<ResponseError> for Refused {
    fn from(error: ResponseError) -> Self {
        Self { error, batch: None }
    }
}

impl Broker {
    /// The way in for transactional producers of this process.
    pub fn direct(&self) -> Direct {
        Direct(self.shared())
    }
}

impl Direct {
    /// How many partitions a topic has, if there is one of this name.
    pub fn partitions(&self, topic: &str) -> Option<i32> {
        let topic = self.0.catalog.topic(topic)?;
        Some(i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX))
    }

    /// Makes a producer: ends what an older one of this id left open, and fences it. The broker aborts what a producer
    /// leaves behind without a successor after `timeout_ms`.
    ///
    /// # Errors
    /// The id or the time is not one that the broker takes, or it can't write.
    pub fn producer(&self, transactional_id: &str, timeout_ms: i32) -> Result<DirectProducer, Refused> {
        let mut coordinator = running(&self.0)?;
        let made = api::init_transactional(&mut coordinator, transactional_id, None, timeout_ms, &self.0.ground());
        drop(coordinator);
        let (producer_id, epoch) = made.map_err(|error| stopped(&self.0, &error))??;
        Ok(DirectProducer {
            shared: Arc::clone(&self.0),
            id: transactional_id.to_owned(),
            producer_id,
            epoch,
            sequences: HashMap::new(),
        })
    }
}

impl DirectProducer {
    /// Writes batches and moves a group's offsets, both or neither. Returns the batches' first offsets.
    ///
    /// # Errors
    /// The producer was fenced, the member is none of the group's, or a batch is refused: nothing was written. Or the broker
    /// can't write: then the transaction may have been committed, and the producer is of no further use.
    pub fn commit(
        &mut self,
        batches: &[RecordBatch],
        offsets: &[(&str, i32, i64)],
        member: Member<'_>,
    ) -> Result<Vec<i64>, Refused> {
        let shared = Arc::clone(&self.shared);
        let partitions = self.places(batches)?;
        let mut coordinator = running(&shared)?;
        coordinator.txn(&self.id)?.check_add(self.producer_id, self.epoch)?;
        let whom = (member.id, None, member.generation);
        coordinator.check_commit(member.group, whom, true, clock::steady_ms())?;
        let firsts = self.write(&mut coordinator, batches, &partitions)?;
        self.move_offsets(&mut coordinator, offsets, member.group)?;
        coordinator.end(&self.id, true, &shared.ground()).map_err(|error| stopped(&shared, &error))?;
        Ok(firsts)
    }

    /// The batches' partitions: refuses what a log must not hold before anything is written.
    fn places(&self, batches: &[RecordBatch]) -> Result<Vec<Arc<Partition>>, Refused> {
        let place = |(at, batch): (usize, &RecordBatch)| {
            let refused = |error| Refused { error, batch: Some(at) };
            let found = self.shared.catalog.partition(batch.topic(), batch.partition());
            let partition = found.ok_or_else(|| refused(ResponseError::UnknownTopicOrPartition))?;
            if batch.bytes() > lock(&partition.log).config.max_message_bytes {
                return Err(refused(ResponseError::MessageTooLarge));
            }
            Ok(partition)
        };
        batches.iter().enumerate().map(place).collect()
    }

    /// Appends the batches; the coordinator knows of their partitions before.
    fn write(
        &mut self,
        coordinator: &mut Coordinator,
        batches: &[RecordBatch],
        partitions: &[Arc<Partition>],
    ) -> Result<Vec<i64>, Refused> {
        let now = clock::wall_ms();
        let place = |batch: &RecordBatch| (batch.topic().to_owned(), batch.partition());
        let places: BTreeSet<TopicPartition> = batches.iter().map(place).collect();
        let entry = Entry::TxnPartitions { id: self.id.clone(), partitions: places.into_iter().collect(), at: now };
        coordinator.record(entry).map_err(|error| stopped(&self.shared, &error))?;
        let mut firsts = Vec::with_capacity(batches.len());
        for (batch, partition) in batches.iter().zip(partitions) {
            let sequence = self.sequences.entry(place(batch)).or_insert(0);
            let sealed = batch.sealed(self.producer_id, self.epoch, *sequence);
            let (header, bytes) = sealed.ok_or(ResponseError::InvalidRecord)?;
            firsts.push(append(&mut lock(&partition.log), &header, &bytes, now)?);
            *sequence = advance_sequence(*sequence, batch.count());
        }
        Ok(firsts)
    }

    fn move_offsets(
        &self,
        coordinator: &mut Coordinator,
        offsets: &[(&str, i32, i64)],
        group: &str,
    ) -> Result<(), Refused> {
        let (id, group, at) = (self.id.clone(), group.to_owned(), clock::wall_ms());
        let moved = offsets.iter().map(|(topic, partition, offset)| {
            let committed = Committed { offset: *offset, leader_epoch: -1, metadata: String::new() };
            (((*topic).to_owned(), *partition), committed)
        });
        let offsets = moved.collect();
        let entries =
            [Entry::TxnGroup { id: id.clone(), group: group.clone(), at }, Entry::TxnOffsets { id, group, offsets }];
        let written = entries.into_iter().try_for_each(|entry| coordinator.record(entry));
        written.map_err(|error| stopped(&self.shared, &error))
    }
}

/// The coordinator of a broker that is to go on: one that stops flushes its files and gives its directory away.
fn running(shared: &Shared) -> Result<MutexGuard<'_, Coordinator>, Refused> {
    let coordinator = shared.coordinator();
    if shared.is_stopping() { Err(ResponseError::BrokerNotAvailable.into()) } else { Ok(coordinator) }
}

/// What a client is told of an error: a disk that can't be written is worth another try.
fn stopped(shared: &Shared, error: &Error) -> Refused {
    match error {
        Error::Halted => shared.halt(),
        error => tracing::error!(%error, "a transaction can't be written"),
    }
    ResponseError::KafkaStorageError.into()
}
