//! The index of active events: by type and label value, for inhibition. Each event has entries of its own, so that the
//! end of one leaves the others'.

use super::{Event, Scope};
use crate::keys::{self, Store};
use crate::state::State;
use crate::value;
use std::collections::BTreeSet;

/// Longest label value that stands in a key as it is, in bytes; a longer one is replaced by its digest.
const MAX_VALUE_BYTES: usize = 256;

/// What the keys of all active events of a type with a label of this value begin with.
pub(super) fn prefix(scope: Scope<'_>, action_type: &str, label_value: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(128);
    keys::scoped(&mut key, Store::ActiveEvent, scope.namespace, scope.tenant);
    keys::push_text(&mut key, action_type);
    if label_value.len() <= MAX_VALUE_BYTES {
        keys::push_text(&mut key, label_value);
    } else {
        // No text has this length: it is not taken for a short one.
        key.extend_from_slice(&u16::MAX.to_be_bytes());
        key.extend_from_slice(&crate::ids::digest(label_value.as_bytes()));
    }
    key
}

/// The label values under which an event stands in the index.
pub(super) fn values(event: &Event<'_>) -> BTreeSet<String> {
    if event.active { event.labels.values().cloned().collect() } else { BTreeSet::new() }
}

/// Brings an event's entries from `before` to what it is now.
pub(super) fn keep(state: &mut impl State, scope: Scope<'_>, event: &Event<'_>, before: &BTreeSet<String>) {
    let after = values(event);
    let key = |value: &str| {
        let mut key = prefix(scope, &event.action_type, value);
        key.extend_from_slice(event.fingerprint.as_bytes());
        key
    };
    for gone in before.difference(&after) {
        state.delete(&key(gone));
    }
    for new in after.difference(before) {
        let mut entry = Vec::with_capacity(9);
        value::begin(&mut entry, value::NEVER);
        state.put(&key(new), &entry);
    }
}
