use crate::error::DecodeError;
use crate::limits::{MAX_DEDUP_KEY_BYTES, MAX_NAME_BYTES, check_depth, check_name, check_size};
use crate::policy::{QuotaDefinition, RetentionDefinition, SilenceDefinition};
use crate::recurring::RecurringDefinition;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A record of the commands topic: what an operator asks of one tenant's state. Its answer is a record of the outcomes
/// topic whose `action_id` is the command's id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The sender's id for it.
    pub id: String,
    /// Scope.
    pub namespace: String,
    /// Scope.
    pub tenant: String,
    /// When it was sent, in milliseconds since 1970.
    pub issued_at: i64,
    /// Who sent it, where known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub issued_by: Option<String>,
    /// What to do.
    pub command: CommandKind,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CommandKind {
    /// Forget that a deduplication key was seen: the next action with it passes.
    ForgetDedupKey {
        /// The key.
        dedup_key: String,
    },
    /// Forget what a throttle rule has counted for this tenant.
    ResetThrottle {
        /// The rule's name.
        rule: String,
    },
    /// Send a group's notification now.
    FlushGroup {
        /// Its id or key.
        group: String,
    },
    /// Tell of groups.
    ListGroups {
        /// How many, from where.
        #[serde(default)]
        page: Page,
    },
    /// Tell of a group and its events.
    ShowGroup {
        /// Its id or key.
        group: String,
    },
    /// Call off an action that is held until a time.
    CancelScheduled {
        /// The id from its outcome, or the action's own.
        action_id: String,
    },
    /// Tell of actions that are held until a time.
    ListScheduled {
        /// How many, from where.
        #[serde(default)]
        page: Page,
    },
    /// Begin to send an action again and again.
    CreateRecurring {
        /// It.
        recurring: RecurringDefinition,
    },
    /// Change one.
    UpdateRecurring {
        /// Its id.
        recurring_id: String,
        /// What it shall be.
        recurring: RecurringDefinition,
    },
    /// End one.
    DeleteRecurring {
        /// Its id.
        recurring_id: String,
    },
    /// Pass over its occurrences until it is resumed.
    PauseRecurring {
        /// Its id.
        recurring_id: String,
    },
    /// End its pause.
    ResumeRecurring {
        /// Its id.
        recurring_id: String,
    },
    /// Send the occurrences of a time that has passed.
    BackfillRecurring {
        /// Its id.
        recurring_id: String,
        /// First moment (RFC 3339).
        start: String,
        /// The moment after the last one (RFC 3339).
        end: String,
        /// Most occurrences.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        limit: Option<u32>,
    },
    /// Tell of recurring actions.
    ListRecurring {
        /// How many, from where.
        #[serde(default)]
        page: Page,
    },
    /// Tell of one.
    ShowRecurring {
        /// Its id.
        recurring_id: String,
    },
    /// Move an event to another state.
    Transition {
        /// The event.
        fingerprint: String,
        /// The state; `to_state` is read as well.
        #[serde(alias = "to_state")]
        to: String,
    },
    /// Tell of events.
    ListEvents {
        /// Those in this state.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        state: Option<String>,
        /// How many, from where.
        #[serde(default)]
        page: Page,
    },
    /// Tell of an event.
    ShowEvent {
        /// It.
        fingerprint: String,
    },
    /// Approve what is held.
    Approve {
        /// The request.
        approval_id: String,
        /// The signed link it was clicked on; absent where the sender has proven otherwise who they are.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        link: Option<SignedLink>,
    },
    /// Reject what is held.
    Reject {
        /// The request.
        approval_id: String,
        /// As for [`CommandKind::Approve`].
        #[serde(skip_serializing_if = "Option::is_none", default)]
        link: Option<SignedLink>,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
    },
    /// Tell of requests for approval.
    ListApprovals {
        /// Those of this status.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        status: Option<String>,
        /// How many, from where.
        #[serde(default)]
        page: Page,
    },
    /// Tell of one.
    ShowApproval {
        /// Its id.
        approval_id: String,
        /// As for [`CommandKind::Approve`].
        #[serde(skip_serializing_if = "Option::is_none", default)]
        link: Option<SignedLink>,
    },
    /// Start a chain with an action that no rule looks at.
    StartChain {
        /// The chain's name.
        chain: String,
        /// The action that it begins with.
        action: Value,
    },
    /// Call a chain off.
    CancelChain {
        /// Its id.
        chain_id: String,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
        /// Who.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        cancelled_by: Option<String>,
    },
    /// Take no further step until it is resumed.
    PauseChain {
        /// Its id.
        chain_id: String,
    },
    /// End its pause.
    ResumeChain {
        /// Its id.
        chain_id: String,
    },
    /// Give a chain the signal that a step of it waits for.
    Signal {
        /// The chain's id.
        chain_id: String,
        /// The signal's name.
        signal: String,
        /// What it says: the step's body.
        #[serde(skip_serializing_if = "Value::is_null", default)]
        payload: Value,
    },
    /// Tell of chains.
    ListChains {
        /// Those of this status.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        status: Option<String>,
        /// How many, from where.
        #[serde(default)]
        page: Page,
    },
    /// Tell of one, with its steps and their attempts.
    ShowChain {
        /// Its id.
        chain_id: String,
    },
    /// Set a quota: a new one, or another in the place of the one with its id.
    SetQuota {
        /// It.
        quota: QuotaDefinition,
    },
    /// Remove a quota.
    DeleteQuota {
        /// Its id.
        quota_id: String,
    },
    /// Tell of quotas and of what they have counted.
    ListQuotas {},
    /// Set how long state and records are kept.
    SetRetention {
        /// It.
        retention: RetentionDefinition,
    },
    /// Keep them as the configuration says again.
    DeleteRetention {},
    /// Tell how long they are kept.
    ShowRetention {},
    /// Silence actions.
    CreateSilence {
        /// It.
        silence: SilenceDefinition,
    },
    /// Change a silence.
    UpdateSilence {
        /// Its id.
        silence_id: String,
        /// When it shall end (RFC 3339).
        #[serde(skip_serializing_if = "Option::is_none", default)]
        ends_at: Option<String>,
        /// Why it is there.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        comment: Option<String>,
    },
    /// End a silence now.
    DeleteSilence {
        /// Its id.
        silence_id: String,
    },
    /// Tell of silences.
    ListSilences {
        /// Those that are over as well.
        #[serde(default)]
        include_expired: bool,
    },
}

