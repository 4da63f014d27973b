//! Failed calls that are made again.

use super::world::{World, body, call, chain, failed, step_named};
use serde_json::json;

#[test]
fn a_call_is_made_again_after_its_pauses_while_its_error_allows() {
    let retry = json!({"retry": {"max_retries": 2, "backoff_ms": 1000, "strategy": "exponential"}});
    let mut world = World::new(&[chain(json!([call("one", retry), call("two", json!({}))]))]);
    world.answer("one", [failed("TIMEOUT", true), failed("TIMEOUT", true), body(json!({"ok": 1}))]);
    let id = world.start("c", json!({}));
    world.settle();
    assert_eq!(world.all.dispatches.len(), 1);
    world.advance(999);
    assert_eq!(world.all.dispatches.len(), 1);
    world.advance(1);
    world.settle();
    world.advance(1999);
    assert_eq!(world.all.dispatches.len(), 2);
    world.advance(1);
    world.settle();
    let shown = world.show(&id);
    assert_eq!((&shown["status"], &shown["execution_path"]), (&json!("completed"), &json!(["one", "two"])));
    let one = step_named(&shown, "one");
    let attempts: Vec<_> =
        one["attempts"].as_array().unwrap().iter().map(|attempt| attempt["success"].as_bool().unwrap()).collect();
    assert_eq!((attempts, &one["max_retries"]), (vec![false, false, true], &json!(2)));
    assert_eq!(one["attempts"][0]["error"], "TIMEOUT: no");
    let ids: std::collections::BTreeSet<_> =
        world.all.dispatches.iter().map(|call| call["dispatch_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 4, "each attempt has its own id");
    assert_eq!(world.told(), ["one chain_step_completed", "two chain_step_completed", "c chain_completed"]);
}

#[test]
fn what_can_not_succeed_later_and_what_has_failed_often_enough_ends() {
    for (retryable, calls) in [(false, 1), (true, 3)] {
        let retry = json!({"retry": {"max_retries": 2, "backoff_ms": 10}});
        let mut world = World::new(&[chain(json!([call("one", retry)]))]);
        world.answer("one", [failed("CONNECTION", retryable)]);
        let id = world.start("c", json!({}));
        for _ in 0..5 {
            world.settle();
            world.advance(10);
        }
        assert_eq!(world.all.dispatches.len(), calls);
        let shown = world.show(&id);
        assert_eq!(shown["status"], "failed");
        assert_eq!(shown["error"], "STEP_FAILED: step `one` failed: CONNECTION: no");
    }
}

#[test]
fn a_second_or_late_result_changes_nothing() {
    let retry = json!({"retry": {"max_retries": 1, "backoff_ms": 1000}});
    let mut world = World::new(&[chain(json!([call("one", retry), call("two", json!({}))]))]);
    let id = world.start("c", json!({}));
    let first = world.open.pop_front().unwrap();
    world.give(&first, &failed("TIMEOUT", true));
    let before = world.state.clone();
    assert_eq!(world.give(&first, &body(json!({}))), crate::Stepped::Repeated);
    assert_eq!(world.state, before);
    // Under another dispatch id it passes the first guard, and is not awaited.
    let mut other = first;
    other["dispatch_id"] = json!("another");
    world.give(&other, &body(json!({})));
    assert_eq!(world.show(&id)["execution_path"], json!(["one"]));
    let late = world.all.audit.last().unwrap();
    assert_eq!((&late["outcome_details"]["late"], &late["phase"]), (&json!(true), &json!("progress")));
}
