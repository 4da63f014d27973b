//! The calls of chains.

use super::{Course, Faults};
use crate::life::evidence::Evidence;
use acteon_schemas::{ChainDefinition, ChainStep};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A visit of a step: its chain, its path, and which one.
type Visit<'v> = (&'v str, &'v str, u64);

pub(super) fn check(
    evidence: &Evidence,
    courses: &BTreeMap<&str, Course<'_>>,
    definitions: &[ChainDefinition],
    faults: &mut Faults,
) {
    let mut attempts: BTreeMap<Visit<'_>, BTreeMap<u64, &Value>> = BTreeMap::new();
    for dispatch in &evidence.dispatches {
        let Some((visit, attempt)) = visit(dispatch) else { continue };
        if attempts.entry(visit).or_default().insert(attempt, dispatch).is_some() {
            faults.add("attempt of a step made twice", dispatch.to_string());
        }
    }
    // Of several results of a dispatch, the first counts.
    let results: BTreeMap<&str, &Value> =
        evidence.results.iter().rev().filter_map(|result| Some((result["dispatch_id"].as_str()?, result))).collect();
    for (visit, attempts) in &attempts {
        match courses.get(visit.0).and_then(|course| Some((course, *course.ends.first()?))) {
            Some((course, end)) => made(*visit, attempts, &results, (course, end), definitions, faults),
            None => faults.add("call of no chain", format!("{visit:?}")),
        }
    }
}

fn visit(json: &Value) -> Option<(Visit<'_>, u64)> {
    let chain = &json["context"]["chain"];
    Some(((chain["chain_id"].as_str()?, chain["step"].as_str()?, chain["visit"].as_u64()?), chain["attempt"].as_u64()?))
}

/// The attempts of one visit: each after the failure of the one before, none behind the chain's end, and the last one's
/// result is what became of the step.
fn made(
    visit: Visit<'_>,
    attempts: &BTreeMap<u64, &Value>,
    results: &BTreeMap<&str, &Value>,
    (course, end): (&Course<'_>, &Value),
    definitions: &[ChainDefinition],
    faults: &mut Faults,
) {
    let mut fault = |what| faults.add(what, format!("{visit:?}: {attempts:?}, {end}"));
    let name = end["outcome_details"]["chain_name"].as_str().unwrap_or_default();
    let step = definitions.iter().find(|definition| definition.name == name).and_then(|of| step(of, visit.1));
    let most = step.map(|step| step.retry.as_ref().map_or(0, |retry| u64::from(retry.max_retries)));
    if most.is_none_or(|most| attempts.len() as u64 > most + 1)
        || !attempts.keys().copied().eq(0..attempts.len() as u64)
    {
        fault("step tried too often");
    }
    let ended_at = end["completed_at"].as_i64().unwrap_or_default();
    if attempts.values().any(|dispatch| dispatch["decided_at"].as_i64().is_none_or(|at| at > ended_at)) {
        fault("step taken behind the chain's end");
    }
    let result = |dispatch: &Value| dispatch["dispatch_id"].as_str().and_then(|id| results.get(id)).copied();
    let failed = |dispatch: &&Value| result(dispatch).is_some_and(|result| result["result"]["failed"].is_object());
    if !attempts.values().rev().skip(1).all(failed) {
        fault("step tried again without a failure");
    }
    let is_of = |audit: &&Value| {
        let details = &audit["outcome_details"];
        details["step"] == visit.1 && details["visit"] == visit.2
    };
    let recorded = course.steps.iter().copied().filter(is_of).count();
    let late: BTreeSet<u64> = course
        .late
        .iter()
        .copied()
        .filter(is_of)
        .filter_map(|audit| audit["outcome_details"]["attempt"].as_u64())
        .collect();
    let Some((last, dispatch)) = attempts.last_key_value() else { return };
    // A step that its chain's end, or its own time, overtook ends without this result, or waits for an attempt that is
    // never made.
    let is_cut_off = matches!(end["outcome"].as_str(), Some("chain_cancelled" | "chain_timed_out"));
    let is_inside = visit.1.contains('/');
    if recorded > 1 {
        fault("step ended twice");
    }
    if result(dispatch).is_some() && recorded == 0 && !late.contains(last) && !is_cut_off && !is_inside {
        fault("result of a step lost");
    }
}

/// The step at a path.
fn step<'d>(definition: &'d ChainDefinition, path: &str) -> Option<&'d ChainStep> {
    let (around, inside) = path.split_once('/').unwrap_or((path, ""));
    let step = definition.steps.iter().find(|step| step.name == around)?;
    if inside.is_empty() {
        return Some(step);
    }
    step.parallel.as_ref()?.steps.iter().find(|step| step.name == inside)
}