/// A part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Most entries; 100 where absent, 1,000 at most.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<u32>,
    /// The `next` of the part before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<String>,
}

/// What a signed link carries beside its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedLink {
    /// The signature, in hexadecimal.
    pub sig: String,
    /// When it expires, in seconds since 1970.
    pub expires_at: i64,
    /// The id of the key that signed it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kid: Option<String>,
}

impl Command {
    /// Decodes the value of a record of the commands topic.
    ///
    /// # Errors
    /// The value is empty, too large, too deep, not JSON, of another shape or has an empty or over-long name.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        check_size(value)?;
        check_depth(value)?;
        let command: Self = serde_json::from_slice(value)?;
        check_name("id", &command.id, MAX_NAME_BYTES)?;
        check_name("namespace", &command.namespace, MAX_NAME_BYTES)?;
        check_name("tenant", &command.tenant, MAX_NAME_BYTES)?;
        command.command.check()?;
        Ok(command)
    }
}

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
        }
    }

    fn check(&self) -> Result<(), DecodeError> {
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
            | Self::ShowChain { chain_id } => check_name("chain_id", chain_id, MAX_NAME_BYTES),
            Self::DeleteQuota { quota_id } => check_name("quota_id", quota_id, MAX_NAME_BYTES),
            Self::UpdateSilence { silence_id, .. } | Self::DeleteSilence { silence_id } => {
                check_name("silence_id", silence_id, MAX_NAME_BYTES)
            }
            Self::ListGroups { .. }
            | Self::ListScheduled { .. }
            | Self::CreateRecurring { .. }
            | Self::ListRecurring { .. }
            | Self::ListEvents { .. }
            | Self::ListApprovals { .. }
            | Self::ListChains { .. }
            | Self::SetQuota { .. }
            | Self::ListQuotas {}
            | Self::SetRetention { .. }
            | Self::DeleteRetention {}
            | Self::ShowRetention {}
            | Self::CreateSilence { .. }
            | Self::ListSilences { .. } => Ok(()),
        }
    }
}
