//! Bugs that can be planted, to see that they are found.

/// A bug of the log or the store, as a wrong client, broker or configuration would have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// A new producer does not end or fence the old one's transaction.
    NoFencing,
    /// Offsets are taken from members that the group has given up.
    StaleMembersCommit,
    /// The group's offsets are read without waiting for transactions that may still move them.
    UnstableOffsets,
    /// The last effect of some transactions is lost, and its offsets are committed.
    LostEffects,
    /// A commit that was refused is reported as done.
    CommitReportedDone,
    /// A commit that moves no offset is not checked against the group.
    TimersUnfenced,
    /// A restore ends at the last stable offset instead of the log's end.
    RestoreToStableEnd,
    /// A restore reads what was aborted, too.
    RestoreUncommitted,
    /// A crash takes a store's writes and leaves its offsets.
    TornStore,
    /// What is held is not deleted when it is let go.
    KeptEntries,
    /// Some dispatches of what was held, and some calls of chains, are sent twice.
    DoubledCalls,
}

impl Plant {
    pub const ALL: [Self; 11] = [
        Self::NoFencing,
        Self::StaleMembersCommit,
        Self::UnstableOffsets,
        Self::LostEffects,
        Self::CommitReportedDone,
        Self::TimersUnfenced,
        Self::RestoreToStableEnd,
        Self::RestoreUncommitted,
        Self::TornStore,
        Self::KeptEntries,
        Self::DoubledCalls,
    ];
}
