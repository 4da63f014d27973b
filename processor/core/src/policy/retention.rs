//! How long a tenant's state and records are kept.

use super::record::{edit, keep, load};
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::turn::Turn;
use acteon_schemas::RetentionDefinition;
use serde_json::{Value, json};

/// Longest time that a policy may ask for, in seconds (100 years).
const MAX_TTL_SECONDS: u64 = 100 * 366 * 24 * 3600;
/// Longest time until what a retention keeps is looked at again, in milliseconds (7 days): its tenant may have another one
/// by then, or no compliance hold any more.
pub(crate) const MAX_UNSEEN_MS: i64 = 7 * 24 * 3600 * 1000;

impl<S, E> Turn<'_, S, E> {
    /// When an audit record of this moment may be deleted: as the tenant's retention says, where that has been looked up,
    /// else as the settings say.
    pub(crate) fn audit_expires_at(&self) -> Option<i64> {
        let retention = self.policy.get().and_then(|policy| policy.retention.as_ref()).filter(|found| applies(found));
        match retention {
            Some(RetentionDefinition { compliance_hold: true, .. }) => None,
            Some(RetentionDefinition { audit_ttl_seconds: Some(seconds), .. }) => {
                Some(self.now.saturating_add_unsigned(seconds.saturating_mul(1000)))
            }
            _ => self.definitions.audit_expires_at(self.now),
        }
    }
}

/// How long a tenant's events are kept since they were last heard of, in seconds, where its retention says so; under a
/// compliance hold for ever.
pub(crate) fn event_ttl_seconds<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
) -> Result<Option<u64>, StateError> {
    ttl_seconds(turn, scope, |retention| retention.event_ttl_seconds)
}

/// How long a tenant's chains are kept after they have ended, in seconds, where its retention says so; under a compliance
/// hold for ever.
pub(crate) fn state_ttl_seconds<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
) -> Result<Option<u64>, StateError> {
    ttl_seconds(turn, scope, |retention| retention.state_ttl_seconds)
}

fn ttl_seconds<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    own: impl FnOnce(&RetentionDefinition) -> Option<u64>,
) -> Result<Option<u64>, StateError> {
    let policy = load(turn, scope.0, scope.1)?;
    let retention = policy.as_ref().and_then(|policy| policy.retention.as_ref()).filter(|found| applies(found));
    Ok(retention.and_then(|found| if found.compliance_hold { Some(u64::MAX) } else { own(found) }))
}

fn applies(retention: &RetentionDefinition) -> bool {
    retention.enabled.unwrap_or(true)
}

/// `set_retention`.
pub(crate) fn set<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    retention: &RetentionDefinition,
) -> Result<Reply, StateError> {
    for (name, seconds) in [
        ("audit_ttl_seconds", retention.audit_ttl_seconds),
        ("state_ttl_seconds", retention.state_ttl_seconds),
        ("event_ttl_seconds", retention.event_ttl_seconds),
    ] {
        if seconds.is_some_and(|seconds| seconds == 0 || seconds > MAX_TTL_SECONDS) {
            return Ok(Reply::invalid(format!("`{name}` must be 1 to {MAX_TTL_SECONDS} seconds")));
        }
    }
    if let Err(problem) = super::check_labels(&retention.labels) {
        return Ok(Reply::invalid(problem));
    }
    let mut policy = edit(turn, scope.0, scope.1)?;
    policy.retention = Some(retention.clone());
    Ok(keep(turn, scope, policy, shown(scope, retention)))
}

/// `delete_retention`.
pub(crate) fn delete<S: State, E>(turn: &mut Turn<'_, S, E>, scope: (&str, &str)) -> Result<Reply, StateError> {
    let mut policy = edit(turn, scope.0, scope.1)?;
    let Some(retention) = policy.retention.take() else {
        return Ok(Reply::not_found(format!("{}/{} has no retention of its own", scope.0, scope.1)));
    };
    Ok(keep(turn, scope, policy, shown(scope, &retention)))
}

/// `show_retention`: a list, as there is one or none.
pub(crate) fn show<S: State, E>(turn: &mut Turn<'_, S, E>, scope: (&str, &str)) -> Result<Reply, StateError> {
    let policy = load(turn, scope.0, scope.1)?;
    let policies: Vec<Value> =
        policy.iter().filter_map(|policy| policy.retention.as_ref()).map(|found| shown(scope, found)).collect();
    Ok(Reply::done(json!({"count": policies.len(), "policies": policies})))
}

fn shown(scope: (&str, &str), retention: &RetentionDefinition) -> Value {
    let mut shown = json!({
        "namespace": scope.0, "tenant": scope.1, "enabled": applies(retention),
        "compliance_hold": retention.compliance_hold,
    });
    for (name, seconds) in [
        ("audit_ttl_seconds", retention.audit_ttl_seconds),
        ("state_ttl_seconds", retention.state_ttl_seconds),
        ("event_ttl_seconds", retention.event_ttl_seconds),
    ] {
        if let Some(seconds) = seconds {
            shown[name] = json!(seconds);
        }
    }
    if let Some(description) = &retention.description {
        shown["description"] = json!(description);
    }
    if !retention.labels.is_empty() {
        shown["labels"] = json!(retention.labels);
    }
    shown
}
