//! A tenant's quotas, silences and retention: what applies to an action beside the rules.

use crate::action::Arrival;
use crate::effect::Effects;
use crate::record::Decided;
use crate::state::{State, StateError};
use crate::turn::Turn;
use acteon_rules::Subject;
use acteon_schemas::Outcome;

/// What the policy says of an action before the rules are walked.
#[derive(Debug, Default)]
pub(crate) struct Allowance {}

/// Looks the tenant's policy up, and counts nothing yet.
pub(crate) fn before<S: State, E: Effects>(
    _turn: &mut Turn<'_, S, E>,
    _arrival: &Arrival<'_>,
    _subject: &Subject<'_>,
) -> Result<Allowance, StateError> {
    Ok(Allowance::default())
}

/// Applies the policy to an action that the rules let go on; returns its outcome where the policy does not.
pub(crate) fn after<S: State, E: Effects>(
    _turn: &mut Turn<'_, S, E>,
    _decided: &Decided<'_, '_>,
    _allowance: Allowance,
) -> Result<Option<Outcome>, StateError> {
    Ok(None)
}
