//! That each law can be broken: a run that keeps them all, and what is wrong with it once a record is lost, doubled or
//! changed.

mod chain;
mod event;
mod limits;

use super::*;
use crate::model::Record;
use serde_json::json;

const AT: i64 = 1_700_000_000_000;

/// Records by topic, of one partition, each under a name to damage it by.
#[derive(Clone, Default)]
struct Run {
    records: Vec<(&'static str, Topic, Value)>,
    state: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Run {
    fn add(&mut self, name: &'static str, topic: Topic, mut json: Value) {
        json["namespace"] = json!(NAMESPACE);
        json["tenant"] = json!("t");
        self.records.push((name, topic, json));
    }

    fn action(&mut self, name: &'static str) {
        self.add(name, Topic::Actions, json!({"id": name}));
    }

    /// An outcome and its audit record, both under one name; `source` is the action's number.
    fn told(&mut self, name: &'static str, (id, source): (&str, u64), outcome: &str, after_ms: i64, more: Value) {
        let source = json!({"topic": "acteon.actions", "partition": 0, "offset": source});
        let mut told = json!({"action_id": id, "outcome": outcome, "decided_at": AT + after_ms, "source": source,
            "provider": "email", "dispatched_at": AT + after_ms, "id": name, "phase": "decided"});
        if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
            told.extend(more);
        }
        self.add(name, Topic::Outcomes, told.clone());
        self.add(name, Topic::Audit, told);
    }

    fn command(&mut self, name: &'static str, number: u64, command: &Value, after_ms: i64, refused: Option<&str>) {
        self.add(name, Topic::Commands, json!({"id": name, "command": command}));
        let outcome = if refused.is_some() { "command_refused" } else { "command_done" };
        let detail = json!({"CommandRefused": {"code": refused}});
        let source = json!({"topic": "acteon.commands", "partition": 0, "offset": number});
        self.told(name, (name, 0), outcome, after_ms, json!({"source": source, "detail": detail, "action_type": "x"}));
    }

    /// A dispatch, its result and what came of that.
    fn called(&mut self, name: &'static str, (id, source): (&str, u64), by: &str, after_ms: i64, more: Value) {
        self.told(
            name,
            (id, source),
            "dispatched",
            after_ms,
            json!({"released_by": by,
            "detail": {"Dispatched": {"dispatch_id": name}}, "action_type": more["action_type"]}),
        );
        let mut dispatch = self.records[self.records.len() - 2].2.clone();
        dispatch["dispatch_id"] = json!(name);
        if let (Some(dispatch), Value::Object(more)) = (dispatch.as_object_mut(), more) {
            dispatch.extend(more);
        }
        self.add(name, Topic::Dispatches, dispatch.clone());
        self.add(name, Topic::Results, dispatch);
        self.told(name, (id, source), "executed", after_ms + 1, json!({"released_by": by, "phase": "completed"}));
    }
}

fn time(after_ms: i64) -> String {
    assert!(after_ms < 30_000);
    format!("2023-11-14T22:13:{:02}Z", 20 + after_ms / 1000)
}

/// A scheduled action that went, one that was called off, two that were grouped, and one that was approved; chains, an
/// event, and what limits and operators do.
fn run() -> Run {
    let mut run = Run::default();
    for id in ["goes", "off", "one", "two", "asked", "flows", "mends", "alerts"] {
        run.action(id);
    }
    let scheduled = json!({"detail": {"Scheduled": {"action_id": "s", "scheduled_for": time(5_000)}}});
    run.told("hold", ("goes", 0), "scheduled", 0, scheduled.clone());
    run.told("hold-off", ("off", 1), "scheduled", 0, scheduled);
    let grouped = json!({"detail": {"Grouped": {"group_id": "g", "notify_at": time(3_000)}}});
    run.told("group-one", ("one", 2), "grouped", 0, grouped.clone());
    run.told("group-two", ("two", 3), "grouped", 1, grouped);
    let asked = json!({"detail": {"PendingApproval": {"approval_id": "a", "expires_at": time(9_000)}}});
    run.told("ask", ("asked", 4), "pending_approval", 2, asked);
    run.command("cancel", 0, &json!({"cancel_scheduled": {"action_id": "off"}}), 1_000, None);
    run.told("cancelled", ("off", 1), "cancelled", 1_000, json!({}));
    run.command("approve", 1, &json!({"approve": {"approval_id": "a"}}), 2_000, None);
    let ruling = json!({"action_id": "asked", "outcome": "approved", "id": "ruling", "phase": "progress",
        "outcome_details": {"approval_id": "a", "decision": "approved"}});
    run.add("ruling", Topic::Audit, ruling);
    run.called("approved", ("asked", 4), "approval", 2_000, json!({}));
    run.command("late", 2, &json!({"reject": {"approval_id": "a"}}), 2_500, Some("CONFLICT"));
    let payload = json!({"group_id": "g", "count": 2, "events": [{"action_id": "one"}, {"action_id": "two"}]});
    let notification = json!({"action_type": "group_notification", "payload": payload});
    let details = json!({"group_id": "g", "count": 2, "action_ids": ["one", "two"], "cause": "time"});
    let flush = json!({"action_id": "n", "outcome": "group_flushed", "id": "flush", "phase": "progress",
        "dispatched_at": AT + 3_000, "outcome_details": details});
    run.add("flush", Topic::Audit, flush);
    run.called("notification", ("n", 2), "group", 3_000, notification);
    run.called("gone", ("goes", 0), "schedule", 5_000, json!({}));
    chain::add(&mut run);
    event::add(&mut run);
    limits::add(&mut run);
    run
}

fn verdict(run: &Run) -> Result<Report, Vec<&'static str>> {
    let mut evidence = Evidence::new("acteon", Pace::AsWritten);
    let mut offsets: BTreeMap<Topic, i64> = BTreeMap::new();
    for (_, topic, json) in &run.records {
        let offset = offsets.entry(*topic).or_insert(-1);
        *offset += 1;
        let value = json.to_string().into_bytes();
        let source = json["letter_of"].as_str();
        evidence.add(*topic, &Record { partition: 0, offset: *offset, key: None, value: Some(&value), source });
    }
    for (key, value) in &run.state {
        let record = Record { partition: 0, offset: 0, key: Some(key), value: Some(value), source: None };
        evidence.add(Topic::Changelog, &record);
    }
    check(&evidence).map_err(|violations| violations.iter().map(|violation| violation.what).collect())
}

