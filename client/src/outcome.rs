use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// What became of an action.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is written, and its outcome was not there in time.
    Accepted {
        /// The action's id.
        action_id: String,
    },
    /// The provider ran it.
    Executed(ProviderResponse),
    /// Another provider than the action's own ran it.
    Rerouted {
        /// The action's own provider.
        original_provider: String,
        /// The one that ran it.
        new_provider: String,
        /// Its answer.
        response: ProviderResponse,
    },
    /// It was a duplicate.
    Deduplicated,
    /// A rule blocked it.
    Suppressed {
        /// The rule's name.
        rule: String,
    },
    /// It was over a rule's limit.
    Throttled {
        /// After this time it would be admitted.
        retry_after: RetryAfter,
    },
    /// It failed for good.
    Failed {
        /// A stable code.
        code: String,
        /// For people.
        message: String,
        /// Whether the same action could succeed later.
        retryable: bool,
        /// Calls made.
        attempts: u32,
    },
    /// It was taken into a group.
    Grouped {
        /// The group's id.
        group_id: String,
        /// Events in the group.
        group_size: u32,
        /// When the group is notified (RFC 3339).
        notify_at: String,
    },
    /// It is held until a time.
    Scheduled {
        /// The id to cancel it by.
        action_id: String,
        /// When it is released (RFC 3339).
        scheduled_for: String,
    },
    /// It is held until a person decides.
    PendingApproval {
        /// The request's id.
        approval_id: String,
        /// When it expires (RFC 3339).
        expires_at: String,
    },
    /// It began a chain.
    ChainStarted {
        /// The chain's id.
        chain_id: String,
        /// Its definition's name.
        chain_name: String,
    },
    /// It was taken into an event.
    StateChanged {
        /// The event's fingerprint.
        fingerprint: String,
        /// The state before; none for a new event.
        previous_state: Option<String>,
        /// The state now.
        new_state: String,
        /// Whether a provider is told of it.
        notify: bool,
    },
    /// Only tried: what the rules would decide.
    DryRun {
        /// Their verdict.
        verdict: String,
        /// The rule that would decide.
        matched_rule: Option<String>,
        /// The provider that would be called.
        would_be_provider: Option<String>,
    },
    /// Any other one: its name and what is said of it.
    Other {
        /// As in [`Outcome::name`].
        name: String,
        /// Its fields.
        detail: Value,
    },
}

/// A provider's answer.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct ProviderResponse {
    /// `success`, `failure` or `partial`.
    pub status: String,
    /// The body.
    pub body: Value,
    /// Headers that are kept.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// A duration as the API writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub struct RetryAfter {
    /// Whole seconds.
    pub secs: u64,
    /// The rest, in nanoseconds.
    pub nanos: u32,
}

impl From<RetryAfter> for Duration {
    fn from(after: RetryAfter) -> Self {
        Self::from_secs(after.secs).saturating_add(Self::from_nanos(after.nanos.into()))
    }
}

/// The variants with fields of their own, as they are written.
#[derive(Deserialize)]
enum Known {
    Executed(ProviderResponse),
    Rerouted { original_provider: String, new_provider: String, response: ProviderResponse },
    Suppressed { rule: String },
    Throttled { retry_after: RetryAfter },
    Failed { code: String, message: String, retryable: bool, attempts: u32 },
    Grouped { group_id: String, group_size: u32, notify_at: String },
    Scheduled { action_id: String, scheduled_for: String },
    PendingApproval { approval_id: String, expires_at: String },
    ChainStarted { chain_id: String, chain_name: String },
    StateChanged { fingerprint: String, previous_state: Option<String>, new_state: String, notify: bool },
    DryRun { verdict: String, matched_rule: Option<String>, would_be_provider: Option<String> },
}

/// The names of [`Known`].
const KNOWN: [&str; 11] = [
    "Executed",
    "Rerouted",
    "Suppressed",
    "Throttled",
    "Failed",
    "Grouped",
    "Scheduled",
    "PendingApproval",
    "ChainStarted",
    "StateChanged",
    "DryRun",
];

impl Outcome {
    /// The outcome's tag, as in audit records and filters: `executed`, `chain_started`, …
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Executed(_) => "executed",
            Self::Rerouted { .. } => "rerouted",
            Self::Deduplicated => "deduplicated",
            Self::Suppressed { .. } => "suppressed",
            Self::Throttled { .. } => "throttled",
            Self::Failed { .. } => "failed",
            Self::Grouped { .. } => "grouped",
            Self::Scheduled { .. } => "scheduled",
            Self::PendingApproval { .. } => "pending_approval",
            Self::ChainStarted { .. } => "chain_started",
            Self::StateChanged { .. } => "state_changed",
            Self::DryRun { .. } => "dry_run",
            Self::Other { name, .. } => name,
        }
    }
}

