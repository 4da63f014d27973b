use crate::coordinates::Coordinates;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The kind of an outcome: the tag of audit records, queries and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Admitted and handed to a provider's dispatch topic; `executed`, `rerouted` or `failed` follows.
    Dispatched,
    /// The provider ran it.
    Executed,
    /// The provider that a rule chose instead of the action's own ran it.
    Rerouted,
    /// Refused by a `deduplicate` rule.
    Deduplicated,
    /// Refused by a `suppress` or `deny` rule; the audit record's verdict tells which.
    Suppressed,
    /// Refused by a `throttle` rule.
    Throttled,
    /// The provider failed for good, or there is no such provider.
    Failed,
    /// The provider failed for now and is called again later.
    RetryScheduled,
    /// The provider's circuit is open, and so are those of its fallbacks.
    CircuitOpen,
    /// Taken into a group, which is notified as one.
    Grouped,
    /// Held until a time.
    Scheduled,
    /// Held until a person decides.
    PendingApproval,
    /// Began a chain.
    ChainStarted,
    /// Taken into an event of a state machine.
    StateChanged,
    /// Over its tenant's quota.
    QuotaExceeded,
    /// Matched a silence.
    Silenced,
    /// Came outside its rule's time intervals.
    Muted,
    /// Held, and called off before its time.
    Cancelled,
    /// An approval was given; the action that it held goes on.
    Approved,
    /// An approval was refused; so was the action that it held.
    Rejected,
    /// An approval was not given in time; the action that it held is dropped.
    Expired,
    /// A group's notification went out.
    GroupFlushed,
    /// An event changed its state by command or by time.
    EventChanged,
    /// A step of a chain succeeded.
    ChainStepCompleted,
    /// A step of a chain failed for good.
    ChainStepFailed,
    /// A step of a chain failed and was passed over.
    ChainStepSkipped,
    /// A chain ended well.
    ChainCompleted,
    /// A chain ended with a failed step.
    ChainFailed,
    /// A chain was called off.
    ChainCancelled,
    /// A chain took longer than it may.
    ChainTimedOut,
    /// An occurrence of a recurring action was passed over.
    RecurringSkipped,
    /// A provider took a notification that belongs to no action: of an approval, a quota, a cancelled chain.
    NoticeSent,
    /// A provider did not take such a notification.
    NoticeFailed,
    /// A command was carried out.
    CommandDone,
    /// A command was not carried out.
    CommandRefused,
}

impl Outcome {
    /// All kinds, in the order of the variants, which is that of reports.
    pub const ALL: [Self; 35] = [
        Self::Dispatched,
        Self::Executed,
        Self::Rerouted,
        Self::Deduplicated,
        Self::Suppressed,
        Self::Throttled,
        Self::Failed,
        Self::RetryScheduled,
        Self::CircuitOpen,
        Self::Grouped,
        Self::Scheduled,
        Self::PendingApproval,
        Self::ChainStarted,
        Self::StateChanged,
        Self::QuotaExceeded,
        Self::Silenced,
        Self::Muted,
        Self::Cancelled,
        Self::Approved,
        Self::Rejected,
        Self::Expired,
        Self::GroupFlushed,
        Self::EventChanged,
        Self::ChainStepCompleted,
        Self::ChainStepFailed,
        Self::ChainStepSkipped,
        Self::ChainCompleted,
        Self::ChainFailed,
        Self::ChainCancelled,
        Self::ChainTimedOut,
        Self::RecurringSkipped,
        Self::NoticeSent,
        Self::NoticeFailed,
        Self::CommandDone,
        Self::CommandRefused,
    ];

    /// The tag, as serialised.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dispatched => "dispatched",
            Self::Executed => "executed",
            Self::Rerouted => "rerouted",
            Self::Deduplicated => "deduplicated",
            Self::Suppressed => "suppressed",
            Self::Throttled => "throttled",
            Self::Failed => "failed",
            Self::RetryScheduled => "retry_scheduled",
            Self::CircuitOpen => "circuit_open",
            Self::Grouped => "grouped",
            Self::Scheduled => "scheduled",
            Self::PendingApproval => "pending_approval",
            Self::ChainStarted => "chain_started",
            Self::StateChanged => "state_changed",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Silenced => "silenced",
            Self::Muted => "muted",
            Self::Cancelled => "cancelled",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::GroupFlushed => "group_flushed",
            Self::EventChanged => "event_changed",
            Self::ChainStepCompleted => "chain_step_completed",
            Self::ChainStepFailed => "chain_step_failed",
            Self::ChainStepSkipped => "chain_step_skipped",
            Self::ChainCompleted => "chain_completed",
            Self::ChainFailed => "chain_failed",
            Self::ChainCancelled => "chain_cancelled",
            Self::ChainTimedOut => "chain_timed_out",
            Self::RecurringSkipped => "recurring_skipped",
            Self::NoticeSent => "notice_sent",
            Self::NoticeFailed => "notice_failed",
            Self::CommandDone => "command_done",
            Self::CommandRefused => "command_refused",
        }
    }
}

