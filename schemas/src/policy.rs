use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many actions a tenant may send, and what happens beyond that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaDefinition {
    /// Its id; made from the command where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// The provider whose actions it counts; all where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider: Option<String>,
    /// Actions allowed in a window.
    pub max_actions: u64,
    /// `hourly`, `daily`, `weekly`, `monthly` (30 days) or a number of seconds.
    pub window: String,
    /// What happens beyond it; `block` where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub overage_behavior: Option<OverageBehavior>,
    /// Whether it counts; true where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub enabled: Option<bool>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Free labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub labels: BTreeMap<String, String>,
    /// Counts the actions of this sender alone, by their `caller_id`; those of all where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub principal: Option<String>,
    /// Whether each sender has a count of its own.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub per_principal: bool,
}

/// What happens to an action over its quota. `"block"` and `"warn"` are read as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OverageBehavior {
    /// It is refused.
    Block {},
    /// It passes, and is recorded.
    Warn {},
    /// It goes to another provider.
    Degrade {
        /// That provider.
        fallback_provider: String,
    },
    /// It passes, and somebody is told once a window.
    Notify {
        /// The provider that tells them.
        target: String,
    },
}

impl<'de> Deserialize<'de> for OverageBehavior {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case", deny_unknown_fields)]
        enum Full {
            Block {},
            Warn {},
            Degrade { fallback_provider: String },
            Notify { target: String },
        }
        let value = Value::deserialize(deserializer)?;
        let value = match &value {
            Value::String(name) if name == "block" || name == "warn" => json!({ name.as_str(): {} }),
            _ => value,
        };
        Ok(match Full::deserialize(value).map_err(D::Error::custom)? {
            Full::Block {} => Self::Block {},
            Full::Warn {} => Self::Warn {},
            Full::Degrade { fallback_provider } => Self::Degrade { fallback_provider },
            Full::Notify { target } => Self::Notify { target },
        })
    }
}

/// How long a tenant's state and records are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionDefinition {
    /// Audit records, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub audit_ttl_seconds: Option<u64>,
    /// Chains that have ended, and other finished state, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub state_ttl_seconds: Option<u64>,
    /// Events since they last changed, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event_ttl_seconds: Option<u64>,
    /// While true, nothing is deleted.
    #[serde(default)]
    pub compliance_hold: bool,
    /// Whether it applies; true where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub enabled: Option<bool>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Free labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub labels: BTreeMap<String, String>,
}

/// A time in which actions that match are not executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilenceDefinition {
    /// Its id; made from the command where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// All of them have to match.
    pub matchers: Vec<SilenceMatcher>,
    /// When it begins (RFC 3339); at once where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub starts_at: Option<String>,
    /// When it ends (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ends_at: Option<String>,
    /// How long it lasts, in seconds, where `ends_at` is absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duration_seconds: Option<u64>,
    /// Why, for people.
    #[serde(default)]
    pub comment: String,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub created_by: Option<String>,
}

/// A condition of a silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilenceMatcher {
    /// A label, or a field such as `action_type`, `provider` or `payload.host`.
    pub name: String,
    /// What to compare with.
    pub value: String,
    /// How; `equal` where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub op: Option<MatchOperator>,
}

/// How a silence's matcher compares. A missing label is an empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchOperator {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// The whole value matches the expression.
    Regex,
    /// It does not.
    NotRegex,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn overage_is_read_in_both_forms() {
        let read = |text: &str| serde_json::from_str::<OverageBehavior>(text);
        for text in [r#""block""#, r#"{"block":{}}"#] {
            assert_eq!(read(text).unwrap(), OverageBehavior::Block {});
        }
        assert_eq!(read(r#""warn""#).unwrap(), OverageBehavior::Warn {});
        let degrade = r#"{"degrade":{"fallback_provider":"log"}}"#;
        assert_eq!(serde_json::to_string(&read(degrade).unwrap()).unwrap(), degrade);
        for bad in [r#""degrade""#, r#""stop""#, r#"{"notify":{}}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
