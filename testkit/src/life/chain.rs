//! Each chain ends once, on a way that its definition has, and makes each call once.

mod calls;
mod start;

use super::Faults;
use super::definition::chains;
use super::evidence::{Evidence, Told};
use acteon_schemas::{ChainDefinition, ChainFailure, ChainStep, StepFailure};
use serde_json::Value;
use std::collections::BTreeMap;

/// Tag of chains in the state.
const CHAIN: u8 = 0x60;
/// Bytes in front of a value's JSON: a version and a time.
const VALUE_HEADER: usize = 9;
/// How the records of ends begin and go on.
const ENDS: [(&str, &str); 4] = [
    ("chain_completed", "completed"),
    ("chain_failed", "failed"),
    ("chain_cancelled", "cancelled"),
    ("chain_timed_out", "timed_out"),
];

/// What was told of a chain, in order.
#[derive(Default)]
struct Course<'c> {
    /// The ends of its steps, without those of results that nobody waited for.
    steps: Vec<&'c Value>,
    late: Vec<&'c Value>,
    ends: Vec<&'c Value>,
}

pub(super) fn check(evidence: &Evidence, faults: &mut Faults) {
    let mut courses: BTreeMap<&str, Course<'_>> = BTreeMap::new();
    for audit in evidence.audits.iter().filter(|audit| audit["verdict"] == "chain") {
        let Some(id) = audit["chain_id"].as_str() else { continue };
        let course = courses.entry(id).or_default();
        let outcome = audit["outcome"].as_str().unwrap_or_default();
        if ENDS.iter().any(|(kind, _)| *kind == outcome) {
            course.ends.push(audit);
        } else if audit["outcome_details"]["late"] == true {
            course.late.push(audit);
        } else if outcome.starts_with("chain_step_") {
            course.steps.push(audit);
        }
        if let Some(child) = audit["outcome_details"]["child_chain_id"].as_str() {
            courses.entry(child).or_default();
        }
    }
    let started: BTreeMap<&str, &Told> =
        evidence.outcomes.iter().filter_map(|told| Some((told.detail("ChainStarted", "chain_id")?, told))).collect();
    started.keys().for_each(|id| _ = courses.entry(id).or_default());
    let definitions = chains(evidence.pace);
    for (id, course) in &courses {
        let [end] = course.ends.as_slice() else {
            let what = if course.ends.is_empty() { "chain never ended" } else { "chain ended twice" };
            faults.add(what, format!("{id}: {:?}", course.ends));
            continue;
        };
        let name = end["outcome_details"]["chain_name"].as_str().unwrap_or_default();
        match definitions.iter().find(|definition| definition.name == name) {
            Some(definition) => follow(id, definition, course, end, faults),
            None => faults.add("chain that nobody defined", end.to_string()),
        }
    }
    let quiet = |definition: &&ChainDefinition| definition.on_failure == Some(ChainFailure::AbortNoDlq);
    let quiet: Vec<&str> = definitions.iter().filter(quiet).map(|definition| definition.name.as_str()).collect();
    answers(evidence, &started, &courses, &quiet, faults);
    start::check(evidence, &started, faults);
    calls::check(evidence, &courses, &definitions, faults);
    for ((partition, _), value) in evidence.stored(CHAIN) {
        let head: Value = serde_json::from_slice(value.get(VALUE_HEADER..).unwrap_or_default()).unwrap_or_default();
        if ENDS.iter().all(|(_, status)| head["status"] != *status) {
            faults.add("chain still in the state", format!("task {partition}: {head}"));
        }
    }
}

