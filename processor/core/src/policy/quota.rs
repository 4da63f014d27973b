//! Quotas: how many actions a tenant may send in a rolling window, and what happens beyond that.

mod principal;

use super::record::{Policy, edit, limit, load, store};
use crate::ids;
use crate::keys::{self, Store};
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::throttle::Window;
use crate::time::rfc3339;
use crate::turn::Turn;
use crate::value;
use acteon_rules::Subject;
use acteon_schemas::{Action, MAX_NAME_BYTES, OverageBehavior, QuotaDefinition};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// Most quotas of a tenant.
const MAX_QUOTAS: usize = 100;
/// Longest window, in seconds (366 days).
const MAX_WINDOW_SECONDS: u64 = 366 * 24 * 3600;
/// Longest description, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 1_024;
/// The sender of actions that name none.
const ANONYMOUS: &str = "anonymous";

/// A quota as it is kept. Times are in milliseconds since 1970.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Quota {
    pub(super) id: String,
    pub(super) definition: QuotaDefinition,
    created_at: i64,
    updated_at: i64,
}

/// What a quota has counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Usage {
    /// When it was last told that the quota was exceeded.
    told_at: i64,
    window: Window,
}

/// A quota that an action counts for.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(super) id: String,
    pub(super) limit: u64,
    pub(super) used: u64,
    pub(super) behavior: OverageBehavior,
    pub(super) provider: Option<String>,
    /// The sender whose actions are counted, where not those of all are.
    principal: Option<String>,
    key: Vec<u8>,
    /// How much of the key other senders' have in common with it.
    bucket: Option<usize>,
    window_ms: u64,
    usage: Usage,
}

impl Check {
    pub(super) fn is_over(&self) -> bool {
        self.used >= self.limit
    }

    /// What the quota does, as in outcomes.
    pub(super) fn does(&self) -> String {
        match &self.behavior {
            OverageBehavior::Block { .. } => "block".to_owned(),
            OverageBehavior::Warn { .. } => "warn".to_owned(),
            OverageBehavior::Degrade { fallback_provider } => format!("degrade:{fallback_provider}"),
            OverageBehavior::Notify { target } => format!("notify:{target}"),
        }
    }

    /// How strict it is, the strictest first.
    pub(super) fn rank(&self) -> u8 {
        match self.behavior {
            OverageBehavior::Block { .. } => 0,
            OverageBehavior::Degrade { .. } => 1,
            OverageBehavior::Notify { .. } => 2,
            OverageBehavior::Warn { .. } => 3,
        }
    }

    pub(super) fn details(&self, tenant: &str) -> Value {
        let mut details = json!({
            "quota_id": self.id, "tenant": tenant, "limit": self.limit, "used": self.used,
            "overage_behavior": self.does(),
        });
        if let Some(principal) = &self.principal {
            details["principal"] = json!(principal);
        }
        details
    }

    /// Counts an action in; returns whether it is to be told that the quota is exceeded, which is so once a window.
    ///
    /// # Errors
    /// The state can't be read.
    pub(super) fn count<S: State, E>(&mut self, turn: &mut Turn<'_, S, E>) -> Result<bool, StateError> {
        let tell = self.is_over() && self.usage.told_at.saturating_add_unsigned(self.window_ms) <= turn.now;
        if tell {
            self.usage.told_at = turn.now;
        }
        self.usage.window.count(turn.now, self.window_ms);
        let mut stored = Vec::with_capacity(64);
        value::begin(&mut stored, self.usage.window.ends_at(self.window_ms));
        value::push_varint(&mut stored, u64::try_from(self.usage.told_at).unwrap_or(0));
        self.usage.window.push(&mut stored);
        if let Some(bucket) = self.bucket.and_then(|bucket| self.key.get(..bucket))
            && turn.state.get(&self.key)?.is_none()
        {
            principal::sweep(turn.state, turn.now, bucket)?;
        }
        turn.state.put(&self.key, &stored);
        Ok(tell)
    }
}

fn key(scope: (&str, &str), id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(96);
    keys::scoped(&mut key, Store::Usage, scope.0, scope.1);
    keys::push_text(&mut key, id);
    key
}

