//! The events that an audit record tells of, without what is nobody else's business: payloads, labels and provider's answers
//! are left out.

mod outcome;

use super::position::Position;
use crate::view::audit::rfc3339;
use acteon_schemas::{AuditRecord, DecodeError, MAX_DERIVED_BYTES, Outcome, check_size_of};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use smallvec::SmallVec;

/// An action came to something.
const ACTION_DISPATCHED: &str = "action_dispatched";
const ACTION_STATUS_CHANGED: &str = "action_status_changed";
const APPROVAL_REQUIRED: &str = "approval_required";
const APPROVAL_RESOLVED: &str = "approval_resolved";
const CHAIN_ADVANCED: &str = "chain_advanced";
const CHAIN_COMPLETED: &str = "chain_completed";
const CHAIN_STEP_COMPLETED: &str = "chain_step_completed";
const GROUP_EVENT_ADDED: &str = "group_event_added";
const GROUP_FLUSHED: &str = "group_flushed";
const GROUP_RESOLVED: &str = "group_resolved";
const SCHEDULED_ACTION_DUE: &str = "scheduled_action_due";
const TIMEOUT: &str = "timeout";

/// All types of events that records lead to.
pub(crate) const EVENT_TYPES: [&str; 12] = [
    ACTION_DISPATCHED,
    ACTION_STATUS_CHANGED,
    APPROVAL_REQUIRED,
    APPROVAL_RESOLVED,
    CHAIN_ADVANCED,
    CHAIN_COMPLETED,
    CHAIN_STEP_COMPLETED,
    GROUP_EVENT_ADDED,
    GROUP_FLUSHED,
    GROUP_RESOLVED,
    SCHEDULED_ACTION_DUE,
    TIMEOUT,
];

/// What filters look at of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'r> {
    pub(crate) namespace: &'r str,
    pub(crate) tenant: &'r str,
    pub(crate) provider: &'r str,
    pub(crate) action_type: &'r str,
    pub(crate) outcome: &'r str,
    pub(crate) action_id: &'r str,
    pub(crate) chain_id: Option<&'r str>,
    pub(crate) group_id: Option<&'r str>,
}

/// An audit record, and the details of its outcome.
pub(crate) struct Told<'v> {
    record: AuditRecord<'v>,
    details: Map<String, Value>,
}

/// One event of a record.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) event_type: &'static str,
    /// What it tells beside what all events tell.
    fields: Value,
    pub(crate) ends: Ends,
}

/// What is over with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    Nothing,
    /// A chain that another one has begun.
    SubChain,
    /// The action, and the chain that it began.
    Action,
}

/// What a stream follows, and ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// Nothing that has an end.
    Nothing,
    Chain,
    Action,
}

impl Follows {
    /// Whether an event is the last for the stream.
    pub(crate) fn ends(self, ends: Ends) -> bool {
        match self {
            Self::Nothing => false,
            Self::Chain => ends != Ends::Nothing,
            Self::Action => ends == Ends::Action,
        }
    }
}

/// Decodes the value of a record of the audit topic.
///
/// # Errors
/// The value is empty, too large, or no audit record.
pub(crate) fn decode(value: &[u8]) -> Result<AuditRecord<'_>, DecodeError> {
    check_size_of(value, MAX_DERIVED_BYTES)?;
    Ok(serde_json::from_slice(value)?)
}

impl<'v> Told<'v> {
    pub(crate) fn of(record: AuditRecord<'v>) -> Self {
        let details = record.outcome_details.as_ref().and_then(|details| serde_json::from_str(details.get()).ok());
        Self { record, details: details.unwrap_or_default() }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.details.get(name)?.as_str()
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        let record = &self.record;
        Facts {
            namespace: &record.namespace,
            tenant: &record.tenant,
            provider: &record.provider,
            action_type: &record.action_type,
            outcome: record.outcome.as_str(),
            action_id: &record.action_id,
            chain_id: record.chain_id.as_deref().or_else(|| self.text("chain_id")),
            group_id: self.text("group_id"),
        }
    }

    /// The fields of these names among the details; null where there is none.
    fn pick(&self, names: &[&str]) -> Value {
        let found = names.iter().map(|name| {
            let value = self.details.get(*name).cloned().unwrap_or_default();
            ((*name).to_owned(), value)
        });
        Value::Object(found.collect())
    }

