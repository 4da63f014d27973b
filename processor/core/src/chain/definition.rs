//! Chain definitions: compiled and checked as a whole, since chains call each other.

use super::limits::{MAX_DEFINITION_BYTES, MAX_DEPTH, MAX_NAME_BYTES};
use super::{check, graph, template};
use acteon_schemas::{ChainDefinition, ChainStep};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The chains of a snapshot.
#[derive(Debug, Default)]
pub struct Chains {
    by_name: BTreeMap<String, ChainDefinition>,
    warnings: Vec<String>,
}

impl Chains {
    /// Checks definitions, each for itself and how they call each other.
    ///
    /// # Errors
    /// Everything that is wrong, each with chain, step and what to do.
    pub(crate) fn compile(
        definitions: Vec<ChainDefinition>,
        providers: &BTreeSet<String>,
    ) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        let mut by_name = BTreeMap::new();
        let names: BTreeSet<String> = definitions.iter().map(|chain| chain.name.clone()).collect();
        for chain in definitions {
            check::chain(&chain, providers, &names, &mut problems);
            graph::check(&chain, &mut problems, &mut warnings);
            warn_of_templates(&chain, &mut warnings);
            if json_bytes(&chain) > MAX_DEFINITION_BYTES {
                let limit = MAX_DEFINITION_BYTES / 1024;
                problems.push(format!("chain `{}`: it is larger than {limit} KiB; split it up", chain.name));
            }
            let name = chain.name.clone();
            if by_name.insert(name.clone(), chain).is_some() {
                problems.push(format!("chain `{name}` is defined twice; rename one"));
            }
        }
        check_calls(&by_name, &mut problems);
        if problems.is_empty() { Ok(Self { by_name, warnings }) } else { Err(problems) }
    }

    /// The definition of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ChainDefinition> {
        self.by_name.get(name)
    }

    /// All definitions, by name.
    pub fn iter(&self) -> impl Iterator<Item = &ChainDefinition> {
        self.by_name.values()
    }

    /// What is allowed and hardly meant: templates that are always null, steps that nothing leads to.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn json_bytes(chain: &ChainDefinition) -> usize {
    serde_json::to_vec(chain).map_or(0, |json| json.len())
}

/// The steps of a chain with those inside parallel ones.
pub(super) fn all_steps(chain: &ChainDefinition) -> impl Iterator<Item = &ChainStep> {
    chain.steps.iter().flat_map(|step| {
        let inside = step.parallel.iter().flat_map(|parallel| &parallel.steps);
        std::iter::once(step).chain(inside)
    })
}

/// Whether a name can be written into templates and paths.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name.chars().all(|char| char.is_alphanumeric() || matches!(char, '-' | '_'))
}

fn warn_of_templates(chain: &ChainDefinition, warnings: &mut Vec<String>) {
    let has_step = |name: &str| all_steps(chain).any(|step| step.name == name);
    for step in all_steps(chain) {
        let mut found = Vec::new();
        if let Some(payload) = &step.payload_template {
            template::problems(payload, &has_step, &mut found);
        }
        if let Some(until) = step.timer.as_ref().and_then(|timer| timer.until.clone()) {
            template::problems(&Value::String(until), &has_step, &mut found);
        }
        warnings.extend(found.into_iter().map(|what| format!("chain `{}`, step `{}`: {what}", chain.name, step.name)));
    }
}

/// Sub-chains must not lead back to their chain, nor too deep.
fn check_calls(chains: &BTreeMap<String, ChainDefinition>, problems: &mut Vec<String>) {
    let mut known = BTreeMap::new();
    for name in chains.keys() {
        let mut path = Vec::new();
        let depth = depth(chains, name, &mut path, &mut known, problems);
        if depth > MAX_DEPTH && !problems.iter().any(|problem| problem.contains("sub-chains go")) {
            problems.push(format!(
                "chain `{name}`: its sub-chains go {depth} chains deep; the limit is {MAX_DEPTH}, so flatten them"
            ));
        }
    }
}

/// Chains below each other from this one on, itself included; a circle counts as nothing and is told of.
fn depth<'c>(
    chains: &'c BTreeMap<String, ChainDefinition>,
    name: &'c str,
    path: &mut Vec<&'c str>,
    known: &mut BTreeMap<&'c str, u32>,
    problems: &mut Vec<String>,
) -> u32 {
    if let Some(begin) = path.iter().position(|on_it| *on_it == name) {
        let circle: Vec<&str> = path[begin..].iter().copied().chain([name]).collect();
        problems.push(format!("chain `{name}`: its sub-chains lead back to it: {}", circle.join(" → ")));
        return 0;
    }
    if let Some(depth) = known.get(name) {
        return *depth;
    }
    let Some(chain) = chains.get(name) else { return 0 };
    path.push(name);
    let below = chain.steps.iter().filter_map(|step| step.sub_chain.as_deref()).collect::<BTreeSet<_>>().into_iter();
    let deepest = below.map(|sub| depth(chains, sub, path, known, problems)).max().unwrap_or(0);
    path.pop();
    known.insert(name, deepest + 1);
    deepest + 1
}

#[cfg(test)]
mod tests;
