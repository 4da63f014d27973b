//! What is kept of a chain: its head, which changes with every move, and parts beside it that are written once.

use super::limits::MAX_STEPS;
use crate::keys::{self, Store};
use crate::state::{State, StateError};
use crate::value;
use acteon_schemas::{ChainDefinition, Coordinates};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use uuid::Uuid;

/// Where a chain stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) tenant: String,
    /// Of the action that it began with.
    pub(super) action_id: String,
    pub(super) provider: String,
    pub(super) action_type: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) rule: Option<String>,
    /// Whether a copy of the action started it, whose end nobody waits for.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(super) copy: bool,
    pub(super) source: Coordinates<'static>,
    /// The chain that the action started: itself, unless it is a sub-chain.
    pub(super) root: Uuid,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) parent: Option<Uuid>,
    /// Chains above it and itself.
    pub(super) depth: u32,
    /// Steps of its definition.
    pub(super) total_steps: usize,
    pub(super) status: Status,
    pub(super) paused: bool,
    /// Moments are in milliseconds since 1970.
    pub(super) started_at: i64,
    pub(super) updated_at: i64,
    /// When it times out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) ended_at: Option<i64>,
    pub(super) at: At,
    /// The step before, whose result is `prev`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) previous: Option<String>,
    pub(super) path: Vec<String>,
    pub(super) steps: BTreeMap<String, StepState>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) children: Vec<Uuid>,
    #[serde(skip_serializing_if = "VecDeque::is_empty", default)]
    pub(super) signals: VecDeque<Signal>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) error: Option<Problem>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) cancel_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) cancelled_by: Option<String>,
}

impl Head {
    /// A chain that begins now; whose it is is for the caller to fill in.
    pub(super) fn new(id: Uuid, definition: &ChainDefinition, now: i64) -> Self {
        let timeout = definition.timeout_seconds.map(|seconds| seconds.saturating_mul(1000));
        Self {
            id,
            name: definition.name.clone(),
            namespace: String::new(),
            tenant: String::new(),
            action_id: String::new(),
            provider: String::new(),
            action_type: String::new(),
            rule: None,
            copy: false,
            source: Coordinates { topic: "".into(), partition: 0, offset: 0 },
            root: id,
            parent: None,
            depth: 1,
            total_steps: definition.steps.len(),
            status: Status::Running,
            paused: false,
            started_at: now,
            updated_at: now,
            expires_at: timeout.map(|timeout| now.saturating_add_unsigned(timeout)),
            ended_at: None,
            at: At::Next { step: 0 },
            previous: None,
            path: Vec::new(),
            steps: BTreeMap::new(),
            children: Vec::new(),
            signals: VecDeque::new(),
            error: None,
            cancel_reason: None,
            cancelled_by: None,
        }
    }
}

/// Whether a chain goes on, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Running,
    Completed,
    Failed,
    Cancelled,
    TimedOut,
}

impl Status {
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
        }
    }
}

/// What a chain is about to do or waits for. Steps are numbers in its definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum At {
    /// Takes this step next.
    Next { step: usize },
    /// The step's delay runs.
    Delayed { step: usize, until: i64 },
    /// A provider is called.
    Calling { step: usize, call: Call },
    /// Several are, in the order of the definition.
    Parallel { step: usize, until: Option<i64>, calls: Vec<Call> },
    /// A sub-chain runs.
    Child { step: usize, id: Uuid },
    /// A time is waited for.
    Sleeping { step: usize, until: i64 },
    /// A signal is waited for.
    Awaiting { step: usize, until: Option<i64> },
    /// It is over; this was the last step.
    Ended { step: usize },
}

impl At {
    pub(super) fn step(&self) -> usize {
        match self {
            Self::Next { step }
            | Self::Delayed { step, .. }
            | Self::Calling { step, .. }
            | Self::Parallel { step, .. }
            | Self::Child { step, .. }
            | Self::Sleeping { step, .. }
            | Self::Awaiting { step, .. }
            | Self::Ended { step } => *step,
        }
    }
}

/// One call of a provider. Attempts are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Call {
    /// It shall be made.
    Ready,
    /// The result is awaited.
    Sent { attempt: u32 },
    /// It failed and is made again.
    Backoff { attempt: u32, until: i64 },
    /// It is over.
    Done { success: bool },
}

