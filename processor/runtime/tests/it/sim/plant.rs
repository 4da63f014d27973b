//! Bugs that can be planted, to see that they are found.

use super::life;

/// Tag of queues in the state.
const QUEUE: u8 = 0x21;
/// Tag of what quotas have counted.
const USAGE: u8 = 0x14;

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
    /// Queues of throttles are never written.
    ForgottenQueues,
    /// What quotas have counted is never written.
    ForgottenUsage,
    /// What is told of occurrences of recurring actions is lost.
    LostOccurrences,
    /// That a command has started a chain is not told.
    LostStarts,
}

impl Plant {
    pub const ALL: [Self; 15] = [
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
        Self::ForgottenQueues,
        Self::ForgottenUsage,
        Self::LostOccurrences,
        Self::LostStarts,
    ];

    /// What finds it, where only one law can: any violation does for the others.
    pub fn told_as(self) -> &'static str {
        match self {
            Self::ForgottenQueues => "faster than its throttle allows",
            Self::ForgottenUsage => "passed beyond a quota that blocks",
            Self::LostOccurrences => "backfill has run less than it says",
            Self::LostStarts => "command answered with a chain that it has not started",
            _ => "",
        }
    }

    /// Whether an entry of the state is not written, in the changelog and in the store alike.
    pub fn forgets(self, key: &[u8], value: Option<&[u8]>) -> bool {
        life::owns(key)
            && match self {
                Self::KeptEntries => value.is_none(),
                Self::ForgottenQueues => key.first() == Some(&QUEUE),
                Self::ForgottenUsage => key.first() == Some(&USAGE),
                _ => false,
            }
    }
}
