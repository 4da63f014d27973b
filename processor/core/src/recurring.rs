//! Recurring actions: an action that is sent whenever a cron expression says so.
//!
//! An occurrence goes through the rules like any action, once: its timer, its effects and the time of the next one are of
//! one step. Nothing is made up for after an outage: an occurrence that comes later than its grace (half the time to the
//! next one, at most [`MAX_GRACE_MS`]) is passed over, and one record tells how many were. A backfill runs them on request,
//! and none that has run already.

mod command;
mod cron;
mod occurrence;
mod ran;
#[cfg(test)]
mod tests;

pub(crate) use command::{backfill, create, delete, list, pause, resume, show, update};

use crate::effect::Effects;
use crate::ids;
use crate::keys::{self, Store};
use crate::progress::Progress;
use crate::state::{State, StateError};
use crate::step::Stepped;
use crate::turn::Turn;
use crate::{approval, chain, schedule, time, value};
use acteon_schemas::{Coordinates, Outcome, OverlapPolicy, RecurringDefinition};
use cron::Cadence;
use ran::Ran;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

/// Latest that an occurrence runs after its time, in milliseconds (one minute): long enough for a task to change hands.
const MAX_GRACE_MS: i64 = 60_000;
/// Most missed occurrences that are counted one by one; where there are more, the record says so.
const MAX_COUNTED: u64 = 10_000;
/// Most chains of copies of an occurrence's action that the overlap policy looks at; more are in nobody's way.
const MAX_COPIES: usize = 100;
/// How long an occurrence counts as not over while the result of its dispatch is awaited, in milliseconds (24 hours): by
/// then it is lost.
const MAX_AWAITED_MS: i64 = 24 * 3600 * 1000;

/// A recurring action, as it is kept. Times are in milliseconds since 1970; that of the next occurrence stands before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Recurring {
    id: String,
    namespace: String,
    tenant: String,
    definition: RecurringDefinition,
    enabled: bool,
    created_at: i64,
    /// The command that made it: what its occurrences' records name as their input.
    origin: Coordinates<'static>,
    execution_count: u64,
    skipped_count: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    last: Option<Last>,
    ran: Ran,
}

/// The last occurrence that has run at its time.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Last {
    at: i64,
    action_id: String,
    /// That of its latest decision.
    identity: Uuid,
    /// What has become of it so far.
    became: Outcome,
    /// The decisions about copies of its action that started chains.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    copies: Vec<Uuid>,
}

impl Last {
    /// Whether it is not over. An event or a group that took it in goes its own way, as do calls that copies of its action
    /// make.
    fn is_open<S: State, E>(&self, turn: &mut Turn<'_, S, E>, scope: (&str, &str)) -> Result<bool, StateError> {
        for copy in &self.copies {
            if chain::is_running(turn, scope, copy)? {
                return Ok(true);
            }
        }
        match self.became {
            Outcome::Scheduled | Outcome::PendingApproval => Ok(true),
            Outcome::Dispatched => Ok(turn.now.saturating_sub(self.at) < MAX_AWAITED_MS),
            Outcome::ChainStarted => chain::is_running(turn, scope, &self.identity),
            _ => Ok(false),
        }
    }
}

impl Recurring {
    fn cadence(&self) -> Result<Cadence, String> {
        Cadence::parse(&self.definition.cron_expression, self.definition.timezone.as_deref())
    }

    /// The end, where it has one.
    fn ends_at(&self) -> Option<i64> {
        self.definition.end_date.as_deref().and_then(time::parse_rfc3339)
    }

    fn is_used_up(&self) -> bool {
        self.definition.max_executions.is_some_and(|most| self.execution_count >= most)
    }

    /// The next occurrence after a moment, if it has one.
    fn next(&self, cadence: &Cadence, after: i64) -> Option<i64> {
        if !self.enabled || self.is_used_up() {
            return None;
        }
        cadence.after(after).filter(|at| self.ends_at().is_none_or(|end| *at <= end))
    }

