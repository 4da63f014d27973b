//! What rules look at: one action, borrowed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// An action as rules see it. A walk rewrites `payload` (modify) and `provider` (reroute) in
/// place; what the caller finds there afterwards is what the provider gets.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The action's id.
    pub id: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The tenant.
    pub tenant: &'a str,
    /// The provider, as rerouted so far.
    pub provider: Cow<'a, str>,
    /// The action type.
    pub action_type: &'a str,
    /// The payload, as modified so far.
    pub payload: Cow<'a, Value>,
    /// The metadata labels, flat.
    pub metadata: &'a BTreeMap<String, String>,
    /// The dedup key, if the action has one.
    pub dedup_key: Option<&'a str>,
    /// The state machine's target state, if the action has one.
    pub status: Option<&'a str>,
    /// The event's fingerprint, if the action names one.
    pub fingerprint: Option<&'a str>,
    /// Every other top-level field: `created_at`, `starts_at`, unknown ones.
    pub extra: &'a Map<String, Value>,
}
