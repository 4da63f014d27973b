//! `throttle` with `mode: delay`: what is over the limit is held, and leaves in order as the limit allows.
//!
//! A queue is a list of release times: of what has left within the last window, and reserved ones of what waits. An action
//! gets a time at once, and keeps its place. Where actions leave later than planned (the worker was down), those behind
//! them are planned anew, so that no window of *real* releases ever holds more than the limit. Their timers still have the
//! old times then and may fire out of order, so an action gives way once to those before it that still wait.

use crate::keys::{self, Store};
use crate::state::{State, StateError};
use crate::value;
use acteon_rules::{FieldPath, Rule, RuleAction, Subject, ThrottleMode};

/// Parts of a window in which what has left at once shares a time, as for throttles that refuse.
const SLOTS: u64 = 32;
/// How long a queue is remembered beyond the last release that it could hold up, in milliseconds (1 day): the longest time
/// that a worker may be down for until what waits leaves all at once.
const GRACE_MS: u64 = 24 * 3600 * 1000;

/// What a rule asks of its queues.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) max_count: u64,
    pub(crate) window_ms: u64,
    pub(crate) max_delay_ms: u64,
    pub(crate) max_queue: u64,
}

impl Pace {
    /// The pace of a rule that delays, with the fields that split its queues.
    pub(crate) fn of(rule: &Rule) -> Option<(Self, &[FieldPath])> {
        let RuleAction::Throttle { max_count, window_ms, key_fields, mode, .. } = &rule.action else { return None };
        let ThrottleMode::Delay { max_delay_ms, max_queue } = *mode else { return None };
        Some((Self { max_count: *max_count, window_ms: *window_ms, max_delay_ms, max_queue }, key_fields))
    }
}

/// How an action goes on waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) until: i64,
    /// Whether others go before it; else its time has not come.
    pub(crate) gives_way: bool,
}

/// What becomes of an action that comes to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It passes.
    Now,
    /// It is held until a time.
    At(i64),
    /// It is refused; after so many milliseconds it would be taken.
    Full(u64),
}

/// Actions that leave, or have left, at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    at: i64,
    count: u64,
}

/// The releases of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Queue {
    /// Places given so far, which is the next action's place.
    next: u64,
    /// The first place that waits.
    first_waiting: u64,
    /// Places behind that one whose actions were called off, in order.
    gone: Vec<u64>,
    /// Release times of the last places, ascending; older ones hold nothing up any more.
    runs: Vec<Run>,
}

impl Queue {
    /// Reads a queue; one that is over is empty.
    pub(crate) fn decode(stored: Option<&[u8]>, now: i64) -> Result<Self, StateError> {
        let mut queue = Self::default();
        let Some(bytes) = stored else { return Ok(queue) };
        let (end, mut body) = value::split(bytes, Store::Queue)?;
        if end <= now {
            return Ok(queue);
        }
        let corrupt = || StateError::Corrupt { store: Store::Queue.name(), problem: "cut short" };
        queue.next = value::take_varint(&mut body).ok_or_else(corrupt)?;
        queue.first_waiting = value::take_varint(&mut body).ok_or_else(corrupt)?;
        let mut at = 0_i64;
        while !body.is_empty() {
            let delta = value::take_varint(&mut body).ok_or_else(corrupt)?;
            let count = value::take_varint(&mut body).ok_or_else(corrupt)?;
            if count == 0 {
                queue.gone.push(queue.first_waiting.saturating_add(delta));
                continue;
            }
            at = at.saturating_add_unsigned(delta);
            queue.runs.push(Run { at, count });
        }
        Ok(queue)
    }

