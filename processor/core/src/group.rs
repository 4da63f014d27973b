//! `group`: actions with the same values of some fields are collected, and one notification tells of all of them.
//!
//! A group begins with its first event and is told of after the rule's wait, or at once when it is full. What comes within
//! the interval after a notification is collected for the next one; a group that has nothing to tell when the interval is
//! over ends, and the next event begins a new one. Events that can end (they have a fingerprint or an `ends_at`) stay
//! until they have, and are then told of once as resolved; while some last, the repeat interval tells of them again.
//!
//! The state of a group is a head, which has the timer, and an entry for each event.

mod command;
mod event;
mod flush;
mod head;
mod notification;

pub use command::{GroupSummary, group_of};
pub(crate) use command::{flush, list, show};

use crate::action::Arrival;
use crate::effect::Effects;
use crate::held::Release;
use crate::keys::Store;
use crate::record::Decided;
use crate::state::{State, StateError};
use crate::step::Stepped;
use crate::turn::Turn;
use crate::{time, value};
use acteon_rules::{FieldPath, Rule, RuleAction};
use acteon_schemas::{MAX_DEPTH, Outcome, OutcomeDetail};
use event::Event;
use flush::Cause;
use head::Group;
use serde_json::json;

/// Most groups of a tenant at a time. What would begin a further one goes on by itself, ungrouped.
const MAX_GROUPS: u64 = 10_000;
/// Most bytes of a group's events: what they are told in is one record. A group is told of before it gets more.
const MAX_GROUP_BYTES: usize = 640 * 1024;
/// Most bytes of one event of a group; a larger action goes on by itself, ungrouped.
const MAX_EVENT_BYTES: usize = 384 * 1024;
/// Most bytes of the events that stay in a group after they were told of: what is left of [`MAX_GROUP_BYTES`] always holds
/// one more event. The oldest beyond it are forgotten: they end without a notice, unless an action says so.
const MAX_KEPT_BYTES: usize = 256 * 1024;
/// Most events that stay in a group after they were told of.
const MAX_KEPT_EVENTS: usize = 1_000;
/// How long an event lasts of which no more is heard, in milliseconds (7 days).
const MAX_LASTING_MS: i64 = 7 * 24 * 3600 * 1000;
/// Deepest payload that fits into a notification: it stands in an event, in the list, in the payload, in the action.
const MAX_PAYLOAD_DEPTH: usize = MAX_DEPTH - 4;

/// What a `group` rule asks for.
pub(crate) struct Asked<'r> {
    rule: &'r Rule,
    group_by: &'r [FieldPath],
    wait_ms: u64,
    interval_ms: u64,
    repeat_interval_ms: Option<u64>,
    max_size: usize,
    template: Option<&'r str>,
}

impl<'r> Asked<'r> {
    /// What a rule asks for, where it is a `group` rule.
    pub(crate) fn of(rule: &'r Rule) -> Option<Self> {
        let RuleAction::Group { group_by, wait_ms, interval_ms, repeat_interval_ms, max_size, template } = &rule.action
        else {
            return None;
        };
        Some(Self {
            rule,
            group_by,
            wait_ms: *wait_ms,
            interval_ms: *interval_ms,
            repeat_interval_ms: *repeat_interval_ms,
            max_size: *max_size,
            template: template.as_deref(),
        })
    }
}