fn lost(name: &str, topics: &[Topic]) -> Run {
    let mut run = run();
    let before = run.records.len();
    run.records.retain(|(of, topic, _)| *of != name || !topics.contains(topic));
    assert!(run.records.len() < before, "{name} is a record");
    run
}

fn doubled(name: &str, topics: &[Topic]) -> Run {
    let mut run = run();
    let place = |(of, topic, _): &(&str, Topic, Value)| *of == name && topics.contains(topic);
    let again: Vec<_> = run.records.iter().filter(|record| place(record)).cloned().collect();
    assert!(!again.is_empty(), "{name} is a record");
    let end = run.records.iter().rposition(place).map_or(0, |place| place + 1);
    run.records.splice(end..end, again);
    run
}

fn changed(name: &str, topic: Topic, change: impl Fn(&mut Value)) -> Run {
    let mut run = run();
    let mut found = run.records.iter_mut().filter(|(of, on, _)| *of == name && *on == topic);
    change(&mut found.next().unwrap().2);
    run
}

fn left(tag: u8) -> Run {
    let mut run = run();
    run.state.push(([&[tag, 0, 4][..], b"life", &[0, 1], b"t"].concat(), vec![1, 0, 0, 0, 0, 0, 0, 0, 0, b'0']));
    run
}

