//! Commits: one at a time, beside the transaction that is open.
//!
//! While a transaction is being committed the next one is decided, on top of what the former has written. Its own commit
//! begins when that has ended well; if it has not, both are dropped.

use super::{Desk, Identity, no_producer, numbered};
use crate::clock::Clock;
use crate::commit::Transaction;
use crate::log::{ChangelogOffsets, CommitError, Committing, InTopic, LogError, Sink};
use crate::store::{Store, StoreError};
use crate::worker::Trouble;
use std::time::Duration;

/// The transaction that is being committed.
#[derive(Debug)]
pub(crate) struct Flight {
    transaction: Transaction,
    /// When the commit began, on the monotonic clock.
    pub(crate) began: Duration,
    /// Its inputs, by number.
    inputs: Vec<Identity>,
    /// Whether all its records are in the log.
    is_settled: bool,
}

impl<O, S: Store, C: Clock> Desk<O, S, C> {
    /// Whether the open transaction shall be committed. Without one there is nothing to commit.
    pub(crate) fn is_commit_due(&self, more_at_hand: bool) -> bool {
        let now = self.clock.monotonic();
        self.transaction.is_some_and(|open| open.is_due(&self.config.limits, more_at_hand, now))
    }

    /// Whether the open transaction has reached a limit while its predecessor's commit lasts: no more may come into it.
    pub(crate) fn is_held_up(&self) -> bool {
        self.flight.is_some() && self.is_commit_due(true)
    }

    /// Whether records of the open transaction may be sent: not before all of the one that is being committed are in the
    /// log. A changelog's last value of a key has to be the last one in the log.
    pub(super) fn may_send(&self) -> bool {
        self.flight.as_ref().is_none_or(|flight| flight.is_settled)
    }

    /// Begins to commit the open transaction. Not while another one is being committed.
    pub(crate) fn start_commit<G>(&mut self, group: G) -> Result<(), Trouble>
    where
        O: Sink<G>,
    {
        let Some(transaction) = self.transaction else { return Ok(()) };
        let began = self.clock.monotonic();
        self.hand_over()?;
        self.send_changelog()?;
        let offsets = self.offsets();
        self.sink.as_mut().ok_or_else(no_producer)?.start_commit(&offsets, group)?;
        self.tasks.values_mut().filter(|task| task.is_touched()).for_each(super::Task::seal);
        self.tally.seal();
        let inputs = std::mem::take(&mut self.inputs);
        self.transaction = None;
        self.flight = Some(Flight { transaction, began, inputs, is_settled: false });
        Ok(())
    }

    /// Looks how far the commit under way has come, for at most `wait`, and does what can be done then: with its records in
    /// the log, those of the open transaction are sent; with its end, its writes go into the stores.
    pub(crate) fn look_after_commit<G>(&mut self, wait: Duration) -> Result<(), Trouble>
    where
        O: Sink<G>,
    {
        let Some(flight) = &mut self.flight else { return Ok(()) };
        let sink = self.sink.as_mut().ok_or_else(no_producer)?;
        match sink.poll_commit(wait) {
            Committing::Unchanged => return Ok(()),
            Committing::Settled => flight.is_settled = true,
            Committing::Done(Ok(ends)) => self.land(&ends)?,
            Committing::Done(Err(CommitError { error, refused_input })) => {
                let inputs = self.flight.take().map(|flight| flight.inputs).unwrap_or_default();
                if let Some((number, reason)) = refused_input {
                    self.refuse(numbered(&inputs, number), reason);
                }
                return Err(error.into());
            }
        }
        Ok(self.send_held_back()?)
    }

    /// Moves what the committed transaction wrote into the stores.
    fn land(&mut self, ends: &[(i32, ChangelogOffsets)]) -> Result<(), StoreError> {
        let Some(flight) = self.flight.take() else { return Ok(()) };
        let now = self.clock.wall();
        for (partition, task) in self.tasks.iter_mut().filter(|(_, task)| task.is_sealed()) {
            let end = ends.iter().find(|(of, _)| of == partition).map(|(_, end)| *end).unwrap_or_default();
            let reached = task.overlay.store.offsets().max(end);
            task.apply(reached, now)?;
        }
        self.tally.committed(flight.transaction, self.clock.monotonic().saturating_sub(flight.began));
        self.take_out_stale()
    }

    /// The input offsets that the transaction moves. Of a task that only fired timers it is one that stands still: with
    /// none, a commit would not show that the task is still ours.
    fn offsets(&self) -> Vec<(i32, InTopic, i64)> {
        let mut offsets = Vec::new();
        for (partition, task) in self.tasks.iter().filter(|(_, task)| task.is_touched()) {
            let moved = |topic: &InTopic| task.positions[*topic as usize] != task.committed[*topic as usize];
            let stands_still = task.positions == task.committed;
            let topics = InTopic::ALL.into_iter().filter(moved).chain(stands_still.then_some(InTopic::Actions));
            offsets.extend(topics.map(|topic| (*partition, topic, task.positions[topic as usize])));
        }
        offsets
    }

    /// Sends what has been decided while the last commit's records were on their way, and each task's first writes.
    fn send_held_back<G>(&mut self) -> Result<(), LogError>
    where
        O: Sink<G>,
    {
        if self.transaction.is_none() {
            return Ok(());
        }
        self.hand_over()?;
        let begun = self.tasks.iter().filter(|(_, task)| task.is_touched() && !task.is_announced);
        let begun: Vec<i32> = begun.map(|(partition, _)| *partition).collect();
        begun.into_iter().try_for_each(|partition| self.announce(partition))
    }
}
