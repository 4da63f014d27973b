//! The audit view: one row an audit record, the two records of an action that goes to a provider in one row.
//!
//! An [`AuditStore`] keeps the rows with the offsets they came from, so that whatever stops a gateway, no record is lost or
//! there twice.

mod batch;
mod coverage;
mod entry;
mod follow;
mod keep;
mod query;
mod sqlite;
mod tally;
#[cfg(test)]
pub(crate) mod testing;

pub use batch::{AuditBatch, MAX_BATCH_BYTES, MAX_BATCH_RECORDS};
pub use coverage::{CoverageQuery, CoverageRow, MAX_COVERAGE_ROWS};
pub use entry::AuditEntry;
pub(crate) use entry::rfc3339;
pub use follow::AuditFollower;
pub use keep::AuditView;
pub use query::{
    ActionKey, AuditFilter, AuditPage, AuditQuery, DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET, MAX_PAGE_BYTES, Position,
};
pub use sqlite::SqliteAuditStore;
pub use tally::{MAX_TALLIES, Tally, TallyBy, TallyKey, TallyQuery};

use std::collections::BTreeMap;
use std::pin::Pin;

/// What a store answers, once it has.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What keeps the audit view.
pub trait AuditStore: Send + Sync {
    /// Writes a batch and the offsets that come after it, in one transaction. Records below the stored offset of their
    /// partition are there already and are left out, so a batch may be sent again.
    fn append(&self, batch: AuditBatch) -> Answer<'_, Appended>;

    /// For each partition of `topic` of which something is stored: the offset to read on from.
    fn offsets<'a>(&'a self, topic: &'a str) -> Answer<'a, BTreeMap<i32, i64>>;

    /// Sets the offset to read a partition on from, backwards too: for a topic that was made anew.
    fn reset_offset<'a>(&'a self, topic: &'a str, partition: i32, next: i64) -> Answer<'a, ()>;

    /// Says that all is written that the log held when the store was opened: what is put off while much is written, like
    /// indexes, is done now, which may take long. Questions come later.
    fn filled(&self) -> Answer<'_, ()>;

    /// A page of records, the newest first.
    fn query(&self, query: AuditQuery) -> Answer<'_, AuditPage>;

    /// The newest record that tells of an action as a whole; where there is none, the newest one of it.
    fn get(&self, key: ActionKey) -> Answer<'_, Option<AuditEntry>>;

    /// How many actions there were in each stretch of time, ordered by time and then by what is told apart.
    fn tally(&self, query: TallyQuery) -> Answer<'_, Vec<Tally>>;

    /// How many actions of each kind which rules had a say in.
    fn coverage(&self, query: CoverageQuery) -> Answer<'_, Vec<CoverageRow>>;

    /// Deletes records whose time has passed at `now` (milliseconds since 1970), a bounded number at a time, and says how
    /// many; 0 when there are no more.
    fn expire(&self, now: i64) -> Answer<'_, u64>;
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Appended {
    /// Records that were new.
    pub taken: usize,
    /// Records that were there already.
    pub repeated: usize,
}

/// Why a store can't answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too many questions wait already.
    #[error("the audit store has {limit} questions waiting: ask again in a moment")]
    Busy {
        /// Most that may wait.
        limit: usize,
    },
    /// The question would look at more than one may.
    #[error(
        "the question looks at too many audit records: narrow it with `from` and `to`, or with `namespace` and `tenant`"
    )]
    TooBroad,
    /// The store's file was written by a newer version of the program.
    #[error(
        "the audit store at {path} has version {found}, and this program knows up to {known}: use the newer program, or another file"
    )]
    Newer {
        /// The store's file.
        path: String,
        /// The version it has.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// The file can't be opened.
    #[error(
        "can't open the audit store at {path}: {problem}; it is kept by following the audit topic, so it may be deleted"
    )]
    Open {
        /// The store's file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The database failed.
    #[error("the audit store failed: {0}")]
    Failed(String),
    /// The store has ended.
    #[error("the audit store is closed")]
    Closed,
}