    fn put(&self, state: &mut impl State, next: Option<i64>) {
        let key = key(&self.namespace, &self.tenant, &self.id);
        state.put(&key, &value::encode(next.unwrap_or(value::NEVER), self));
    }

    /// Records that occurrences were passed over.
    fn tell_skipped<S, E: Effects>(&self, turn: &mut Turn<'_, S, E>, skipped: &Skipped<'_>) {
        let action_id = occurrence::action_id(&self.id, skipped.last);
        let identity = self.identity(&action_id);
        let mut details = json!({
            "recurring_id": self.id, "reason": skipped.reason, "occurrences": skipped.count,
            "first": time::rfc3339(skipped.first), "last": time::rfc3339(skipped.last),
        });
        if skipped.count >= MAX_COUNTED {
            details["more"] = json!(true);
        }
        if let Some(last) = self.last.as_ref().filter(|_| skipped.reason == "overlap") {
            details["previous_action_id"] = json!(last.action_id);
        }
        let record = Progress {
            id: ids::derived(&identity, "skipped"),
            action_id: &action_id,
            namespace: &self.namespace,
            tenant: &self.tenant,
            provider: &self.definition.action.provider,
            action_type: &self.definition.action.action_type,
            verdict: "recurring",
            rule: None,
            outcome: Outcome::RecurringSkipped,
            details,
            began: skipped.first,
            source: &self.origin,
        };
        record.tell(turn);
    }
}

/// Occurrences that were passed over.
struct Skipped<'s> {
    reason: &'s str,
    count: u64,
    first: i64,
    last: i64,
}

fn key(namespace: &str, tenant: &str, id: &str) -> Vec<u8> {
    let mut key = prefix(namespace, tenant);
    let start = key.len();
    key.extend_from_slice(id.as_bytes());
    keys::limit_rest(&mut key, start);
    key
}

fn prefix(namespace: &str, tenant: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(96);
    keys::scoped(&mut key, Store::Recurring, namespace, tenant);
    key
}

/// What has come due.
struct Due {
    /// How many occurrences.
    count: u64,
    /// The one before the last, where there are several.
    before: i64,
    last: i64,
}

fn look(cadence: &Cadence, due: i64, until: i64) -> Due {
    let mut found = Due { count: 1, before: due, last: due };
    while let Some(next) = cadence.after(found.last).filter(|next| *next <= until) {
        found = Due { count: found.count + 1, before: found.last, last: next };
        if found.count > MAX_COUNTED {
            found.last = cadence.until(until).unwrap_or(next);
            break;
        }
    }
    found
}

/// Sends the action of an occurrence whose time has come.
pub(crate) fn fire<S: State, E: Effects>(turn: &mut Turn<'_, S, E>, entry: &[u8]) -> Result<Stepped, StateError> {
    let (due, mut recurring): (i64, Recurring) = value::decode(entry, Store::Recurring)?;
    let now = turn.now;
    let cadence = match recurring.cadence() {
        Ok(cadence) => cadence,
        // Another version's list of zones: it stands still, and says why, until somebody changes it.
        Err(reason) => {
            recurring.enabled = false;
            recurring.ran.gap();
            recurring.tell_skipped(turn, &Skipped { reason: &reason, count: 1, first: due, last: due });
            recurring.put(turn.state, None);
            return Ok(Stepped::Fired(None));
        }
    };
    let found = look(&cadence, due, recurring.ends_at().map_or(now, |end| end.min(now)));
    let step = cadence.after(found.last).map_or(MAX_GRACE_MS, |next| next - found.last);
    let in_time = now - found.last <= (step / 2).min(MAX_GRACE_MS);
    let missed = if in_time { found.count - 1 } else { found.count };
    if missed > 0 {
        let last = if in_time { found.before } else { found.last };
        recurring.tell_skipped(turn, &Skipped { reason: "missed", count: missed, first: due, last });
        recurring.skipped_count += missed;
        recurring.ran.gap();
    }
    if !in_time || !make_way(turn, &mut recurring, found.last)? {
        let next = recurring.next(&cadence, now);
        recurring.put(turn.state, next);
        return Ok(Stepped::Fired(None));
    }
    let at = found.last;
    let action_id = occurrence::action_id(&recurring.id, at);
    let identity = recurring.identity(&action_id);
    recurring.execution_count += 1;
    recurring.ran.note(at);
    recurring.last = Some(Last { at, action_id, identity, became: Outcome::Dispatched, copies: Vec::new() });
    let next = recurring.next(&cadence, now);
    recurring.put(turn.state, next);
    let outcome = recurring.run(turn, at)?;
    Ok(Stepped::Fired(Some(outcome)))
}

