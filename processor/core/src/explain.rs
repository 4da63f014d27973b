use crate::action::subject;
use crate::gates::Gates;
use crate::ids;
use crate::mock::{Mocked, Mocks};
use crate::state::{State, StateError};
use acteon_rules::{RuleSet, Trace};
use acteon_schemas::{Action, Coordinates, DecodeError};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// What would be decided about an action, and why.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The verdict's tag, as in audit records.
    pub verdict: &'static str,
    /// The rule that would decide.
    pub matched_rule: Option<String>,
    /// The provider that would be called.
    pub provider: String,
    /// The payload that it would get.
    pub payload: Value,
    /// Each rule, in order.
    pub trace: Trace,
}

/// Errors of [`explain`].
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The action is bad.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// State can't be read.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Decides about an action as [`crate::step`] would, writes nothing, and tells of each rule what became of it.
///
/// # Errors
/// The action can't be decoded, or state can't be read.
pub fn explain(rules: &RuleSet, state: &mut impl State, now: i64, value: &[u8]) -> Result<Explanation, ExplainError> {
    explain_with(rules, state, now, value, &Mocks::default())
}

/// As [`explain`], with answers given beforehand to what rules ask of state.
///
/// # Errors
/// The action can't be decoded, or state can't be read.
pub fn explain_with(
    rules: &RuleSet,
    state: &mut impl State,
    now: i64,
    value: &[u8],
    mocks: &Mocks,
) -> Result<Explanation, ExplainError> {
    let action = Action::decode(value)?;
    let payload: Value = serde_json::from_str(action.payload.get()).map_err(DecodeError::from)?;
    let nowhere = Coordinates { topic: Cow::Borrowed("explain"), partition: 0, offset: 0 };
    let action_id = action.id.as_deref().map_or_else(|| ids::action_id(&nowhere), str::to_owned);
    let mut subject = subject(&action, &action_id, &payload);
    let mut trace = Trace::default();
    let decision =
        rules.walk(&mut subject, now, None, &mut Mocked::new(mocks, Gates::new(state, now)), Some(&mut trace))?;
    Ok(Explanation {
        verdict: decision.tag(),
        matched_rule: decision.rule.map(|rule| rule.name.clone()),
        provider: subject.provider.to_string(),
        payload: subject.payload.into_owned(),
        trace,
    })
}
