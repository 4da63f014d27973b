use super::*;
use serde_json::{Value, json};

const AT: i64 = 1_700_000_000_000;
const KINDS: [Topic; 7] = [
    Topic::Actions,
    Topic::Commands,
    Topic::Results,
    Topic::Outcomes,
    Topic::Audit,
    Topic::Dispatches,
    Topic::DeadLetters,
];

/// A run of one partition: records by topic, and the state that it left.
#[derive(Clone)]
struct Run {
    records: Vec<(Topic, Vec<u8>, Option<String>)>,
    state: Vec<(Vec<u8>, Vec<u8>)>,
}

fn key(tag: u8, rest: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![tag, 0, 1, b'n', 0, 1, b't'];
    rest.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// An expiring value whose body is a window of `count` events at one time.
fn value(end: i64, window: Option<(i64, u8)>) -> Vec<u8> {
    let mut value = [&[1_u8][..], &end.to_be_bytes()].concat();
    if let Some((at, count)) = window {
        let mut left = at;
        while left >= 128 {
            value.push((left % 128) as u8 | 0x80);
            left /= 128;
        }
        value.extend_from_slice(&[left as u8, count]);
    }
    value
}

/// Two actions with one key: the first is dispatched, the second a duplicate; and a record that is not JSON.
fn run() -> Run {
    let action = |id: &str| json!({"id": id, "namespace": "n", "tenant": "t", "provider": "email", "action_type": "a", "dedup_key": "k", "payload": {}});
    let source = |offset: i64| json!({"topic": "acteon.actions", "partition": 0, "offset": offset});
    let told = |id: &str, offset, outcome: &str, rule: Option<&str>, detail: Value| {
        let common = json!({"action_id": id, "provider": "email", "outcome": outcome, "decided_at": AT,
            "source": source(offset), "detail": detail});
        let mut told = common;
        if let Some(rule) = rule {
            told["rule"] = json!(rule);
            told["matched_rule"] = json!(rule);
        }
        told["phase"] = json!("decided");
        told
    };
    let first = told("1", 0, "dispatched", None, json!({"Dispatched": {"dispatch_id": "d"}}));
    let second = told("2", 1, "deduplicated", Some("once"), json!("Deduplicated"));
    let dispatch = json!({"dispatch_id": "d", "provider": "email", "task": 0, "source": source(0)});
    let text = |json: &Value| json.to_string().into_bytes();
    let letter = Some("acteon.actions/0/2".to_owned());
    Run {
        records: vec![
            (Topic::Actions, text(&action("1")), None),
            (Topic::Actions, text(&action("2")), None),
            (Topic::Actions, b"no".to_vec(), None),
            (Topic::Outcomes, text(&first), None),
            (Topic::Outcomes, text(&second), None),
            (Topic::Audit, text(&first), None),
            (Topic::Audit, text(&second), None),
            (Topic::Dispatches, text(&dispatch), None),
            (Topic::DeadLetters, b"no".to_vec(), letter),
        ],
        state: vec![
            (vec![1], AT.to_be_bytes().to_vec()),
            (key(0x10, &[&[0], b"k"]), value(AT + DEDUP_TTL_MS, None)),
            (key(0x11, &[&[0, 12], b"tenant-limit"]), value(AT + 60_000, Some((AT, 1)))),
            (key(0x11, &[&[0, 10], b"type-limit", b"s", &[0, 1], b"a"]), value(AT + 20_000, Some((AT, 1)))),
        ],
    }
}

fn verdict(run: &Run) -> Result<Report, Vec<&'static str>> {
    let mut evidence = Evidence::new("acteon", 1, AT);
    for topic in KINDS {
        for (offset, (_, value, source)) in (0..).zip(run.records.iter().filter(|record| record.0 == topic)) {
            let source = source.as_deref();
            evidence.add(topic, &Record { partition: 0, offset, key: None, value: Some(value), source });
        }
    }
    for (offset, (key, value)) in (0..).zip(&run.state) {
        let record = Record { partition: 0, offset, key: Some(key), value: Some(value), source: None };
        evidence.add(Topic::Changelog, &record);
    }
    check(&evidence).map_err(|violations| violations.iter().map(|violation| violation.what).collect())
}

#[test]
fn a_run_as_the_model_has_it_passes() {
    let report = verdict(&run()).unwrap();
    assert_eq!((report.decisions["dispatched"], report.decisions["deduplicated"], report.dead_letters), (1, 1, 1));
    assert_eq!(report.state_entries, 3);
}

#[test]
fn each_kind_of_damage_is_told() {
    let lost = |place: usize| {
        let mut run = run();
        run.records.remove(place);
        run
    };
    let doubled = |place: usize| {
        let mut run = run();
        run.records.push(run.records[place].clone());
        run
    };
    let mut forgotten = run();
    forgotten.state.remove(1);
    let mut miscounted = run();
    miscounted.state[2].1 = value(AT + 60_000, Some((AT, 2)));
    let mut late = run();
    late.state[0].1 = (AT - 1).to_be_bytes().to_vec();
    for (run, what) in [
        (lost(4), "not decided"),
        (doubled(4), "decided twice or out of order"),
        (doubled(7), "dispatched twice"),
        (lost(7), "dispatch and outcome don't fit"),
        (lost(5), "audit record missing"),
        (doubled(5), "audit record too many"),
        (lost(8), "not in the dead-letter topic"),
        (doubled(8), "dead letter too many, or changed"),
        (forgotten, "state differs from the model"),
        (miscounted, "state differs from the model"),
        (late, "clock behind the last decision"),
    ] {
        let violations = verdict(&run).unwrap_err();
        assert!(violations.contains(&what), "{what}: {violations:?}");
    }
}

