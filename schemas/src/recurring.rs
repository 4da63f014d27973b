use crate::metadata::Metadata;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// An action that is sent again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurringDefinition {
    /// Its id; made from the command where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Five fields: minute, hour, day of month, month, day of week. `cron_expr` is read as well.
    #[serde(alias = "cron_expr")]
    pub cron_expression: String,
    /// IANA zone; UTC where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timezone: Option<String>,
    /// The action; `action_template` is read as well.
    #[serde(alias = "action_template")]
    pub action: RecurringAction,
    /// Whether it runs; true where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub enabled: Option<bool>,
    /// No occurrence after this (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_date: Option<String>,
    /// Most occurrences.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_executions: Option<u64>,
    /// What happens where the occurrence before is not over; `allow_all` where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub overlap_policy: Option<OverlapPolicy>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Free labels; not those of its actions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub labels: BTreeMap<String, String>,
}

/// The action of each occurrence. Strings of its payload may hold `{{execution_time}}` and `{{recurring_id}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurringAction {
    /// The provider.
    pub provider: String,
    /// The type.
    pub action_type: String,
    /// The payload.
    #[serde(default)]
    pub payload: Value,
    /// Labels.
    #[serde(default)]
    pub metadata: Metadata,
    /// The key for `deduplicate` rules.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dedup_key: Option<String>,
}

/// What happens to an occurrence that comes before the one before it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlapPolicy {
    /// Both run.
    AllowAll,
    /// It is passed over.
    Skip,
    /// The chain or held action of the one before is called off.
    CancelOther,
}
