//! Groups of events that can end: they stay, are told of again, and once more when they have ended.

use crate::groups::{Bench, told};
use acteon_core::Recorder;
use serde_json::{Value, json};

const RULES: &str = "
rules:
  - {name: collect, action: {type: group, group_by: [], group_wait_seconds: 10, group_interval_seconds: 60}}
";

const REPEATS: &str = "
rules:
  - name: collect
    action: {type: group, group_by: [], group_wait_seconds: 10, group_interval_seconds: 60,
             repeat_interval_seconds: 600}
";

const DAY: i64 = 24 * 3600;

/// What each event of each notification is said to be.
fn statuses(effects: &Recorder) -> Vec<Vec<Value>> {
    let of = |sent: &Value| {
        let events = sent["payload"]["events"].as_array().unwrap();
        events.iter().map(|event| event["status"].clone()).collect()
    };
    effects.dispatches.iter().map(of).collect()
}

/// What the flush's audit record says of whether all of the group has ended.
fn resolved(effects: &Recorder) -> Value {
    effects.audit[0]["outcome_details"]["resolved"].clone()
}

fn nothing() -> Vec<Vec<String>> {
    Vec::new()
}

#[test]
fn a_fingerprint_stays_until_it_is_resolved() {
    let mut bench = Bench::new(RULES);
    bench.grouped(0, json!({"fingerprint": "f", "status": "firing"}));
    bench.grouped(1, json!({}));
    let first = bench.until(10);
    assert_eq!((told(&first), resolved(&first)), (vec![vec!["a1".to_owned(), "a2".to_owned()]], json!(null)));
    // It lasts, and nothing is new: nothing is told.
    assert_eq!(told(&bench.until(500)), nothing());
    // A new event waits as a first one does, and is told of with those that last.
    let later = bench.grouped(500, json!({}));
    assert_eq!((&later["group_size"], &later["notify_at"]), (&json!(2), &json!("1970-01-01T00:08:30Z")));
    assert_eq!(told(&bench.until(510)), [["a1", "a3"]]);
    let ended = bench.grouped(520, json!({"fingerprint": "f", "status": "resolved"}));
    assert_eq!((&ended["group_size"], &ended["notify_at"]), (&json!(1), &json!("1970-01-01T00:09:30Z")));
    let last = bench.until(570);
    assert_eq!(resolved(&last), json!(true), "the flush tells that nothing of the group lasts");
    assert_eq!((told(&last), statuses(&last)), (vec![vec!["a4".to_owned()]], vec![vec![json!("resolved")]]));
    assert_eq!(told(&bench.until(10_000)), nothing());
    bench.assert_nothing_left();
}

#[test]
fn an_event_that_ends_is_told_of_once_when_it_has() {
    let mut bench = Bench::new(RULES);
    bench.grouped(0, json!({"ends_at": "1970-01-01T00:05:00Z"}));
    bench.grouped(0, json!({"ends_at": "1970-01-01T00:00:30Z"}));
    bench.grouped(0, json!({"ends_at": "1970-01-01T00:00:05Z"}));
    let first = bench.until(10);
    assert_eq!(told(&first), [["a1", "a2", "a3"]]);
    assert_eq!(statuses(&first), [[json!(null), json!(null), json!("resolved")]]);
    // The end at 30 s is told of when the interval allows.
    assert_eq!(told(&bench.until(69)), nothing());
    let second = bench.until(70);
    assert_eq!(
        (told(&second), statuses(&second)),
        (vec![vec!["a1".to_owned(), "a2".to_owned()]], vec![vec![json!(null), json!("resolved")]])
    );
    assert_eq!(told(&bench.until(299)), nothing());
    let third = bench.until(300);
    assert_eq!((told(&third), statuses(&third)), (vec![vec!["a1".to_owned()]], vec![vec![json!("resolved")]]));
    assert_eq!([resolved(&first), resolved(&second), resolved(&third)], [json!(null), json!(null), json!(true)]);
    bench.until(1_000);
    bench.assert_nothing_left();
}

