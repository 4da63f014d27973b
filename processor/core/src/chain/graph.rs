//! Where a chain's steps lead.

use acteon_schemas::ChainDefinition;

/// Finds steps that can never get to the end (problems), and steps that nothing leads to (warnings).
pub(super) fn check(chain: &ChainDefinition, problems: &mut Vec<String>, warnings: &mut Vec<String>) {
    let next: Vec<Vec<Option<usize>>> = (0..chain.steps.len()).map(|step| successors(chain, step)).collect();
    let reached = reached(&next);
    let ends = ending(&next);
    if let Some(stuck) = (0..chain.steps.len()).find(|step| reached[*step] && !ends[*step]) {
        problems.push(format!(
            "chain `{}`, step `{}`: every way from here goes round in circles; give a step of the circle a branch or a \
             `default_next` that leads out of it",
            chain.name, chain.steps[stuck].name
        ));
    }
    for (step, _) in chain.steps.iter().zip(&reached).filter(|(_, reached)| !**reached) {
        warnings.push(format!("chain `{}`, step `{}`: nothing leads to this step", chain.name, step.name));
    }
}

/// The steps that may follow one; `None` is the end. Targets that do not exist are told of elsewhere.
fn successors(chain: &ChainDefinition, step: usize) -> Vec<Option<usize>> {
    let place = |name: &String| chain.steps.iter().position(|other| other.name == *name);
    let definition = &chain.steps[step];
    let targets = definition.branches.iter().map(|branch| &branch.target);
    let on_timeout = definition.wait_for_signal.as_ref().and_then(|wait| wait.on_timeout.as_ref());
    let mut next: Vec<_> = targets.chain(&definition.default_next).chain(on_timeout).map(place).collect();
    if definition.default_next.is_none() {
        next.push(Some(step + 1).filter(|next| *next < chain.steps.len()));
    }
    next
}

/// The steps that the first one leads to.
fn reached(next: &[Vec<Option<usize>>]) -> Vec<bool> {
    let mut reached = vec![false; next.len()];
    let mut open = vec![0];
    while let Some(step) = open.pop() {
        if step < next.len() && !std::mem::replace(&mut reached[step], true) {
            open.extend(next[step].iter().flatten());
        }
    }
    reached
}

/// The steps that can get to the end.
fn ending(next: &[Vec<Option<usize>>]) -> Vec<bool> {
    let mut ends = vec![false; next.len()];
    // Each round finds at least one more, or is the last.
    loop {
        let before = ends.clone();
        for (step, next) in next.iter().enumerate() {
            ends[step] = ends[step] || next.iter().any(|next| next.is_none_or(|next| before[next]));
        }
        if ends == before {
            return ends;
        }
    }
}
