//! Time in the life of an event: it leaves a state, is told again, and is forgotten in the end.

use super::machine::{StateMachine, Timeout};
use super::notice::{Reason, notify};
use super::plan::{Plan, is_terminal};
use super::{Event, Scope, delete, put, record, ttl_ms};
use crate::effect::Effects;
use crate::keys::Store;
use crate::policy::MAX_UNSEEN_MS;
use crate::state::{State, StateError};
use crate::step::Stepped;
use crate::turn::Turn;
use crate::value;

/// When what happens to an event, in milliseconds since 1970; [`value::NEVER`] for what does not.
pub(super) struct Dues {
    timeout: i64,
    repeat: i64,
    end: i64,
    /// Whether nothing but its tenant's retention keeps it.
    is_over: bool,
}

impl Dues {
    pub(super) fn of(event: &Event<'_>, machine: Option<&StateMachine>, ttl_ms: i64) -> Self {
        let after = |start: Option<i64>, ms: Option<i64>| match (start, ms) {
            (Some(start), Some(ms)) => start.saturating_add(ms),
            _ => value::NEVER,
        };
        let timeout = machine.and_then(|machine| machine.timeout(&event.state));
        // Where nobody was told when it entered the state, the first time is reckoned from there.
        let told = event.notified_at.unwrap_or(event.changed_at);
        let is_over = machine.is_none() || is_terminal(machine, &event.state);
        Self {
            timeout: after(Some(event.changed_at), timeout.map(|timeout| timeout.after_ms)),
            repeat: after(Some(told), machine.and_then(|machine| machine.repeat_ms(&event.state))),
            end: after(Some(event.updated_at), is_over.then_some(ttl_ms)),
            is_over,
        }
    }

    /// When the event has to be looked at.
    pub(super) fn first(&self, now: i64) -> i64 {
        let end = if self.is_over { self.end.min(now.saturating_add(MAX_UNSEEN_MS)) } else { self.end };
        self.timeout.min(self.repeat).min(end)
    }
}

/// Does what is due for an event.
pub(crate) fn fire<S: State, E: Effects>(turn: &mut Turn<'_, S, E>, entry: &[u8]) -> Result<Stepped, StateError> {
    let (_, mut event): (_, Event<'_>) = value::decode(entry, Store::Event)?;
    let (namespace, tenant) = {
        let action = event.held.action(Store::Event)?;
        (action.namespace.to_string(), action.tenant.to_string())
    };
    let scope = Scope { namespace: &namespace, tenant: &tenant };
    let machine = event.machine(turn.definitions);
    let ttl_ms = ttl_ms(turn, scope)?;
    let dues = Dues::of(&event, machine, ttl_ms);
    if let Some(timeout) =
        machine.and_then(|machine| machine.timeout(&event.state)).filter(|_| dues.timeout <= turn.now)
    {
        return time_out(turn, scope, &mut event, timeout);
    }
    if dues.end <= turn.now {
        delete(turn, scope, &mut event);
        return Ok(Stepped::Fired(None));
    }
    if dues.repeat <= turn.now {
        let plan =
            Plan { previous: event.previous_state.clone(), new: event.state.clone(), notify: true, effects: None };
        return tell(turn, scope, &mut event, &plan, Reason::Repeat);
    }
    // The definitions or the retention have changed since it was written, or may have: its times are others now.
    put(turn, scope, &mut event, None)?;
    Ok(Stepped::Fired(None))
}

fn time_out<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    scope: Scope<'_>,
    event: &mut Event<'_>,
    timeout: &Timeout,
) -> Result<Stepped, StateError> {
    let plan = Plan {
        previous: Some(event.state.clone()),
        new: timeout.to.clone(),
        notify: timeout.effects.notify,
        effects: Some(&timeout.effects),
    };
    event.enter(&plan, turn.now);
    let origin = event.held.origin.clone();
    record::changed(turn, scope, event, &plan, (Reason::Timeout, &origin));
    tell(turn, scope, event, &plan, Reason::Timeout)
}

/// Writes an event, and tells its provider of it where the plan says so.
fn tell<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    scope: Scope<'_>,
    event: &mut Event<'_>,
    plan: &Plan<'_>,
    reason: Reason,
) -> Result<Stepped, StateError> {
    let number = event.next_record();
    if plan.notify {
        event.notified_at = Some(turn.now);
    }
    put(turn, scope, event, None)?;
    let outcome = if plan.notify { Some(notify(turn, event, plan, reason, number)?) } else { None };
    Ok(Stepped::Fired(outcome))
}
