//! Timers: entries of the state whose time has come.

use crate::input::Input;
use crate::state::{State, StateError};
use crate::step::Stepped;
use crate::{keys, value};

/// Hands a due entry to the feature that it belongs to.
pub(crate) fn fire(state: &mut impl State, now: i64, input: &Input<'_>) -> Result<Stepped, StateError> {
    let key = input.value.unwrap_or_default();
    let Some(store) = keys::Store::of(key).filter(|store| store.has_timer()) else { return Ok(Stepped::Stale) };
    match state.get(key)? {
        Some(entry) if value::split(entry, store)?.0 <= now => Ok(Stepped::Stale),
        _ => Ok(Stepped::Stale),
    }
}
