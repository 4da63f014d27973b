use crate::error::DecodeError;
use crate::limits::{MAX_DEDUP_KEY_BYTES, MAX_NAME_BYTES, check_depth, check_name, check_size};
use serde::{Deserialize, Serialize};

/// A record of the commands topic: what an operator asks of one tenant's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What to do.
    pub command: CommandKind,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        match &command.command {
            CommandKind::ForgetDedupKey { dedup_key } => {
                check_name("dedup_key", dedup_key, MAX_DEDUP_KEY_BYTES)?;
            }
            CommandKind::ResetThrottle { rule } => check_name("rule", rule, MAX_NAME_BYTES)?,
        }
        Ok(command)
    }
}
