//! How tasks come to run: their states are read from the changelogs.

use super::{IDLE_WAIT, RETRY_PAUSE, Trouble, Worker, WorkerError};
use crate::clock::Clock;
use crate::log::{ChangelogOffsets, InTopic, LogError, Restorer, Restoring, Sink, Source};
use crate::store::{Store, StoreError, Stores};
use crate::task::Phase;
use std::time::Duration;

impl<I, O, R, D, C> Worker<I, O, R, D, C>
where
    I: Source,
    O: Sink<I::Group>,
    R: Restorer,
    D: Stores,
    C: Clock,
{
    /// Brings tasks that are not running nearer to it; returns whether any was being restored.
    pub(super) fn advance_tasks(&mut self) -> Result<bool, WorkerError> {
        // The producer comes first: making it ends what its predecessor left open.
        if self.desk.sink.is_none() || self.desk.tasks.values().all(|task| task.phase == Phase::Running) {
            return Ok(false);
        }
        let waiting: Vec<i32> = self.desk.tasks_in(|phase| matches!(phase, Phase::Unread)).collect();
        if self.may_retry() {
            for partition in waiting {
                if let Err(error) = self.begin_restore(partition) {
                    self.check_terminal(&error)?;
                    tracing::info!(partition, %error, "task waits");
                    self.retry_later();
                    break;
                }
            }
        }
        match self.restore() {
            Ok(restoring) => Ok(restoring),
            Err(Trouble::Store(error)) => Err(error.into()),
            Err(Trouble::Log(error)) => {
                self.check_terminal(&error)?;
                tracing::warn!(%error, "restore interrupted, trying again");
                let partitions: Vec<i32> = self.desk.tasks_in(|phase| matches!(phase, Phase::Restoring(_))).collect();
                for partition in partitions {
                    self.restorer.cancel(partition);
                    self.desk.reset(partition);
                }
                self.retry_later();
                Ok(false)
            }
        }
    }

    fn begin_restore(&mut self, partition: i32) -> Result<(), LogError> {
        // The offsets come first: once they stand still no transaction of an older owner can commit any more, and the
        // log's end that the restore aims at covers all that were.
        let positions = self.source.committed(partition)?;
        if let Some(task) = self.desk.tasks.get_mut(&partition) {
            self.restorer.start(partition, task.overlay.store.offsets())?;
            task.phase = Phase::Restoring(positions);
        }
        Ok(())
    }

    fn restore(&mut self) -> Result<bool, Trouble> {
        let restoring: Vec<i32> = self.desk.tasks_in(|phase| matches!(phase, Phase::Restoring(_))).collect();
        if restoring.is_empty() {
            return Ok(false);
        }
        self.read_changelogs()?;
        for partition in restoring {
            match self.restorer.progress(partition)? {
                Restoring::Underway => {}
                Restoring::StartOver => self.start_over(partition)?,
                Restoring::Done(offsets) => self.run(partition, offsets)?,
            }
        }
        Ok(true)
    }

    fn read_changelogs(&mut self) -> Result<(), Trouble> {
        let now = self.desk.clock.wall();
        let tasks = &mut self.desk.tasks;
        let mut failed = None;
        self.restorer.poll(IDLE_WAIT, &mut |record| {
            if let Some(task) = tasks.get_mut(&record.partition)
                && let Err(error) = task.restore(record.key, record.value, now)
            {
                failed = Some(error);
            }
        })?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn start_over(&mut self, partition: i32) -> Result<(), Trouble> {
        tracing::warn!(partition, "local state does not fit the changelog, restoring all of it");
        if let Some(task) = self.desk.tasks.get_mut(&partition) {
            task.start_over()?;
            self.restorer.start(partition, task.overlay.store.offsets())?;
        }
        Ok(())
    }

    /// Puts a restored task to work.
    fn run(&mut self, partition: i32, offsets: ChangelogOffsets) -> Result<(), Trouble> {
        self.restorer.cancel(partition);
        let now = self.desk.clock.wall();
        if let Some(task) = self.desk.tasks.get_mut(&partition)
            && let Phase::Restoring(positions) = task.phase
        {
            task.flush_restore(Some(offsets), now)?;
            task.clock = acteon_core::PartitionClock::restore(&mut task.overlay)
                .map_err(|error| StoreError { place: format!("of task {partition}"), problem: error.to_string() })?;
            task.positions = positions;
            task.committed = positions;
            self.source.start(partition, positions)?;
            task.phase = Phase::Running;
            self.retry = (Duration::ZERO, RETRY_PAUSE.0);
            tracing::info!(
                partition,
                restored = task.restored,
                position = positions[InTopic::Actions as usize],
                "task running"
            );
        }
        Ok(())
    }
}
