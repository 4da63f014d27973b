//! Chains as operators see them.

use super::kept::{self, At, Head, Part, Status, StepResult, StepStatus};
use super::limits::MAX_SHOWN_BYTES;
use super::run::corrupt;
use super::template::json_bytes;
use crate::state::{State, StateError};
use crate::time::rfc3339;
use acteon_schemas::{ChainDefinition, ChainStep};
use serde_json::{Map, Value, json};

/// The status of a chain: what it waits for where it goes on.
pub(super) fn status(head: &Head) -> &'static str {
    match (head.status, &head.at) {
        (Status::Running, _) if head.paused => "paused",
        (Status::Running, At::Child { .. }) => "waiting_sub_chain",
        (Status::Running, At::Parallel { .. }) => "waiting_parallel",
        (Status::Running, At::Sleeping { .. } | At::Delayed { .. }) => "waiting_timer",
        (Status::Running, At::Awaiting { .. }) => "waiting_signal",
        (ended, _) => ended.tag(),
    }
}

/// A chain in a list.
pub(super) fn summary(head: &Head) -> Value {
    let mut shown = json!({
        "chain_id": head.id, "chain_name": head.name, "status": status(head), "current_step": head.at.step(),
        "total_steps": head.total_steps, "started_at": rfc3339(head.started_at), "updated_at": rfc3339(head.updated_at),
    });
    if let Some(parent) = head.parent {
        shown["parent_chain_id"] = json!(parent);
    }
    shown
}

/// A chain with its steps.
pub(super) fn detail(state: &mut impl State, head: &Head, definition: &ChainDefinition) -> Result<Value, StateError> {
    let mut shown = summary(head);
    let mut left = MAX_SHOWN_BYTES;
    let mut steps = Vec::new();
    for step in &definition.steps {
        let mut found = show_step(state, head, step, &mut left)?;
        if let Some(parallel) = &step.parallel {
            let inside = parallel.steps.iter().map(|inner| show_step(state, head, inner, &mut left));
            found["parallel_steps"] = Value::Array(inside.collect::<Result<_, _>>()?);
        }
        steps.push(found);
    }
    shown["steps"] = Value::Array(steps);
    for (key, value) in [
        ("namespace", json!(head.namespace)),
        ("tenant", json!(head.tenant)),
        ("action_id", json!(head.action_id)),
        ("expires_at", json!(head.expires_at.map(rfc3339))),
        ("ended_at", json!(head.ended_at.map(rfc3339))),
        ("execution_path", json!(head.path)),
        ("parent_chain_id", json!(head.parent)),
        ("child_chain_ids", json!(head.children)),
        ("error", json!(head.error.as_ref().map(ToString::to_string))),
        ("cancel_reason", json!(head.cancel_reason)),
        ("cancelled_by", json!(head.cancelled_by)),
    ] {
        shown[key] = value;
    }
    Ok(shown)
}

fn show_step(state: &mut impl State, head: &Head, step: &ChainStep, left: &mut usize) -> Result<Value, StateError> {
    let known = head.steps.get(&step.name).cloned().unwrap_or_default();
    let current = matches!(&head.at, At::Child { .. }) && known.status == StepStatus::Running;
    let status = if current { "waiting_sub_chain" } else { known.status.tag() };
    let mut shown = Map::new();
    let scope = (head.namespace.as_str(), head.tenant.as_str(), &head.id);
    let result: Option<StepResult> = match known.completed_at {
        Some(_) => kept::get_part(state, scope, Part::Result(&step.name))?,
        None => None,
    };
    let body = result.map(|result| result.body).unwrap_or_default();
    let bytes = json_bytes(&body);
    let (body, note) = if bytes <= *left {
        *left -= bytes;
        (body, known.note)
    } else {
        (Value::Null, Some(format!("a body of {bytes} bytes is left out: the answer would be too large")))
    };
    let attempts: Vec<Value> = known
        .attempts
        .iter()
        .map(|attempt| {
            json!({
                "attempt": attempt.attempt, "started_at": rfc3339(attempt.started_at),
                "completed_at": rfc3339(attempt.completed_at), "success": attempt.success,
                "duration_ms": attempt.completed_at.saturating_sub(attempt.started_at).max(0), "error": attempt.error,
            })
        })
        .collect();
    for (key, value) in [
        ("name", json!(step.name)),
        ("provider", json!(step.provider.as_deref().unwrap_or_default())),
        ("status", json!(status)),
        ("response_body", body),
        ("error", json!(known.error.as_ref().map(ToString::to_string))),
        ("completed_at", json!(known.completed_at.map(rfc3339))),
        ("visits", json!(known.visits)),
        ("attempt", json!(attempts.len().saturating_sub(usize::from(known.sent_at.is_none())))),
        ("max_retries", json!(step.retry.as_ref().map_or(0, |retry| retry.max_retries))),
        ("attempts", Value::Array(attempts)),
    ] {
        shown.insert(key.to_owned(), value);
    }
    for (key, value) in [
        ("sub_chain", step.sub_chain.as_ref().map(|sub| json!(sub))),
        ("child_chain_id", known.child.map(|child| json!(child))),
        ("served_by", known.served_by.map(|provider| json!(provider))),
        ("note", note.map(|note| json!(note))),
    ] {
        if let Some(value) = value {
            shown.insert(key.to_owned(), value);
        }
    }
    Ok(Value::Object(shown))
}

/// Reads the definition that a chain began with.
pub(super) fn definition(state: &mut impl State, head: &Head) -> Result<ChainDefinition, StateError> {
    let scope = (head.namespace.as_str(), head.tenant.as_str(), &head.id);
    let found: Option<ChainDefinition> = kept::get_part(state, scope, Part::Definition)?;
    found.ok_or_else(|| corrupt("the definition of a chain is gone"))
}
