use crate::coordinates::Coordinates;
use crate::metadata::Metadata;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A record of a dispatch topic: one call that a connector shall make, with the action as the rules left it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dispatch<'a> {
    /// Made from the action's identity and the step: the idempotency key at the provider on every attempt.
    #[serde(borrow)]
    pub dispatch_id: Cow<'a, str>,
    /// The action's id.
    pub action_id: Cow<'a, str>,
    /// Scope.
    pub namespace: Cow<'a, str>,
    /// Scope.
    pub tenant: Cow<'a, str>,
    /// Configured name of the provider that shall be called.
    pub provider: Cow<'a, str>,
    /// The action's own provider, where a rule chose another one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub original_provider: Option<Cow<'a, str>>,
    /// The action's type.
    pub action_type: Cow<'a, str>,
    /// The payload after all rewrites.
    pub payload: Cow<'a, RawValue>,
    /// Labels.
    #[serde(default)]
    pub metadata: Cow<'a, Metadata>,
    /// The action's own key, for providers that have one of their own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dedup_key: Option<Cow<'a, str>>,
    /// As on the action.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<Cow<'a, str>>,
    /// As on the action.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fingerprint: Option<Cow<'a, str>>,
    /// As on the action.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub created_at: Option<Cow<'a, str>>,
    /// The action's other fields.
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    pub extra: Map<String, Value>,
    /// The tenant's own profile that has made the payload: its connector applies none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rendered_by: Option<Cow<'a, str>>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<Cow<'a, str>>,
    /// What it is a part of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub context: Option<DispatchContext>,
    /// What had held the action until now, as in its outcome.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub released_by: Option<Cow<'a, str>>,
    /// Providers that were passed over for this one since their circuits were open, the first choice first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub passed_over: Vec<Cow<'a, str>>,
    /// How often the processor had it made before, each time with all of the connector's attempts.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub retry: u32,
    /// The epoch of a circuit that is open and due to be tried: this may be the one call that tries it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub probe: Option<u64>,
    /// The partition's clock when it was decided, in milliseconds since 1970.
    pub decided_at: i64,
    /// The task that waits for the result: a partition number of the results topic.
    pub task: i32,
    /// The action's input.
    pub source: Coordinates<'a>,
}

// The shape that serde asks for.
#[allow(clippy::trivially_copy_pass_by_ref)]
pub(crate) fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What a dispatch is a part of, beside an action: carried to the connector and back, so that the result finds its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DispatchContext {
    /// A step of a chain.
    Chain {
        /// The chain's id.
        chain_id: String,
        /// The step, and the parallel one inside it behind a slash.
        step: String,
        /// Which visit of that step, from 0: a chain may come back to it.
        visit: u32,
        /// Which attempt of that visit, from 0.
        attempt: u32,
    },
    /// A copy of an action, beside what else becomes of it.
    Copy {
        /// The audit record that its result completes.
        audit_id: String,
    },
    /// An action that goes on after having been held.
    Released {
        /// The audit record that its result completes.
        audit_id: String,
    },
    /// A notification that is not an action's own: its result is recorded and has no outcome.
    Notice {
        /// What it tells of: `approval`, `quota`, `chain_cancelled`.
        of: String,
    },
}
