//! Who waits for the outcome of what.
//!
//! An action is known by its scope and id, and, since senders may use an id twice, by the place where Kafka has written it:
//! the outcome of a decision names that place. The outcome of a call names the place of the call's result, which is nobody's
//! here; it goes to the request that has waited longest for an action of that id.

use acteon_schemas::{Coordinates, Outcome};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Most outcomes that are waited for at a time, over all requests.
pub(crate) const MAX_WAITING: usize = 100_000;
/// Most outcomes that are put aside for one request until the place of its action is known, which takes milliseconds.
const MAX_EARLY: usize = 16;

/// Most requests that wait for one id at a time.
const MAX_SAME_ID: usize = 64;

/// Why nobody can wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// [`MAX_WAITING`] wait already.
    Full,
    /// [`MAX_SAME_ID`] wait for this id already.
    SameId,
}

/// Partition and offset of a record in its topic.
pub(crate) type Place = (i32, i64);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// The last outcome of an action.
    Outcome,
    /// The answer to a command.
    Answer,
}

/// Whose an action or a command is, and its id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity<'i> {
    pub(crate) namespace: Cow<'i, str>,
    pub(crate) tenant: Cow<'i, str>,
    pub(crate) id: Cow<'i, str>,
}

impl Identity<'_> {
    fn into_owned(self) -> Identity<'static> {
        Identity {
            namespace: Cow::Owned(self.namespace.into_owned()),
            tenant: Cow::Owned(self.tenant.into_owned()),
            id: Cow::Owned(self.id.into_owned()),
        }
    }
}

/// What has come of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// This outcome, with its detail as JSON.
    Outcome(Outcome, Bytes),
    /// It is written, and its outcome did not come in time.
    Written,
    /// It was not written, for this reason.
    Lost(String),
}

/// The requests that wait.
pub(crate) struct Waiting {
    actions_topic: String,
    results_topic: String,
    inner: Mutex<Inner>,
    /// Ids are the senders': their hashes must not be foreseeable.
    hasher: RandomState,
    /// As in `inner`: while it is 0, outcomes are not even parsed.
    count: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    next_ticket: u64,
    slots: FxHashMap<u64, Slot>,
    /// Tickets by the hash of their identity, the oldest first.
    by_identity: FxHashMap<u64, SmallVec<[u64; 2]>>,
}

struct Slot {
    identity: Identity<'static>,
    asks: Asks,
    /// The time for an outcome is over: that the record is written is answer enough.
    settles: bool,
    place: Option<Place>,
    early: Vec<(Place, Reply)>,
    reply: oneshot::Sender<Reply>,
}

/// What is read of an outcome record.
#[derive(Deserialize)]
struct Heard<'a> {
    #[serde(borrow)]
    action_id: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    tenant: Cow<'a, str>,
    outcome: Outcome,
    #[serde(borrow)]
    detail: &'a RawValue,
    is_final: bool,
    released_by: Option<IgnoredAny>,
    chain_id: Option<IgnoredAny>,
    #[serde(borrow)]
    source: Coordinates<'a>,
}

impl Waiting {
    /// Nobody waits yet. The topics are those that outcomes name as their sources.
    pub(crate) fn new(actions_topic: &str, results_topic: &str) -> Self {
        Self {
            actions_topic: actions_topic.to_owned(),
            results_topic: results_topic.to_owned(),
            inner: Mutex::default(),
            hasher: RandomState::new(),
            count: AtomicUsize::new(0),
        }
    }

    /// Begins to wait, before the record is sent.
    pub(crate) fn begin(self: &Arc<Self>, identity: Identity<'_>, asks: Asks) -> Result<Pending, Refused> {
        let (sender, receiver) = oneshot::channel();
        let hash = self.hasher.hash_one(&identity);
        let identity = identity.into_owned();
        let mut inner = self.lock();
        if inner.slots.len() >= MAX_WAITING {
            return Err(Refused::Full);
        }
        let ticket = inner.next_ticket;
        inner.next_ticket += 1;
        let same = inner.by_identity.entry(hash).or_default();
        if same.len() >= MAX_SAME_ID {
            return Err(Refused::SameId);
        }
        same.push(ticket);
        inner
            .slots
            .insert(ticket, Slot { identity, asks, settles: false, place: None, early: Vec::new(), reply: sender });
        self.count.store(inner.slots.len(), Ordering::SeqCst);
        drop(inner);
        Ok(Pending { ticket, reply: receiver, waiting: Arc::clone(self) })
    }