#[track_caller]
fn assert_told(cases: Vec<(Run, &'static str)>) {
    for (run, what) in cases {
        let violations = verdict(&run).unwrap_err();
        assert!(violations.contains(&what), "{what}: {violations:?}");
    }
}

#[test]
fn a_run_that_keeps_the_laws_passes() {
    let report = verdict(&run()).unwrap();
    assert_eq!((report.actions, report.commands, report.dispatches), (8, 12, 29));
    assert_eq!(report.outcomes["released_by schedule"], 1);
}

#[test]
fn each_input_is_answered_once() {
    use Topic::{Audit, Commands, Dispatches, Outcomes};
    assert_told(vec![
        (lost("cancel", &[Outcomes]), "command not answered"),
        (doubled("cancel", &[Outcomes]), "command answered twice"),
        (lost("cancel", &[Commands]), "answer to no command"),
        (lost("cancel", &[Audit]), "audit record missing"),
        (doubled("cancel", &[Audit]), "audit record twice"),
        (lost("gone", &[Dispatches]), "dispatch and outcome don't fit"),
        (doubled("gone", &[Dispatches]), "dispatched twice"),
        (lost("gone", &[Outcomes]), "result without a completion"),
        (lost("gone", &[Topic::Results]), "results and completions don't fit"),
        (changed("gone", Outcomes, |told| told["decided_at"] = json!(AT)), "time went backwards"),
    ]);
}

#[test]
fn each_action_takes_one_course() {
    use Topic::{Audit, Dispatches, Outcomes, Results};
    let all = [Outcomes, Audit, Dispatches, Results];
    assert_told(vec![
        (lost("gone", &all), "held and never let go"),
        (lost("approved", &all), "held and never let go"),
        (doubled("gone", &[Outcomes]), "course goes on behind its end"),
        (doubled("hold", &[Outcomes, Audit]), "course taken twice"),
        (lost("group-one", &[Outcomes]), "not decided"),
        (changed("gone", Outcomes, |told| told["released_by"] = json!("approval")), "course taken twice"),
    ]);
}

#[test]
fn what_is_held_until_a_time_goes_then() {
    let early = |told: &mut Value| told["detail"]["Scheduled"]["scheduled_for"] = json!(time(6_000));
    assert_told(vec![
        (changed("hold", Topic::Outcomes, early), "let go before its time"),
        (left(0x20), "left in the state"),
    ]);
}

#[test]
fn each_approval_is_decided_once() {
    use Topic::{Audit, Outcomes};
    let done = |told: &mut Value| told["outcome"] = json!("command_done");
    let missing = |told: &mut Value| told["detail"]["CommandRefused"]["code"] = json!("INVALID");
    let over = |told: &mut Value| told["detail"]["PendingApproval"]["expires_at"] = json!(time(1_000));
    let other = |told: &mut Value| told["outcome_details"]["decision"] = json!("rejected");
    assert_told(vec![
        (changed("late", Outcomes, done), "approval decided twice, or by nobody"),
        (changed("late", Outcomes, missing), "late decision not refused"),
        (changed("ask", Outcomes, over), "approval decided at a wrong time"),
        (changed("ruling", Audit, other), "approval audited otherwise"),
        (lost("ruling", &[Audit]), "approval audited otherwise"),
        (lost("approve", &[Topic::Commands, Outcomes]), "approval decided twice, or by nobody"),
        (lost("ask", &[Outcomes]), "decided about nothing"),
    ]);
}

#[test]
fn each_event_of_a_group_is_told_of_once() {
    use Topic::{Audit, Dispatches};
    let without = |count: u64| {
        move |dispatch: &mut Value| {
            dispatch["payload"]["events"] = json!([{"action_id": "one"}]);
            dispatch["payload"]["count"] = json!(count);
        }
    };
    let early = |audit: &mut Value| audit["dispatched_at"] = json!(AT + 2_999);
    let other = |told: &mut Value| told["detail"]["Grouped"]["group_id"] = json!("h");
    let again =
        |dispatch: &mut Value| dispatch["payload"]["events"] = json!([{"action_id": "one"}, {"action_id": "one"}]);
    assert_told(vec![
        (changed("notification", Dispatches, without(1)), "grouped and never told of"),
        (changed("notification", Dispatches, without(2)), "flush and notification don't fit"),
        (changed("notification", Dispatches, again), "told of twice"),
        (changed("flush", Audit, early), "told of before its time"),
        (changed("group-two", Topic::Outcomes, other), "told of in another group"),
        (doubled("flush", &[Audit]), "group flushed twice"),
        (lost("flush", &[Audit]), "notification of no flush"),
        (lost("notification", &[Dispatches]), "flush without a notification"),
        (left(0x31), "left in the state"),
    ]);
}

#[test]
fn a_call_that_failed_for_good_is_a_dead_letter_once() {
    let failed = |result: &mut Value| {
        result["result"] = json!({"failed": {"code": "X"}});
        result["dispatch"] = json!({});
    };
    let unburied = changed("gone", Topic::Results, failed);
    let buried = |times: usize| {
        let mut run = unburied.clone();
        for _ in 0..times {
            let letter = json!({"dispatch_id": "gone", "letter_of": "acteon.actions/0/0"});
            run.add("letter", Topic::DeadLetters, letter);
        }
        run
    };
    assert!(verdict(&buried(1)).is_ok());
    let mut of_a_good_one = run();
    of_a_good_one.records.extend(buried(1).records.pop());
    assert_told(vec![
        (unburied.clone(), "failed dispatch not in the dead-letter topic"),
        (buried(2), "dead letter of a dispatch twice, or of one that did not fail"),
        (of_a_good_one, "dead letter of a dispatch twice, or of one that did not fail"),
    ]);
}