impl From<Known> for Outcome {
    fn from(known: Known) -> Self {
        match known {
            Known::Executed(response) => Self::Executed(response),
            Known::Rerouted { original_provider, new_provider, response } => {
                Self::Rerouted { original_provider, new_provider, response }
            }
            Known::Suppressed { rule } => Self::Suppressed { rule },
            Known::Throttled { retry_after } => Self::Throttled { retry_after },
            Known::Failed { code, message, retryable, attempts } => Self::Failed { code, message, retryable, attempts },
            Known::Grouped { group_id, group_size, notify_at } => Self::Grouped { group_id, group_size, notify_at },
            Known::Scheduled { action_id, scheduled_for } => Self::Scheduled { action_id, scheduled_for },
            Known::PendingApproval { approval_id, expires_at } => Self::PendingApproval { approval_id, expires_at },
            Known::ChainStarted { chain_id, chain_name } => Self::ChainStarted { chain_id, chain_name },
            Known::StateChanged { fingerprint, previous_state, new_state, notify } => {
                Self::StateChanged { fingerprint, previous_state, new_state, notify }
            }
            Known::DryRun { verdict, matched_rule, would_be_provider } => {
                Self::DryRun { verdict, matched_rule, would_be_provider }
            }
        }
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(name) if name == "Deduplicated" => Ok(Self::Deduplicated),
            Value::String(name) => Ok(Self::Other { name: snake_case(&name), detail: Value::Null }),
            Value::Object(fields) => of_object(fields).map_err(D::Error::custom),
            other => Err(D::Error::custom(format!("an outcome is text or an object, not {other}"))),
        }
    }
}

fn of_object(fields: Map<String, Value>) -> Result<Outcome, serde_json::Error> {
    if fields.get("status").is_some_and(|status| status == "accepted") {
        let action_id = fields.get("action_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        return Ok(Outcome::Accepted { action_id });
    }
    match fields.iter().next() {
        Some((name, _)) if KNOWN.contains(&name.as_str()) => read::<Known>(Value::Object(fields)).map(Into::into),
        Some((name, detail)) => Ok(Outcome::Other { name: snake_case(name), detail: detail.clone() }),
        None => Err(serde_json::Error::custom("an outcome has a name")),
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(value)
}

/// `QuotaExceeded` as `quota_exceeded`.
fn snake_case(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_outcome_of_the_api_is_read() {
        let response = json!({"status": "success", "body": {"x": 1}, "headers": {}});
        let cases = [
            (json!("Deduplicated"), "deduplicated"),
            (json!({"Executed": response}), "executed"),
            (
                json!({"Rerouted": {"original_provider": "a", "new_provider": "b", "response": response, "circuit_open": ["a"]}}),
                "rerouted",
            ),
            (json!({"Suppressed": {"rule": "r", "reason": "x"}}), "suppressed"),
            (json!({"Throttled": {"retry_after": {"secs": 60, "nanos": 5}}}), "throttled"),
            (json!({"Failed": {"code": "TIMEOUT", "message": "m", "retryable": true, "attempts": 4}}), "failed"),
            (json!({"Grouped": {"group_id": "g", "group_size": 2, "notify_at": "x"}}), "grouped"),
            (json!({"Scheduled": {"action_id": "a", "scheduled_for": "x"}}), "scheduled"),
            (
                json!({"PendingApproval": {"approval_id": "a", "expires_at": "x", "approve_url": "", "reject_url": "", "notification_sent": true}}),
                "pending_approval",
            ),
            (
                json!({"ChainStarted": {"chain_id": "c", "chain_name": "n", "total_steps": 4, "first_step": "s"}}),
                "chain_started",
            ),
            (
                json!({"StateChanged": {"fingerprint": "f", "previous_state": null, "new_state": "s", "notify": false}}),
                "state_changed",
            ),
            (json!({"DryRun": {"verdict": "allow", "matched_rule": null, "would_be_provider": "p"}}), "dry_run"),
            (
                json!({"QuotaExceeded": {"tenant": "t", "limit": 1, "used": 2, "overage_behavior": "block"}}),
                "quota_exceeded",
            ),
            (json!({"CircuitOpen": {"provider": "p", "fallback_chain": []}}), "circuit_open"),
            (json!({"action_id": "a", "status": "accepted"}), "accepted"),
        ];
        for (text, name) in cases {
            let outcome: Outcome = serde_json::from_value(text.clone()).unwrap();
            assert_eq!(outcome.name(), name, "{text}");
        }
        let throttled: Outcome =
            serde_json::from_value(json!({"Throttled": {"retry_after": {"secs": 1, "nanos": 500_000_000}}})).unwrap();
        let Outcome::Throttled { retry_after } = throttled else { panic!("{throttled:?}") };
        assert_eq!(Duration::from(retry_after), Duration::from_millis(1_500));
    }

    #[test]
    fn what_is_no_outcome_is_refused() {
        for text in [json!(7), json!({}), json!({"Executed": {"status": 1}}), json!([])] {
            assert!(serde_json::from_value::<Outcome>(text.clone()).is_err(), "{text}");
        }
    }
}