/// A chain takes steps that follow one another.
fn follow(id: &str, definition: &ChainDefinition, course: &Course<'_>, end: &Value, faults: &mut Faults) {
    let mut fault = |what, step: &Value| faults.add(what, format!("{id}: {step}"));
    let mut expected = definition.steps.first().map(|step| step.name.as_str());
    let mut taken = Vec::new();
    let mut failed = false;
    for audit in &course.steps {
        let details = &audit["outcome_details"];
        let path = details["step"].as_str().unwrap_or_default();
        if path.contains('/') {
            continue;
        }
        let Some(place) = definition.steps.iter().position(|step| step.name == path) else {
            fault("step that nobody defined", audit);
            return;
        };
        if expected != Some(path) {
            fault("step out of order", audit);
        }
        let next = details["next_step"].as_str();
        if next != follower(definition, place, details["success"] == true) {
            fault("step followed by a wrong one", audit);
        }
        failed = audit["outcome"] == "chain_step_failed";
        expected = next;
        taken.push(path);
    }
    let details = &end["outcome_details"];
    let path: Vec<&str> = details["execution_path"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|step| !step.contains('/'))
        .collect();
    let is_right = match details["status"].as_str() {
        Some("completed") => expected.is_none() && !failed && path == taken,
        Some("failed") => expected.is_none() && failed && path == taken,
        // It may have stood at a step, or before it.
        _ => path.starts_with(&taken) && path.len() <= taken.len() + 1,
    };
    if !is_right {
        fault("chain ended otherwise than its steps", end);
    }
}

/// What follows a step, by its definition.
fn follower(definition: &ChainDefinition, place: usize, success: bool) -> Option<&str> {
    let step: &ChainStep = &definition.steps[place];
    let branch = step.branches.iter().find(|branch| branch.value == Some(Value::Bool(success)));
    let on_timeout = step.wait_for_signal.as_ref().filter(|_| !success).and_then(|wait| wait.on_timeout.as_ref());
    let named = on_timeout.or_else(|| branch.map(|branch| &branch.target)).or(step.default_next.as_ref());
    let goes_on = success || step.on_failure == Some(StepFailure::Skip);
    let in_order = definition.steps.get(place + 1).filter(|_| goes_on).map(|next| next.name.as_str());
    named.map(String::as_str).or(in_order)
}

/// The end of each chain that an action began is told to its sender, once, and what failed is in the dead-letter topic,
/// but for those whose definitions are `quiet`.
fn answers(
    evidence: &Evidence,
    started: &BTreeMap<&str, &Told>,
    courses: &BTreeMap<&str, Course<'_>>,
    quiet: &[&str],
    faults: &mut Faults,
) {
    let mut told: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    for end in evidence.outcomes.iter().filter(|told| ENDS.iter().any(|(kind, _)| *kind == told.outcome())) {
        told.entry(end.json["chain_id"].as_str().unwrap_or_default()).or_default().push(end);
    }
    let mut letters: BTreeMap<&str, usize> = BTreeMap::new();
    // Those of dispatches have a law of their own.
    for (source, _) in evidence.letters.iter().filter(|(_, letter)| letter["dispatch_id"].is_null()) {
        *letters.entry(source).or_default() += 1;
    }
    for (id, begin) in started {
        let audited = courses.get(id).and_then(|course| course.ends.first());
        match told.remove(id).unwrap_or_default().as_slice() {
            [end] if audited.is_some_and(|audit| audit["outcome"] == end.outcome()) => {
                let name = audited.and_then(|audit| audit["outcome_details"]["chain_name"].as_str());
                let failed = end.outcome() == "chain_failed" && !name.is_some_and(|name| quiet.contains(&name));
                let found = letters.remove(begin.source.as_str()).unwrap_or_default();
                if found != usize::from(failed) {
                    faults.add("failed chains and dead letters don't fit", format!("{found}: {end:?}"));
                }
            }
            [] => faults.add("end of a chain not told", format!("{begin:?}")),
            ends => faults.add("end of a chain told twice, or otherwise", format!("{ends:?}")),
        }
    }
    for end in told.values().flatten() {
        faults.add("end of no chain", format!("{end:?}"));
    }
    for source in letters.keys() {
        faults.add("good input set aside", (*source).to_owned());
    }
}
