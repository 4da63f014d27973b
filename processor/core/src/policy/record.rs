//! A tenant's policy as it is kept: one record, looked up once a step.

use super::quota::Quota;
use super::silence::Silence;
use crate::keys::{self, Store};
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::value;
use acteon_schemas::{RetentionDefinition, TimeIntervalDefinition};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::rc::Rc;

/// Largest policy of a tenant, in bytes: every action of the tenant reads it, and it travels in one record.
const MAX_POLICY_BYTES: usize = 512 * 1024;

/// A tenant's quotas, silences, retention and time intervals.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Policy {
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) quotas: Vec<Quota>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) silences: Vec<Silence>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) retention: Option<RetentionDefinition>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) intervals: Vec<TimeIntervalDefinition>,
}

impl Policy {
    fn is_empty(&self) -> bool {
        self.quotas.is_empty() && self.silences.is_empty() && self.retention.is_none() && self.intervals.is_empty()
    }
}

/// The policy of the tenant that a step is about, once it has been looked up.
#[derive(Debug, Default)]
pub(crate) struct Loaded(Option<Option<Rc<Policy>>>);

impl Loaded {
    pub(super) fn get(&self) -> Option<&Policy> {
        self.0.as_ref()?.as_deref()
    }
}

fn key(namespace: &str, tenant: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    keys::scoped(&mut key, Store::Policy, namespace, tenant);
    key
}

/// Looks the policy of a step's tenant up, once; `None` for a tenant without one.
pub(crate) fn load<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    namespace: &str,
    tenant: &str,
) -> Result<Option<Rc<Policy>>, StateError> {
    if let Some(known) = &turn.policy.0 {
        return Ok(known.clone());
    }
    let found = match turn.state.get(&key(namespace, tenant))? {
        Some(stored) => Some(Rc::new(value::decode(stored, Store::Policy)?.1)),
        None => None,
    };
    turn.policy.0 = Some(found.clone());
    Ok(found)
}

/// The policy, for a command to change.
pub(super) fn edit<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    namespace: &str,
    tenant: &str,
) -> Result<Policy, StateError> {
    Ok(load(turn, namespace, tenant)?.map(|policy| Policy::clone(&policy)).unwrap_or_default())
}

/// Keeps a policy that a command has changed; refuses one that is too large. What is over since long is dropped.
pub(super) fn store<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    namespace: &str,
    tenant: &str,
    mut policy: Policy,
) -> Result<(), Reply> {
    policy.silences.retain(|silence| silence.is_kept(turn.now));
    let key = key(namespace, tenant);
    if policy.is_empty() {
        turn.state.delete(&key);
        turn.policy.0 = Some(None);
        return Ok(());
    }
    let stored = value::encode(value::NEVER, &policy);
    if stored.len() > MAX_POLICY_BYTES {
        return Err(limit(format!(
            "the quotas, silences and time intervals of {namespace}/{tenant} are larger than {MAX_POLICY_BYTES} bytes together"
        )));
    }
    turn.state.put(&key, &stored);
    turn.policy.0 = Some(Some(Rc::new(policy)));
    Ok(())
}

/// The same, and answers the command: with what it has led to, or with the refusal.
pub(super) fn keep<S: State, E>(turn: &mut Turn<'_, S, E>, scope: (&str, &str), policy: Policy, shown: Value) -> Reply {
    store(turn, scope.0, scope.1, policy).map_or_else(|refused| refused, |()| Reply::done(shown))
}

/// The tenant has as many of something as it may have.
pub(super) fn limit(message: String) -> Reply {
    Reply::Refused { code: "LIMIT", message }
}