/// Takes the action of a decision into its group.
pub(crate) fn capture<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
    asked: &Asked<'_>,
) -> Result<Outcome, StateError> {
    let (event, ends_at_ignored) = Event::of(decided);
    let bytes = value::encode(value::NEVER, &event).len();
    if bytes > MAX_EVENT_BYTES {
        return alone(turn, decided, Cause::EventTooLarge);
    }
    if event::depth(&decided.subject.payload) > MAX_PAYLOAD_DEPTH {
        return alone(turn, decided, Cause::EventTooDeep);
    }
    let key = head::key(asked, decided.subject);
    let mut group = match head::load(turn.state, &key)? {
        Some(group) => group,
        None if head::count(turn.state, decided.subject.namespace, decided.subject.tenant)? >= MAX_GROUPS => {
            return alone(turn, decided, Cause::TooManyGroups);
        }
        None => Group::begin(turn.state, decided, asked)?,
    };
    if group.pending > 0 && group.bytes + bytes > MAX_GROUP_BYTES {
        flush::look(turn, &key, &mut group, Cause::Bytes)?;
    }
    group.follow(decided, asked);
    let replaced = add(turn, &key, &mut group, event, asked)?;

    let full = group.pending as usize >= asked.max_size;
    let notify_at = time::rfc3339(if full { turn.now } else { group.due });
    let group_id = group.id.to_string();
    let mut details = json!({
        "group_id": group_id, "group_key": group.group_key, "group_size": group.size, "notify_at": notify_at,
    });
    if let Some(replaced) = replaced {
        details["replaces"] = json!(replaced);
    }
    if ends_at_ignored {
        details["ends_at"] = json!("ignored: not a time such as 2026-03-02T10:00:00Z");
    }
    let detail =
        OutcomeDetail::Grouped { group_id: group_id.into(), group_size: group.size, notify_at: notify_at.into() };
    decided.tell(Outcome::Grouped, detail, Some(details), turn.effects);
    if full {
        flush::look(turn, &key, &mut group, Cause::Full)?;
    } else {
        group.save(turn.state, &key);
    }
    Ok(Outcome::Grouped)
}

/// Writes an event into a group; returns the id of the action that it takes the place of.
fn add<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    head: &[u8],
    group: &mut Group,
    mut event: Event<'_>,
    asked: &Asked<'_>,
) -> Result<Option<String>, StateError> {
    event.seq = group.next_seq;
    let key = event::key(head, &event);
    let stored = turn.state.get(&key)?.map(<[u8]>::to_vec);
    let mut replaced = None;
    let mut news = true;
    match &stored {
        None => {
            group.next_seq += 1;
            group.size += 1;
        }
        Some(stored) => {
            let (_, previous): (_, Event<'_>) = value::decode(stored, Store::GroupEvent)?;
            event.seq = previous.seq;
            event.updates = previous.updates.saturating_add(1);
            group.bytes = group.bytes.saturating_sub(stored.len());
            // What says the same again is told of when it is time to repeat, where the rule repeats at all.
            news = previous.told && (asked.repeat_interval_ms.is_none() || !event.says_the_same(&previous));
            event.told = previous.told && !news;
            replaced = Some(previous.action_id.into_owned());
        }
    }
    if news {
        if group.pending == 0 {
            let next = group.next_turn(turn.now, asked.wait_ms);
            group.due = if group.tells { group.due.min(next) } else { next };
            group.tells = true;
        }
        group.pending += 1;
    }
    let entry = value::encode(value::NEVER, &event);
    group.bytes += entry.len();
    turn.state.put(&key, &entry);
    Ok(replaced)
}

/// Goes on with an action that can't be grouped, behind the rule that would have.
fn alone<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
    cause: Cause,
) -> Result<Outcome, StateError> {
    let resume = decided.decision.resume_point();
    let arrival = Arrival {
        action: decided.arrival.action,
        action_id: decided.arrival.action_id,
        identity: decided.arrival.identity,
        origin: decided.arrival.origin,
        came: decided.arrival.came,
        resume: resume.as_ref(),
        released_by: Some(Release::Group),
        holds: decided.arrival.holds + 1,
    };
    notification::tell_alone(turn, decided, cause);
    crate::action::go(turn, &arrival, decided.subject.clone())
}

/// Tells of a group whose time has come, or ends it.
pub(crate) fn fire<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    key: &[u8],
    entry: &[u8],
) -> Result<Stepped, StateError> {
    let mut group = Group::decode(entry)?;
    Ok(Stepped::Fired(flush::look(turn, key, &mut group, Cause::Time)?))
}
