//! Laws of everything that lives for a while: scheduled actions, groups, approvals, chains, events, recurring actions.

use crate::model::Topic;
use serde_json::Value;

/// The namespace of the tenants that the laws are about.
pub const NAMESPACE: &str = "life";

/// Whether a record is about one of the tenants that the laws are about.
pub(crate) fn owns(topic: Topic, key: Option<&[u8]>, json: Option<&Value>) -> bool {
    match topic {
        // A tag, and the namespace behind its length.
        Topic::Changelog => key.is_some_and(|key| key.get(1..).is_some_and(|rest| rest.starts_with(b"\x00\x04life"))),
        _ => json.is_some_and(|json| json["namespace"] == NAMESPACE),
    }
}
