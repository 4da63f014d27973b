//! `[background]`, `[quotas]` and `[retention]`: what is left to set where timers fire by themselves.

use super::keys::Spans;
use super::problem::Report;
use serde::Deserialize;

/// `[background]` as written. Most of it tells pollers of the original how often to look: timers need none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawBackground {
    pub(super) max_recurring_actions_per_tenant: Option<u32>,
    pub(super) min_recurring_interval_seconds: Option<u64>,
}

/// Keys of `[background]` that are accepted and have nothing to do.
pub(super) const POLLING: [&str; 23] = [
    "enabled",
    "namespace",
    "tenant",
    "group_flush_interval_seconds",
    "timeout_check_interval_seconds",
    "cleanup_interval_seconds",
    "scheduled_check_interval_seconds",
    "recurring_check_interval_seconds",
    "retention_check_interval_seconds",
    "template_sync_interval_seconds",
    "silence_sync_interval_seconds",
    "time_interval_sync_interval_seconds",
    "group_sync_interval_seconds",
    "enable_group_flush",
    "enable_timeout_processing",
    "enable_approval_retry",
    "enable_scheduled_actions",
    "enable_recurring_actions",
    "enable_retention_reaper",
    "enable_template_sync",
    "enable_silence_sync",
    "enable_time_interval_sync",
    "enable_group_sync",
];

/// `[quotas]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawQuotas {
    pub(super) enabled: Option<bool>,
}

/// `[retention]` as written: how long what is over is kept where no tenant has a say of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawRetention {
    pub(super) event_ttl_seconds: Option<u64>,
}

/// Limits of recurring actions; the core's defaults where absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recurring {
    pub(crate) max_per_tenant: Option<u32>,
    pub(crate) min_interval_seconds: Option<u64>,
}

/// Quotas can't be switched off as a whole: the only thing to say about the section.
pub(super) fn quotas(raw: &RawQuotas, spans: &Spans, report: &mut Report<'_>) {
    if raw.enabled == Some(false) {
        let message = "`quotas.enabled = false` has no effect: quotas hold while they are set; see `acteon quotas`";
        report.warn(spans.get("quotas.enabled").cloned(), message);
    }
}