    /// The events, in their order; none for what is only a step on the way.
    pub(crate) fn events(&self) -> SmallVec<[Event; 2]> {
        let mut events = SmallVec::new();
        let mut add = |event_type, fields, ends| events.push(Event { event_type, fields, ends });
        if self.record.released_by.as_deref() == Some("schedule") {
            add(SCHEDULED_ACTION_DUE, json!({}), Ends::Nothing);
        }
        match self.record.outcome {
            Outcome::Dispatched | Outcome::RecurringSkipped | Outcome::NoticeSent | Outcome::NoticeFailed => {}
            Outcome::CommandDone | Outcome::CommandRefused => {}
            // An action asked for a move that is not allowed: nothing has changed.
            Outcome::EventChanged if self.details.contains_key("refused") => {}
            Outcome::GroupFlushed => {
                let count = self.details.get("count");
                add(GROUP_FLUSHED, json!({"group_id": self.text("group_id"), "event_count": count}), Ends::Nothing);
                if self.details.get("resolved") == Some(&Value::Bool(true)) {
                    add(GROUP_RESOLVED, self.pick(&["group_id", "group_key"]), Ends::Nothing);
                }
            }
            Outcome::EventChanged if self.text("reason") == Some("timeout") => {
                add(
                    TIMEOUT,
                    self.pick(&["fingerprint", "state_machine", "previous_state", "new_state"]),
                    Ends::Nothing,
                );
            }
            Outcome::EventChanged => add(ACTION_STATUS_CHANGED, self.status_change(), Ends::Nothing),
            Outcome::Approved => add(APPROVAL_RESOLVED, self.pick(&["approval_id", "decision"]), Ends::Nothing),
            Outcome::Rejected | Outcome::Expired => {
                add(APPROVAL_RESOLVED, self.pick(&["approval_id", "decision"]), Ends::Action);
            }
            Outcome::ChainStepCompleted | Outcome::ChainStepFailed | Outcome::ChainStepSkipped => {
                add(CHAIN_STEP_COMPLETED, self.step(), Ends::Nothing);
                if self.text("next_step").is_some() {
                    add(CHAIN_ADVANCED, json!({}), Ends::Nothing);
                }
            }
            Outcome::ChainCompleted | Outcome::ChainFailed | Outcome::ChainCancelled | Outcome::ChainTimedOut => {
                add(CHAIN_COMPLETED, self.pick(&["chain_name", "status", "execution_path"]), self.chain_end());
            }
            Outcome::Executed
            | Outcome::Rerouted
            | Outcome::Deduplicated
            | Outcome::Suppressed
            | Outcome::Throttled
            | Outcome::Failed
            | Outcome::RetryScheduled
            | Outcome::CircuitOpen
            | Outcome::Grouped
            | Outcome::Scheduled
            | Outcome::PendingApproval
            | Outcome::ChainStarted
            | Outcome::StateChanged
            | Outcome::QuotaExceeded
            | Outcome::Silenced
            | Outcome::Muted
            | Outcome::Cancelled => {
                add(ACTION_DISPATCHED, json!({"outcome": outcome::shown(self)}), self.end());
                if let Some((event_type, fields)) = self.also() {
                    add(event_type, fields, Ends::Nothing);
                }
            }
        }
        events
    }

    /// What is over with an action's outcome.
    fn end(&self) -> Ends {
        match self.record.outcome {
            Outcome::Grouped
            | Outcome::Scheduled
            | Outcome::PendingApproval
            | Outcome::ChainStarted
            | Outcome::RetryScheduled => Ends::Nothing,
            Outcome::StateChanged if self.details.get("notify") == Some(&Value::Bool(true)) => Ends::Nothing,
            _ => Ends::Action,
        }
    }

    fn chain_end(&self) -> Ends {
        if self.details.contains_key("parent_chain_id") { Ends::SubChain } else { Ends::Action }
    }

    /// What an action's own outcome tells of something else.
    fn also(&self) -> Option<(&'static str, Value)> {
        match self.record.outcome {
            Outcome::Grouped => {
                let (id, key) = (self.text("group_id"), self.text("group_key"));
                let size = self.details.get("group_size");
                Some((GROUP_EVENT_ADDED, json!({"group_id": id, "group_key": key, "event_count": size})))
            }
            Outcome::PendingApproval => Some((APPROVAL_REQUIRED, self.pick(&["approval_id"]))),
            Outcome::StateChanged => Some((ACTION_STATUS_CHANGED, self.status_change())),
            _ => None,
        }
    }

    fn status_change(&self) -> Value {
        json!({
            "fingerprint": self.text("fingerprint"), "state_machine": self.text("state_machine"),
            "previous_status": self.text("previous_state"), "new_status": self.text("new_state"),
        })
    }

    fn step(&self) -> Value {
        let mut fields = self.pick(&["step_index", "success", "duration_ms"]);
        fields["step_name"] = json!(self.text("step"));
        if let Some(next) = self.text("next_step") {
            fields["next_step"] = json!(next);
        }
        fields
    }

    /// An event as it goes over the wire. `after` is the position after it.
    pub(crate) fn frame(&self, event: &Event, after: &Position) -> Bytes {
        let record = &self.record;
        let id = after.to_string();
        let at = record.completed_at.unwrap_or(record.dispatched_at);
        let mut data = json!({
            "id": id, "timestamp": rfc3339(at), "type": event.event_type, "namespace": record.namespace,
            "tenant": record.tenant, "provider": record.provider, "action_type": record.action_type,
            "action_id": record.action_id,
        });
        if let Some(chain_id) = self.facts().chain_id {
            data["chain_id"] = json!(chain_id);
        }
        if let (Some(data), Value::Object(fields)) = (data.as_object_mut(), &event.fields) {
            data.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        text(event.event_type, Some(&id), &data)
    }
}

/// An event as it goes over the wire.
pub(crate) fn text(event_type: &str, id: Option<&str>, data: &Value) -> Bytes {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    // JSON has no line breaks of its own.
    Bytes::from(format!("event: {event_type}\n{id}data: {data}\n\n"))
}

#[cfg(test)]
mod tests;
