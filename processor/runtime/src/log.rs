//! The log as one worker sees it.

use smallvec::SmallVec;
use std::time::Duration;

/// A topic that a worker reads. The four have the same partition count: partition *n* of each belongs to task *n*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InTopic {
    /// Actions; the topic that the consumer group shares out.
    Actions = 0,
    /// Actions that were re-keyed.
    Repartition = 1,
    /// Operators' commands.
    Commands = 2,
    /// Results of dispatches.
    Results = 3,
}

impl InTopic {
    /// All of them, in the order of [`Positions`].
    pub const ALL: [Self; 4] = [Self::Actions, Self::Repartition, Self::Commands, Self::Results];
    /// Those that follow the group's assignment by hand.
    pub const FOLLOWERS: [Self; 3] = [Self::Repartition, Self::Commands, Self::Results];
}

/// The next offset to read of each [`InTopic`] of one task.
pub type Positions = [i64; 4];

/// A record's headers.
pub type HeaderList<'a> = SmallVec<[(&'a str, &'a [u8]); 4]>;

/// A record read.
#[derive(Debug)]
pub struct InRecord<'a> {
    /// Which topic.
    pub topic: InTopic,
    /// Which task.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: HeaderList<'a>,
}

/// What a poll found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// A record, which has been handed over.
    Record,
    /// The group gave these partitions. The worker answers with [`Source::assign`].
    Assigned(Vec<i32>),
    /// The group takes these partitions back. The worker answers with [`Source::unassign`].
    Revoked(Vec<i32>),
    /// These partitions may belong to someone else already. The worker answers with [`Source::unassign`].
    Lost(Vec<i32>),
    /// Nothing within the time given.
    Idle,
}

/// A topic that a worker writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutTopic<'a> {
    /// Outcomes.
    Outcomes,
    /// Audit records.
    Audit,
    /// Dead letters.
    Dlq,
    /// Actions that go to their tenant's partition.
    Repartition,
    /// State that stays.
    Changelog,
    /// State that expires by itself.
    ChangelogExpiring,
    /// Operators' commands, and what tasks tell each other.
    Commands,
    /// Definitions: circuits as they stand.
    Definitions,
    /// Dispatches to the provider of this name.
    Dispatch(&'a str),
}

/// A record to write in the open transaction.
#[derive(Debug)]
pub struct OutRecord<'a> {
    /// Which topic.
    pub topic: OutTopic<'a>,
    /// Which partition; `None` lets the partitioner choose by the key.
    pub partition: Option<i32>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// What a written record was written for: how a failed delivery finds its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// An effect of the transaction's *n*-th input.
    Input(u32),
    /// State of a task.
    Changelog,
}

/// Next offsets of a task's two changelogs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangelogOffsets {
    /// Of the compacted one.
    pub compacted: i64,
    /// Of the expiring one.
    pub expiring: i64,
}

impl ChangelogOffsets {
    /// The later of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { compacted: self.compacted.max(other.compacted), expiring: self.expiring.max(other.expiring) }
    }
}

/// A record of a changelog.
#[derive(Debug, Clone, Copy)]
pub struct ChangelogRecord<'a> {
    /// The task.
    pub partition: i32,
    /// State key.
    pub key: &'a [u8],
    /// State value; `None` deletes.
    pub value: Option<&'a [u8]>,
}

/// An error of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Worth trying again.
    #[error("{0}")]
    Retriable(String),
    /// Another instance uses this instance's transactional id.
    #[error("fenced: {0}")]
    Fenced(String),
    /// No use trying again.
    #[error("{0}")]
    Fatal(String),
}

/// Why a record was not taken for sending.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Larger than the client sends; the transaction is as it was.
    #[error("{0}")]
    TooLarge(String),
    /// The transaction can't go on.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Why a transaction may not have been committed. Whatever it is, the worker drops what it did not apply, restores, and
/// resumes from the committed offsets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct CommitError {
    /// What happened.
    pub error: LogError,
    /// The transaction's input whose effect the broker refused for good, by its number: it is put into the dead-letter
    /// topic the next time, instead of being tried for ever.
    pub refused_input: Option<(u32, String)>,
}

/// Records in: the group's consumer and its follower.
pub trait Source {
    /// Proof of membership that a commit carries.
    type Group;

