//! `deduplicate`: the first action with a key passes; others are refused until its time is over.

use crate::keys::{self, DedupKeyKind, Store};
use crate::value;
use acteon_rules::{FieldPath, Subject};

/// Builds the state key: of the rule's `key_fields`, else of the action's `dedup_key`, else of its id (so that an action
/// without a key is never taken for a duplicate of another).
pub(crate) fn key(out: &mut Vec<u8>, rule: &str, key_fields: &[FieldPath], subject: &Subject<'_>) {
    keys::scoped(out, Store::Dedup, subject.namespace, subject.tenant);
    let start = out.len();
    if key_fields.is_empty() {
        out.push(DedupKeyKind::Given as u8);
        out.extend_from_slice(subject.dedup_key.unwrap_or(subject.id).as_bytes());
    } else {
        out.push(DedupKeyKind::Fields as u8);
        keys::push_text(out, rule);
        crate::gates::push_fields(out, key_fields, subject);
    }
    keys::limit_rest(out, start);
}

/// The state key of a key that an operator names.
pub(crate) fn given_key(out: &mut Vec<u8>, namespace: &str, tenant: &str, dedup_key: &str) {
    keys::scoped(out, Store::Dedup, namespace, tenant);
    let start = out.len();
    out.push(DedupKeyKind::Given as u8);
    out.extend_from_slice(dedup_key.as_bytes());
    keys::limit_rest(out, start);
}

/// The value that remembers a key for `ttl_ms`.
pub(crate) fn remember(out: &mut Vec<u8>, now: i64, ttl_ms: u64) {
    value::begin(out, now.saturating_add_unsigned(ttl_ms));
}
