//! Each dispatch is sent once, for a decision that says so, and its result counts once.

use super::Faults;
use super::evidence::{Evidence, coordinates};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How long a dispatch's result is remembered, in milliseconds.
const SEEN_TTL_MS: i64 = 24 * 3600 * 1000;

/// An action on one stretch of its course, or a notice about it: input, id, what let it go, and what the notice tells of.
type Stretch<'s> = (String, &'s str, Option<&'s str>, Option<&'s str>);

fn stretch<'s>(json: &'s Value, notice_of: Option<&'s str>) -> Stretch<'s> {
    let id = json["action_id"].as_str().unwrap_or_default();
    (coordinates(&json["source"]), id, json["released_by"].as_str(), notice_of)
}

pub(super) fn check(evidence: &Evidence, faults: &mut Faults) {
    let mut ids = BTreeMap::new();
    for dispatch in &evidence.dispatches {
        let id = dispatch["dispatch_id"].as_str().unwrap_or_default();
        if ids.insert(id, dispatch).is_some() {
            faults.add("dispatched twice", dispatch.to_string());
        }
    }
    for told in evidence.outcomes.iter().filter(|told| told.outcome() == "dispatched") {
        let id = told.detail("Dispatched", "dispatch_id").unwrap_or_default();
        let same = |dispatch: &&Value| {
            stretch(dispatch, None) == stretch(&told.json, None) && dispatch["provider"] == told.json["provider"]
        };
        if ids.remove(id).filter(same).is_none() {
            faults.add("dispatch and outcome don't fit", format!("{told:?}"));
        }
    }
    // Those of chains, groups and notices have laws of their own.
    for dispatch in ids.values().filter(|dispatch| is_own(dispatch)) {
        faults.add("dispatch without an outcome", dispatch.to_string());
    }
    completions(evidence, faults);
    letters(evidence, faults);
}

/// Whether it is an action's own call, at once or after having been held.
fn is_own(dispatch: &Value) -> bool {
    let context = &dispatch["context"];
    context.is_null() || context["released"].is_object()
}

/// Each result led to one record: a last outcome, or that of a notice.
fn completions(evidence: &Evidence, faults: &mut Faults) {
    let answered = evidence.answered();
    let mut wanted: BTreeMap<Stretch<'_>, usize> = BTreeMap::new();
    for dispatch in &evidence.dispatches {
        let notice = || dispatch["context"]["notice"]["of"].as_str().unwrap_or_default();
        let kind = (!is_own(dispatch)).then(notice);
        if kind != Some("") && dispatch["dispatch_id"].as_str().is_some_and(|id| answered.contains(id)) {
            *wanted.entry(stretch(dispatch, kind)).or_default() += 1;
        }
    }
    let mut completed: BTreeMap<Stretch<'_>, Vec<i64>> = BTreeMap::new();
    for told in evidence.outcomes.iter().filter(|told| told.is_completion()) {
        completed.entry(stretch(&told.json, None)).or_default().push(told.at());
    }
    for audit in evidence.audits.iter().filter(|audit| audit["verdict"] == "notice") {
        let of = audit["outcome_details"]["notice_of"].as_str();
        completed.entry(stretch(audit, of)).or_default().push(audit["completed_at"].as_i64().unwrap_or_default());
    }
    for (stretch, times) in completed {
        let wanted = wanted.remove(&stretch).unwrap_or_default();
        // A result that is sent again after the first was forgotten counts as a new one.
        let forgotten = times.iter().max() >= times.iter().min().map(|first| first + SEEN_TTL_MS).as_ref();
        if times.len() < wanted || times.len() > wanted && (wanted == 0 || !forgotten) {
            faults.add("results and completions don't fit", format!("{stretch:?}: {wanted} results, at {times:?}"));
        }
    }
    for stretch in wanted.keys() {
        faults.add("result without a completion", format!("{stretch:?}"));
    }
}

/// An action's own call that failed for good and came back with its result is in the dead-letter topic, once.
fn letters(evidence: &Evidence, faults: &mut Faults) {
    let given_up = |result: &&Value| {
        let context = &result["context"];
        let is_of_an_action = context["chain"].is_null() && context["notice"].is_null();
        is_of_an_action && result["result"]["failed"].is_object() && result["dispatch"].is_object()
    };
    let id = |result: &'_ Value| result["dispatch_id"].as_str().unwrap_or_default().to_owned();
    let mut left: BTreeSet<String> = evidence.results.iter().filter(given_up).map(id).collect();
    // Of two results the first counts: one that also has a good one may have either end.
    let delivered: BTreeSet<String> =
        evidence.results.iter().filter(|result| result["result"]["delivered"].is_object()).map(id).collect();
    for (source, letter) in &evidence.letters {
        let Some(id) = letter["dispatch_id"].as_str() else { continue };
        if !left.remove(id) {
            faults.add("dead letter of a dispatch twice, or of one that did not fail", format!("{source}: {id}"));
        }
    }
    for id in left.difference(&delivered) {
        faults.add("failed dispatch not in the dead-letter topic", id.as_str());
    }
}
