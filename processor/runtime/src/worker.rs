mod committing;
mod restoring;

use crate::clock::Clock;
use crate::commit::CommitLimits;
use crate::desk::Desk;
use crate::log::{LogError, Polled, Restorer, Sink, Source};
use crate::store::{Store, StoreError, Stores};
use crate::task::{Phase, Task};
use acteon_core::Definitions;
use std::collections::BTreeSet;
use std::time::Duration;

/// Longest time that an idle worker waits for an action: what a result or a command may wait for besides.
const IDLE_WAIT: Duration = Duration::from_millis(5);
/// Most actions taken before the followers are looked at again.
const ACTIONS_A_TURN: usize = 128;
/// Most records of followers taken before actions are looked at again.
const FOLLOWERS_A_TURN: usize = 256;
/// Pause before a lost producer or a task that could not be read is tried again, doubled each time up to the second one.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Pause before a store that a sibling worker holds is tried again.
const OPEN_PAUSE: Duration = Duration::from_millis(100);

/// What a worker needs to know.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Partition count of the co-partitioned topics.
    pub partitions: i32,
    /// When transactions are committed.
    pub limits: CommitLimits,
    /// Names of the topics read, in the order of [`InTopic::ALL`](crate::log::InTopic::ALL).
    pub topics: [String; 4],
}

/// Whether a tick had anything to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It took records, committed or restored.
    Worked,
    /// Nothing was there.
    Idle,
}

/// What ends a worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkerError {
    /// Another instance uses this worker's transactional id.
    #[error("fenced: {0}")]
    Fenced(String),
    /// The local store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log failed for good.
    #[error("{0}")]
    Log(String),
}

/// A task, as health shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskState {
    /// Its number.
    pub partition: i32,
    /// Whether it decides.
    pub running: bool,
    /// Changelog records read since it was assigned.
    pub restored: u64,
    /// Next offsets, as committed, in the order of [`InTopic::ALL`](crate::log::InTopic::ALL).
    pub committed: [i64; 4],
    /// Size of its store in bytes, estimated.
    pub store_bytes: u64,
}

/// The exactly-once loop: one group member, its follower, a transaction that is open while the last one is being committed,
/// and the tasks that the group gave it.
///
/// All is decided in [`Worker::tick`], on the caller's thread. Whatever goes wrong with a transaction ends in the same
/// way: what was not applied is dropped, the producer is made anew (which fences the old one), each task is restored to
/// the log's end and goes on from the committed offsets.
pub struct Worker<I: Source, O, R, D: Stores, C> {
    source: I,
    connect: Box<dyn FnMut() -> Result<O, LogError> + Send>,
    restorer: R,
    stores: D,
    desk: Desk<O, D::Store, C>,
    /// When a failed step of recovery is tried again, and the pause after that.
    retry: (Duration, Duration),
    /// Partitions that are this worker's and have no task yet, since a sibling holds their stores: one that hangs at the
    /// broker may take long to hear that it lost them.
    waiting: BTreeSet<i32>,
    /// When their stores are tried again.
    open_at: Duration,
}

