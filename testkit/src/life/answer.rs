//! Each input is answered once; each record of the audit topic is there once.

use super::Faults;
use super::evidence::{Evidence, Told, coordinates};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Outcomes that a decision or a result is told by, in both topics.
const TOLD_TWICE: [&str; 20] = [
    "dispatched",
    "executed",
    "rerouted",
    "deduplicated",
    "suppressed",
    "throttled",
    "failed",
    "grouped",
    "scheduled",
    "pending_approval",
    "chain_started",
    "state_changed",
    "quota_exceeded",
    "silenced",
    "muted",
    "cancelled",
    "rejected",
    "expired",
    "command_done",
    "command_refused",
];

pub(super) fn check(evidence: &Evidence, faults: &mut Faults) {
    commands(evidence, faults);
    audits(evidence, faults);
    let mut last: BTreeMap<i32, i64> = BTreeMap::new();
    for told in &evidence.outcomes {
        let before = last.insert(told.partition, told.at());
        if before.is_some_and(|before| before > told.at()) {
            faults.add("time went backwards", format!("{told:?}"));
        }
    }
}

fn commands(evidence: &Evidence, faults: &mut Faults) {
    let mut answers: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    for told in evidence.outcomes.iter().filter(|told| told.is_answer()) {
        answers.entry(&told.source).or_default().push(told);
    }
    for (place, command) in &evidence.commands {
        match answers.remove(place.as_str()).as_deref() {
            Some([told]) if command["id"] == told.action_id() && command["tenant"] == told.tenant() => {}
            Some([told]) => faults.add("answer to another command", format!("{place}: {command}, {told:?}")),
            Some(several) => faults.add("command answered twice", format!("{place}: {several:?}")),
            None => faults.add("command not answered", format!("{place}: {command}")),
        }
    }
    for told in answers.values().flatten() {
        faults.add("answer to no command", format!("{told:?}"));
    }
}

/// Decisions, results and answers are told in both topics, once each; commands that only ask have no audit record.
fn audits(evidence: &Evidence, faults: &mut Faults) {
    let mut ids = BTreeSet::new();
    for audit in &evidence.audits {
        let text = |field: &str| audit[field].as_str().unwrap_or_default();
        // What is told of a result that comes again after its first was forgotten is told again.
        let is_late = audit["outcome_details"]["late"] == true;
        let is_result = text("phase") == "completed" || text("verdict") == "notice" || is_late;
        if !is_result && !ids.insert((text("id"), text("phase"), text("outcome"))) {
            faults.add("audit record twice", audit.to_string());
        }
    }
    type Line<'l> = (String, &'l str, &'l str, Option<&'l str>);
    let mut counts: BTreeMap<Line<'_>, i64> = BTreeMap::new();
    let is_look = |told: &Told| {
        let kind = told.json["action_type"].as_str().unwrap_or_default();
        told.is_answer() && (kind.starts_with("list_") || kind.starts_with("show_"))
    };
    for told in evidence.outcomes.iter().filter(|told| TOLD_TWICE.contains(&told.outcome()) && !is_look(told)) {
        *counts.entry((told.source.clone(), told.action_id(), told.outcome(), told.released_by())).or_default() += 1;
    }
    // That an action which passes is beyond a quota is no decision about it.
    let is_decision = |audit: &&Value| {
        audit["outcome"].as_str().is_some_and(|outcome| TOLD_TWICE.contains(&outcome)) && audit["verdict"] != "quota"
    };
    for audit in evidence.audits.iter().filter(is_decision) {
        let text = |field: &str| audit[field].as_str();
        let (id, outcome) = (text("action_id").unwrap_or_default(), text("outcome").unwrap_or_default());
        *counts.entry((coordinates(&audit["source"]), id, outcome, text("released_by"))).or_default() -= 1;
    }
    for (line, count) in counts.into_iter().filter(|(_, count)| *count != 0) {
        let what = if count > 0 { "audit record missing" } else { "audit record too many" };
        faults.add(what, format!("{line:?}"));
    }
}