fn usage<S: State, E>(turn: &mut Turn<'_, S, E>, key: &[u8], window_ms: u64) -> Result<Usage, StateError> {
    let mut usage = Usage::default();
    let Some(stored) = turn.state.get(key)? else { return Ok(usage) };
    let corrupt = || StateError::Corrupt { store: Store::Usage.name(), problem: "cut short" };
    let (_, mut body) = value::split(stored, Store::Usage)?;
    usage.told_at = i64::try_from(value::take_varint(&mut body).ok_or_else(corrupt)?).unwrap_or(i64::MAX);
    usage.window.extend(body).ok_or_else(corrupt)?;
    usage.window.forget(turn.now, window_ms);
    Ok(usage)
}

/// The quotas of one provider's actions, or with `None` those of all of the tenant's, that count the actions of this one's
/// sender, with what they have counted.
pub(super) fn checks<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    subject: &Subject<'_>,
    policy: &Policy,
    provider: Option<&str>,
) -> Result<Vec<Check>, StateError> {
    let mut checks = Vec::new();
    let (scope, caller) = ((subject.namespace, subject.tenant), Action::name_in(subject.extra, "caller_id"));
    for Quota { id, definition, .. } in &policy.quotas {
        let is_meant = definition.principal.is_none() || definition.principal.as_deref() == caller;
        if definition.provider.as_deref() != provider || !definition.enabled.unwrap_or(true) || !is_meant {
            continue;
        }
        // Windows were checked when the quota was set.
        let Some(window_ms) = window_ms(&definition.window) else { continue };
        let (mut key, caller) = (key(scope, id), caller.unwrap_or(ANONYMOUS));
        let bucket = definition.per_principal.then(|| principal::push(&mut key, caller));
        let usage = usage(turn, &key, window_ms)?;
        checks.push(Check {
            principal: (definition.per_principal || definition.principal.is_some()).then(|| caller.to_owned()),
            key,
            bucket,
            id: id.clone(),
            limit: definition.max_actions,
            used: usage.window.total(),
            behavior: behavior(definition),
            provider: definition.provider.clone(),
            window_ms,
            usage,
        });
    }
    Ok(checks)
}

fn behavior(definition: &QuotaDefinition) -> OverageBehavior {
    definition.overage_behavior.clone().unwrap_or(OverageBehavior::Block {})
}

/// The length of a window, in milliseconds.
fn window_ms(window: &str) -> Option<u64> {
    let hours = match window {
        "hourly" => 1,
        "daily" => 24,
        "weekly" => 7 * 24,
        "monthly" => 30 * 24,
        seconds => {
            let seconds: u64 = seconds.parse().ok()?;
            return (1..=MAX_WINDOW_SECONDS).contains(&seconds).then_some(seconds * 1000);
        }
    };
    Some(hours * 3_600_000)
}

/// `set_quota`.
pub(crate) fn set<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    definition: &QuotaDefinition,
    identity: &Uuid,
) -> Result<Reply, StateError> {
    let known = |name: &str| turn.definitions.providers.contains(name);
    if let Err(problem) = check(definition, known) {
        return Ok(Reply::invalid(problem));
    }
    let mut policy = edit(turn, scope.0, scope.1)?;
    let id = definition.id.clone().unwrap_or_else(|| ids::derived(identity, "quota").to_string());
    let mut quota = Quota { id, definition: definition.clone(), created_at: turn.now, updated_at: turn.now };
    quota.definition.id = None;
    let counted = policy.quotas.iter().find(|other| other.id == quota.id);
    let counts_anew = counted.is_some_and(|other| other.definition.per_principal != definition.per_principal);
    let number = policy.quotas.len();
    match policy.quotas.iter_mut().find(|other| other.id == quota.id) {
        Some(other) => {
            quota.created_at = other.created_at;
            *other = quota.clone();
        }
        None if number >= MAX_QUOTAS => {
            return Ok(limit(format!("{}/{} has {MAX_QUOTAS} quotas, which is the most", scope.0, scope.1)));
        }
        None => policy.quotas.push(quota.clone()),
    }
    if let Err(refused) = store(turn, scope.0, scope.1, policy) {
        return Ok(refused);
    }
    if counts_anew {
        principal::forget(turn.state, &key(scope, &quota.id))?;
    }
    Ok(Reply::done(shown(turn, scope, &quota)?))
}

