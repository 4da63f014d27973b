//! Rules that count, pace and copy.

use crate::driver::{Driver, definitions};
use acteon_core::{MemoryState, Stepped, explain};
use acteon_schemas::Outcome;
use serde_json::json;

const PACED: &str = "
rules:
  - name: pace
    priority: 1
    action: {type: throttle, max_count: 10, window_seconds: 10, mode: delay, max_queue: 90, max_delay_seconds: 3600}
  - name: tests
    priority: 2
    condition: {field: action.payload.test, eq: true}
    action: {type: suppress}
";

fn action(id: usize, payload: &str) -> Vec<u8> {
    format!(
        r#"{{"id":"a{id:03}","namespace":"n","tenant":"t","provider":"email","action_type":"a","payload":{payload}}}"#
    )
    .into_bytes()
}

fn ids(dispatches: &[serde_json::Value]) -> Vec<String> {
    dispatches.iter().map(|dispatch| dispatch["action_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_hundred_at_once_leave_ten_every_ten_seconds_in_order() {
    let mut driver = Driver::new(definitions(PACED, "allow"));
    let mut left = Vec::new();
    for id in 0..100 {
        let (stepped, effects) = driver.feed("actions", 1_000, &action(id, "{}"));
        let expected = if id < 10 { Outcome::Dispatched } else { Outcome::Scheduled };
        assert_eq!(stepped, Stepped::Decided(expected));
        left.extend(ids(&effects.dispatches));
    }
    let (stepped, effects) = driver.feed("actions", 1_000, &action(100, "{}"));
    assert_eq!(stepped, Stepped::Decided(Outcome::Throttled), "the queue is full");
    assert_eq!(effects.outcomes[0]["detail"]["Throttled"]["retry_after"], json!({"secs": 10, "nanos": 0}));
    assert_eq!(left.len(), 10);
    for window in 1..10 {
        assert_eq!(driver.advance(window * 10_000 + 999).dispatches, Vec::<serde_json::Value>::new());
        let effects = driver.advance(window * 10_000 + 1_000);
        assert_eq!(effects.dispatches.len(), 10);
        assert_eq!(effects.outcomes[0]["released_by"], "throttle");
        left.extend(ids(&effects.dispatches));
    }
    assert_eq!(left, (0..100).map(|id| format!("a{id:03}")).collect::<Vec<_>>());
    assert_eq!(driver.advance(10_000_000).dispatches, Vec::<serde_json::Value>::new());
}

#[test]
fn a_delayed_action_is_listed_cancelled_and_still_meets_the_blocks_behind_its_rule() {
    let mut driver = Driver::new(definitions(PACED, "allow"));
    for id in 0..12 {
        driver.feed("actions", 0, &action(id, if id == 10 { r#"{"test":true}"# } else { "{}" }));
    }
    let command = |command: serde_json::Value| {
        let value = json!({"id": "c", "namespace": "n", "tenant": "t", "issued_at": 0, "command": command});
        serde_json::to_vec(&value).unwrap()
    };
    let (_, listed) = driver.feed("commands", 0, &command(json!({"list_scheduled": {}})));
    let result = &listed.outcomes[0]["detail"]["CommandDone"]["result"];
    assert_eq!((&result["count"], &result["scheduled"][0]["held_by"]), (&json!(2), &json!("throttle")));
    let last = &result["scheduled"][1]["id"];
    driver.feed("commands", 0, &command(json!({"cancel_scheduled": {"action_id": last}})));
    let effects = driver.advance(20_000);
    assert_eq!(effects.dispatches.len(), 0);
    assert_eq!((effects.outcomes.len(), &effects.outcomes[0]["outcome"]), (1, &json!("suppressed")));
    // Forgotten: ten pass at once again.
    driver.feed("commands", 20_001, &command(json!({"reset_throttle": {"rule": "pace"}})));
    for id in 20..30 {
        let (stepped, _) = driver.feed("actions", 20_002, &action(id, "{}"));
        assert_eq!(stepped, Stepped::Decided(Outcome::Dispatched));
    }
}

#[test]
fn counters_count_what_comes_even_if_it_is_refused() {
    let rules = "
rules:
  - name: flood
    priority: 1
    condition: {state_counter: payload.user, within_seconds: 60, gte: 3}
    action: {type: suppress}
  - name: seen
    priority: 2
    condition: {state_seen: host, within_seconds: 10}
    action: {type: reroute, target_provider: slack}
";
    let mut driver = Driver::new(definitions(rules, "allow"));
    let mut feed = |at: i64, user: &str| {
        let (stepped, effects) = driver.feed("actions", at, &action(0, &json!({ "user": user }).to_string()));
        let Stepped::Decided(outcome) = stepped else { panic!("{stepped:?}") };
        (outcome, effects.dispatches.first().map(|dispatch| dispatch["provider"].as_str().unwrap().to_owned()))
    };
    let (email, slack) = (Some("email".to_owned()), Some("slack".to_owned()));
    assert_eq!(feed(0, "ann"), (Outcome::Dispatched, email.clone()));
    assert_eq!(feed(9_000, "ann"), (Outcome::Dispatched, slack), "seen in the last ten seconds");
    assert_eq!(feed(20_000, "ann"), (Outcome::Suppressed, None), "the third");
    assert_eq!(feed(21_000, "bob"), (Outcome::Dispatched, email.clone()), "counted apart");
    assert_eq!(feed(59_000, "ann"), (Outcome::Suppressed, None), "refused ones count too");
    assert_eq!(feed(200_000, "ann"), (Outcome::Dispatched, email), "all of that is long ago");
    // A dry run counts nothing.
    let mut state = driver.state.clone();
    explain(&driver.definitions.rules, &mut state, 200_001, &action(0, r#"{"user":"ann"}"#)).unwrap();
    assert_eq!(state, driver.state);
}

#[test]
fn copies_go_out_with_ids_of_their_own_and_fail_alone() {
    let rules = "
rules:
  - name: archive
    priority: 1
    continue: true
    action: {type: reroute, target_provider: webhook}
  - name: mark
    priority: 2
    action: {type: modify, changes: {marked: true}}
  - name: tests
    priority: 3
    condition: {field: action.payload.test, eq: true}
    action: {type: suppress}
  - name: twin
    priority: 4
    continue: true
    action: {type: allow}
";
    let mut driver = Driver::new(definitions(rules, "allow"));
    let (_, effects) = driver.feed("actions", 0, &action(1, "{}"));
    let told = |field: &str| effects.dispatches.iter().map(|d| d[field].clone()).collect::<Vec<_>>();
    assert_eq!(told("provider"), ["webhook", "email", "email"]);
    assert_eq!(told("rule"), [json!("archive"), json!("twin"), json!(null)]);
    assert_eq!(told("payload"), [json!({}), json!({"marked": true}), json!({"marked": true})]);
    assert_eq!(told("original_provider")[0], "email");
    let mut unique = told("dispatch_id");
    unique.dedup();
    assert_eq!(unique.len(), 3);
    assert!(effects.outcomes.iter().all(|outcome| outcome["is_final"] == false));

    // The copy's result completes its own audit record, and answers nobody.
    let copy = &effects.dispatches[0];
    let mut result = json!({
        "attempts": 1, "started_at": 0, "duration_ms": 1,
        "result": {"delivered": {"status": "success", "body": {}}},
    });
    for field in [
        "dispatch_id",
        "action_id",
        "namespace",
        "tenant",
        "provider",
        "original_provider",
        "action_type",
        "rule",
        "context",
        "decided_at",
        "source",
    ] {
        result[field] = copy[field].clone();
    }
    let (_, done) = driver.feed("results", 5, &serde_json::to_vec(&result).unwrap());
    assert_eq!((&done.outcomes[0]["outcome"], &done.outcomes[0]["is_final"]), (&json!("rerouted"), &json!(false)));
    assert_eq!(done.audit[0]["id"], effects.audit[0]["id"]);
    assert_ne!(effects.audit[0]["id"], effects.audit[2]["id"]);

    let lost = String::from_utf8(action(2, "{}")).unwrap().replace("email", "pigeon").into_bytes();
    let (stepped, effects) = driver.feed("actions", 10, &lost);
    assert_eq!((stepped, effects.dispatches.len()), (Stepped::Decided(Outcome::Failed), 0), "nothing is admitted");
    let (_, effects) = driver.feed("actions", 10, &action(3, r#"{"test":true}"#));
    assert_eq!((effects.dispatches.len(), effects.outcomes.len()), (0, 1), "a blocked action sends nothing");
    assert_eq!(driver.state.0.len(), MemoryState::default().0.len() + 1, "the result that was seen");
}
