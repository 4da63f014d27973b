//! The provider that a call goes to: the one that was chosen, or the first of its fallbacks whose circuit lets it through.

use crate::definitions::Definitions;
use crate::effect::Effects;
use crate::record::Decided;
use acteon_rules::Verdict;
use acteon_schemas::{CircuitPhase, Outcome, OutcomeDetail};
use serde_json::json;
use std::borrow::Cow;

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route<'d> {
    pub(crate) provider: &'d str,
    /// Those passed over for it, the first choice first.
    pub(crate) passed_over: Vec<&'d str>,
    /// The epoch that the call may try.
    pub(crate) probe: Option<u64>,
}

impl<'d> Route<'d> {
    fn straight(provider: &'d str) -> Self {
        Self { provider, passed_over: Vec::new(), probe: None }
    }

    /// The provider that was passed over first.
    pub(crate) fn chosen(&self) -> Option<&'d str> {
        self.passed_over.first().copied()
    }

    /// The names as records have them.
    pub(crate) fn passed_over(&self) -> Vec<Cow<'d, str>> {
        self.passed_over.iter().map(|name| Cow::Borrowed(*name)).collect()
    }
}

/// Finds the provider for a call.
///
/// # Errors
/// The provider that was chosen and its fallbacks, whose circuits are all open.
pub(crate) fn route<'d>(definitions: &'d Definitions, now: i64, chosen: &'d str) -> Result<Route<'d>, Vec<&'d str>> {
    let mut route = Route::straight(chosen);
    loop {
        let Some(definition) = definitions.circuits.definition(route.provider) else { return Ok(route) };
        match definitions.circuits.state(route.provider).map(|state| (state.phase(now), state.epoch)) {
            None | Some((CircuitPhase::Closed, _)) => return Ok(route),
            Some((CircuitPhase::HalfOpen, epoch)) => {
                route.probe = Some(epoch);
                return Ok(route);
            }
            Some((CircuitPhase::Open, _)) => route.passed_over.push(route.provider),
        }
        // Definitions have no circles.
        match &definition.fallback_provider {
            Some(fallback) => route.provider = fallback,
            None => return Err(route.passed_over),
        }
    }
}

/// Finds the provider for an action that is about to be dispatched; for one that is not, any will do.
///
/// # Errors
/// As for [`route`].
pub(crate) fn choose<'d>(decided: &'d Decided<'_, '_>) -> Result<Route<'d>, Vec<&'d str>> {
    let provider = &*decided.subject.provider;
    match decided.decision.verdict {
        Verdict::Allow | Verdict::DefaultAllow | Verdict::Reroute { .. } => {
            route(decided.definitions, decided.now, provider)
        }
        _ => Ok(Route::straight(provider)),
    }
}

/// Tells that an action was not dispatched since nobody may be called.
pub(crate) fn refuse(decided: &Decided<'_, '_>, passed_over: &[&str], effects: &mut impl Effects) -> Outcome {
    let provider = passed_over.first().copied().unwrap_or_default();
    let fallbacks = passed_over.get(1..).unwrap_or_default();
    let details = json!({"provider": provider, "fallback_chain": fallbacks});
    let detail = OutcomeDetail::CircuitOpen {
        provider: Cow::Borrowed(provider),
        fallback_chain: fallbacks.iter().map(|name| Cow::Borrowed(*name)).collect(),
    };
    decided.tell(Outcome::CircuitOpen, detail, Some(details), effects);
    Outcome::CircuitOpen
}