/// What is known of a step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct StepState {
    pub(super) status: StepStatus,
    /// How many times the chain has come to it; the rest tells of the last one.
    pub(super) visits: u32,
    pub(super) started_at: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) completed_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) error: Option<Problem>,
    /// What else there is to say of its result.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) child: Option<Uuid>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) attempts: Vec<Attempt>,
    /// The fallback that took its call, where the circuit of its own provider was open.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) served_by: Option<String>,
    /// When the attempt that is under way began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) sent_at: Option<i64>,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StepStatus {
    #[default]
    Pending,
    Running,
    Completed,
    Failed,
    Skipped,
}

impl StepStatus {
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One call that is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) attempt: u32,
    pub(super) started_at: i64,
    pub(super) completed_at: i64,
    pub(super) success: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) error: Option<String>,
}

/// Why a step or a chain failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Problem {
    pub(super) code: String,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(code: &str, message: impl AsRef<str>) -> Self {
        Self { code: code.to_owned(), message: super::limits::cut(message.as_ref(), super::limits::MAX_ERROR_BYTES) }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// A signal that no step has taken yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Signal {
    pub(super) name: String,
    pub(super) payload: Value,
}

/// The result of a step, as templates and branches see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StepResult {
    pub(super) success: bool,
    pub(super) body: Value,
    pub(super) error: Option<Problem>,
}

/// What stands beside a head.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'p> {
    /// The definition that the chain began with.
    Definition,
    /// The action that it began with; the root chain alone has it.
    Origin,
    /// The result of a step.
    Result(&'p str),
}

/// The key of a chain's head.
pub(super) fn key(namespace: &str, tenant: &str, id: &Uuid) -> Vec<u8> {
    let mut key = Vec::with_capacity(96);
    keys::scoped(&mut key, Store::Chain, namespace, tenant);
    key.extend_from_slice(id.as_bytes());
    key
}

fn parts_prefix(namespace: &str, tenant: &str, id: &Uuid) -> Vec<u8> {
    let mut key = Vec::with_capacity(128);
    keys::scoped(&mut key, Store::ChainPart, namespace, tenant);
    key.extend_from_slice(id.as_bytes());
    key
}

/// The key of a part.
pub(super) fn part_key(namespace: &str, tenant: &str, id: &Uuid, part: Part<'_>) -> Vec<u8> {
    let mut key = parts_prefix(namespace, tenant, id);
    match part {
        Part::Definition => key.push(b'd'),
        Part::Origin => key.push(b'o'),
        Part::Result(step) => {
            key.push(b'r');
            key.extend_from_slice(step.as_bytes());
        }
    }
    key
}

/// Writes a part.
pub(super) fn put_part(
    state: &mut impl State,
    (namespace, tenant, id): (&str, &str, &Uuid),
    part: Part<'_>,
    body: &impl Serialize,
) {
    state.put(&part_key(namespace, tenant, id, part), &value::encode(value::NEVER, body));
}

/// Reads a part.
pub(super) fn get_part<T: for<'v> Deserialize<'v>>(
    state: &mut impl State,
    (namespace, tenant, id): (&str, &str, &Uuid),
    part: Part<'_>,
) -> Result<Option<T>, StateError> {
    let Some(found) = state.get(&part_key(namespace, tenant, id, part))? else { return Ok(None) };
    Ok(Some(value::decode(found, Store::ChainPart)?.1))
}

/// Reads a head.
pub(super) fn get(
    state: &mut impl State,
    namespace: &str,
    tenant: &str,
    id: &Uuid,
) -> Result<Option<Head>, StateError> {
    let Some(found) = state.get(&key(namespace, tenant, id))? else { return Ok(None) };
    Ok(Some(value::decode(found, Store::Chain)?.1))
}

/// Removes a chain with all its parts.
pub(super) fn delete(state: &mut impl State, head: &Head) -> Result<(), StateError> {
    // A result for each step, the definition and the origin.
    const MAX_PARTS: usize = MAX_STEPS + 2;
    for part in state.scan(&parts_prefix(&head.namespace, &head.tenant, &head.id), MAX_PARTS)? {
        state.delete(&part);
    }
    state.delete(&key(&head.namespace, &head.tenant, &head.id));
    Ok(())
}
