//! A request for approval is decided once: by the first who says so, or by time.

use super::Faults;
use super::course::courses;
use super::evidence::{Evidence, Told};
use super::time;
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Evidence, faults: &mut Faults) {
    let mut clicks: BTreeMap<&str, Vec<(&str, &Told)>> = BTreeMap::new();
    for told in evidence.outcomes.iter().filter(|told| told.is_answer()) {
        let command = evidence.commands.get(&told.source).map(|command| &command["command"]);
        for name in ["approve", "reject"] {
            if let Some(id) = command.and_then(|command| command[name]["approval_id"].as_str()) {
                clicks.entry(id).or_default().push((name, told));
            }
        }
    }
    let mut rulings: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for audit in &evidence.audits {
        if let (Some(id), Some(decision)) =
            (audit["outcome_details"]["approval_id"].as_str(), audit["outcome_details"]["decision"].as_str())
        {
            rulings.entry(id).or_default().push(decision);
        }
    }
    for pair in courses(evidence).values().flat_map(|course| course.windows(2)) {
        if let Some(id) = pair[0].detail("PendingApproval", "approval_id") {
            let clicks = clicks.remove(id).unwrap_or_default();
            let rulings = rulings.remove(id).unwrap_or_default();
            request(pair[0], pair[1], &clicks, &rulings, faults);
        }
    }
    for (name, told) in clicks.values().flatten().filter(|(_, told)| told.outcome() == "command_done") {
        faults.add("decided about nothing", format!("{name}: {told:?}"));
    }
}

/// One request, its end, the clicks on it, and what the audit topic says of it.
fn request(asked: &Told, end: &Told, clicks: &[(&str, &Told)], rulings: &[&str], faults: &mut Faults) {
    let decision = match end.outcome() {
        "rejected" | "expired" | "cancelled" => end.outcome(),
        _ => "approved",
    };
    let detail = || format!("{asked:?}, {end:?}, {clicks:?}, {rulings:?}");
    if rulings != [decision] {
        faults.add("approval audited otherwise", detail());
    }
    let due = asked.detail("PendingApproval", "expires_at").and_then(time::parse);
    if due.is_none_or(|due| (decision == "expired") != (end.at() >= due)) {
        faults.add("approval decided at a wrong time", detail());
    }
    let done: Vec<&str> =
        clicks.iter().filter(|(_, told)| told.outcome() == "command_done").map(|(name, _)| *name).collect();
    let wanted: &[&str] = match decision {
        "approved" => &["approve"],
        "rejected" => &["reject"],
        _ => &[],
    };
    if done != wanted {
        faults.add("approval decided twice, or by nobody", detail());
    }
    let first = clicks.iter().position(|(_, told)| told.outcome() == "command_done");
    for (_, told) in clicks.iter().skip(first.map_or(0, |first| first + 1)) {
        let code = told.detail("CommandRefused", "code");
        // A request is forgotten a day after its end.
        let fits = match decision {
            "expired" => matches!(code, Some("GONE" | "NOT_FOUND")),
            "cancelled" => code.is_some(),
            _ => matches!(code, Some("CONFLICT" | "NOT_FOUND")),
        };
        if !fits {
            faults.add("late decision not refused", detail());
        }
    }
}
