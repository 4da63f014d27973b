//! What conditions ask of events.

use super::{Scope, active, fingerprint, key};
use crate::keys::Store;
use crate::state::{State, StateError};
use crate::value;
use acteon_rules::FieldValue;
use serde::Deserialize;

/// Of an event, its state alone.
#[derive(Deserialize)]
struct Stated {
    state: String,
}

/// `has_active_event`: whether an event of the type, with a label of the value, is not over. No event has a missing label.
pub(crate) fn has_active_event(
    state: &mut impl State,
    scope: Scope<'_>,
    event_type: &FieldValue<'_>,
    label_value: &FieldValue<'_>,
) -> Result<bool, StateError> {
    if event_type.is_null() || label_value.is_null() {
        return Ok(false);
    }
    let prefix = active::prefix(scope, &fingerprint::text(event_type), &fingerprint::text(label_value));
    Ok(!state.scan(&prefix, 1)?.is_empty())
}

/// `get_event_state`: the state of the event with the fingerprint, where there is one.
pub(crate) fn state_of(
    state: &mut impl State,
    scope: Scope<'_>,
    fingerprint: &FieldValue<'_>,
) -> Result<Option<String>, StateError> {
    let text = fingerprint::text(fingerprint);
    match state.get(&key(scope, &fingerprint::limited(&text)))? {
        None => Ok(None),
        Some(entry) => {
            let (_, event): (_, Stated) = value::decode(entry, Store::Event)?;
            Ok(Some(event.state))
        }
    }
}

/// `event_in_state`: whether there is an event with the fingerprint, in the state.
pub(crate) fn in_state(
    state: &mut impl State,
    scope: Scope<'_>,
    fingerprint: &FieldValue<'_>,
    wanted: &FieldValue<'_>,
) -> Result<bool, StateError> {
    Ok(state_of(state, scope, fingerprint)?.is_some_and(|found| wanted.as_str() == Some(found.as_str())))
}