#[test]
fn an_event_resolved_before_it_was_told_of_is_told_of_once() {
    let mut bench = Bench::new(RULES);
    bench.grouped(0, json!({"fingerprint": "f", "status": "firing"}));
    let (_, effects) = bench.act(1, json!({"fingerprint": "f", "status": "resolved"}));
    assert_eq!(effects.outcomes[0]["detail"]["Grouped"]["group_size"], 1);
    assert_eq!(effects.audit[0]["outcome_details"]["replaces"], "a1");
    let sent = bench.until(1_000);
    assert_eq!((told(&sent), statuses(&sent)), (vec![vec!["a2".to_owned()]], vec![vec![json!("resolved")]]));
    bench.assert_nothing_left();
}

#[test]
fn what_lasts_is_repeated_and_what_says_the_same_waits_for_it() {
    let mut bench = Bench::new(REPEATS);
    let firing = |n: u32| json!({"fingerprint": "f", "status": "firing", "payload": {"n": n}});
    bench.grouped(0, firing(1));
    assert_eq!(told(&bench.until(10)), [["a1"]]);
    // The same again is no news: it is told of by the repeated notification, at 610 s.
    assert_eq!(bench.grouped(100, firing(1))["notify_at"], "1970-01-01T00:10:10Z");
    assert_eq!(told(&bench.until(609)), nothing());
    assert_eq!(told(&bench.until(610)), [["a2"]]);
    assert_eq!(told(&bench.until(1_210)), [["a2"]]);
    // What has changed is told of as soon as the interval allows.
    assert_eq!(bench.grouped(1_220, firing(2))["notify_at"], "1970-01-01T00:21:10Z");
    assert_eq!(told(&bench.until(1_270)), [["a3"]]);
    bench.grouped(1_271, json!({"fingerprint": "f", "status": "resolved"}));
    assert_eq!(statuses(&bench.until(5_000)), [[json!("resolved")]]);
    bench.assert_nothing_left();
}

#[test]
fn without_a_repeat_every_action_is_told_of() {
    let mut bench = Bench::new(RULES);
    bench.grouped(0, json!({"fingerprint": "f"}));
    assert_eq!(told(&bench.until(10)), [["a1"]]);
    bench.grouped(20, json!({"fingerprint": "f"}));
    assert_eq!(told(&bench.until(70)), [["a2"]]);
}

#[test]
fn an_event_of_which_no_more_is_heard_is_forgotten() {
    let mut bench = Bench::new(RULES);
    bench.grouped(0, json!({"fingerprint": "f"}));
    bench.grouped(5, json!({"ends_at": "9999-01-01T00:00:00Z"}));
    assert_eq!(told(&bench.until(10)), [["a1", "a2"]]);
    assert_eq!(bench.until(7 * DAY + 5), Recorder::default());
    bench.assert_nothing_left();
}

#[test]
fn an_operator_may_have_what_lasts_told_again() {
    let mut bench = Bench::new(RULES);
    bench.grouped(0, json!({"fingerprint": "f"}));
    bench.until(10);
    let (_, effects) = bench.command(11, json!({"flush_group": {"group": "*"}}));
    assert_eq!(told(&effects), [["a1"]]);
}

#[test]
fn only_so_much_stays() {
    let mut bench = Bench::new(RULES);
    let large = |n: u32| json!({"fingerprint": format!("f{n}"), "payload": {"text": "x".repeat(100_000)}});
    for n in 0..5 {
        bench.grouped(0, large(n));
    }
    let first = bench.until(10);
    assert_eq!(told(&first)[0].len(), 5);
    assert_eq!(first.audit[0]["outcome_details"]["forgotten"], 3);
    bench.grouped(20, json!({}));
    assert_eq!(told(&bench.until(70)), [["a4", "a5", "a6"]]);
}

#[test]
fn an_end_that_is_no_time_is_ignored_and_said_so() {
    let mut bench = Bench::new(RULES);
    for (ends_at, said) in
        [(json!("soon"), true), (json!(5), true), (json!(null), false), (json!("0001-01-01T00:00:00Z"), false)]
    {
        let (_, effects) = bench.act(0, json!({ "ends_at": ends_at }));
        assert_eq!(effects.audit[0]["outcome_details"].get("ends_at").is_some(), said, "{ends_at}");
    }
    let sent = bench.until(1_000);
    assert_eq!(statuses(&sent), [vec![json!(null); 4]]);
    bench.assert_nothing_left();
}
