//! What is told of quotas, and how a change is written.

use super::Window;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What happens to an action over its quota.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Overage {
    /// It is refused.
    Block,
    /// It passes, and is recorded.
    Warn,
    /// It goes to another provider.
    Degrade { fallback_provider: String },
    /// It passes, and somebody is told once a window.
    Notify { target: String },
}

/// A window as it is shown.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum ShownWindow {
    /// `hourly`, `daily`, `weekly` or `monthly`.
    Name(String),
    Custom {
        custom: super::Custom,
    },
}

/// A quota and its usage.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuotaDetail {
    id: String,
    namespace: String,
    tenant: String,
    provider: Option<String>,
    /// The sender whose actions are counted alone.
    principal: Option<String>,
    /// Whether each sender has a count of its own; `used` is then the highest one.
    #[serde(default)]
    per_principal: bool,
    max_actions: u64,
    window: ShownWindow,
    overage_behavior: Overage,
    enabled: bool,
    description: Option<String>,
    labels: BTreeMap<String, String>,
    created_at: String,
    updated_at: String,
    /// As `max_actions`.
    limit: u64,
    /// Actions that count now.
    used: u64,
    remaining: u64,
    /// When the oldest of them cease to count.
    resets_at: String,
}

/// The quotas of a tenant.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuotaList {
    count: usize,
    quotas: Vec<QuotaDetail>,
}

/// What a quota has counted.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuotaUsage {
    namespace: String,
    tenant: String,
    /// Actions that count now.
    used: u64,
    limit: u64,
    remaining: u64,
    window: ShownWindow,
    /// When the oldest of them cease to count.
    resets_at: String,
    overage_behavior: Overage,
}

/// A change of a quota; what is left out stays as it is.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuotaChange {
    /// The scope, where the query does not have it. It can't be changed.
    namespace: Option<String>,
    tenant: Option<String>,
    provider: Option<String>,
    max_actions: Option<u64>,
    window: Option<Window>,
    overage_behavior: Option<Overage>,
    enabled: Option<bool>,
    description: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}
