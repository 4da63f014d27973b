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
}

impl Outcome {
    /// All kinds, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Dispatched,
        Self::Executed,
        Self::Rerouted,
        Self::Deduplicated,
        Self::Suppressed,
        Self::Throttled,
        Self::Failed,
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
        }
    }
}

/// A record of the outcomes topic: what became of one action.
///
/// An action that goes to a provider has two: `dispatched` with `is_final = false` when it is decided, and the last one
/// when the provider's result is in. Every other action has one.
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
    /// Whether another outcome of this action can follow.
    pub is_final: bool,
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
