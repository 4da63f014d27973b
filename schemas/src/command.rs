mod kind;

use crate::error::DecodeError;
use crate::limits::{MAX_NAME_BYTES, check_depth, check_name, check_size};
use crate::policy::{QuotaDefinition, RetentionDefinition, SilenceDefinition};
use crate::recurring::RecurringDefinition;
use crate::template::{ProfileDefinition, RenderRequest, TemplateDefinition};
use crate::time_interval::TimeIntervalDefinition;
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
        /// Whether to tell the definition that it began with as well.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        with_definition: bool,
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
    /// Define a time interval of the tenant, which rules name.
    CreateTimeInterval {
        /// It.
        interval: TimeIntervalDefinition,
    },
    /// Put another one in the place of the one with its name.
    UpdateTimeInterval {
        /// It.
        interval: TimeIntervalDefinition,
    },
    /// Remove a time interval of the tenant.
    DeleteTimeInterval {
        /// Its name.
        name: String,
    },
    /// Tell of the tenant's time intervals.
    ListTimeIntervals {},
    /// Define a template of the tenant, which its profiles refer to.
    CreateTemplate {
        /// It.
        template: TemplateDefinition,
    },
    /// Put another template in the place of the one with its name.
    UpdateTemplate {
        /// It.
        template: TemplateDefinition,
    },
    /// Remove a template that no profile refers to.
    DeleteTemplate {
        /// Its name.
        name: String,
    },
    /// Tell of the tenant's templates.
    ListTemplates {
        /// How many, from where.
        #[serde(default)]
        page: Page,
    },
    /// Tell of one template.
    ShowTemplate {
        /// Its name.
        name: String,
    },
    /// Define a profile of the tenant, which actions name in `template`.
    CreateProfile {
        /// It.
        profile: ProfileDefinition,
    },
    /// Put another profile in the place of the one with its name.
    UpdateProfile {
        /// It.
        profile: ProfileDefinition,
    },
    /// Remove a profile.
    DeleteProfile {
        /// Its name.
        name: String,
    },
    /// Tell of the tenant's profiles.
    ListProfiles {
        /// How many, from where.
        #[serde(default)]
        page: Page,
    },
    /// Tell of one profile.
    ShowProfile {
        /// Its name.
        name: String,
    },
    /// Tell what a profile or a template makes of a payload, and dispatch nothing.
    RenderTemplate {
        /// What shall be rendered, and with what.
        request: RenderRequest,
    },
    /// Open a provider's circuit, whatever its calls come to. Its scope is [`CIRCUITS_NAMESPACE`].
    TripCircuit {
        /// For so many seconds; until it is reset where absent.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        seconds: Option<u64>,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
    },
    /// Close a provider's circuit and forget its failures. Its scope is [`CIRCUITS_NAMESPACE`].
    ResetCircuit {},
    /// What came of a provider's call: from one task to the one that keeps the circuit. It has no answer. Its scope is
    /// [`CIRCUITS_NAMESPACE`].
    ReportCall {
        /// Whether it succeeded.
        success: bool,
        /// The epoch that the call tried, where it was a probe.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        probe: Option<u64>,
        /// The failure's code.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        code: Option<String>,
    },
    /// Make a dispatch again that has failed for good, with its idempotency key.
    ReplayDispatch {
        /// It, as in the dead letter.
        dispatch: Value,
    },
    /// Tell of dispatches that wait to be made again.
    ListRetries {
        /// How many, from where.
        #[serde(default)]
        page: Page,
    },
    /// Make one of them now.
    RetryNow {
        /// Its id.
        dispatch_id: String,
    },
    /// Give one of them up: it fails with its last error.
    CancelRetry {
        /// Its id.
        dispatch_id: String,
    },
}

/// The namespace of commands about circuits, which belong to no tenant: they are kept by the task of this namespace and
/// of the provider's name as tenant.
pub const CIRCUITS_NAMESPACE: &str = "_circuits";

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
