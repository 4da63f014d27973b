//! Laws of everything that lives for a while: what must hold for the committed records of a run, whatever happened to the
//! processes meanwhile.
//!
//! It is the second oracle of the simulation and of the exactly-once test on Kafka, beside [`crate::model`]: where that one
//! foretells each decision, this one follows each life from its beginning to its one end. [`Traffic`] makes the actions and
//! commands of the tenants in [`NAMESPACE`], [`rules`] hold them; [`Evidence`] takes the records, and [`check`] says which
//! laws they break.

mod answer;
mod approval;
mod chain;
mod course;
mod definition;
mod dispatch;
mod event;
mod evidence;
mod group;
mod queue;
mod quota;
mod recurring;
mod schedule;
#[cfg(test)]
mod tests;
mod time;
mod traffic;

pub use definition::{Pace, chains, machine, rules};
pub use evidence::Evidence;
pub use traffic::Traffic;

use crate::model::{Topic, Violation};
use serde_json::Value;
use std::collections::BTreeMap;

/// The namespace of the tenants that the laws are about.
pub const NAMESPACE: &str = "life";

/// Most violations kept.
const MAX_VIOLATIONS: usize = 50;

/// What was checked: how often each kind of outcome was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Outcomes by their kind; those of released actions stand under `released_by …` as well, commands that were carried
    /// out under `done …`, and actions beyond a quota under `quota …`.
    pub outcomes: BTreeMap<String, usize>,
    /// Actions that came.
    pub actions: usize,
    /// Commands that came.
    pub commands: usize,
    /// Dispatches.
    pub dispatches: usize,
}

/// Says which laws the records of a run break.
///
/// # Errors
/// Every violation, at most 50 of them.
pub fn check(evidence: &Evidence) -> Result<Report, Vec<Violation>> {
    let mut faults = Faults(Vec::new());
    answer::check(evidence, &mut faults);
    approval::check(evidence, &mut faults);
    chain::check(evidence, &mut faults);
    course::check(evidence, &mut faults);
    dispatch::check(evidence, &mut faults);
    event::check(evidence, &mut faults);
    group::check(evidence, &mut faults);
    queue::check(evidence, &mut faults);
    quota::check(evidence, &mut faults);
    recurring::check(evidence, &mut faults);
    schedule::check(evidence, &mut faults);
    if faults.0.is_empty() { Ok(evidence.report()) } else { Err(faults.0) }
}

/// The violations found.
struct Faults(Vec<Violation>);

impl Faults {
    fn add(&mut self, what: &'static str, detail: impl Into<String>) {
        if self.0.len() < MAX_VIOLATIONS {
            self.0.push(Violation::new(what, detail.into()));
        }
    }
}

/// Whether a record is about one of the tenants that the laws are about. Records of the changelogs tell it by their keys,
/// all others by their JSON.
#[must_use]
pub fn owns(topic: Topic, key: Option<&[u8]>, json: Option<&Value>) -> bool {
    match topic {
        // A tag, and the namespace behind its length.
        Topic::Changelog => key.is_some_and(|key| key.get(1..).is_some_and(|rest| rest.starts_with(b"\x00\x04life"))),
        _ => json.is_some_and(|json| json["namespace"] == NAMESPACE),
    }
}