/// A record of the outcomes topic: what became of one action.
///
/// An action that goes to a provider has two: `dispatched` with `is_final = false` when it is decided, and its answer when
/// the provider's result is in. Every other action has one answer. What becomes of an action that was held, once it is
/// released, is told by records with `released_by`; how a chain ends, by one with its `chain_id`; what came of a command,
/// by one whose `action_id` is the command's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutcomeRecord<'a> {
    /// The action's id.
    #[serde(borrow)]
    pub action_id: Cow<'a, str>,
    /// Scope.
    pub namespace: Cow<'a, str>,
    /// Scope.
    pub tenant: Cow<'a, str>,
    /// The provider that received it or would have.
    pub provider: Cow<'a, str>,
    /// The action's type.
    pub action_type: Cow<'a, str>,
    /// The kind.
    pub outcome: Outcome,
    /// The rule that decided; absent where the default did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Cow<'a, str>>,
    /// The same outcome in the shape of the HTTP API.
    pub detail: OutcomeDetail<'a>,
    /// Whether this answers the sender: false while a provider's result is awaited, and for copies of the action.
    pub is_final: bool,
    /// What had held the action until now: `group`, `schedule`, `approval`, `throttle`, `event`, `recurring`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub released_by: Option<Cow<'a, str>>,
    /// The chain that this belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chain_id: Option<Cow<'a, str>>,
    /// The partition's clock when it was decided, in milliseconds since 1970.
    pub decided_at: i64,
    /// The input that this is the answer to.
    pub source: Coordinates<'a>,
}

/// The outcome in the shape of the HTTP API: an externally tagged enum, one key an object, as clients parse it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum OutcomeDetail<'a> {
    /// Handed to a provider; never seen over HTTP, where the last outcome is waited for.
    Dispatched {
        /// The dispatch's id, which is the idempotency key at the provider.
        #[serde(borrow)]
        dispatch_id: Cow<'a, str>,
    },
    /// The provider's answer.
    #[serde(borrow)]
    Executed(ProviderResponse<'a>),
    /// A duplicate.
    Deduplicated,
    /// Blocked by a rule.
    Suppressed {
        /// The rule's name, or `default`.
        rule: Cow<'a, str>,
        /// The rule's own reason.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<Cow<'a, str>>,
    },
    /// Run by another provider than the action's own.
    Rerouted {
        /// The action's own provider.
        original_provider: Cow<'a, str>,
        /// The one that ran it.
        new_provider: Cow<'a, str>,
        /// Its answer.
        response: ProviderResponse<'a>,
        /// Providers that were passed over since their circuits were open, the first choice first.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        circuit_open: Vec<Cow<'a, str>>,
    },
    /// Over a limit.
    Throttled {
        /// After this time the same action is admitted, if no other comes first.
        retry_after: RetryAfter,
    },
    /// Failed for good.
    Failed {
        /// A stable code (`PROVIDER_NOT_FOUND`, `TIMEOUT`, …).
        code: Cow<'a, str>,
        /// What happened, for people.
        message: Cow<'a, str>,
        /// Whether the same action could succeed later.
        retryable: bool,
        /// Calls made.
        attempts: u32,
    },
    /// Failed for now.
    RetryScheduled {
        /// As in [`OutcomeDetail::Failed`].
        code: Cow<'a, str>,
        /// As in [`OutcomeDetail::Failed`].
        message: Cow<'a, str>,
        /// Calls made since the last retry.
        attempts: u32,
        /// Which retry comes, from 1.
        retry: u32,
        /// When (RFC 3339).
        retry_at: Cow<'a, str>,
    },
    /// Not called: its circuit is open.
    CircuitOpen {
        /// The provider.
        provider: Cow<'a, str>,
        /// Its fallbacks, which were passed over as well.
        fallback_chain: Vec<Cow<'a, str>>,
    },
    /// Taken into a group.
    Grouped {
        /// The group's id.
        group_id: Cow<'a, str>,
        /// Events in the group, this one included.
        group_size: u32,
        /// When it is notified (RFC 3339).
        notify_at: Cow<'a, str>,
    },
    /// Held until a time.
    Scheduled {
        /// The id to cancel it by.
        action_id: Cow<'a, str>,
        /// When it is released (RFC 3339).
        scheduled_for: Cow<'a, str>,
    },
    /// Held until a person decides.
    PendingApproval {
        /// The request's id.
        approval_id: Cow<'a, str>,
        /// When it expires (RFC 3339).
        expires_at: Cow<'a, str>,
        /// Where to approve; without the signature, which only the notification carries.
        approve_url: Cow<'a, str>,
        /// Where to reject.
        reject_url: Cow<'a, str>,
        /// Whether a provider was asked to carry the request.
        notification_sent: bool,
    },
    /// Began a chain.
    ChainStarted {
        /// The chain's id.
        chain_id: Cow<'a, str>,
        /// Its definition's name.
        chain_name: Cow<'a, str>,
        /// Steps of the definition.
        total_steps: u32,
        /// The first one's name.
        first_step: Cow<'a, str>,
    },
    /// Taken into an event.
    StateChanged {
        /// The event's fingerprint.
        fingerprint: Cow<'a, str>,
        /// The state before; null for a new event.
        previous_state: Option<Cow<'a, str>>,
        /// The state now.
        new_state: Cow<'a, str>,
        /// Whether a provider is told of it.
        notify: bool,
    },
    /// Over a quota.
    QuotaExceeded {
        /// The tenant.
        tenant: Cow<'a, str>,
        /// Actions allowed in a window.
        limit: u64,
        /// Actions counted.
        used: u64,
        /// What the quota does: `block`, `warn`, `degrade:<provider>`, `notify:<provider>`.
        overage_behavior: Cow<'a, str>,
    },
    /// Matched a silence.
    Silenced {
        /// The silence's id.
        silence_id: Cow<'a, str>,
        /// The rule that would have decided.
        matched_rule: Option<Cow<'a, str>>,
    },
    /// Came outside its rule's time intervals.
    Muted {
        /// The interval's name.
        interval: Cow<'a, str>,
        /// `mute_time_interval` or `active_time_interval`.
        reason: Cow<'a, str>,
        /// The rule that would have decided.
        matched_rule: Option<Cow<'a, str>>,
    },
    /// Called off.
    Cancelled {
        /// Who or what called it off, and why.
        reason: Cow<'a, str>,
    },
    /// How a request for approval ended.
    ApprovalResolved {
        /// The request's id.
        approval_id: Cow<'a, str>,
        /// `approved`, `rejected` or `expired`.
        decision: Cow<'a, str>,
        /// Who decided, where known.
        decided_by: Option<Cow<'a, str>>,
    },
    /// How a chain ended.
    ChainEnded {
        /// The chain's id.
        chain_id: Cow<'a, str>,
        /// Its definition's name.
        chain_name: Cow<'a, str>,
        /// `completed`, `failed`, `cancelled` or `timed_out`.
        status: Cow<'a, str>,
        /// The steps taken, in order.
        execution_path: Vec<Cow<'a, str>>,
        /// Why, where it did not end well.
        error: Option<Cow<'a, str>>,
    },
    /// A command was carried out.
    CommandDone {
        /// What it led to, as JSON.
        result: Cow<'a, RawValue>,
    },
    /// A command was not carried out.
    CommandRefused {
        /// A stable code: `NOT_FOUND`, `CONFLICT`, `INVALID`, `GONE`, `FORBIDDEN`, `LIMIT`.
        code: Cow<'a, str>,
        /// Why, for people.
        message: Cow<'a, str>,
    },
}

