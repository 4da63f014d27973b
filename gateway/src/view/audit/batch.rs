use super::AuditEntry;
use acteon_schemas::DecodeError;
use std::collections::BTreeMap;

/// Most records that are written in one transaction.
pub const MAX_BATCH_RECORDS: usize = 10_000;
/// Most bytes of records that are written in one transaction; a batch may exceed it by one record.
pub const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Records of the audit topic that are stored together.
#[derive(Debug, Clone)]
pub struct AuditBatch {
    topic: String,
    pub(crate) entries: Vec<AuditEntry>,
    next: BTreeMap<i32, i64>,
    bytes: usize,
}

impl AuditBatch {
    /// An empty batch of the given topic.
    #[must_use]
    pub fn new(topic: &str) -> Self {
        Self { topic: topic.to_owned(), entries: Vec::new(), next: BTreeMap::new(), bytes: 0 }
    }

    /// Adds a record. Records of a partition come in the order of their offsets.
    ///
    /// # Errors
    /// The value can't be decoded. The batch passes over it: its offset counts as stored.
    pub fn push(&mut self, partition: i32, offset: i64, value: &[u8]) -> Result<(), DecodeError> {
        self.next.insert(partition, offset + 1);
        self.entries.push(AuditEntry::decode(partition, offset, value)?);
        self.bytes += value.len();
        Ok(())
    }

    /// The topic that the records are from.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// For each partition that was read: the offset after the last record.
    #[must_use]
    pub fn next(&self) -> &BTreeMap<i32, i64> {
        &self.next
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing to store, not even an offset.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next.is_empty()
    }

    /// Whether it is as large as a batch may be.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() >= MAX_BATCH_RECORDS || self.bytes >= MAX_BATCH_BYTES
    }
}
