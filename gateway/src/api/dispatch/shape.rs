//! How actions are sent, and what is told of them. The outcomes themselves are passed on as the processor wrote them.

use crate::api::openapi::Labels;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An action. Other fields than these are kept and passed on.
#[derive(Serialize, ToSchema)]
#[schema(as = Action)]
pub(super) struct ActionRequest {
    /// Made here where absent.
    id: Option<String>,
    namespace: String,
    tenant: String,
    /// Configured name of the provider that shall perform it.
    provider: String,
    action_type: String,
    /// Any JSON.
    payload: Value,
    metadata: Option<Labels>,
    /// Two actions of one tenant with the same key are duplicates in the eyes of a `deduplicate` rule.
    dedup_key: Option<String>,
    /// The state that an event shall enter.
    status: Option<String>,
    /// The event that it belongs to.
    fingerprint: Option<String>,
    /// Now where absent.
    #[schema(format = DateTime)]
    created_at: Option<String>,
    /// When it shall be performed; at once where absent.
    #[schema(format = DateTime)]
    dispatch_at: Option<String>,
    #[schema(format = DateTime)]
    starts_at: Option<String>,
    #[schema(format = DateTime)]
    ends_at: Option<String>,
    /// Set from the request's `traceparent` and `tracestate`, where it has them.
    trace_context: Option<Map<String, Value>>,
    /// A template's profile.
    template: Option<String>,
}

/// What is said of an action whose outcome is still to come.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcceptedAction {
    pub(super) action_id: String,
    /// Always `accepted`.
    pub(super) status: &'static str,
}

/// An entry of a batch's answer.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum BatchItem {
    Outcome(ActionOutcome),
    Failed(BatchFailure),
    Accepted { action_id: String, status: String },
}

/// An action of a batch that was not taken.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchFailure {
    error: BatchError,
}

/// Why an action of a batch was not taken.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchError {
    code: String,
    message: String,
    retryable: bool,
}

/// What became of an action: an object with one key, or the text `Deduplicated`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) enum ActionOutcome {
    /// The provider's answer.
    Executed(Answered),
    /// A `deduplicate` rule has seen its key.
    Deduplicated,
    /// Refused by a `suppress` or `deny` rule.
    Suppressed {
        rule: String,
        /// The rule's own reason.
        reason: Option<String>,
    },
    /// Another provider's answer.
    Rerouted {
        original_provider: String,
        new_provider: String,
        response: Answered,
        /// Providers that were passed over since their circuits were open.
        circuit_open: Option<Vec<String>>,
    },
    /// Over a limit.
    Throttled { retry_after: RetryAfter },
    /// The provider failed for good, or there is none of that name.
    Failed { code: String, message: String, retryable: bool, attempts: u32 },
    /// The provider failed, and is called again later.
    RetryScheduled { code: String, message: String, attempts: u32, retry: u32, retry_at: String },
    /// The provider's circuit is open, and so are those of its fallbacks.
    CircuitOpen { provider: String, fallback_chain: Vec<String> },
    /// Taken into a group, which is told of as one.
    Grouped { group_id: String, group_size: u32, notify_at: String },
    /// Held until a time.
    Scheduled { action_id: String, scheduled_for: String },
    /// Held until a person decides.
    PendingApproval {
        approval_id: String,
        expires_at: String,
        /// Without the signature, which only the notification carries.
        approve_url: String,
        reject_url: String,
        notification_sent: bool,
    },
    /// Began a chain.
    ChainStarted { chain_id: String, chain_name: String, total_steps: u32, first_step: String },
    /// Taken into an event.
    StateChanged {
        fingerprint: String,
        /// Null for a new event.
        previous_state: Option<String>,
        new_state: String,
        notify: bool,
    },
    /// Over its tenant's quota.
    QuotaExceeded {
        tenant: String,
        limit: u64,
        used: u64,
        /// `block`, or `degrade:` and the provider.
        overage_behavior: String,
    },
    /// Matched a silence.
    Silenced { silence_id: String, matched_rule: Option<String> },
    /// Came outside its rule's time intervals.
    Muted {
        interval: String,
        /// `mute_time_interval` or `active_time_interval`.
        reason: String,
        matched_rule: Option<String>,
    },
    /// Held, and called off.
    Cancelled { reason: String },
    /// Only tried out.
    DryRun {
        verdict: String,
        matched_rule: Option<String>,
        would_be_provider: String,
        /// What was not looked at.
        note: String,
    },
}

/// A provider's answer.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProviderResponse)]
pub(super) struct Answered {
    /// `success`, `failure` or `partial`.
    status: String,
    body: Value,
    headers: BTreeMap<String, String>,
}

/// A length of time.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryAfter {
    secs: u64,
    nanos: u32,
}