fn check(definition: &QuotaDefinition, known: impl Fn(&str) -> bool) -> Result<(), String> {
    if let Some(id) = &definition.id {
        super::check_text("id", id, 1, MAX_NAME_BYTES)?;
    }
    super::check_text("description", definition.description.as_deref().unwrap_or(""), 0, MAX_DESCRIPTION_BYTES)?;
    super::check_labels(&definition.labels)?;
    if let Some(principal) = &definition.principal {
        super::check_text("principal", principal, 1, MAX_NAME_BYTES)?;
        if definition.per_principal {
            return Err("`per_principal` counts each sender by itself: leave it out, or `principal`".to_owned());
        }
    }
    if window_ms(&definition.window).is_none() {
        return Err(format!(
            "`window`: `{}` is not `hourly`, `daily`, `weekly`, `monthly` or a number of seconds from 1 to \
             {MAX_WINDOW_SECONDS}",
            definition.window
        ));
    }
    let other = match &definition.overage_behavior {
        Some(OverageBehavior::Degrade { fallback_provider }) => Some(("fallback_provider", fallback_provider)),
        Some(OverageBehavior::Notify { target }) => Some(("target", target)),
        _ => None,
    };
    let scope = definition.provider.as_ref().map(|provider| ("provider", provider));
    for (name, provider) in scope.into_iter().chain(other) {
        if !known(provider) {
            return Err(format!("`{name}`: no provider named `{provider}` is configured; add it under [[providers]]"));
        }
    }
    match &definition.overage_behavior {
        Some(OverageBehavior::Degrade { fallback_provider })
            if definition.provider.as_ref() == Some(fallback_provider) =>
        {
            Err(format!("`fallback_provider`: `{fallback_provider}` is the provider that the quota is for"))
        }
        _ => Ok(()),
    }
}

/// `delete_quota`: what it has counted is forgotten.
pub(crate) fn delete<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    id: &str,
) -> Result<Reply, StateError> {
    let mut policy = edit(turn, scope.0, scope.1)?;
    let Some(position) = policy.quotas.iter().position(|quota| quota.id == id) else {
        return Ok(Reply::not_found(format!("no quota `{id}` in {}/{}", scope.0, scope.1)));
    };
    let quota = policy.quotas.remove(position);
    if let Err(refused) = store(turn, scope.0, scope.1, policy) {
        return Ok(refused);
    }
    let shown = shown(turn, scope, &quota)?;
    principal::forget(turn.state, &key(scope, id))?;
    Ok(Reply::done(shown))
}

/// `list_quotas`.
pub(crate) fn list<S: State, E>(turn: &mut Turn<'_, S, E>, scope: (&str, &str)) -> Result<Reply, StateError> {
    let policy = load(turn, scope.0, scope.1)?;
    let mut quotas = Vec::new();
    for quota in policy.iter().flat_map(|policy| &policy.quotas) {
        quotas.push(shown(turn, scope, quota)?);
    }
    Ok(Reply::done(json!({"count": quotas.len(), "quotas": quotas})))
}

/// A quota and its usage; where each sender has a count of its own, the highest one. It resets as its window rolls: `resets_at` is when the oldest actions cease to count.
fn shown<S: State, E>(turn: &mut Turn<'_, S, E>, scope: (&str, &str), quota: &Quota) -> Result<Value, StateError> {
    let definition = &quota.definition;
    let window_ms = window_ms(&definition.window).unwrap_or_default();
    let key = principal::most_used(turn, &key(scope, &quota.id), definition.per_principal, window_ms)?;
    let window = usage(turn, &key, window_ms)?.window;
    let used = window.total();
    let mut shown = json!({
        "id": quota.id, "namespace": scope.0, "tenant": scope.1, "max_actions": definition.max_actions,
        "window": match definition.window.parse::<u64>() {
            Ok(seconds) => json!({"custom": {"seconds": seconds}}),
            Err(_) => json!(definition.window),
        },
        "overage_behavior": match behavior(definition) {
            OverageBehavior::Block { .. } => json!("block"),
            OverageBehavior::Warn { .. } => json!("warn"),
            other => json!(other),
        },
        "enabled": definition.enabled.unwrap_or(true), "labels": definition.labels,
        "created_at": rfc3339(quota.created_at), "updated_at": rfc3339(quota.updated_at),
        "limit": definition.max_actions, "used": used, "remaining": definition.max_actions.saturating_sub(used),
        "resets_at": rfc3339(window.eases_at(window_ms).unwrap_or(turn.now)),
    });
    if let Some(provider) = &definition.provider {
        shown["provider"] = json!(provider);
    }
    if let Some(description) = &definition.description {
        shown["description"] = json!(description);
    }
    if let Some(principal) = &definition.principal {
        shown["principal"] = json!(principal);
    }
    if definition.per_principal {
        shown["per_principal"] = json!(true);
    }
    Ok(shown)
}
