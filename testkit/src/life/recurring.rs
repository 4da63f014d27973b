//! Each occurrence of a recurring action runs once, at a time that its cron expression has.

use super::Faults;
use super::course::courses;
use super::evidence::Evidence;
use super::time;
use serde_json::Value;
use std::collections::BTreeMap;

/// Tag of recurring actions in the state.
const RECURRING: u8 = 0x22;
/// Bytes in front of a value's JSON: a version and a time.
const VALUE_HEADER: usize = 9;
const MINUTE_MS: i64 = 60_000;

/// The cron expressions of [`super::Traffic`], with the time between their occurrences.
pub(super) const CADENCES: [(&str, i64); 2] = [("* * * * *", MINUTE_MS), ("*/2 * * * *", 2 * MINUTE_MS)];

pub(super) fn check(evidence: &Evidence, faults: &mut Faults) {
    // Of each recurring action: the times of its occurrences.
    let mut ran: BTreeMap<(&str, &str), Vec<i64>> = BTreeMap::new();
    for ((source, action_id), course) in courses(evidence) {
        let Some(definition) = evidence.commands.get(source).map(|command| &command["command"]["create_recurring"])
        else {
            continue;
        };
        let at = action_id.rsplit_once('@').and_then(|(id, at)| Some((id, time::parse(at)?)));
        let Some((id, at)) = at.filter(|(id, _)| definition["recurring"]["id"] == *id) else {
            faults.add("occurrence of nothing", format!("{course:?}"));
            continue;
        };
        if course[0].at() < at {
            faults.add("occurrence before its time", format!("{course:?}"));
        }
        ran.entry((source, id)).or_default().push(at);
    }
    for ((source, id), times) in &ran {
        let definition = &evidence.commands[*source]["command"]["create_recurring"]["recurring"];
        let cadence = CADENCES.iter().find(|(cron, _)| definition["cron_expression"] == *cron);
        // An update gives it the other one.
        let step = cadence.map_or(MINUTE_MS, |(_, step)| *step).min(MINUTE_MS);
        if times.iter().any(|at| at % step != 0) {
            faults.add("occurrence at a wrong time", format!("{id}: {times:?}"));
        }
        let most = definition["max_executions"].as_u64().unwrap_or(u64::MAX);
        if times.len() as u64 > most {
            faults.add("more occurrences than allowed", format!("{id}: {times:?}, at most {most}"));
        }
    }
    counts(evidence, &ran, faults);
}

/// What the state has counted is what ran.
fn counts(evidence: &Evidence, ran: &BTreeMap<(&str, &str), Vec<i64>>, faults: &mut Faults) {
    for ((partition, _), value) in evidence.stored(RECURRING) {
        let json: Value = serde_json::from_slice(value.get(VALUE_HEADER..).unwrap_or_default()).unwrap_or_default();
        let source = super::evidence::coordinates(&json["origin"]);
        let times = ran.get(&(source.as_str(), json["id"].as_str().unwrap_or_default()));
        let found = times.map_or(0, |times| times.len() as u64);
        if json["execution_count"] != found {
            faults.add("occurrences counted otherwise", format!("task {partition}: {json}, {times:?}"));
        }
    }
}
