use super::CommandKind;
use crate::error::DecodeError;
use crate::limits::{MAX_DEDUP_KEY_BYTES, MAX_NAME_BYTES, check_name};

impl CommandKind {
    /// The name of the command, as it is written.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ForgetDedupKey { .. } => "forget_dedup_key",
            Self::ResetThrottle { .. } => "reset_throttle",
            Self::FlushGroup { .. } => "flush_group",
            Self::ListGroups { .. } => "list_groups",
            Self::ShowGroup { .. } => "show_group",
            Self::CancelScheduled { .. } => "cancel_scheduled",
            Self::ListScheduled { .. } => "list_scheduled",
            Self::CreateRecurring { .. } => "create_recurring",
            Self::UpdateRecurring { .. } => "update_recurring",
            Self::DeleteRecurring { .. } => "delete_recurring",
            Self::PauseRecurring { .. } => "pause_recurring",
            Self::ResumeRecurring { .. } => "resume_recurring",
            Self::BackfillRecurring { .. } => "backfill_recurring",
            Self::ListRecurring { .. } => "list_recurring",
            Self::ShowRecurring { .. } => "show_recurring",
            Self::Transition { .. } => "transition",
            Self::ListEvents { .. } => "list_events",
            Self::ShowEvent { .. } => "show_event",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::ListApprovals { .. } => "list_approvals",
            Self::ShowApproval { .. } => "show_approval",
            Self::StartChain { .. } => "start_chain",
            Self::CancelChain { .. } => "cancel_chain",
            Self::PauseChain { .. } => "pause_chain",
            Self::ResumeChain { .. } => "resume_chain",
            Self::Signal { .. } => "signal",
            Self::ListChains { .. } => "list_chains",
            Self::ShowChain { .. } => "show_chain",
            Self::SetQuota { .. } => "set_quota",
            Self::DeleteQuota { .. } => "delete_quota",
            Self::ListQuotas { .. } => "list_quotas",
            Self::SetRetention { .. } => "set_retention",
            Self::DeleteRetention { .. } => "delete_retention",
            Self::ShowRetention { .. } => "show_retention",
            Self::CreateSilence { .. } => "create_silence",
            Self::UpdateSilence { .. } => "update_silence",
            Self::DeleteSilence { .. } => "delete_silence",
            Self::ListSilences { .. } => "list_silences",
            Self::CreateTimeInterval { .. } => "create_time_interval",
            Self::UpdateTimeInterval { .. } => "update_time_interval",
            Self::DeleteTimeInterval { .. } => "delete_time_interval",
            Self::ListTimeIntervals {} => "list_time_intervals",
            Self::CreateTemplate { .. } => "create_template",
            Self::UpdateTemplate { .. } => "update_template",
            Self::DeleteTemplate { .. } => "delete_template",
            Self::ListTemplates { .. } => "list_templates",
            Self::ShowTemplate { .. } => "show_template",
            Self::CreateProfile { .. } => "create_profile",
            Self::UpdateProfile { .. } => "update_profile",
            Self::DeleteProfile { .. } => "delete_profile",
            Self::ListProfiles { .. } => "list_profiles",
            Self::ShowProfile { .. } => "show_profile",
            Self::RenderTemplate { .. } => "render_template",
            Self::TripCircuit { .. } => "trip_circuit",
            Self::ResetCircuit {} => "reset_circuit",
            Self::ReportCall { .. } => "report_call",
            Self::ReplayDispatch { .. } => "replay_dispatch",
            Self::ListRetries { .. } => "list_retries",
            Self::RetryNow { .. } => "retry_now",
            Self::CancelRetry { .. } => "cancel_retry",
        }
    }

    /// Whether it changes nothing: it lists, shows or renders.
    #[must_use]
    pub fn only_tells(&self) -> bool {
        ["list_", "show_", "render_"].iter().any(|prefix| self.name().starts_with(prefix))
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::ForgetDedupKey { dedup_key } => check_name("dedup_key", dedup_key, MAX_DEDUP_KEY_BYTES),
            Self::ResetThrottle { rule } => check_name("rule", rule, MAX_NAME_BYTES),
            Self::FlushGroup { group } | Self::ShowGroup { group } => check_name("group", group, MAX_DEDUP_KEY_BYTES),
            Self::CancelScheduled { action_id } => check_name("action_id", action_id, MAX_NAME_BYTES),
            Self::UpdateRecurring { recurring_id, .. }
            | Self::DeleteRecurring { recurring_id }
            | Self::PauseRecurring { recurring_id }
            | Self::ResumeRecurring { recurring_id }
            | Self::BackfillRecurring { recurring_id, .. }
            | Self::ShowRecurring { recurring_id } => check_name("recurring_id", recurring_id, MAX_NAME_BYTES),
            Self::Transition { fingerprint, to } => {
                check_name("to", to, MAX_NAME_BYTES)?;
                check_name("fingerprint", fingerprint, MAX_DEDUP_KEY_BYTES)
            }
            Self::ShowEvent { fingerprint } => check_name("fingerprint", fingerprint, MAX_DEDUP_KEY_BYTES),
            Self::Approve { approval_id, .. }
            | Self::Reject { approval_id, .. }
            | Self::ShowApproval { approval_id, .. } => check_name("approval_id", approval_id, MAX_NAME_BYTES),
            Self::StartChain { chain, .. } => check_name("chain", chain, MAX_NAME_BYTES),
            Self::Signal { chain_id, signal, .. } => {
                check_name("signal", signal, MAX_NAME_BYTES)?;
                check_name("chain_id", chain_id, MAX_NAME_BYTES)
            }
            Self::CancelChain { chain_id, .. }
            | Self::PauseChain { chain_id }
            | Self::ResumeChain { chain_id }
            | Self::ShowChain { chain_id, .. } => check_name("chain_id", chain_id, MAX_NAME_BYTES),
            Self::DeleteQuota { quota_id } => check_name("quota_id", quota_id, MAX_NAME_BYTES),
            Self::UpdateSilence { silence_id, .. } | Self::DeleteSilence { silence_id } => {
                check_name("silence_id", silence_id, MAX_NAME_BYTES)
            }
            Self::RetryNow { dispatch_id } | Self::CancelRetry { dispatch_id } => {
                check_name("dispatch_id", dispatch_id, MAX_NAME_BYTES)
            }
            Self::CreateTimeInterval { interval } | Self::UpdateTimeInterval { interval } => {
                check_name("name", &interval.name, MAX_NAME_BYTES)
            }
            Self::CreateTemplate { template } | Self::UpdateTemplate { template } => {
                check_name("name", &template.name, MAX_NAME_BYTES)
            }
            Self::CreateProfile { profile } | Self::UpdateProfile { profile } => {
                check_name("name", &profile.name, MAX_NAME_BYTES)
            }
            Self::DeleteTimeInterval { name }
            | Self::DeleteTemplate { name }
            | Self::ShowTemplate { name }
            | Self::DeleteProfile { name }
            | Self::ShowProfile { name } => check_name("name", name, MAX_NAME_BYTES),
            // The others name nothing, or something whose definition is checked by the processor.
            _ => Ok(()),
        }
    }
}
