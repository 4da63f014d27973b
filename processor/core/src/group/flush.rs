//! A look at a group: what is new is told of, what has ended goes.

use crate::effect::Effects;
use crate::group::event::{self, Event};
use crate::group::head::Group;
use crate::group::{MAX_KEPT_BYTES, MAX_KEPT_EVENTS, notification};
use crate::keys::{self, Store};
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::value;
use acteon_schemas::Outcome;

/// Why a group is looked at, or an action was not taken into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its time has come.
    Time,
    /// It has as many events as it may.
    Full,
    /// The next event would make it too large.
    Bytes,
    /// An operator wants it.
    Command,
    /// The tenant has as many groups as it may.
    TooManyGroups,
    /// The action is too large for a group.
    EventTooLarge,
    /// The action's payload is nested too deep for a group.
    EventTooDeep,
}

impl Cause {
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Full => "full",
            Self::Bytes => "bytes",
            Self::Command => "command",
            Self::TooManyGroups => "too_many_groups",
            Self::EventTooLarge => "event_too_large",
            Self::EventTooDeep => "event_too_deep",
        }
    }
}

/// The entries of a group's events, each with its key.
pub(super) struct Stored(Vec<(Vec<u8>, Vec<u8>)>);

/// An event, and where it was found.
pub(super) struct Found<'s> {
    key: &'s [u8],
    /// Bytes of its entry.
    bytes: usize,
    pub(super) event: Event<'s>,
}

impl Stored {
    pub(super) fn load(state: &mut impl State, head: &[u8]) -> Result<Self, StateError> {
        let mut found = Vec::new();
        for key in state.scan(&event::prefix(head), keys::MAX_SCAN)? {
            if let Some(entry) = state.get(&key)?.map(<[u8]>::to_vec) {
                found.push((key, entry));
            }
        }
        Ok(Self(found))
    }

    /// The events, in their order.
    pub(super) fn events(&self) -> Result<Vec<Found<'_>>, StateError> {
        let mut events = Vec::with_capacity(self.0.len());
        for (key, entry) in &self.0 {
            let (_, event): (_, Event<'_>) = value::decode(entry, Store::GroupEvent)?;
            events.push(Found { key, bytes: entry.len(), event });
        }
        events.sort_by_key(|found| found.event.seq);
        Ok(events)
    }
}

/// What stays of a group after a look at it.
#[derive(Default)]
pub(super) struct Kept<'f> {
    pub(super) events: Vec<&'f Event<'f>>,
    /// Bytes of their entries.
    pub(super) bytes: usize,
    /// How many had to go though they last.
    forgotten: usize,
}

/// Looks at a group: tells of it where there is something to tell, and keeps of it what lasts. Returns what became of the
/// notification.
pub(super) fn look<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    head: &[u8],
    group: &mut Group,
    cause: Cause,
) -> Result<Option<Outcome>, StateError> {
    let now = turn.now;
    let stored = Stored::load(turn.state, head)?;
    let (gone, found): (Vec<_>, Vec<_>) =
        stored.events()?.into_iter().partition(|found| found.event.told && found.event.lasts_until() <= now);
    for Found { key, .. } in &gone {
        turn.state.delete(key);
    }
    let repeats = group.repeat_interval_ms.zip(group.last_notified);
    let repeats = repeats.is_some_and(|(repeat, last)| last.saturating_add_unsigned(repeat) <= now);
    let is_news = |found: &Found<'_>| !found.event.told || found.event.has_ended(now);
    let news = !found.is_empty() && (repeats || cause == Cause::Command || found.iter().any(is_news));
    if news {
        group.last_notified = Some(now);
        group.notifications += 1;
    }
    let kept = keep(turn, &found);
    group.settle(now, &kept);
    if kept.events.is_empty() && group.due <= now {
        group.end(turn, head)?;
    } else {
        group.save(turn.state, head);
    }
    if !news {
        return Ok(None);
    }
    let told: Vec<&Event<'_>> = found.iter().map(|found| &found.event).collect();
    notification::send(turn, group, &told, cause, gone.len() + kept.forgotten).map(Some)
}

/// Writes back what lasts of the events that were looked at, the newest first for as long as there is room; the others go.
fn keep<'f, S: State, E: Effects>(turn: &mut Turn<'_, S, E>, found: &'f [Found<'f>]) -> Kept<'f> {
    let mut kept = Kept::default();
    for Found { key, bytes, event } in found.iter().rev() {
        if !event.lasts(turn.now) {
            turn.state.delete(key);
            continue;
        }
        if kept.events.len() == MAX_KEPT_EVENTS || kept.bytes + bytes > MAX_KEPT_BYTES {
            turn.state.delete(key);
            kept.forgotten += 1;
            continue;
        }
        let mut bytes = *bytes;
        if !event.told {
            let entry = value::encode(value::NEVER, &Event { told: true, ..event.clone() });
            bytes = entry.len();
            turn.state.put(key, &entry);
        }
        kept.bytes += bytes;
        kept.events.push(event);
    }
    kept
}
