//! Timers: entries of the state whose time has come.

use crate::effect::Effects;
use crate::input::Input;
use crate::keys::{self, Store};
use crate::policy;
use crate::state::{State, StateError};
use crate::step::Stepped;
use crate::turn::Turn;
use crate::{approval, chain, event, group, recurring, retry, schedule, value};

/// Hands a due entry to the feature that it belongs to.
pub(crate) fn fire<S: State, E: Effects>(turn: &mut Turn<'_, S, E>, input: &Input<'_>) -> Result<Stepped, StateError> {
    let key = input.value.unwrap_or_default();
    let Some(store) = Store::of(key).filter(|store| store.has_timer()) else { return Ok(Stepped::Stale) };
    let Some(entry) = turn.state.get(key)? else { return Ok(Stepped::Stale) };
    if value::split(entry, store)?.0 > turn.now {
        return Ok(Stepped::Stale);
    }
    let entry = entry.to_vec();
    if let Some((namespace, tenant)) = keys::scope(key) {
        policy::load(turn, namespace, tenant)?;
    }
    match store {
        Store::Approval => approval::fire(turn, key, &entry),
        Store::Event => event::fire(turn, &entry),
        Store::Recurring => recurring::fire(turn, &entry),
        Store::Retry => retry::fire(turn, &entry),
        Store::Scheduled => schedule::fire(turn, key, &entry),
        Store::Group => group::fire(turn, key, &entry),
        Store::Chain => chain::fire(turn, &entry),
        _ => Ok(Stepped::Stale),
    }
}
