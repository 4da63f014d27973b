//! Records on their way to the log, and the wait for what comes of them.

use super::ApiError;
use crate::log::{Asks, Identity, Log, Outgoing, Pending, Refused, Reply, SendError, Topic, Trace, Waiting};
use crate::rules::RuleBook;
use acteon_schemas::{MAX_RECORD_BYTES, Outcome, tenant_key};
use axum::http::StatusCode;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Seconds after which a request that met a limit may try again.
const BUSY_RETRY_SECONDS: u64 = 1;

/// How long a request waits for its record to be written where its own time is over: longer than the producer tries.
const DELIVERY_GRACE: Duration = Duration::from_secs(15);

/// The way to the log and back.
pub(crate) struct Desk {
    log: Box<dyn Log>,
    waiting: Arc<Waiting>,
    rules: Arc<dyn RuleBook>,
}

/// A record that is on its way.
pub(crate) struct Sent(Pending);

/// What came of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Came {
    /// This, with its detail as JSON.
    Outcome(Outcome, Bytes),
    /// It is written, and its outcome is still to come.
    Accepted,
}

impl Desk {
    pub(crate) fn new(log: Box<dyn Log>, waiting: Arc<Waiting>, rules: Arc<dyn RuleBook>) -> Self {
        Self { log, waiting, rules }
    }

    /// The rules in effect.
    pub(crate) fn rules(&self) -> &Arc<dyn RuleBook> {
        &self.rules
    }

    /// Why nothing can be asked any more, if that is so.
    pub(crate) fn failed(&self) -> Option<String> {
        self.log.failed()
    }

    /// Sends a record without waiting for anything.
    ///
    /// # Errors
    /// A limit is reached, or the log takes nothing.
    pub(crate) fn send(
        &self,
        topic: Topic,
        identity: Identity<'_>,
        value: &[u8],
        trace: &Trace,
        asks: Asks,
    ) -> Result<Sent, ApiError> {
        if value.len() > MAX_RECORD_BYTES {
            return Err(ApiError::too_large(MAX_RECORD_BYTES));
        }
        if let Some(reason) = self.log.failed() {
            return Err(unavailable(&reason));
        }
        let key = tenant_key(&identity.namespace, &identity.tenant);
        let pending = self.waiting.begin(identity, asks).map_err(|refused| match refused {
            Refused::Full => {
                let message = "too many requests wait for their outcomes";
                ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_WAITING", message)
                    .retry_after(BUSY_RETRY_SECONDS)
            }
            Refused::SameId => {
                let message = "too many requests wait for this id: is it meant to be the same?";
                ApiError::new(StatusCode::CONFLICT, "CONFLICT", message)
            }
        })?;
        let record = Outgoing { topic, key: &key, value, trace, ticket: pending.ticket() };
        match self.log.send(record) {
            Ok(()) => Ok(Sent(pending)),
            Err(SendError::Full) => Err(unavailable("the queue of records to be sent is full")),
            Err(SendError::TooLarge) => Err(ApiError::too_large(MAX_RECORD_BYTES)),
            Err(SendError::Failed(reason)) => Err(unavailable(&reason)),
        }
    }
}

impl Sent {
    /// Waits for at most `limit`.
    ///
    /// # Errors
    /// Kafka has not written the record, or nobody knows whether it has.
    pub(crate) async fn within(self, limit: Duration) -> Result<Came, ApiError> {
        match self.0.within(limit, DELIVERY_GRACE).await {
            Some(Reply::Outcome(kind, detail)) => Ok(Came::Outcome(kind, detail)),
            Some(Reply::Written) => Ok(Came::Accepted),
            Some(Reply::Lost(reason)) => Err(unavailable(&reason)),
            None => Err(unavailable("no confirmation in time; the record may still be written")),
        }
    }
}

fn unavailable(reason: &str) -> ApiError {
    ApiError::unavailable("KAFKA_UNAVAILABLE", format!("Kafka does not take records: {reason}"))
        .retry_after(BUSY_RETRY_SECONDS)
}
