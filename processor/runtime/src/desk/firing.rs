//! Timers that have come due: inputs that no record brings.

use super::{Desk, Identity};
use crate::clock::Clock;
use crate::log::{LogError, Sink};
use crate::outbox::Origin;
use crate::store::{Store, StoreError, Timer};
use crate::task::{Phase, Task};
use crate::worker::Trouble;
use acteon_core::{Definitions, Input, State, Stepped, expires_at};
use std::time::Duration;

/// Most timers fired in a turn, so that records are not kept waiting by those that come due together; and no more, so
/// that timers do not wait for records.
const TIMERS_A_TURN: usize = 512;

impl<O, S: Store, C: Clock> Desk<O, S, C> {
    /// Fires timers of running tasks that are due, and takes out those whose entries have gone or moved; returns how many
    /// there were.
    pub(crate) fn fire<G>(&mut self, definitions: &Definitions) -> Result<usize, Trouble>
    where
        O: Sink<G>,
    {
        let wall = self.now;
        let is_due = |task: &Task<S>| task.phase == Phase::Running && task.timers.next() <= time(task, wall);
        let due = || self.tasks.values().filter(|task| is_due(task)).count();
        let share = TIMERS_A_TURN / due().max(1);
        let partitions: Vec<i32> =
            self.tasks.iter().filter(|(_, task)| is_due(task)).map(|(partition, _)| *partition).collect();
        let mut count = 0;
        for partition in partitions {
            count += self.fire_task(partition, share.max(1), definitions)?;
        }
        if count > 0 {
            self.take_out_stale()?;
        }
        Ok(count)
    }

    /// How long it is to the next timer, by the wall clock as the turn began; `None` where there is none.
    pub(crate) fn time_to_timer(&self) -> Option<Duration> {
        let running = self.tasks.values().filter(|task| task.phase == Phase::Running);
        let next = running.map(|task| task.timers.next()).min().filter(|next| *next < i64::MAX)?;
        Some(Duration::from_millis(u64::try_from(next.saturating_sub(self.now)).unwrap_or(0)))
    }

    fn fire_task<G>(&mut self, partition: i32, limit: usize, definitions: &Definitions) -> Result<usize, Trouble>
    where
        O: Sink<G>,
    {
        let Some(task) = self.tasks.get_mut(&partition) else { return Ok(0) };
        let now = time(task, self.now);
        let timers = task.timers.find(&task.overlay.store, now, limit)?;
        let count = timers.len();
        for timer in timers {
            if self.is_stale(partition, &timer)? {
                self.tally.count(Stepped::Stale);
            } else {
                self.fire_timer(partition, now, &timer, definitions)?;
            }
            if let Some(task) = self.tasks.get_mut(&partition) {
                task.timers.spend(timer);
            }
        }
        Ok(count)
    }

    /// Takes out timers that were found stale, where there is nothing else to commit.
    pub(super) fn take_out_stale(&mut self) -> Result<(), StoreError> {
        if self.transaction.is_some() || self.flight.is_some() {
            return Ok(());
        }
        let now = self.now;
        let mut stale = self.tasks.values_mut().filter(|task| !task.timers.spent().is_empty());
        stale.try_for_each(|task| task.take_out_stale(now))
    }

    /// Reads a timer's entry; returns whether that has gone, or has another time by now.
    fn is_stale(&mut self, partition: i32, timer: &Timer) -> Result<bool, LogError> {
        let Some(task) = self.tasks.get_mut(&partition) else { return Ok(true) };
        let entry = task.overlay.get(&timer.key).map_err(|error| LogError::Fatal(error.to_string()))?;
        // An entry whose time can't be read is the step's to refuse.
        let Some(entry) = entry.filter(|entry| expires_at(entry).is_none_or(|due| due == timer.due)) else {
            return Ok(true);
        };
        self.entry.clear();
        self.entry.extend_from_slice(entry);
        Ok(false)
    }

    /// Fires one timer. One that can't be is set aside with its entry, which is deleted: it would fail again for ever.
    fn fire_timer<G>(
        &mut self,
        partition: i32,
        now: i64,
        timer: &Timer,
        definitions: &Definitions,
    ) -> Result<(), Trouble>
    where
        O: Sink<G>,
    {
        let whom = acteon_core::Task { partition, partitions: self.config.partitions };
        let input = Input::timer(whom, &timer.key);
        let identity = Identity::Timer(partition, timer.due, timer.key.clone());
        let attempt = match self.refused.remove(&identity) {
            Some(reason) => Err(("EFFECT_REFUSED", reason)),
            None => self.attempt(partition, &input, definitions)?,
        };
        if attempt == Ok(Stepped::Stale) {
            self.tally.count(Stepped::Stale);
            return Ok(());
        }
        self.open()?;
        let stepped = attempt.unwrap_or_else(|problem| {
            let stepped = self.set_aside(partition, &input.source, problem);
            if let Some(task) = self.tasks.get_mut(&partition) {
                task.overlay.delete(&timer.key);
            }
            stepped
        });
        if matches!(stepped, Stepped::Fired(_)) {
            self.tally.count_lag(now.saturating_sub(timer.due));
        }
        let entry = std::mem::take(&mut self.entry);
        let origin = Origin { source: input.source, key: Some(&timer.key), value: Some(&entry), headers: &[] };
        let kept = self.keep(partition, identity, &origin, stepped);
        self.entry = entry;
        kept
    }
}

/// A task's time, without moving its clock.
fn time<S>(task: &Task<S>, wall: i64) -> i64 {
    let mut clock = task.clock;
    clock.advance(wall)
}