impl<I, O, R, D, C> Worker<I, O, R, D, C>
where
    I: Source,
    O: Sink<I::Group>,
    R: Restorer,
    D: Stores,
    C: Clock,
{
    /// A worker over these seams. `connect` makes a producer and fences its predecessor.
    pub fn new(
        config: WorkerConfig,
        clock: C,
        source: I,
        connect: Box<dyn FnMut() -> Result<O, LogError> + Send>,
        restorer: R,
        stores: D,
    ) -> Self {
        let desk = Desk::new(config, clock);
        let retry = (Duration::ZERO, RETRY_PAUSE.0);
        Self { source, connect, restorer, stores, desk, retry, waiting: BTreeSet::new(), open_at: Duration::ZERO }
    }

    /// Takes what is there, decides it, and commits when it is time to.
    ///
    /// # Errors
    /// The worker can't go on; its tasks' stores are as they were after the last commit.
    pub fn tick(&mut self, definitions: &Definitions) -> Result<Progress, WorkerError> {
        if self.desk.sink.is_none() && self.may_retry() {
            self.reconnect()?;
        }
        self.open_stores()?;
        let restoring = self.advance_tasks()?;
        if !self.look_after_commit()? {
            return Ok(Progress::Worked);
        }
        let Some(taken) = self.attend(|worker| worker.take(definitions, restoring))? else {
            return Ok(Progress::Worked);
        };
        let Taken { followers, timers, actions } = taken;
        let timers_wait = self.desk.time_to_timer().is_some_and(|left| left.is_zero());
        let more_at_hand = followers == FOLLOWERS_A_TURN || timers_wait || actions == ACTIONS_A_TURN;
        let worked = restoring || followers + timers + actions > 0;
        if self.desk.is_commit_due(more_at_hand) {
            self.commit_or_wait()?;
        }
        Ok(if worked { Progress::Worked } else { Progress::Idle })
    }

    /// Commits what is in hand and gives all tasks back.
    ///
    /// # Errors
    /// As [`Worker::tick`].
    pub fn shut_down(&mut self) -> Result<(), WorkerError> {
        self.commit_all()?;
        for task in self.desk.tasks.values_mut() {
            task.overlay.store.flush()?;
        }
        self.desk.tasks.clear();
        Ok(())
    }

    /// When the commit under way began, on the monotonic clock.
    pub fn commit_under_way(&self) -> Option<Duration> {
        self.desk.flight.as_ref().map(|flight| flight.began)
    }

    /// The tasks, in order.
    pub fn tasks(&self) -> Vec<TaskState> {
        let mut states: Vec<TaskState> = self
            .desk
            .tasks
            .iter()
            .map(|(partition, task)| TaskState {
                partition: *partition,
                running: task.phase == Phase::Running,
                restored: task.restored,
                committed: task.committed,
                store_bytes: task.overlay.store.size_bytes(),
            })
            .collect();
        states.extend(self.waiting.iter().map(|partition| TaskState {
            partition: *partition,
            running: false,
            restored: 0,
            committed: [0; 4],
            store_bytes: 0,
        }));
        states.sort_unstable_by_key(|state| state.partition);
        states
    }

    /// One turn of followers, one of timers, then one of actions.
    fn take(&mut self, definitions: &Definitions, restoring: bool) -> Result<Taken, Trouble> {
        self.desk.now = self.desk.clock.wall();
        let mut followers = 0;
        while followers < FOLLOWERS_A_TURN {
            let mut done = Ok(());
            let desk = &mut self.desk;
            let polled =
                self.source.poll_followers(Duration::ZERO, &mut |record| done = desk.process(record, definitions))?;
            done?;
            if polled == Polled::Idle {
                break;
            }
            followers += 1;
        }
        let timers = self.desk.fire(definitions)?;
        let mut actions = 0;
        while actions < ACTIONS_A_TURN {
            let busy = restoring || followers + timers + actions > 0 || self.desk.transaction.is_some();
            let longest = || self.desk.time_to_timer().map_or(IDLE_WAIT, |left| left.min(IDLE_WAIT));
            let wait = if busy { Duration::ZERO } else { longest() };
            let mut done = Ok(());
            let desk = &mut self.desk;
            let polled = self.source.poll_actions(wait, &mut |record| {
                if !busy {
                    // The record came while waiting: the turn begins with it.
                    desk.now = desk.clock.wall();
                }
                done = desk.process(record, definitions);
            })?;
            done?;
            match polled {
                Polled::Record => {}
                Polled::Idle => break,
                Polled::Assigned(partitions) => self.assigned(&partitions)?,
                Polled::Revoked(partitions) => self.revoked(&partitions)?,
                Polled::Lost(partitions) => self.lost(&partitions)?,
            }
            actions += 1;
            if self.desk.sink.is_none() {
                // Worn by a commit that gave partitions back: a record now would find none to be sent by.
                break;
            }
        }
        Ok(Taken { followers, timers, actions })
    }

    fn assigned(&mut self, partitions: &[i32]) -> Result<(), Trouble> {
        tracing::info!(?partitions, "partitions assigned");
        // A partition that is given again without having been taken back still has its store open here.
        self.drop_tasks(partitions)?;
        self.waiting.extend(partitions);
        self.open_at = Duration::ZERO;
        self.open_stores()?;
        if !self.waiting.is_empty() {
            tracing::info!(partitions = ?self.waiting, "another worker of this process still holds their stores, waiting");
        }
        self.source.assign(partitions).map_err(Trouble::from)
    }

    /// Makes tasks of the partitions that have none, where no sibling holds their stores any more.
    fn open_stores(&mut self) -> Result<(), StoreError> {
        if self.waiting.is_empty() || self.desk.clock.monotonic() < self.open_at {
            return Ok(());
        }
        for partition in std::mem::take(&mut self.waiting) {
            match self.stores.open(partition, self.desk.clock.wall())? {
                Some(store) => _ = self.desk.tasks.insert(partition, Task::new(store)),
                None => _ = self.waiting.insert(partition),
            }
        }
        self.open_at = self.desk.clock.monotonic() + OPEN_PAUSE;
        Ok(())
    }

    /// Gives partitions back, with what is in hand committed first.
    fn revoked(&mut self, partitions: &[i32]) -> Result<(), Trouble> {
        tracing::info!(?partitions, "partitions revoked");
        let committed = self.try_commit_all();
        self.drop_tasks(partitions)?;
        self.source.unassign(partitions)?;
        committed
    }

    /// Lets partitions go that may be another member's by now: nothing of the open transaction may be committed.
    fn lost(&mut self, partitions: &[i32]) -> Result<(), Trouble> {
        tracing::warn!(?partitions, "partitions lost");
        self.drop_tasks(partitions)?;
        self.source.unassign(partitions)?;
        match (&self.desk.transaction, &self.desk.flight) {
            (None, None) => Ok(()),
            _ => Err(Trouble::Log(LogError::Retriable("partitions were lost inside a transaction".to_owned()))),
        }
    }

    fn drop_tasks(&mut self, partitions: &[i32]) -> Result<(), StoreError> {
        for partition in partitions {
            self.waiting.remove(partition);
            self.restorer.cancel(*partition);
            if let Some(mut task) = self.desk.tasks.remove(partition) {
                task.overlay.store.flush()?;
            }
        }
        Ok(())
    }

    /// Does something that may meet with trouble; `None` where it was the log's, which is recovered from.
    fn attend<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Trouble>) -> Result<Option<T>, WorkerError> {
        match work(self) {
            Ok(done) => Ok(Some(done)),
            Err(Trouble::Log(error)) => self.recover(&error).map(|()| None),
            Err(Trouble::Store(error)) => Err(error.into()),
        }
    }

    /// Drops everything that is not committed and makes ready to begin again.
    fn recover(&mut self, error: &LogError) -> Result<(), WorkerError> {
        self.check_terminal(error)?;
        tracing::warn!(%error, "transaction dropped, tasks are restored");
        metrics::counter!("acteon_processor_recoveries_total").increment(1);
        let partitions: Vec<i32> = self.desk.tasks.keys().copied().collect();
        self.desk.abort();
        for partition in partitions {
            self.restorer.cancel(partition);
            // A consumer that can't pause now is one that can't read either; records of a task that is not running
            // are passed over.
            if let Err(error) = self.source.pause(partition) {
                tracing::debug!(partition, %error, "partition not paused");
            }
        }
        Ok(())
    }

    fn check_terminal(&self, error: &LogError) -> Result<(), WorkerError> {
        match error {
            LogError::Retriable(_) => Ok(()),
            LogError::Fenced(reason) => Err(WorkerError::Fenced(reason.clone())),
            LogError::Fatal(reason) => Err(WorkerError::Log(reason.clone())),
        }
    }

    fn may_retry(&self) -> bool {
        self.desk.clock.monotonic() >= self.retry.0
    }

    fn retry_later(&mut self) {
        let pause = self.retry.1;
        self.retry = (self.desk.clock.monotonic() + pause, (pause * 2).min(RETRY_PAUSE.1));
    }

    fn reconnect(&mut self) -> Result<(), WorkerError> {
        match (self.connect)() {
            Ok(sink) => {
                self.desk.sink = Some(sink);
                self.retry = (Duration::ZERO, RETRY_PAUSE.0);
            }
            Err(error) => {
                self.check_terminal(&error)?;
                tracing::warn!(%error, "producer not ready, trying again");
                self.retry_later();
            }
        }
        Ok(())
    }
}

/// How much of each kind a turn took.
struct Taken {
    followers: usize,
    timers: usize,
    actions: usize,
}

/// What interrupts a turn.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The log's: the transaction is dropped and the tasks are restored, unless it is terminal.
    Log(LogError),
    /// The store's: terminal.
    Store(StoreError),
}

impl From<LogError> for Trouble {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
