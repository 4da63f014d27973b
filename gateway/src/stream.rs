//! The live stream: what audit records tell of, sent to all who ask as it happens, and to who was cut off from where that was.
//!
//! One thread reads the audit topic's end while anybody listens (`follow.rs`) and gives each event, serialised once, to the
//! bounded queues of those whose filters it fits (`hub.rs`, `queue.rs`). The id of an event is a position in the log
//! (`position.rs`), so any gateway can go on from it: a reader of its own brings that client up to where the others are
//! (`catch_up.rs`), and then it is one of them (`connection.rs`).

mod catch_up;
mod connection;
mod event;
mod filter;
mod follow;
mod hub;
mod limits;
mod position;
mod queue;
#[cfg(test)]
mod tests;

pub(crate) use connection::Connection;
pub(crate) use event::{EVENT_TYPES, Follows};
pub(crate) use filter::Filter;
pub use limits::StreamLimits;
pub(crate) use limits::{Party, TooMany};
pub(crate) use position::Position;

use crate::log::ReadError;
use acteon_topology::KafkaConfig;
use catch_up::CatchUp;
use follow::Lead;
use limits::Doorkeeper;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Most clients that are brought up from the log at a time, each by a reader of its own; others wait their turn.
const MAX_CATCHING_UP: usize = 8;
/// How much is ready at most for a client that is brought up, in pieces of [`catch_up::PIECE_BYTES`].
const AHEAD: usize = 4;
/// How long a client waits for the log to be read.
const LEAD_WAIT: Duration = Duration::from_secs(20);

/// Why the log is not read on for streams.
#[derive(Debug, thiserror::Error)]
enum LogError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("nothing was read or taken for too long")]
    Stalled,
    #[error("the gateway stops")]
    Closed,
}

/// Where a stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Begin {
    /// With what happens from now on.
    Now,
    /// After what was seen last.
    After(Position),
    /// With the first event of a time, in milliseconds since 1970, of one tenant.
    Since(i64),
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) filter: Filter,
    pub(crate) begin: Begin,
    /// What the stream ends with.
    pub(crate) follows: Follows,
    pub(crate) party: Party,
}

/// Why there is no stream.
#[derive(Debug)]
pub(crate) enum Refusal {
    TooMany(TooMany),
    /// The position has so many partitions, and the topic so many.
    OtherTopic(usize, usize),
    /// The log can't be read.
    Away(String),
}

/// All streams of a gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Streams {
    lead: Arc<Lead>,
    doorkeeper: Arc<Doorkeeper>,
    turns: Arc<Semaphore>,
}

impl Streams {
    /// Streams of the events that the records of a topic tell of. Nothing is read until somebody asks.
    pub(crate) fn new(kafka: &KafkaConfig, topic: &str, limits: StreamLimits) -> Self {
        Self {
            lead: Arc::new(Lead::new(kafka, topic)),
            doorkeeper: Arc::new(Doorkeeper::new(limits)),
            turns: Arc::new(Semaphore::new(MAX_CATCHING_UP)),
        }
    }

    /// Opens a stream.
    ///
    /// # Errors
    /// Too many are open, the log can't be read, or the position is not one of this topic.
    pub(crate) async fn open(&self, request: Request) -> Result<Connection, Refusal> {
        let Request { filter, begin, follows, party } = request;
        let pass = self.doorkeeper.admit(party).map_err(Refusal::TooMany)?;
        let lease = tokio::time::timeout(LEAD_WAIT, self.lead.lease())
            .await
            .unwrap_or_else(|_| Err("it does not answer".to_owned()))
            .map_err(Refusal::Away)?;
        let away = || Refusal::Away("it could not be read on".to_owned());
        if begin == Begin::Now {
            let (subscription, position) = lease.hub().subscribe(filter).ok_or_else(away)?;
            return Ok(Connection::live(subscription, &position, follows, (lease, pass)));
        }
        if let Begin::After(position) = &begin {
            let partitions = lease.hub().position().ok_or_else(away)?.partitions();
            if position.partitions() != partitions {
                return Err(Refusal::OtherTopic(position.partitions(), partitions));
            }
        }
        let (out, steps) = mpsc::channel(AHEAD);
        let catch_up = CatchUp::new(Arc::clone(&self.lead), (filter, begin, follows), out);
        let turns = Arc::clone(&self.turns);
        tokio::spawn(async move {
            // The semaphore is never closed.
            let Ok(turn) = turns.acquire_owned().await else { return };
            let done = tokio::task::spawn_blocking(move || catch_up.run()).await;
            drop(turn);
            if let Err(error) = done {
                tracing::error!(%error, "bringing a stream up from the log failed");
            }
        });
        Ok(Connection::catching_up(steps, follows, (lease, pass)))
    }

    /// Ends all streams, and opens no more.
    pub(crate) fn close(&self) {
        self.lead.close();
    }
}
