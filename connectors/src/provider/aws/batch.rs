use crate::kafka::lock;
use crate::provider::{Outcome, code};
use futures::future::{BoxFuture, join_all};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// Most entries of one request: the limit of SQS and of EventBridge.
pub(crate) const MAX_BATCH_ENTRIES: usize = 10;
/// Most bytes of the entries of one request. AWS takes up to 1 MiB by now; its stand-ins and older regions take 256 KiB.
/// A larger entry goes alone, and the service decides.
pub(crate) const MAX_BATCH_BYTES: usize = 256 * 1024;
/// Longest time that an entry waits for others.
pub(crate) const BATCH_WAIT: Duration = Duration::from_millis(5);

/// Sends the entries of one request. Returns what came of each, in their order, or what came of the whole.
type Send<E> = dyn Fn(Vec<E>) -> BoxFuture<'static, Result<Vec<Outcome>, Outcome>> + std::marker::Send + Sync;

/// Puts calls that come at about the same time into one request, and gives each its own outcome: those that failed go
/// back to their callers, which repeat them alone.
pub(crate) struct Batcher<E> {
    shared: Arc<Shared<E>>,
}

struct Shared<E> {
    open: Mutex<Open<Waiting<E>>>,
    send: Box<Send<E>>,
}

/// An entry, and who waits for its outcome.
struct Waiting<E> {
    entry: E,
    outcome: oneshot::Sender<Outcome>,
}

impl<E: Clone + std::marker::Send + Sync + 'static> Batcher<E> {
    pub(crate) fn new(
        send: impl Fn(Vec<E>) -> BoxFuture<'static, Result<Vec<Outcome>, Outcome>> + std::marker::Send + Sync + 'static,
    ) -> Self {
        Self { shared: Arc::new(Shared { open: Mutex::new(Open::new()), send: Box::new(send) }) }
    }

    /// Sends an entry of `bytes` in the next request. Where the caller goes before, it is not sent any more; where all
    /// callers of a request under way have gone, that is given up.
    pub(crate) async fn send(&self, entry: E, bytes: usize) -> Outcome {
        let (outcome, answer) = oneshot::channel();
        let added = lock(&self.shared.open).add(Waiting { entry, outcome }, bytes);
        for batch in added.ready {
            tokio::spawn(deliver(Arc::clone(&self.shared), batch));
        }
        if let Some(number) = added.opened {
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move {
                tokio::time::sleep(BATCH_WAIT).await;
                let batch = lock(&shared.open).close(number);
                if let Some(batch) = batch {
                    deliver(shared, batch).await;
                }
            });
        }
        answer.await.unwrap_or_else(|_| Outcome::retry(code::EXECUTION_FAILED, "the request was given up", None))
    }
}

/// Makes the request of a batch and hands out the outcomes.
async fn deliver<E: Clone + std::marker::Send + Sync + 'static>(shared: Arc<Shared<E>>, batch: Vec<Waiting<E>>) {
    let waiting = batch.into_iter().filter(|waiting| !waiting.outcome.is_closed());
    let (entries, mut callers): (Vec<E>, Vec<_>) = waiting.map(|waiting| (waiting.entry, waiting.outcome)).unzip();
    if entries.is_empty() {
        return;
    }
    let outcomes = tokio::select! {
        biased;
        outcomes = outcomes(&shared.send, entries) => outcomes,
        _ = join_all(callers.iter_mut().map(oneshot::Sender::closed)) => return,
    };
    for (caller, outcome) in callers.into_iter().zip(outcomes) {
        // A caller that has gone since wants to know nothing.
        let _ = caller.send(outcome);
    }
}

/// What came of each entry. Where a request is refused for what is in it, each entry is sent by itself, so that a bad
/// one spoils no other.
async fn outcomes<E: Clone>(send: &Send<E>, entries: Vec<E>) -> Vec<Outcome> {
    let count = entries.len();
    match send(entries.clone()).await {
        Ok(mut outcomes) => {
            let missing = || Outcome::retry(code::EXECUTION_FAILED, "the answer says nothing of this entry", None);
            outcomes.resize_with(count, missing);
            outcomes
        }
        Err(Outcome::Reject(error)) if count > 1 && error.code == code::VALIDATION => {
            let alone = entries.into_iter().map(|entry| async {
                match send(vec![entry]).await {
                    Ok(mut one) if !one.is_empty() => one.swap_remove(0),
                    Ok(_) => Outcome::retry(code::EXECUTION_FAILED, "the answer is empty", None),
                    Err(outcome) => outcome,
                }
            });
            join_all(alone).await
        }
        Err(outcome) => vec![outcome; count],
    }
}

/// The batch that is being filled.
struct Open<T> {
    /// Tells one batch from the next.
    number: u64,
    entries: Vec<T>,
    bytes: usize,
}

/// What adding an entry led to.
struct Added<T> {
    /// Batches that are complete: the one before, where the entry had no room in it, and that with the entry.
    ready: Vec<Vec<T>>,
    /// The batch that waits for more since now.
    opened: Option<u64>,
}

impl<T> Open<T> {
    fn new() -> Self {
        Self { number: 0, entries: Vec::new(), bytes: 0 }
    }

    fn add(&mut self, entry: T, bytes: usize) -> Added<T> {
        let mut ready = Vec::new();
        if !self.entries.is_empty() && self.bytes + bytes > MAX_BATCH_BYTES {
            ready.push(self.take());
        }
        self.entries.push(entry);
        self.bytes += bytes;
        if self.entries.len() >= MAX_BATCH_ENTRIES || self.bytes >= MAX_BATCH_BYTES {
            ready.push(self.take());
        }
        let opened = (self.entries.len() == 1).then_some(self.number);
        Added { ready, opened }
    }

    /// The batch of that number, if it still is the one that is being filled.
    fn close(&mut self, number: u64) -> Option<Vec<T>> {
        (self.number == number && !self.entries.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Vec<T> {
        self.number += 1;
        self.bytes = 0;
        std::mem::take(&mut self.entries)
    }
}

#[cfg(test)]
mod tests;