    /// Kafka says where a record was written, or why it was not.
    pub(crate) fn delivered(&self, ticket: u64, place: Result<Place, String>) {
        let mut inner = self.lock();
        let Some(slot) = inner.slots.get_mut(&ticket) else { return };
        let reply = match place {
            Err(reason) => Reply::Lost(reason),
            Ok(_) if slot.settles => Reply::Written,
            Ok(place) => {
                slot.place = Some(place);
                let early = std::mem::take(&mut slot.early);
                match early.into_iter().find(|(found, _)| *found == place) {
                    Some((_, reply)) => reply,
                    None => return,
                }
            }
        };
        self.answer(inner, ticket, reply);
    }

    /// An outcome record was read.
    pub(crate) fn heard(&self, value: &[u8]) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        match serde_json::from_slice::<Heard<'_>>(value) {
            Ok(heard) => self.match_up(heard),
            Err(error) => tracing::warn!(%error, "outcome can't be read"),
        }
    }

    fn match_up(&self, heard: Heard<'_>) {
        let is_answer = matches!(heard.outcome, Outcome::CommandDone | Outcome::CommandRefused);
        let place = (heard.source.partition, heard.source.offset);
        let is_decision = heard.source.topic == self.actions_topic;
        if !is_answer {
            // What becomes of an action that was held, and the steps of a chain, come after the answer.
            let later = heard.released_by.is_some() || heard.chain_id.is_some() && !is_decision;
            let elsewhere = !is_decision && heard.source.topic != self.results_topic;
            if !heard.is_final || later || elsewhere {
                return;
            }
        }
        let identity = Identity { namespace: heard.namespace, tenant: heard.tenant, id: heard.action_id };
        let hash = self.hasher.hash_one(&identity);
        let mut inner = self.lock();
        let Some(tickets) = inner.by_identity.get(&hash).cloned() else { return };
        let reply = || Reply::Outcome(heard.outcome, Bytes::copy_from_slice(heard.detail.get().as_bytes()));
        for ticket in tickets {
            let Some(slot) = inner.slots.get_mut(&ticket).filter(|slot| slot.identity == identity) else { continue };
            let is_asked = match slot.asks {
                Asks::Answer => is_answer,
                Asks::Outcome if is_answer => false,
                Asks::Outcome if is_decision => match slot.place {
                    Some(own) => own == place,
                    None => {
                        if slot.early.len() == MAX_EARLY {
                            slot.early.remove(0);
                        }
                        slot.early.push((place, reply()));
                        false
                    }
                },
                Asks::Outcome => true,
            };
            if is_asked {
                self.answer(inner, ticket, reply());
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change is complete when the lock is given back.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, mut inner: MutexGuard<'_, Inner>, ticket: u64, reply: Reply) {
        if let Some(slot) = self.take(&mut inner, ticket) {
            drop(inner);
            // Whoever asked may have gone.
            slot.reply.send(reply).ok();
        }
    }

    fn take(&self, inner: &mut Inner, ticket: u64) -> Option<Slot> {
        let slot = inner.slots.remove(&ticket)?;
        let hash = self.hasher.hash_one(&slot.identity);
        if let Some(tickets) = inner.by_identity.get_mut(&hash) {
            tickets.retain(|other| *other != ticket);
            if tickets.is_empty() {
                inner.by_identity.remove(&hash);
            }
        }
        self.count.store(inner.slots.len(), Ordering::SeqCst);
        Some(slot)
    }
}

/// A wait. Dropping it ends it.
pub(crate) struct Pending {
    ticket: u64,
    reply: oneshot::Receiver<Reply>,
    waiting: Arc<Waiting>,
}

impl Pending {
    /// What the record is sent with.
    pub(crate) fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Waits for at most `limit`, and where the record is not even known to be written by then, for at most `grace` longer.
    /// `None`: nobody knows whether it was or will be.
    pub(crate) async fn within(mut self, limit: Duration, grace: Duration) -> Option<Reply> {
        if let Ok(Ok(reply)) = tokio::time::timeout(limit, &mut self.reply).await {
            return Some(reply);
        }
        if self.is_written() {
            return Some(self.reply.try_recv().unwrap_or(Reply::Written));
        }
        tokio::time::timeout(grace, &mut self.reply).await.ok()?.ok()
    }

    /// Whether the record is known to be written; if it is not, that will be answer enough from now on.
    fn is_written(&self) -> bool {
        let mut inner = self.waiting.lock();
        match inner.slots.get_mut(&self.ticket) {
            Some(slot) if slot.place.is_none() => {
                slot.settles = true;
                false
            }
            Some(_) => true,
            // It was answered in the very last moment.
            None => false,
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut inner = self.waiting.lock();
        self.waiting.take(&mut inner, self.ticket);
    }
}

#[cfg(test)]
mod tests;