    /// Polls the actions topic, and the group's membership; hands at most one record to `take`.
    ///
    /// # Errors
    /// The consumer failed.
    fn poll_actions(&mut self, wait: Duration, take: &mut dyn FnMut(&InRecord<'_>)) -> Result<Polled, LogError>;
    /// Polls the topics that follow; hands at most one record to `take`.
    ///
    /// # Errors
    /// The consumer failed.
    fn poll_followers(&mut self, wait: Duration, take: &mut dyn FnMut(&InRecord<'_>)) -> Result<Polled, LogError>;
    /// Takes partitions that the group gave, without reading them yet.
    ///
    /// # Errors
    /// The consumer failed.
    fn assign(&mut self, partitions: &[i32]) -> Result<(), LogError>;
    /// Gives partitions back.
    ///
    /// # Errors
    /// The consumer failed.
    fn unassign(&mut self, partitions: &[i32]) -> Result<(), LogError>;
    /// Where the group stands in a task's topics, once no transaction can move it any more.
    ///
    /// # Errors
    /// [`LogError::Retriable`] while an open transaction may still move it.
    fn committed(&mut self, partition: i32) -> Result<Positions, LogError>;
    /// Begins to read a task's topics, or begins again elsewhere.
    ///
    /// # Errors
    /// The consumer failed.
    fn start(&mut self, partition: i32, positions: Positions) -> Result<(), LogError>;
    /// Stops reading a task's topics.
    ///
    /// # Errors
    /// The consumer failed.
    fn pause(&mut self, partition: i32) -> Result<(), LogError>;
    /// The group's metadata of this moment.
    ///
    /// # Errors
    /// Not a member (any more).
    fn group(&mut self) -> Result<Self::Group, LogError>;
}

/// What is new of the commit under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committing {
    /// Nothing, within the time given.
    Unchanged,
    /// All its records are in the log, so that those of the next transaction come behind them.
    Settled,
    /// It is over. `Ok` holds the changelogs' next offsets of each task that wrote any; with an error the transaction was
    /// aborted, or nobody knows.
    Done(Result<Vec<(i32, ChangelogOffsets)>, CommitError>),
}

/// The transactions out: one that is open, while another one is being committed.
pub trait Sink<G> {
    /// Begins a transaction.
    ///
    /// # Errors
    /// The producer failed.
    fn begin(&mut self) -> Result<(), LogError>;
    /// Writes a record in the open transaction. With a commit under way not before that has [`Committing::Settled`]: its
    /// records have to come before.
    ///
    /// # Errors
    /// The record is too large, or the transaction can't go on.
    fn send(&mut self, record: &OutRecord<'_>, tag: Tag) -> Result<(), SendError>;
    /// Begins to commit the open transaction with the input offsets (task, topic, next offset). Another one may begin, but
    /// its commit only when this one is over.
    ///
    /// # Errors
    /// The transaction can't go on.
    fn start_commit(&mut self, offsets: &[(i32, InTopic, i64)], group: G) -> Result<(), LogError>;
    /// What is new of the commit under way; waits for it for at most `wait`. All is told once.
    fn poll_commit(&mut self, wait: Duration) -> Committing;
    /// Aborts the open transaction, and the one whose commit failed. What becomes of a commit under way is left open.
    ///
    /// # Errors
    /// The producer failed.
    fn abort(&mut self) -> Result<(), LogError>;
    /// Whether this producer shall be replaced before the next transaction.
    fn is_worn(&self) -> bool;
}

impl<G, S: Sink<G> + ?Sized> Sink<G> for Box<S> {
    fn begin(&mut self) -> Result<(), LogError> {
        (**self).begin()
    }
    fn send(&mut self, record: &OutRecord<'_>, tag: Tag) -> Result<(), SendError> {
        (**self).send(record, tag)
    }
    fn start_commit(&mut self, offsets: &[(i32, InTopic, i64)], group: G) -> Result<(), LogError> {
        (**self).start_commit(offsets, group)
    }
    fn poll_commit(&mut self, wait: Duration) -> Committing {
        (**self).poll_commit(wait)
    }
    fn abort(&mut self) -> Result<(), LogError> {
        (**self).abort()
    }
    fn is_worn(&self) -> bool {
        (**self).is_worn()
    }
}

/// How far a restore has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restoring {
    /// Waiting for an older owner's transaction to end, or reading.
    Underway,
    /// All that was committed has been read; the store stands at these offsets.
    Done(ChangelogOffsets),
    /// The local state can't be continued from (the changelog was truncated or made anew): it has to be read from its
    /// beginning into an empty store.
    StartOver,
}

/// State back from the changelogs.
pub trait Restorer {
    /// Begins to restore a task from these offsets.
    ///
    /// # Errors
    /// The log can't be reached.
    fn start(&mut self, partition: i32, from: ChangelogOffsets) -> Result<(), LogError>;
    /// Stops restoring a task.
    fn cancel(&mut self, partition: i32);
    /// Reads for at most `wait` and a bounded number of records, of any task.
    ///
    /// # Errors
    /// The log can't be reached, or `apply` failed.
    fn poll(&mut self, wait: Duration, apply: &mut dyn FnMut(ChangelogRecord<'_>)) -> Result<(), LogError>;
    /// How far a task is.
    fn progress(&mut self, partition: i32) -> Result<Restoring, LogError>;
}
