//! What is asked of audit records, and how one is shown.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Which records are meant: those that fit all that is given.
#[derive(Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditFilterParams {
    namespace: Option<String>,
    tenant: Option<String>,
    /// The provider that received the action or would have, or that it asked for.
    provider: Option<String>,
    action_type: Option<String>,
    /// The tag of an outcome, such as `executed` or `suppressed`.
    outcome: Option<String>,
    verdict: Option<String>,
    /// The rule that decided.
    matched_rule: Option<String>,
    caller_id: Option<String>,
    chain_id: Option<String>,
    signer_id: Option<String>,
    kid: Option<String>,
    /// Decided then or later.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Decided then or earlier.
    #[param(format = DateTime)]
    to: Option<String>,
}

/// Which page of them.
#[derive(Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditPageParams {
    /// Most records; 1,000 where it is more.
    #[param(minimum = 1, default = 50)]
    limit: Option<u32>,
    /// How many are passed over.
    #[param(maximum = 1_000_000)]
    offset: Option<u32>,
    /// The `next_cursor` of the page before, with the same filter.
    cursor: Option<String>,
}

/// Whose action is meant, where the id alone would not tell.
#[derive(Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditScopeParams {
    namespace: Option<String>,
    tenant: Option<String>,
}

/// What was decided about an action, and what became of it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditRecord {
    id: String,
    action_id: String,
    chain_id: Option<String>,
    namespace: String,
    tenant: String,
    /// The provider that received it or would have.
    provider: String,
    /// The action's own provider, where another one was chosen.
    original_provider: Option<String>,
    action_type: String,
    /// What the rules said.
    verdict: String,
    matched_rule: Option<String>,
    /// The tag of what became of it so far.
    outcome: String,
    /// `decided`, `completed`, or `progress` for a step of something larger.
    phase: String,
    /// What had held the action until now.
    released_by: Option<String>,
    /// As it came in, redacted; null where it is not stored.
    action_payload: Value,
    verdict_details: Value,
    outcome_details: Value,
    /// Labels, and what a replay needs.
    metadata: BTreeMap<String, String>,
    dispatched_at: Option<String>,
    completed_at: Option<String>,
    duration_ms: i64,
    /// When it may be deleted.
    expires_at: Option<String>,
    /// Offset in the definitions topic of the rule set that decided.
    definitions_version: i64,
    source: AuditSource,
    caller_id: Option<String>,
    auth_method: Option<String>,
    record_hash: Option<String>,
    previous_hash: Option<String>,
    sequence_number: Option<u64>,
    attachment_metadata: Value,
    signature: Option<String>,
    signer_id: Option<String>,
    kid: Option<String>,
    canonical_hash: Option<String>,
}

/// The input that a record tells of.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditSource {
    topic: String,
    partition: i32,
    offset: i64,
}
