use crate::coordinates::Coordinates;
use crate::metadata::AuditLabels;
use crate::outcome::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Which of an action's two moments an audit record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditPhase {
    /// The rules decided.
    Decided,
    /// The provider's result came in.
    Completed,
    /// Something moved that had been begun before: a chain's step, a group's flush, an event, an approval.
    Progress,
}

/// A record of the audit topic. An action that goes to a provider has two with the same `id`: the second one completes
/// the first (outcome, times) and carries no payload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditRecord<'a> {
    /// Made from the action's identity; the same in both phases.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Which moment.
    pub phase: AuditPhase,
    /// The action's id.
    pub action_id: Cow<'a, str>,
    /// Scope.
    pub namespace: Cow<'a, str>,
    /// Scope.
    pub tenant: Cow<'a, str>,
    /// The provider that received it or would have.
    pub provider: Cow<'a, str>,
    /// The action's own provider, where a rule chose another one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub original_provider: Option<Cow<'a, str>>,
    /// The action's type.
    pub action_type: Cow<'a, str>,
    /// What the rules said: the deciding rule's action type, else `allow` or `deny`.
    pub verdict: Cow<'a, str>,
    /// The rule that decided; absent where the default did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub matched_rule: Option<Cow<'a, str>>,
    /// Gates that let it pass, in order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub admitted_by: Vec<Cow<'a, str>>,
    /// Rewrites that changed it, in order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rewritten_by: Vec<Cow<'a, str>>,
    /// What became of it so far.
    pub outcome: Outcome,
    /// More about the outcome, as JSON.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome_details: Option<Cow<'a, RawValue>>,
    /// The payload as it came in, redacted; absent where it is not stored.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub action_payload: Option<Cow<'a, RawValue>>,
    /// Labels, and what a replay needs (`__dedup_key`, `__fingerprint`, `__status`).
    #[serde(skip_serializing_if = "AuditLabels::is_empty", default)]
    pub metadata: AuditLabels<'a>,
    /// The partition's clock when it was decided, in milliseconds since 1970.
    pub dispatched_at: i64,
    /// When its last outcome was known, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub completed_at: Option<i64>,
    /// From decision to last outcome, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duration_ms: Option<u64>,
    /// When it may be deleted, in milliseconds since 1970; absent where it is to be kept.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<i64>,
    /// What had held the action until now: `group`, `schedule`, `approval`, `throttle`, `event`, `recurring`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub released_by: Option<Cow<'a, str>>,
    /// The chain that this belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chain_id: Option<Cow<'a, str>>,
    /// Who sent the action, as far as it says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub caller_id: Option<Cow<'a, str>>,
    /// Who signed it, as far as it says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signer_id: Option<Cow<'a, str>>,
    /// The key that it says it was signed with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kid: Option<Cow<'a, str>>,
    /// Offset in the definitions topic of the rule set that decided.
    pub definitions_version: i64,
    /// The input that this tells of.
    pub source: Coordinates<'a>,
}
