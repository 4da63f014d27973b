use crate::error::{ApiError, Error};
use crate::{Client, Outcome};
use reqwest::Method;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// Most actions of a batch.
pub const MAX_BATCH: usize = 1_000;

/// What became of one action of a batch.
pub type BatchItem = Result<Outcome, ApiError>;

impl Client {
    /// Sends an action, an [`Action`](crate::Action) or what is written like one, and waits for its outcome as long as the
    /// gateway does. One that has an id can be sent again without being another one.
    ///
    /// # Errors
    /// It was refused, or nobody knows whether it was taken: see [`Error::is_retryable`].
    pub async fn dispatch<A: Serialize>(&self, action: &A) -> Result<Outcome, Error> {
        self.send(Method::POST, &["v1", "dispatch"], &[], action).await
    }

    /// Sends an action, and waits for its outcome for so long; then it is [`Outcome::Accepted`].
    ///
    /// # Errors
    /// As [`Client::dispatch`].
    pub async fn dispatch_within<A: Serialize>(&self, action: &A, wait: Duration) -> Result<Outcome, Error> {
        self.send(Method::POST, &["v1", "dispatch"], &[waits(wait)], action).await
    }

    /// What the rules would decide of an action; nothing is sent to any provider.
    ///
    /// # Errors
    /// As [`Client::dispatch`].
    pub async fn try_out<A: Serialize>(&self, action: &A) -> Result<Outcome, Error> {
        self.send(Method::POST, &["v1", "dispatch"], &[("dry_run", "true".to_owned())], action).await
    }

    /// Sends up to [`MAX_BATCH`] actions. The items are in the actions' order; what is wrong with one leaves the others be.
    ///
    /// # Errors
    /// The batch as a whole was refused, or nobody knows what was taken of it.
    pub async fn dispatch_batch<A: Serialize>(&self, actions: &[A]) -> Result<Vec<BatchItem>, Error> {
        let items: Vec<Value> = self.send(Method::POST, &["v1", "dispatch", "batch"], &[], &actions).await?;
        items.into_iter().map(item).collect()
    }
}

fn waits(wait: Duration) -> (&'static str, String) {
    ("wait", format!("{}ms", wait.as_millis()))
}

fn item(item: Value) -> Result<BatchItem, Error> {
    if let Some(error) = item.as_object().filter(|item| item.len() == 1).and_then(|item| item.get("error")) {
        return Ok(Err(ApiError::of_item(error)));
    }
    let outcome = serde_json::from_value(item);
    outcome.map(Ok).map_err(|error| Error::Answer { path: "/v1/dispatch/batch".to_owned(), problem: error.to_string() })
}
