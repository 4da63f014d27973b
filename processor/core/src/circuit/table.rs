//! What is known of circuits: a part of the definitions.

use acteon_schemas::{CircuitDefinition, CircuitState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most providers behind one that are tried in its place, each the fallback of the one before.
pub const MAX_FALLBACKS: usize = 8;

/// The circuits of all providers that have one.
#[derive(Debug, Clone, Default)]
pub struct Circuits {
    definitions: Arc<BTreeMap<String, CircuitDefinition>>,
    states: BTreeMap<String, CircuitState>,
}

impl Circuits {
    pub(crate) fn compile(
        definitions: BTreeMap<String, CircuitDefinition>,
        states: Vec<CircuitState>,
        providers: &BTreeSet<String>,
    ) -> Result<Self, Vec<String>> {
        let problems = check_circuits(&definitions, providers);
        if !problems.is_empty() {
            return Err(problems.into_iter().map(|(name, problem)| format!("provider `{name}`: {problem}")).collect());
        }
        Ok(Self { definitions: Arc::new(definitions), states: BTreeMap::new() }.with_states(states))
    }

    /// The same circuits, standing otherwise. Those of providers that have none (any more) are left out.
    pub(crate) fn with_states(&self, states: Vec<CircuitState>) -> Self {
        let definitions = Arc::clone(&self.definitions);
        let known = states.into_iter().filter(|state| definitions.contains_key(&state.provider));
        let states = known.map(|state| (state.provider.clone(), state)).collect();
        Self { definitions, states }
    }

    /// How a provider's circuit works; `None` where it has none.
    #[must_use]
    pub fn definition(&self, provider: &str) -> Option<&CircuitDefinition> {
        self.definitions.get(provider)
    }

    /// How a provider's circuit stands; `None` where it is closed and has counted nothing.
    #[must_use]
    pub fn state(&self, provider: &str) -> Option<&CircuitState> {
        self.states.get(provider)
    }

    /// The providers that have a circuit, in order.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.definitions.keys().map(String::as_str)
    }
}

/// What is wrong with circuits, each with the provider that it is about.
#[must_use]
pub fn check_circuits(
    circuits: &BTreeMap<String, CircuitDefinition>,
    providers: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    for (name, circuit) in circuits {
        let mut add = |problem: String| problems.push((name.clone(), problem));
        for (key, value) in
            [("failure_threshold", circuit.failure_threshold), ("success_threshold", circuit.success_threshold)]
        {
            if value == 0 {
                add(format!("`{key}` is 0; it must be at least 1"));
            }
        }
        let Some(fallback) = &circuit.fallback_provider else { continue };
        if !providers.contains(fallback) {
            add(format!(
                "`fallback_provider`: no provider named `{fallback}` is configured; add it under [[providers]]"
            ));
        } else if let Some(problem) = way(circuits, name) {
            add(problem);
        }
    }
    problems
}

/// What is wrong with the way from a provider along its fallbacks.
fn way(circuits: &BTreeMap<String, CircuitDefinition>, start: &str) -> Option<String> {
    let mut path = vec![start];
    while let Some(next) = circuits.get(*path.last()?).and_then(|circuit| circuit.fallback_provider.as_deref()) {
        let is_circle = path.contains(&next);
        path.push(next);
        if is_circle {
            return Some(format!("`fallback_provider`: the fallbacks go round in a circle: {}", path.join(" → ")));
        }
        if path.len() > MAX_FALLBACKS + 1 {
            return Some(format!("`fallback_provider`: more than {MAX_FALLBACKS} fallbacks one behind the other"));
        }
    }
    None
}