    pub(crate) fn encode(&self, pace: &Pace) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let newest = self.newest().unwrap_or(0);
        value::begin(&mut out, newest.saturating_add_unsigned(pace.window_ms.saturating_add(GRACE_MS)));
        value::push_varint(&mut out, self.next);
        value::push_varint(&mut out, self.first_waiting);
        let mut at = 0_i64;
        for run in &self.runs {
            // Times ascend and are not negative: the partition's clock sees to it.
            value::push_varint(&mut out, u64::try_from(run.at - at).unwrap_or(0));
            value::push_varint(&mut out, run.count);
            at = run.at;
        }
        // No run is of nothing: that is a place that was called off.
        for place in &self.gone {
            value::push_varint(&mut out, place.saturating_sub(self.first_waiting));
            value::push_varint(&mut out, 0);
        }
        out
    }

    fn store(&self, state: &mut impl State, key: &[u8], pace: &Pace) {
        if self.runs.is_empty() {
            state.delete(key);
        } else {
            state.put(key, &self.encode(pace));
        }
    }

    /// Releases that are known.
    fn len(&self) -> u64 {
        self.runs.iter().map(|run| run.count).sum()
    }

    fn newest(&self) -> Option<i64> {
        self.runs.last().map(|run| run.at)
    }

    fn waiting(&self) -> u64 {
        self.next.saturating_sub(self.first_waiting)
    }

    /// The place that was given last, and its time.
    pub(crate) fn last(&self) -> Option<(u64, i64)> {
        Some((self.next.checked_sub(1)?, self.newest()?))
    }

    /// Takes an action in, if there is room.
    pub(crate) fn admit(&mut self, now: i64, pace: &Pace) -> Admission {
        self.forget(now, pace);
        // Those that should have left by now and have not go first.
        if self.time_of(self.first_waiting).is_some_and(|at| at < now) {
            self.plan(now, pace);
        }
        let waiting = self.waiting();
        let at = self.earliest(now, pace).0;
        if waiting == 0 && at <= now {
            self.pass(now, pace);
            return Admission::Now;
        }
        if waiting >= pace.max_queue {
            let room = self.time_of(self.first_waiting).unwrap_or(now);
            return Admission::Full(u64::try_from(room - now).unwrap_or(0).max(1));
        }
        let wait = u64::try_from(at - now).unwrap_or(0);
        if wait > pace.max_delay_ms {
            return Admission::Full(wait - pace.max_delay_ms);
        }
        self.push(at, 1);
        self.next += 1;
        Admission::At(at)
    }

    /// Lets the action of a place leave, or says how long it goes on waiting. One that has given way already does not again:
    /// whatever has become of those before it, they hold it up no longer.
    pub(crate) fn leave(&mut self, place: u64, now: i64, gave_way: bool, pace: &Pace) -> Option<Wait> {
        let planned = self.time_of(place)?;
        if planned > now {
            return Some(Wait { until: planned, gives_way: false });
        }
        if place > self.first_waiting && !gave_way {
            // Those before it are planned no later, so their timers come first.
            return Some(Wait { until: now.saturating_add(1), gives_way: true });
        }
        self.first_waiting = self.first_waiting.max(place);
        if planned < now && self.first_waiting == place {
            self.plan(now, pace);
            if let Some(until) = self.time_of(place).filter(|at| *at > now) {
                return Some(Wait { until, gives_way: false });
            }
        }
        self.first_waiting = self.first_waiting.max(place + 1);
        self.pass_over_gone();
        self.forget(now, pace);
        None
    }

    /// Moves on to the first place that waits.
    fn pass_over_gone(&mut self) {
        let over = self.gone.iter().take_while(|place| {
            self.first_waiting += u64::from(**place == self.first_waiting);
            **place < self.first_waiting
        });
        let over = over.count();
        self.gone.drain(..over);
    }

    /// Gives a place up whose action was called off. One between two others stays planned until the one before it leaves.
    fn give_up(&mut self, place: u64) {
        if self.waiting() > 0 && place + 1 == self.next {
            self.next = place;
            if let Some(last) = self.runs.last_mut() {
                last.count -= 1;
            }
            self.runs.pop_if(|last| last.count == 0);
        } else if self.first_waiting <= place && place < self.next {
            let at = self.gone.partition_point(|other| *other < place);
            self.gone.insert(at, place);
            self.pass_over_gone();
        }
    }

    /// Counts nothing any more that has left; what waits keeps its time.
    pub(crate) fn reset(&mut self) {
        let tail = self.split_waiting();
        self.runs = tail;
    }

    /// When a place leaves or has left; `None` where that is no longer known.
    fn time_of(&self, place: u64) -> Option<i64> {
        let from_end = self.next.checked_sub(place).filter(|from_end| *from_end > 0)?;
        Some(self.nth_last(from_end)?.0)
    }

    /// The time of the `nth` release from the end, and how many of its run are from there on.
    fn nth_last(&self, nth: u64) -> Option<(i64, u64)> {
        let mut behind = 0;
        for run in self.runs.iter().rev() {
            if behind + run.count >= nth {
                return Some((run.at, nth - behind));
            }
            behind += run.count;
        }
        None
    }

    /// The earliest time for another release behind all others, and how many may have that bound.
    fn earliest(&self, now: i64, pace: &Pace) -> (i64, u64) {
        let in_order = self.newest().map_or(now, |newest| newest.max(now));
        match self.nth_last(pace.max_count) {
            Some((at, share)) => (in_order.max(at.saturating_add_unsigned(pace.window_ms)), share),
            None => (in_order, pace.max_count.saturating_sub(self.len()).max(1)),
        }
    }

    /// Plans what waits anew, none of it before `now` nor before its time.
    fn plan(&mut self, now: i64, pace: &Pace) {
        for run in self.split_waiting() {
            let mut left = run.count;
            while left > 0 {
                let (earliest, share) = self.earliest(now, pace);
                let count = share.min(left);
                self.push(earliest.max(run.at), count);
                left -= count;
            }
        }
    }

    /// Takes the runs of what waits off the end.
    fn split_waiting(&mut self) -> Vec<Run> {
        let mut left = self.waiting();
        let mut tail = Vec::new();
        while left > 0 {
            let Some(last) = self.runs.last_mut() else { break };
            let count = last.count.min(left);
            tail.push(Run { at: last.at, count });
            last.count -= count;
            if last.count == 0 {
                self.runs.pop();
            }
            left -= count;
        }
        tail.reverse();
        tail
    }

    fn push(&mut self, at: i64, count: u64) {
        match self.runs.last_mut() {
            Some(last) if last.at == at => last.count += count,
            _ => self.runs.push(Run { at, count }),
        }
    }

    /// Counts an action that passes at once, while nothing waits.
    fn pass(&mut self, now: i64, pace: &Pace) {
        let width = i64::try_from((pace.window_ms / SLOTS).max(1)).unwrap_or(i64::MAX);
        match self.runs.last_mut() {
            // Sharing the later time is the stricter way.
            Some(last) if last.at / width == now / width => {
                last.at = now;
                last.count += 1;
            }
            _ => self.runs.push(Run { at: now, count: 1 }),
        }
        self.next += 1;
        self.first_waiting = self.next;
    }

    /// Drops releases that hold nothing up any more.
    fn forget(&mut self, now: i64, pace: &Pace) {
        let mut left = self.len().saturating_sub(self.waiting());
        let over = |run: &&Run| {
            let gone = run.count <= left && run.at.saturating_add_unsigned(pace.window_ms) <= now;
            left -= if gone { run.count } else { 0 };
            gone
        };
        let over = self.runs.iter().take_while(over).count();
        self.runs.drain(..over);
    }
}