/// A duration as clients parse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryAfter {
    /// Whole seconds.
    pub secs: u64,
    /// The rest, in nanoseconds.
    pub nanos: u32,
}

impl RetryAfter {
    /// From milliseconds.
    #[must_use]
    pub fn from_millis(ms: u64) -> Self {
        // The remainder is below 1,000, so the product is below 10^9.
        Self { secs: ms / 1000, nanos: u32::try_from(ms % 1000 * 1_000_000).unwrap_or(0) }
    }

    /// In milliseconds, rounded down.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        self.secs.saturating_mul(1000).saturating_add(u64::from(self.nanos / 1_000_000))
    }
}

/// How a provider's answer is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseStatus {
    /// All of it was done.
    Success,
    /// None of it was done.
    Failure,
    /// Some of it was done.
    Partial,
}

/// A provider's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProviderResponse<'a> {
    /// How to read it.
    pub status: ResponseStatus,
    /// The body: JSON as it came, or made from the answer where it isn't JSON.
    #[serde(borrow)]
    pub body: Cow<'a, RawValue>,
    /// Headers that the provider's file chose to keep.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn details_have_the_shape_that_clients_parse() {
        let json = |detail: &OutcomeDetail<'_>| serde_json::to_string(detail).unwrap();
        assert_eq!(json(&OutcomeDetail::Deduplicated), r#""Deduplicated""#);
        assert_eq!(
            json(&OutcomeDetail::Suppressed { rule: "r".into(), reason: None }),
            r#"{"Suppressed":{"rule":"r"}}"#
        );
        assert_eq!(
            json(&OutcomeDetail::Throttled { retry_after: RetryAfter::from_millis(60_250) }),
            r#"{"Throttled":{"retry_after":{"secs":60,"nanos":250000000}}}"#
        );
    }

    #[test]
    fn tags_are_what_serde_writes() {
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
    }
}
