//! A tenant's quotas, silences and retention: what applies to an action beside the rules.

mod interval;

pub(crate) use interval::Intervals;

use crate::action::Arrival;
use crate::effect::Effects;
use crate::record::Decided;
use crate::state::{State, StateError};
use crate::turn::Turn;
use acteon_rules::Subject;
use acteon_schemas::{Outcome, OutcomeDetail};
use interval::Muting;
use serde_json::json;
use std::borrow::Cow;

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
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
    _allowance: Allowance,
) -> Result<Option<Outcome>, StateError> {
    let muting = decided.decision.rule.and_then(|rule| turn.definitions.intervals.muting(rule, turn.now));
    if let Some(muting) = muting {
        return Ok(Some(mute(decided, &muting, turn.effects)));
    }
    Ok(None)
}

/// Tells that an action came outside the time intervals of the rule that decided about it.
fn mute(decided: &Decided<'_, '_>, muting: &Muting<'_>, effects: &mut impl Effects) -> Outcome {
    let rule = decided.decision.rule.map(|rule| rule.name.as_str());
    let details = json!({"interval": muting.interval, "reason": muting.reason, "matched_rule": rule});
    let detail = OutcomeDetail::Muted {
        interval: Cow::Borrowed(&muting.interval),
        reason: muting.reason.into(),
        matched_rule: rule.map(Cow::Borrowed),
    };
    decided.tell(Outcome::Muted, detail, Some(details), effects);
    Outcome::Muted
}
