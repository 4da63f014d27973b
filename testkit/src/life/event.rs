//! Each event goes a way that its state machine allows, step by step.

use super::Faults;
use super::definition::machine;
use super::evidence::Evidence;
use acteon_schemas::StateMachineDefinition;
use serde_json::Value;
use std::collections::BTreeMap;

/// Tag of events in the state.
const EVENT: u8 = 0x40;
/// Bytes in front of a value's JSON: a version and a time.
const VALUE_HEADER: usize = 9;

/// Tenant and fingerprint.
type Name<'n> = (&'n str, &'n str);
/// A move: fingerprint, the states before and after, and why.
type Move<'m> = (&'m str, Option<&'m str>, &'m str, &'m str);

pub(super) fn check(evidence: &Evidence, faults: &mut Faults) {
    let machine = machine(evidence.pace);
    let mut ways: BTreeMap<Name<'_>, Vec<&Value>> = BTreeMap::new();
    for audit in &evidence.audits {
        let is_move = matches!(audit["outcome"].as_str(), Some("state_changed" | "event_changed"));
        let details = &audit["outcome_details"];
        if is_move && details["refused"].is_null() {
            let name = (audit["tenant"].as_str().unwrap_or_default(), text(details, "fingerprint"));
            ways.entry(name).or_default().push(audit);
        }
    }
    for (name, way) in &ways {
        follow(*name, way, &machine, faults);
    }
    states(evidence, &ways, faults);
    notices(evidence, &ways, faults);
}

fn text<'j>(json: &'j Value, field: &str) -> &'j str {
    json[field].as_str().unwrap_or_default()
}

fn reason(audit: &Value) -> &str {
    audit["outcome_details"]["reason"].as_str().unwrap_or("action")
}

fn follow(name: Name<'_>, way: &[&Value], machine: &StateMachineDefinition, faults: &mut Faults) {
    let (mut state, mut since): (Option<&str>, i64) = (None, 0);
    for audit in way {
        let details = &audit["outcome_details"];
        let (previous, new) = (details["previous_state"].as_str(), text(details, "new_state"));
        let at = audit["dispatched_at"].as_i64().unwrap_or_default();
        // An event that is over is forgotten in time, and begins anew.
        let forgotten = previous.is_none() && state.is_some_and(|state| is_terminal(machine, state));
        if previous != state && !forgotten {
            faults.add("event jumped", format!("{name:?} from {state:?}: {audit}"));
        }
        let in_time = machine.timeouts.iter().any(|timeout| {
            let after_ms = i64::try_from(timeout.after_seconds * 1000).unwrap_or(i64::MAX);
            Some(timeout.state.as_str()) == previous && timeout.transition_to == new && at >= since + after_ms
        });
        let is_allowed = match previous {
            _ if reason(audit) == "timeout" => in_time,
            None => machine.states.iter().any(|state| state == new),
            Some(previous) => {
                previous == new || machine.transitions.iter().any(|step| step.from == previous && step.to == new)
            }
        };
        if !is_allowed {
            faults.add("event moved against its machine", format!("{name:?}: {audit}"));
        }
        if previous != Some(new) {
            since = at;
        }
        state = Some(new);
    }
}

fn is_terminal(machine: &StateMachineDefinition, state: &str) -> bool {
    machine.terminal_states.iter().flatten().any(|terminal| terminal == state)
}

/// What the state holds is where each way has led.
fn states(evidence: &Evidence, ways: &BTreeMap<Name<'_>, Vec<&Value>>, faults: &mut Faults) {
    let mut held: BTreeMap<(String, String), String> = BTreeMap::new();
    for ((_, key), value) in evidence.stored(EVENT) {
        // A tag, the namespace and the tenant, each behind its length.
        let scope = 1 + 2 + super::NAMESPACE.len();
        let length = key.get(scope + 1).copied().map_or(0, usize::from);
        let tenant = key.get(scope + 2..scope + 2 + length).map(String::from_utf8_lossy).unwrap_or_default();
        let event: Value = serde_json::from_slice(value.get(VALUE_HEADER..).unwrap_or_default()).unwrap_or_default();
        held.insert((tenant.into_owned(), text(&event, "fingerprint").to_owned()), text(&event, "state").to_owned());
    }
    let machine = machine(evidence.pace);
    for ((tenant, fingerprint), way) in ways {
        let last = way.last().map_or("", |audit| text(&audit["outcome_details"], "new_state"));
        match held.remove(&((*tenant).to_owned(), (*fingerprint).to_owned())) {
            Some(state) if state == last => {}
            None if is_terminal(&machine, last) => {}
            found => faults.add("event is in another state", format!("{tenant}/{fingerprint}: {found:?}, not {last}")),
        }
    }
    for event in held {
        faults.add("event from nowhere", format!("{event:?}"));
    }
}

/// Each move that is told of was told of once, and no other one.
fn notices(evidence: &Evidence, ways: &BTreeMap<Name<'_>, Vec<&Value>>, faults: &mut Faults) {
    let machine = machine(evidence.pace);
    let mut counts: BTreeMap<(&str, Move<'_>), i64> = BTreeMap::new();
    for ((tenant, fingerprint), way) in ways {
        for audit in way {
            let details = &audit["outcome_details"];
            let (previous, new) = (details["previous_state"].as_str(), text(details, "new_state"));
            if tells(&machine, previous, new, reason(audit)) {
                *counts.entry((tenant, (fingerprint, previous, new, reason(audit)))).or_default() += 1;
            }
        }
    }
    for dispatch in evidence.dispatches.iter().filter(|dispatch| dispatch["released_by"] == "event") {
        let event = &dispatch["payload"]["event"];
        let told = (text(event, "fingerprint"), event["previous_state"].as_str(), text(event, "new_state"));
        let told = (told.0, told.1, told.2, text(event, "reason"));
        *counts.entry((text(dispatch, "tenant"), told)).or_default() -= 1;
    }
    for (told, count) in counts.into_iter().filter(|(_, count)| *count != 0) {
        let what = if count > 0 { "move not told of" } else { "move told of twice" };
        faults.add(what, format!("{told:?}"));
    }
}

/// Whether the machine has a provider told of a move.
fn tells(machine: &StateMachineDefinition, previous: Option<&str>, new: &str, reason: &str) -> bool {
    let Some(previous) = previous else { return machine.notify_on_create.unwrap_or(true) };
    let effects = if reason == "timeout" {
        machine
            .timeouts
            .iter()
            .find(|timeout| timeout.state == previous)
            .and_then(|timeout| timeout.on_transition.as_ref())
    } else {
        let step = machine.transitions.iter().find(|step| step.from == previous && step.to == new);
        step.and_then(|step| step.on_transition.as_ref())
    };
    effects.is_some_and(|effects| effects.notify)
}
