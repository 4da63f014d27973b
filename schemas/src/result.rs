use crate::coordinates::Coordinates;
use crate::dispatch::{DispatchContext, is_zero};
use crate::outcome::ProviderResponse;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A record of the results topic: what came of one dispatch, with what the processor needs to tell the outcome, so that
/// it keeps no state while a call is under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProviderResult<'a> {
    /// The dispatch that this answers; a second result for it is dropped.
    #[serde(borrow)]
    pub dispatch_id: Cow<'a, str>,
    /// The action's id.
    pub action_id: Cow<'a, str>,
    /// Scope.
    pub namespace: Cow<'a, str>,
    /// Scope.
    pub tenant: Cow<'a, str>,
    /// The provider that was called.
    pub provider: Cow<'a, str>,
    /// The action's own provider, where a rule chose another one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub original_provider: Option<Cow<'a, str>>,
    /// The action's type.
    pub action_type: Cow<'a, str>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<Cow<'a, str>>,
    /// What the dispatch is a part of, as it came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub context: Option<DispatchContext>,
    /// What had held the action, as it came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub released_by: Option<Cow<'a, str>>,
    /// Providers that were passed over for this one, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub passed_over: Vec<Cow<'a, str>>,
    /// How often the processor had it made before, as it came.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub retry: u32,
    /// The circuit's epoch, as it came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub probe: Option<u64>,
    /// The dispatch itself where it failed: what a fallback, a later retry or a dead letter is made from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dispatch: Option<Cow<'a, RawValue>>,
    /// What came of it.
    pub result: ResultStatus<'a>,
    /// Calls made, the last one included.
    pub attempts: u32,
    /// When the first call began, in milliseconds since 1970.
    pub started_at: i64,
    /// From the first call's start to the last one's end, in milliseconds.
    pub duration_ms: u64,
    /// When the action was decided, in milliseconds since 1970.
    pub decided_at: i64,
    /// The action's input.
    pub source: Coordinates<'a>,
}

/// The two ends of a dispatch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultStatus<'a> {
    /// The provider took it.
    #[serde(borrow)]
    Delivered(ProviderResponse<'a>),
    /// It was refused, or every attempt failed.
    Failed(ProviderError<'a>),
}

/// Why a dispatch failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderError<'a> {
    /// One of [`error_code`](crate::error_code).
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// What happened, for people; never a secret.
    pub message: Cow<'a, str>,
    /// Whether the same call could succeed later.
    pub retryable: bool,
    /// After how many milliseconds the provider wants to be called again, where it said so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry_after_ms: Option<u64>,
}
