//! When a worker commits, and what it waits for.

use super::{IDLE_WAIT, Trouble, Worker, WorkerError};
use crate::clock::Clock;
use crate::log::{Restorer, Sink, Source};
use crate::store::Stores;
use std::time::Duration;

/// Longest wait for the last commit to come further before new input is looked at.
const COMMIT_WAIT: Duration = Duration::from_micros(500);

impl<I, O, R, D, C> Worker<I, O, R, D, C>
where
    I: Source,
    O: Sink<I::Group>,
    R: Restorer,
    D: Stores,
    C: Clock,
{
    /// Looks how far the commit under way has come, before a turn; returns whether there may be one. Where the next
    /// transaction has reached a limit, or would be a worn producer's, the commit has to end before.
    pub(super) fn look_after_commit(&mut self) -> Result<bool, WorkerError> {
        let is_worn = self.desk.sink.as_ref().is_some_and(Sink::is_worn);
        let must_end = self.desk.is_held_up() || is_worn && self.desk.transaction.is_none();
        let wait = if must_end { IDLE_WAIT } else { Duration::ZERO };
        self.attend(|worker| worker.await_commit(wait))?;
        Ok(!must_end || self.desk.flight.is_none())
    }

    /// After a turn with which a commit is due: begins it. While the last one lasts there is nothing to do but to wait, for
    /// a moment.
    pub(super) fn commit_or_wait(&mut self) -> Result<(), WorkerError> {
        let must_wait = self.desk.flight.is_some();
        self.attend(|worker| if must_wait { worker.await_commit(COMMIT_WAIT) } else { worker.start_commit() })?;
        Ok(())
    }

    /// Commits what is in hand, and waits until all is over.
    pub(super) fn commit_all(&mut self) -> Result<(), WorkerError> {
        self.attend(Self::try_commit_all)?;
        Ok(())
    }

    pub(super) fn try_commit_all(&mut self) -> Result<(), Trouble> {
        self.await_end()?;
        self.start_commit()?;
        self.await_end()
    }

    fn start_commit(&mut self) -> Result<(), Trouble> {
        if self.desk.transaction.is_none() {
            return Ok(());
        }
        // Taken now and not before: it proves that the partitions are still ours.
        let group = self.source.group()?;
        self.desk.start_commit(group)
    }

    fn await_end(&mut self) -> Result<(), Trouble> {
        while self.desk.flight.is_some() {
            self.await_commit(IDLE_WAIT)?;
        }
        Ok(())
    }

    fn await_commit(&mut self, wait: Duration) -> Result<(), Trouble> {
        if self.desk.flight.is_none() {
            return Ok(());
        }
        self.desk.look_after_commit(wait)?;
        let is_over = self.desk.flight.is_none() && self.desk.transaction.is_none();
        if is_over && self.desk.sink.as_ref().is_some_and(Sink::is_worn) {
            tracing::info!("producer replaced after a slow or disturbed commit");
            self.desk.sink = None;
        }
        Ok(())
    }
}