/// A command, its answer and its audit record. The answer stands before the outcome at `place`.
fn with_command(mut run: Run, name: &str, body: &Value, place: usize) -> Run {
    let command = json!({"id": "c", "namespace": "n", "tenant": "t", "issued_at": 0, "command": {name: body}});
    let answer = json!({"action_id": "c", "provider": "", "outcome": "command_done", "decided_at": AT, "phase": "decided",
        "source": {"topic": "acteon.commands", "partition": 0, "offset": 0}, "detail": {"CommandDone": {"result": {}}}});
    let text = |json: &Value| json.to_string().into_bytes();
    run.records.insert(place, (Topic::Outcomes, text(&answer), None));
    run.records.push((Topic::Commands, text(&command), None));
    if !name.starts_with("list_") {
        run.records.push((Topic::Audit, text(&answer), None));
    }
    run
}

#[test]
fn a_command_is_carried_out_where_it_is_answered() {
    let (before, after) = (3, 5);
    let forget = |run, place| with_command(run, "forget_dedup_key", &json!({"dedup_key": "k"}), place);
    let mut forgotten = run();
    forgotten.state.remove(1);
    assert_eq!(verdict(&forget(run(), before)).unwrap().commands, 1);
    assert!(verdict(&forget(forgotten.clone(), after)).is_ok());
    assert_eq!(verdict(&forget(run(), after)).unwrap_err(), ["state differs from the model"]);
    assert_eq!(verdict(&forget(forgotten, before)).unwrap_err(), ["state differs from the model"]);
    let between = verdict(&forget(run(), 4)).unwrap_err();
    assert!(between.contains(&"decision differs from the model"), "{between:?}");
}

#[test]
fn each_command_has_one_answer_and_one_audit_record() {
    let good = with_command(run(), "reset_throttle", &json!({"rule": "other"}), 3);
    assert!(verdict(&good).is_ok());
    assert!(verdict(&with_command(run(), "list_scheduled", &json!({}), 3)).is_ok());
    let mut unanswered = good.clone();
    unanswered.records.remove(3);
    let mut twice = good.clone();
    twice.records.insert(3, twice.records[3].clone());
    let mut unaudited = good.clone();
    unaudited.records.pop();
    let mut unknown = good;
    unknown.records.retain(|record| record.0 != Topic::Commands);
    for (run, what) in [
        (unanswered, "not answered"),
        (twice, "decided twice or out of order"),
        (unaudited, "audit record missing"),
        (unknown, "answer to no such command"),
    ] {
        let violations = verdict(&run).unwrap_err();
        assert!(violations.contains(&what), "{what}: {violations:?}");
    }
}

/// The run, after whose first action's dispatch failed for good: the result, what was told of it, and the dead letter.
fn with_failure(mut run: Run) -> Run {
    let source = json!({"topic": "acteon.actions", "partition": 0, "offset": 0});
    let dispatch = json!({"dispatch_id": "d", "provider": "email", "task": 0, "source": source});
    let result = json!({"dispatch_id": "d", "result": {"failed": {"code": "X"}}, "dispatch": dispatch});
    let told = json!({"action_id": "1", "provider": "email", "outcome": "failed", "decided_at": AT, "source": source,
        "phase": "completed", "detail": {"Failed": {"code": "X", "attempts": 1}}});
    let text = |json: &Value| json.to_string().into_bytes();
    for (topic, json) in [(Topic::Results, &result), (Topic::Outcomes, &told), (Topic::Audit, &told)] {
        run.records.push((topic, text(json), None));
    }
    run.records.push((Topic::DeadLetters, text(&dispatch), Some("acteon.actions/0/0".to_owned())));
    // What the processor remembers of a result.
    run.state.push((key(0x12, &[b"d"]), value(AT + SEEN_TTL_MS, None)));
    run
}

#[test]
fn a_dispatch_that_failed_for_good_is_a_dead_letter_once() {
    assert_eq!(verdict(&with_failure(run())).err(), None);
    let letter = with_failure(run()).records.len() - 1;
    let mut lost = with_failure(run());
    lost.records.remove(letter);
    let mut doubled = with_failure(run());
    doubled.records.push(doubled.records[letter].clone());
    let mut of_another = with_failure(run());
    of_another.records[letter].1 = br#"{"dispatch_id": "e"}"#.to_vec();
    for (run, what) in [
        (lost, "not in the dead-letter topic"),
        (doubled, "dead letter too many, or changed"),
        (of_another, "dead letter too many, or changed"),
    ] {
        assert_eq!(verdict(&run).unwrap_err(), [what]);
    }
}
