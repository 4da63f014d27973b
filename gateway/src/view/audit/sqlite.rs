//! The audit view in a file: SQLite.

mod append;
mod coverage;
mod readers;
mod schema;
mod select;
mod tally;
mod writer;

use super::{
    ActionKey, Answer, Appended, AuditBatch, AuditEntry, AuditPage, AuditQuery, AuditStore, CoverageQuery, CoverageRow,
    StoreError, Tally, TallyQuery,
};
use readers::Readers;
use rusqlite::params;
use std::collections::BTreeMap;
use std::path::Path;
use writer::Writer;

/// Most records that one call of [`AuditStore::expire`] deletes.
const EXPIRED_AT_ONCE: i64 = 5_000;

/// An audit store in a file of its own: one thread writes, a few connections read, and readers don't wait for the writer.
/// Its answers need a Tokio runtime.
pub struct SqliteAuditStore {
    writer: Writer,
    readers: Readers,
}

impl SqliteAuditStore {
    /// Opens the store, and makes it and its directory where they are not there yet. Blocks.
    ///
    /// # Errors
    /// The file can't be made or opened, is no database, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::open(path)?;
        Ok(Self { writer: Writer::start(connection)?, readers: Readers::of(path) })
    }
}

impl AuditStore for SqliteAuditStore {
    fn append(&self, batch: AuditBatch) -> Answer<'_, Appended> {
        Box::pin(self.writer.write(move |connection| append::append(connection, batch)))
    }

    fn offsets<'a>(&'a self, topic: &'a str) -> Answer<'a, BTreeMap<i32, i64>> {
        let topic = topic.to_owned();
        Box::pin(self.readers.ask(move |reader| append::offsets(&reader.connection, &topic)))
    }

    fn reset_offset<'a>(&'a self, topic: &'a str, partition: i32, next: i64) -> Answer<'a, ()> {
        let topic = topic.to_owned();
        Box::pin(self.writer.write(move |connection| {
            connection.execute(append::SET_OFFSET, params![topic, partition, next])?;
            Ok(())
        }))
    }

    fn filled(&self) -> Answer<'_, ()> {
        Box::pin(self.writer.write(|connection| Ok(connection.execute_batch(schema::INDEXES)?)))
    }

    fn query(&self, query: AuditQuery) -> Answer<'_, AuditPage> {
        Box::pin(self.readers.ask(move |reader| select::page(reader, &query)))
    }

    fn get(&self, key: ActionKey) -> Answer<'_, Option<AuditEntry>> {
        Box::pin(self.readers.ask(move |reader| select::action(reader, &key)))
    }

    fn tally(&self, query: TallyQuery) -> Answer<'_, Vec<Tally>> {
        Box::pin(self.readers.ask(move |reader| tally::tally(reader, &query)))
    }

    fn coverage(&self, query: CoverageQuery) -> Answer<'_, Vec<CoverageRow>> {
        Box::pin(self.readers.ask(move |reader| coverage::coverage(reader, &query)))
    }

    fn expire(&self, now: i64) -> Answer<'_, u64> {
        Box::pin(self.writer.write(move |connection| {
            let deleted = connection.execute(
                "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE expires_at <= ?1 LIMIT ?2)",
                params![now, EXPIRED_AT_ONCE],
            )?;
            Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
        }))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => Self::TooBroad,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// A text's key in an index: 64 bits instead of 36 characters. Two texts may have one key, so the text is compared as well
/// wherever that could matter. FNV-1a, which is kept in files: it must not change.
fn key_of(text: &str) -> i64 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash.cast_signed()
}

#[cfg(test)]
mod tests;