/// Builds the state key: the rule, and its `key_fields` where it has any.
pub(crate) fn key(rule: &str, key_fields: &[FieldPath], subject: &Subject<'_>) -> Vec<u8> {
    let mut key = Vec::with_capacity(96);
    let start = rule_prefix(&mut key, subject.namespace, subject.tenant, rule);
    crate::gates::push_fields(&mut key, key_fields, subject);
    keys::limit_rest(&mut key, start);
    key
}

/// What the keys of a rule's queues for a tenant begin with, as for [`crate::throttle::rule_prefix`].
fn rule_prefix(out: &mut Vec<u8>, namespace: &str, tenant: &str, rule: &str) -> usize {
    keys::scoped(out, Store::Queue, namespace, tenant);
    keys::push_text(out, rule);
    out.len()
}

/// The place and the time that the action of a walk has been given, which a rule's queue holds.
pub(crate) fn given(
    state: &mut impl State,
    now: i64,
    rule: &Rule,
    subject: &Subject<'_>,
) -> Result<Option<(u64, i64)>, StateError> {
    let Some((_, key_fields)) = Pace::of(rule) else { return Ok(None) };
    Ok(Queue::decode(state.get(&key(&rule.name, key_fields, subject))?, now)?.last())
}

/// Lets a held action leave its rule's queue, or says how it goes on waiting.
pub(crate) fn leave(
    state: &mut impl State,
    now: i64,
    rule: &Rule,
    subject: &Subject<'_>,
    (place, gave_way): (u64, bool),
) -> Result<Option<Wait>, StateError> {
    let Some((pace, key_fields)) = Pace::of(rule) else { return Ok(None) };
    let key = key(&rule.name, key_fields, subject);
    let mut queue = Queue::decode(state.get(&key)?, now)?;
    let wait = queue.leave(place, now, gave_way, &pace);
    queue.store(state, &key, &pace);
    Ok(wait)
}

/// Takes an action out of its rule's queue that was called off.
pub(crate) fn give_up(
    state: &mut impl State,
    now: i64,
    rule: &Rule,
    subject: &Subject<'_>,
    place: u64,
) -> Result<(), StateError> {
    let Some((pace, key_fields)) = Pace::of(rule) else { return Ok(()) };
    let key = key(&rule.name, key_fields, subject);
    let mut queue = Queue::decode(state.get(&key)?, now)?;
    queue.give_up(place);
    queue.store(state, &key, &pace);
    Ok(())
}

/// Forgets what a rule's queues have counted for a tenant; what waits goes on waiting. Returns how many there were.
pub(crate) fn reset(
    state: &mut impl State,
    now: i64,
    rule: &Rule,
    scope: (&str, &str),
    limit: usize,
) -> Result<usize, StateError> {
    let Some((pace, _)) = Pace::of(rule) else { return Ok(0) };
    let mut prefix = Vec::with_capacity(96);
    rule_prefix(&mut prefix, scope.0, scope.1, &rule.name);
    let keys = state.scan(&prefix, limit)?;
    for key in &keys {
        let mut queue = Queue::decode(state.get(key)?, now)?;
        queue.reset();
        queue.store(state, key, &pace);
    }
    Ok(keys.len())
}

#[cfg(test)]
mod tests;
