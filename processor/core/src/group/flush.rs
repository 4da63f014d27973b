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

/// The events of a group, in their order, each with its key and its entry.
pub(super) struct Stored(Vec<(Vec<u8>, Vec<u8>)>);

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

    pub(super) fn events(&self) -> Result<Vec<(&[u8], Event<'_>)>, StateError> {
        let mut events = Vec::with_capacity(self.0.len());
        for (key, entry) in &self.0 {
            events.push((key.as_slice(), value::decode(entry, Store::GroupEvent)?.1));
        }
        events.sort_by_key(|(_, event): &(_, Event<'_>)| event.seq);
        Ok(events)
    }
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
        stored.events()?.into_iter().partition(|(_, event)| event.told && event.lasts_until() <= now);
    for (key, _) in &gone {
        turn.state.delete(key);
    }
    let repeats = group.repeat_interval_ms.zip(group.last_notified);
    let repeats = repeats.is_some_and(|(repeat, last)| last.saturating_add_unsigned(repeat) <= now);
    let news = !found.is_empty()
        && (repeats || cause == Cause::Command || found.iter().any(|(_, event)| !event.told || event.has_ended(now)));
    if news {
        group.last_notified = Some(now);
        group.notifications += 1;
    }
    let told: Vec<Event<'_>> = found.iter().map(|(_, event)| event.clone()).collect();
    let (kept, bytes, forgotten) = keep(turn, found);
    group.settle(now, &kept, bytes);
    if kept.is_empty() && group.due <= now {
        group.end(turn, head)?;
    } else {
        group.save(turn.state, head);
    }
    if !news {
        return Ok(None);
    }
    notification::send(turn, group, &told, cause, gone.len() + forgotten).map(Some)
}

/// Writes back what lasts of the events that were looked at, the newest first for as long as there is room; the others go.
/// Returns those that stay, their bytes, and how many that last had to go.
fn keep<'e, S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    found: Vec<(&[u8], Event<'e>)>,
) -> (Vec<Event<'e>>, usize, usize) {
    let (mut kept, mut total, mut forgotten) = (Vec::new(), 0, 0);
    for (key, mut event) in found.into_iter().rev() {
        if !event.lasts(turn.now) {
            turn.state.delete(key);
            continue;
        }
        let is_new = !event.told;
        event.told = true;
        let entry = value::encode(value::NEVER, &event);
        if kept.len() == MAX_KEPT_EVENTS || total + entry.len() > MAX_KEPT_BYTES {
            turn.state.delete(key);
            forgotten += 1;
            continue;
        }
        if is_new {
            turn.state.put(key, &entry);
        }
        total += entry.len();
        kept.push(event);
    }
    (kept, total, forgotten)
}
