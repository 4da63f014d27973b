//! What is told of chains.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A chain in a list.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainSummary {
    chain_id: String,
    chain_name: String,
    /// `running`, `paused`, what it waits for (`waiting_sub_chain`, `waiting_parallel`, `waiting_timer`, `waiting_signal`), or
    /// how it ended (`completed`, `failed`, `cancelled`, `timed_out`).
    status: String,
    /// Index of the step that it is at, from 0.
    current_step: u32,
    total_steps: u32,
    started_at: String,
    updated_at: String,
    parent_chain_id: Option<String>,
}

/// A part of the chains.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainList {
    count: usize,
    chains: Vec<ChainSummary>,
    /// What the next part begins `after`; absent where there is none.
    next: Option<String>,
}

/// A chain with its steps.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainDetail {
    chain_id: String,
    chain_name: String,
    namespace: String,
    tenant: String,
    /// The action that began it.
    action_id: String,
    /// As in lists.
    status: String,
    /// Index of the step that it is at, from 0.
    current_step: u32,
    total_steps: u32,
    started_at: String,
    updated_at: String,
    expires_at: Option<String>,
    ended_at: Option<String>,
    /// In the order of the definition.
    steps: Vec<ChainStep>,
    /// The steps taken, in order.
    execution_path: Vec<String>,
    parent_chain_id: Option<String>,
    child_chain_ids: Vec<String>,
    /// Why it did not end well.
    error: Option<String>,
    cancel_reason: Option<String>,
    cancelled_by: Option<String>,
}

/// A step of a chain.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainStep {
    name: String,
    /// Empty for a step that calls none.
    provider: String,
    status: String,
    /// The provider's answer.
    response_body: Value,
    error: Option<String>,
    completed_at: Option<String>,
    /// How often the chain came by.
    visits: u32,
    /// Calls that were answered.
    attempt: u32,
    max_retries: u32,
    attempts: Vec<StepAttempt>,
    /// Those that run side by side.
    #[schema(no_recursion)]
    parallel_steps: Option<Vec<ChainStep>>,
    /// The definition of the chain that the step runs.
    sub_chain: Option<String>,
    child_chain_id: Option<String>,
    /// The provider that answered, where it is another one.
    served_by: Option<String>,
    note: Option<String>,
}

/// A call of a step's provider.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StepAttempt {
    attempt: u32,
    started_at: String,
    completed_at: String,
    success: bool,
    duration_ms: i64,
    error: Option<String>,
}
