//! What is told of recurring actions, and how a change is written.

use super::body::{Nested, Overlap};
use crate::api::openapi::Labels;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A recurring action in a list.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecurringSummary {
    id: String,
    name: Option<String>,
    namespace: String,
    tenant: String,
    /// Five fields: minute, hour, day of month, month, day of week.
    cron_expr: String,
    timezone: String,
    enabled: bool,
    /// `active`, `paused` or `completed`.
    status: String,
    provider: String,
    action_type: String,
    next_execution_at: Option<String>,
    last_execution_at: Option<String>,
    execution_count: u64,
    skipped_count: u64,
    overlap_policy: Overlap,
    description: Option<String>,
    /// Absent where there are none.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    created_at: String,
}

/// A part of the recurring actions.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecurringList {
    count: usize,
    recurring_actions: Vec<RecurringSummary>,
    /// What the next part begins `after`; absent where there is none.
    next: Option<String>,
}

/// A recurring action.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecurringDetail {
    id: String,
    name: Option<String>,
    namespace: String,
    tenant: String,
    /// Five fields: minute, hour, day of month, month, day of week.
    cron_expr: String,
    timezone: String,
    enabled: bool,
    /// `active`, `paused` or `completed`.
    status: String,
    provider: String,
    action_type: String,
    next_execution_at: Option<String>,
    last_execution_at: Option<String>,
    execution_count: u64,
    skipped_count: u64,
    overlap_policy: Overlap,
    description: Option<String>,
    /// Absent where there are none.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    created_at: String,
    payload: Value,
    metadata: BTreeMap<String, String>,
    dedup_key: Option<String>,
    end_date: Option<String>,
    max_executions: Option<u64>,
}

/// What a recurring action is known by, and when it comes next.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecurringBrief {
    id: String,
    name: Option<String>,
    next_execution_at: Option<String>,
    /// `active`, `paused`, `completed` or `deleted`.
    status: String,
}

/// What came of a backfill.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Backfilled {
    id: String,
    executed: usize,
    already_executed: usize,
    /// Where the next backfill begins; absent where all have run.
    next_start: Option<String>,
}

/// A change of a recurring action; what is left out stays as it is.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecurringChange {
    /// The scope, where the query does not have it. It can't be changed.
    namespace: Option<String>,
    tenant: Option<String>,
    name: Option<String>,
    /// `cron_expr` is read as well.
    cron_expression: Option<String>,
    timezone: Option<String>,
    end_date: Option<String>,
    max_executions: Option<u64>,
    description: Option<String>,
    overlap_policy: Option<Overlap>,
    enabled: Option<bool>,
    labels: Option<BTreeMap<String, String>>,
    /// `action_template` is read as well.
    action: Option<Nested>,
    provider: Option<String>,
    action_type: Option<String>,
    payload: Option<Value>,
    metadata: Option<Labels>,
    dedup_key: Option<String>,
}
