//! Each occurrence of a recurring action runs once, at a time that its cron expression has.

use super::Faults;
use super::course::courses;
use super::evidence::{Evidence, Told};
use super::time;
use serde_json::Value;
use std::collections::BTreeMap;

/// Tag of recurring actions in the state.
const RECURRING: u8 = 0x22;
/// Bytes in front of a value's JSON: a version and a time.
const VALUE_HEADER: usize = 9;
const MINUTE_MS: i64 = 60_000;
/// Latest that an occurrence runs after its time unless a backfill asks for it, in milliseconds.
const MAX_GRACE_MS: i64 = MINUTE_MS;

/// The cron expressions of [`super::Traffic`], with the time between their occurrences.
pub(super) const CADENCES: [(&str, i64); 2] = [("* * * * *", MINUTE_MS), ("*/2 * * * *", 2 * MINUTE_MS)];

/// What commands made of a recurring action, by its tenant and id: its definitions with the times from which on each held,
/// in order.
type Definitions<'d> = BTreeMap<(&'d str, &'d str), Vec<(i64, &'d Value)>>;

/// A backfill that was carried out.
struct Backfill<'b> {
    told: &'b Told,
    id: &'b str,
    start: i64,
    end: i64,
    /// Occurrences that it says it ran.
    executed: u64,
    /// Occurrences of that time that were decided about when it was carried out.
    found: u64,
}

pub(super) fn check(evidence: &Evidence, faults: &mut Faults) {
    let (definitions, mut backfills) = commands(evidence);
    // Of each recurring action: the times of its occurrences.
    let mut ran: BTreeMap<(&str, &str), Vec<i64>> = BTreeMap::new();
    for ((source, action_id), course) in courses(evidence) {
        let command = evidence.commands.get(source).map(|command| &command["command"]["create_recurring"]);
        let Some(definition) = command.filter(|command| !command.is_null()) else { continue };
        let at = action_id.rsplit_once('@').and_then(|(id, at)| Some((id, time::parse(at)?)));
        let Some((id, at)) = at.filter(|(id, _)| definition["recurring"]["id"] == *id) else {
            faults.add("occurrence of nothing", format!("{course:?}"));
            continue;
        };
        if course[0].at() < at {
            faults.add("occurrence before its time", format!("{course:?}"));
        }
        let mut asked = false;
        let is_its = |backfill: &&mut Backfill<'_>| backfill.told.tenant() == course[0].tenant() && backfill.id == id;
        for backfill in backfills.iter_mut().filter(is_its) {
            if backfill.told.at() == course[0].at() && (backfill.start..backfill.end).contains(&at) {
                backfill.found += 1;
                asked = true;
            }
        }
        if !asked && course[0].at() > at + MAX_GRACE_MS {
            faults.add("occurrence long after its time", format!("{course:?}"));
        }
        let of_it = definitions.get(&(course[0].tenant(), id)).map_or(&[][..], Vec::as_slice);
        if !fits(of_it, at, course[0].at()) {
            faults.add("occurrence at a wrong time", format!("{course:?}, {of_it:?}"));
        }
        ran.entry((source, id)).or_default().push(at);
    }
    for backfill in backfills.iter().filter(|backfill| backfill.found < backfill.executed) {
        faults.add("backfill has run less than it says", format!("{} found: {:?}", backfill.found, backfill.told));
    }
    for ((source, id), times) in &ran {
        let tenant = evidence.commands[*source]["tenant"].as_str().unwrap_or_default();
        let of_it = definitions.get(&(tenant, *id)).into_iter().flatten();
        let most = of_it.map(|(_, definition)| definition["max_executions"].as_u64().unwrap_or(u64::MAX)).max();
        let most = most.unwrap_or_default();
        if times.len() as u64 > most {
            faults.add("more occurrences than allowed", format!("{id}: {times:?}, at most {most}"));
        }
    }
    counts(evidence, &ran, faults);
}

/// What was carried out of the commands about recurring actions.
fn commands(evidence: &Evidence) -> (Definitions<'_>, Vec<Backfill<'_>>) {
    let (mut definitions, mut backfills) = (Definitions::new(), Vec::new());
    for told in evidence.outcomes.iter().filter(|told| told.outcome() == "command_done") {
        let Some(command) = evidence.commands.get(&told.source).map(|command| &command["command"]) else { continue };
        for (name, id) in [("create_recurring", "/recurring/id"), ("update_recurring", "/recurring_id")] {
            if let Some(id) = command[name].pointer(id).and_then(Value::as_str) {
                let of_it = definitions.entry((told.tenant(), id)).or_default();
                of_it.push((told.at(), &command[name]["recurring"]));
            }
        }
        let backfill = &command["backfill_recurring"];
        let moment = |field: &str| backfill[field].as_str().and_then(time::parse);
        if let (Some(id), Some(start), Some(end)) = (backfill["recurring_id"].as_str(), moment("start"), moment("end"))
        {
            let executed = told.json["detail"]["CommandDone"]["result"]["executed"].as_u64().unwrap_or_default();
            backfills.push(Backfill { told, id, start, end, executed, found: 0 });
        }
    }
    (definitions, backfills)
}

/// Whether a definition that held at `now` has an occurrence at a time.
fn fits(definitions: &[(i64, &Value)], at: i64, now: i64) -> bool {
    let has = |definition: &Value| {
        let cadence = CADENCES.iter().find(|(cron, _)| definition["cron_expression"] == *cron);
        cadence.is_some_and(|(_, step)| at % step == 0)
    };
    let before = definitions.partition_point(|(from, _)| *from < now);
    let meanwhile = definitions[before..].iter().take_while(|(from, _)| *from == now);
    definitions[..before].last().into_iter().chain(meanwhile).any(|(_, definition)| has(definition))
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
