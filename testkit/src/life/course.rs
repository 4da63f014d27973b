//! Each action takes one course: it is decided once; what holds it lets it go once, or ends it; and then it is over.

use super::Faults;
use super::evidence::{Evidence, Told};
use super::group::NOTIFICATION;
use std::collections::{BTreeMap, BTreeSet};

/// How long a held action may be let go by, and how it may end instead.
const HOLDS: [(&str, &[&str], &[&str]); 2] = [
    ("scheduled", &["schedule", "throttle"], &["cancelled"]),
    ("pending_approval", &["approval"], &["rejected", "expired", "cancelled"]),
];
/// Outcomes that end a course, beside those that end a held action.
const ENDS: [&str; 11] = [
    "dispatched",
    "deduplicated",
    "suppressed",
    "throttled",
    "failed",
    "grouped",
    "chain_started",
    "state_changed",
    "quota_exceeded",
    "silenced",
    "muted",
];

/// An action: its input and its id.
pub(super) type Name<'n> = (&'n str, &'n str);

/// What was told of each action, in order, without the results of its dispatches and the ends of its chain.
pub(super) fn courses(evidence: &Evidence) -> BTreeMap<Name<'_>, Vec<&Told>> {
    let mut courses: BTreeMap<Name<'_>, Vec<&Told>> = BTreeMap::new();
    let is_step = |told: &&Told| {
        let known = |(held, _, ends): &(&str, _, &[&str])| *held == told.outcome() || ends.contains(&told.outcome());
        ENDS.contains(&told.outcome()) || HOLDS.iter().any(known)
    };
    // What an event has its provider told is no part of its actions' courses.
    let is_own = |told: &&Told| !told.is_completion() && told.released_by() != Some("event");
    for told in evidence.outcomes.iter().filter(is_own).filter(is_step) {
        courses.entry((&told.source, told.action_id())).or_default().push(told);
    }
    courses
}

pub(super) fn check(evidence: &Evidence, faults: &mut Faults) {
    let courses = courses(evidence);
    courses.values().for_each(|course| follow(course, faults));
    let decided: BTreeSet<Name<'_>> = courses.keys().copied().collect();
    let sources: BTreeSet<&str> = decided.iter().map(|(source, _)| *source).collect();
    for (place, action) in &evidence.actions {
        let is_decided = match action["id"].as_str() {
            Some(id) => decided.contains(&(place, id)),
            None => sources.contains(place.as_str()),
        };
        if !is_decided {
            faults.add("not decided", format!("{place}: {action}"));
        }
    }
}

fn follow(course: &[&Told], faults: &mut Faults) {
    let mut held: Option<&(&str, &[&str], &[&str])> = None;
    for (place, told) in course.iter().enumerate() {
        let fits = match held {
            None if told.json["action_type"] == NOTIFICATION => place == 0 && told.released_by() == Some("group"),
            None if told.source.contains(".commands/") => {
                let is_occurrence = told.released_by() == Some("recurring");
                place == 0 && (is_occurrence || told.outcome() == "chain_started" && told.released_by().is_none())
            }
            None => place == 0 && told.released_by().is_none(),
            Some((_, _, ends)) if ends.contains(&told.outcome()) => true,
            Some((_, releases, _)) => told.released_by().is_some_and(|by| releases.contains(&by)),
        };
        if !fits {
            faults.add("course taken twice", format!("{course:?}"));
            return;
        }
        held = HOLDS.iter().find(|(kind, ..)| *kind == told.outcome());
        let is_over = held.is_none();
        if is_over && place + 1 < course.len() {
            faults.add("course goes on behind its end", format!("{course:?}"));
            return;
        }
    }
    if held.is_some() {
        faults.add("held and never let go", format!("{course:?}"));
    }
}
