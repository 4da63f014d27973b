//! The log as the API uses it: records go out to the actions and commands topics, and what comes of them comes back
//! through [`Waiting`].

mod kafka;
mod reader;
mod waiting;

pub(crate) use kafka::KafkaLog;
pub(crate) use reader::{Found, LogReader, ReadError};
pub(crate) use waiting::{Asks, Identity, Pending, Refused, Reply, Waiting};

/// Where a record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// `<prefix>.actions`.
    Actions,
    /// `<prefix>.commands`.
    Commands,
}

/// A record on its way out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'r> {
    pub(crate) topic: Topic,
    /// `namespace:tenant`.
    pub(crate) key: &'r str,
    pub(crate) value: &'r [u8],
    /// Headers of the request that travel with the record.
    pub(crate) trace: &'r Trace,
    /// What [`Waiting`] knows it by.
    pub(crate) ticket: u64,
}

/// The W3C trace context of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) parent: Option<String>,
    pub(crate) state: Option<String>,
}

/// Why a record was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SendError {
    /// Too many records wait to be sent.
    Full,
    /// It is larger than the topic allows.
    TooLarge,
    /// The client can't send.
    Failed(String),
}

/// Takes records. What becomes of each is told to the [`Waiting`] that made its ticket: that it was written or why not, and
/// then its outcome.
pub(crate) trait Log: Send + Sync {
    /// Queues a record without waiting.
    fn send(&self, record: Outgoing<'_>) -> Result<(), SendError>;

    /// Why nothing can be sent or heard any more, if that is so.
    fn failed(&self) -> Option<String>;
}
