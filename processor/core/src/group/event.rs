//! An event of a group: what its notification tells of an action.

use crate::group::MAX_LASTING_MS;
use crate::keys::{self, Store};
use crate::record::Decided;
use crate::time;
use acteon_schemas::Metadata;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;

/// The status of an event that has ended.
pub(super) const RESOLVED: &str = "resolved";

/// An event, as it is kept in the state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Event<'a> {
    /// Its place in the group.
    pub(super) seq: u64,
    pub(super) action_id: Cow<'a, str>,
    pub(super) action_type: Cow<'a, str>,
    /// As rerouted.
    pub(super) provider: Cow<'a, str>,
    /// As rewritten.
    pub(super) payload: Cow<'a, RawValue>,
    pub(super) metadata: Cow<'a, Metadata>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) fingerprint: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) status: Option<Cow<'a, str>>,
    /// When it ends, where that is known, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) ends_at: Option<i64>,
    pub(super) received_at: i64,
    /// Whether a notification has told of it as it is.
    pub(super) told: bool,
    /// How many actions with its fingerprint it has taken the place of.
    pub(super) updates: u32,
}

/// Where the entries of a group's events stand, from the key of its head.
pub(super) fn prefix(head: &[u8]) -> Vec<u8> {
    let mut prefix = head.to_vec();
    if let Some(tag) = prefix.first_mut() {
        *tag = Store::GroupEvent as u8;
    }
    prefix
}

/// The key of an event: of its fingerprint, so that a later one takes its place, else of its place in the group.
pub(super) fn key(head: &[u8], event: &Event<'_>) -> Vec<u8> {
    let mut key = prefix(head);
    let start = key.len();
    match &event.fingerprint {
        Some(fingerprint) => {
            key.push(b'f');
            key.extend_from_slice(fingerprint.as_bytes());
        }
        None => {
            key.push(b's');
            key.extend_from_slice(&event.seq.to_be_bytes());
        }
    }
    keys::limit_rest(&mut key, start);
    key
}

impl<'a> Event<'a> {
    /// The event that the action of a decision is, and whether its `ends_at` is no time.
    pub(super) fn of(decided: &'a Decided<'a, '_>) -> (Self, bool) {
        let (action, subject) = (decided.arrival.action, decided.subject);
        let (ends_at, ignored) = match action.extra.get("ends_at") {
            None | Some(Value::Null) => (None, false),
            Some(Value::String(text)) => {
                let at = time::parse_rfc3339(text);
                // Alertmanager writes the year 1 for an end that is not known.
                (at.filter(|at| *at > 0), at.is_none())
            }
            Some(_) => (None, true),
        };
        let event = Self {
            seq: 0,
            action_id: Cow::Borrowed(decided.arrival.action_id),
            action_type: Cow::Borrowed(&action.action_type),
            provider: Cow::Borrowed(&subject.provider),
            payload: match &subject.payload {
                Cow::Borrowed(_) => Cow::Borrowed(&*action.payload),
                Cow::Owned(rewritten) => to_raw_value(rewritten).map_or_else(|_| action.payload.clone(), Cow::Owned),
            },
            metadata: Cow::Borrowed(&action.metadata),
            fingerprint: action.fingerprint.as_deref().map(Cow::Borrowed),
            status: action.status.as_deref().map(Cow::Borrowed),
            ends_at,
            received_at: decided.now,
            told: false,
            updates: 0,
        };
        (event, ignored)
    }

    /// Whether it has ended by `now`.
    pub(super) fn has_ended(&self, now: i64) -> bool {
        self.status.as_deref() == Some(RESOLVED) || self.ends_at.is_some_and(|end| end <= now)
    }

    /// Whether it stays after it was told of: it has not ended, and something can still say that it has.
    pub(super) fn lasts(&self, now: i64) -> bool {
        (self.fingerprint.is_some() || self.ends_at.is_some()) && !self.has_ended(now)
    }

    /// When it is forgotten though it has not ended, in milliseconds since 1970.
    pub(super) fn lasts_until(&self) -> i64 {
        self.received_at.saturating_add(MAX_LASTING_MS)
    }

    /// Whether it tells nothing that another one has not told.
    pub(super) fn says_the_same(&self, other: &Event<'_>) -> bool {
        self.status == other.status
            && self.ends_at == other.ends_at
            && self.payload.get() == other.payload.get()
            && self.metadata == other.metadata
            && self.action_type == other.action_type
    }
}

/// How deep a value is nested: 0 for a number or a text.
pub(super) fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn depth_counts_the_deepest() {
        assert_eq!(depth(&json!(1)), 0);
        assert_eq!(depth(&json!([])), 1);
        assert_eq!(depth(&json!({"a": [1, {"b": 2}], "c": []})), 3);
    }
}