/// Applies the overlap policy; says whether the occurrence runs.
fn make_way<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    recurring: &mut Recurring,
    at: i64,
) -> Result<bool, StateError> {
    let policy = recurring.definition.overlap_policy.unwrap_or(OverlapPolicy::AllowAll);
    let Some(last) = recurring.last.clone() else { return Ok(true) };
    if !last.is_open(turn, (&recurring.namespace, &recurring.tenant))? {
        return Ok(true);
    }
    match policy {
        OverlapPolicy::AllowAll => Ok(true),
        OverlapPolicy::Skip => {
            recurring.tell_skipped(turn, &Skipped { reason: "overlap", count: 1, first: at, last: at });
            recurring.skipped_count += 1;
            recurring.ran.gap();
            Ok(false)
        }
        OverlapPolicy::CancelOther => {
            let reason = format!("the next occurrence of recurring action {}", recurring.id);
            let (namespace, tenant) = (&recurring.namespace, &recurring.tenant);
            match last.became {
                Outcome::Scheduled => schedule::call_off(turn, namespace, tenant, &last.identity, &reason)?,
                Outcome::PendingApproval => approval::call_off(turn, namespace, tenant, &last.identity, &reason)?,
                Outcome::ChainStarted => chain::call_off(turn, (namespace, tenant), &last.identity, &reason)?,
                // A call that is under way can't be taken back.
                _ => {}
            }
            for copy in &last.copies {
                chain::call_off(turn, (namespace, tenant), copy, &reason)?;
            }
            Ok(true)
        }
    }
}

/// Keeps what has become of an action that may be an occurrence: what the overlap policy goes by.
///
/// `identity` is that of the decision, where it is one.
pub(crate) fn follow<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    action_id: &str,
    identity: Option<Uuid>,
    outcome: Outcome,
) -> Result<(), StateError> {
    edit_last(turn, scope, action_id, |last| {
        last.became = outcome;
        last.identity = identity.unwrap_or(last.identity);
    })
}

/// Keeps that a copy of an action that may be an occurrence started a chain; `identity` is that of the copy's decision.
pub(crate) fn follow_copy<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    action_id: &str,
    identity: Uuid,
) -> Result<(), StateError> {
    edit_last(turn, scope, action_id, |last| {
        if last.copies.len() < MAX_COPIES {
            last.copies.push(identity);
        }
    })
}

/// Changes what is known of the last occurrence, where an action is that.
fn edit_last<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    (namespace, tenant): (&str, &str),
    action_id: &str,
    edit: impl FnOnce(&mut Last),
) -> Result<(), StateError> {
    let Some(id) = occurrence::recurring_id(action_id) else { return Ok(()) };
    let key = key(namespace, tenant, id);
    let Some(entry) = turn.state.get(&key)? else { return Ok(()) };
    let (due, mut recurring): (i64, Recurring) = value::decode(entry, Store::Recurring)?;
    if let Some(last) = recurring.last.as_mut().filter(|last| last.action_id == action_id) {
        edit(last);
        turn.state.put(&key, &value::encode(due, &recurring));
    }
    Ok(())
}
