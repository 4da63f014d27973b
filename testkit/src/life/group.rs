//! Each action that was grouped is told of in one notification, and nothing else is.

use super::Faults;
use super::evidence::{Evidence, Told};
use super::time;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// `action_type` of notifications.
pub(super) const NOTIFICATION: &str = "group_notification";
/// Tags of groups and their events in the state.
const TAGS: [u8; 2] = [0x30, 0x31];

pub(super) fn check(evidence: &Evidence, faults: &mut Faults) {
    let grouped: BTreeMap<&str, &Told> = evidence
        .outcomes
        .iter()
        .filter(|told| told.outcome() == "grouped")
        .map(|told| (told.action_id(), told))
        .collect();
    let mut flushes: BTreeMap<&str, &Value> = BTreeMap::new();
    for audit in evidence.audits.iter().filter(|audit| audit["outcome"] == "group_flushed") {
        if flushes.insert(audit["action_id"].as_str().unwrap_or_default(), audit).is_some() {
            faults.add("group flushed twice", audit.to_string());
        }
    }
    let mut told_of = BTreeSet::new();
    for dispatch in evidence.dispatches.iter().filter(|dispatch| dispatch["action_type"] == NOTIFICATION) {
        let flush = flushes.remove(dispatch["action_id"].as_str().unwrap_or_default());
        let Some(flush) = flush else {
            faults.add("notification of no flush", dispatch.to_string());
            continue;
        };
        notification(dispatch, flush, &grouped, &mut told_of, faults);
    }
    for flush in flushes.values() {
        faults.add("flush without a notification", flush.to_string());
    }
    for told in grouped.values().filter(|told| !told_of.contains(told.action_id())) {
        faults.add("grouped and never told of", format!("{told:?}"));
    }
    for ((partition, key), _) in TAGS.iter().flat_map(|tag| evidence.stored(*tag)) {
        faults.add("left in the state", format!("task {partition}: {}", String::from_utf8_lossy(key)));
    }
}

fn notification<'e>(
    dispatch: &'e Value,
    flush: &Value,
    grouped: &BTreeMap<&str, &Told>,
    told_of: &mut BTreeSet<&'e str>,
    faults: &mut Faults,
) {
    let (payload, details) = (&dispatch["payload"], &flush["outcome_details"]);
    let ids: Vec<&str> =
        payload["events"].as_array().into_iter().flatten().filter_map(|event| event["action_id"].as_str()).collect();
    let is_whole = payload["count"] == ids.len()
        && details["count"] == ids.len()
        && details["group_id"] == payload["group_id"]
        && details["action_ids"] == Value::from(ids.clone())
        && !ids.is_empty();
    if !is_whole {
        faults.add("flush and notification don't fit", format!("{flush}, {dispatch}"));
    }
    let mut due = None;
    for id in ids {
        let told = grouped.get(id).filter(|told| {
            payload["group_id"] == told.detail("Grouped", "group_id").unwrap_or_default()
                && dispatch["tenant"] == told.tenant()
        });
        match told {
            Some(told) => due = told.detail("Grouped", "notify_at").and_then(time::parse).or(due),
            None => faults.add("told of in another group", format!("{id}: {dispatch}")),
        }
        if !told_of.insert(id) {
            faults.add("told of twice", format!("{id}: {dispatch}"));
        }
    }
    let is_early = due.is_none_or(|due| flush["dispatched_at"].as_i64().is_none_or(|at| at < due));
    if is_early && details["cause"] == "time" {
        faults.add("told of before its time", format!("{flush}"));
    }
}
