//! How steps and chains fail, and what is left of them.

use super::world::{START, World, body, call, chain, failed, step_named};
use acteon_schemas::Action;
use serde_json::{Value, json};

fn chain_with(more: Value, steps: Value) -> Value {
    let mut found = chain(steps);
    for (key, value) in more.as_object().unwrap() {
        found[key] = value.clone();
    }
    found
}

#[test]
fn a_failed_step_ends_skips_or_is_buried_as_told() {
    for (step, more, status, path, letter, outcome) in [
        (json!({}), json!({}), "failed", vec!["one"], Some("c"), "one chain_step_failed"),
        (
            json!({"on_failure": "abort"}),
            json!({"on_failure": "abort"}),
            "failed",
            vec!["one"],
            Some("c"),
            "one chain_step_failed",
        ),
        (json!({}), json!({"on_failure": "abort_no_dlq"}), "failed", vec!["one"], None, "one chain_step_failed"),
        (json!({"on_failure": "dlq"}), json!({}), "failed", vec!["one"], Some("do"), "one chain_step_failed"),
        (json!({"on_failure": "skip"}), json!({}), "completed", vec!["one", "two"], None, "one chain_step_skipped"),
    ] {
        let steps = json!([call("one", step.clone()), call("two", json!({}))]);
        let mut world = World::new(&[chain_with(more.clone(), steps)]);
        world.answer("one", [failed("EXECUTION_FAILED", false)]);
        let shown = world.run("c", json!({"x": 1}));
        assert_eq!((&shown["status"], &shown["execution_path"]), (&json!(status), &json!(path)), "{step} {more}");
        assert_eq!(world.told()[0], outcome);
        let letters: Vec<_> = world.all.other_dead_letters.iter().collect();
        assert_eq!(letters.len(), usize::from(letter.is_some()), "{step} {more}");
        for (key, value, reason) in letters {
            assert_eq!((key.as_str(), reason.code.as_str()), ("n:t", "CHAIN_FAILED"));
            assert!(reason.message.contains("step `one` failed: EXECUTION_FAILED"), "{}", reason.message);
            let bytes = value.to_string();
            let action = Action::decode(bytes.as_bytes()).expect("it can be sent again");
            assert_eq!((Some(&*action.action_type), action.payload.get()), (letter, r#"{"x":1}"#));
        }
    }
}

#[test]
fn a_failed_step_still_looks_at_its_branches() {
    let steps = json!([
        call("one", json!({"branches": [{"field": "success", "operator": "eq", "value": false, "target": "three"}]})),
        call("two", json!({})),
        call("three", json!({"payload_template": "{{prev.error.code}}"})),
    ]);
    let mut world = World::new(&[chain(steps)]);
    world.answer("one", [failed("TIMEOUT", false)]);
    let shown = world.run("c", json!({}));
    assert_eq!((&shown["status"], &shown["execution_path"]), (&json!("completed"), &json!(["one", "three"])));
    assert_eq!(world.all.dispatches[1]["payload"], "TIMEOUT");
    assert_eq!(step_named(&shown, "two")["status"], "pending");
}

#[test]
fn a_fallback_that_delivers_has_served_the_step() {
    let mut world = World::new(&[chain(json!([call("one", json!({}))]))]);
    let id = world.start("c", json!({}));
    let mut dispatch = world.open.pop_front().unwrap();
    dispatch["provider"] = json!("q");
    world.give(&dispatch, &body(json!({"queued": true})));
    assert_eq!(world.show(&id)["status"], "completed");
}

#[test]
fn a_loop_ends_after_so_many_visits() {
    let again = json!({"branches": [{"field": "body.ready", "operator": "neq", "value": true, "target": "one"}]});
    let mut world = World::new(&[chain(json!([call("one", again)]))]);
    let shown = world.run("c", json!({}));
    assert_eq!(shown["status"], "failed");
    assert!(
        shown["error"].as_str().unwrap().starts_with("TOO_MANY_VISITS: the chain came to step `one` more than 100")
    );
    assert_eq!(world.all.dispatches.len(), 100);
    let mut ids: Vec<_> = world.all.dispatches.iter().map(|call| call["dispatch_id"].to_string()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 100, "each visit has its own id");
}

#[test]
fn work_beyond_a_turn_goes_on_in_the_next_one() {
    // Its provider is taken away, so each visit fails at once, and nothing but the timer carries it on.
    let again = json!({"default_next": "one", "branches": [{"field": "success", "operator": "eq", "value": true,
        "target": "two"}]});
    let mut world = World::new(&[chain(json!([call("one", again), call("two", json!({}))]))]);
    std::sync::Arc::make_mut(&mut world.definitions.providers).remove("p");
    let id = world.start("c", json!({}));
    assert_eq!(world.show(&id)["status"], "running");
    world.advance(0);
    assert_eq!(world.show(&id)["error"].as_str().unwrap()[..15], *"TOO_MANY_VISITS");
    assert!(world.all.dispatches.is_empty());
}

#[test]
fn a_chain_times_out_and_is_forgotten_in_the_end() {
    let mut world = World::new(&[chain_with(json!({"timeout_seconds": 60}), json!([call("one", json!({}))]))]);
    let id = world.start("c", json!({}));
    let call = world.open.pop_front().unwrap();
    assert_eq!(world.show(&id)["expires_at"], "2026-03-02T15:01:00Z");
    world.advance(59_999);
    assert_eq!(world.show(&id)["status"], "running");
    world.advance(1);
    let shown = world.show(&id);
    assert_eq!((&shown["status"], &shown["execution_path"]), (&json!("timed_out"), &json!(["one"])));
    assert!(shown["error"].as_str().unwrap().contains("longer than 60 s; it stood at step `one`"));
    assert_eq!(world.told(), ["c chain_timed_out"]);
    world.give(&call, &body(json!({})));
    assert_eq!(world.show(&id)["status"], "timed_out");
    assert_eq!(world.told(), ["c chain_timed_out", "one chain_step_completed"], "a late result is recorded");
    let end = world.all.outcomes.iter().find(|outcome| outcome["outcome"] == "chain_timed_out").unwrap();
    assert_eq!((&end["is_final"], &end["decided_at"]), (&json!(true), &json!(START + 60_000)));
    assert_eq!(world.entries(), 3);
    world.advance(3_600_000);
    assert_eq!(world.entries(), 0, "{:?}", world.state.0.keys());
    let gone = world.command(&json!({"show_chain": {"chain_id": id}})).unwrap_err();
    assert_eq!(gone.0, "NOT_FOUND");
    assert_eq!(
        world.give(
            &{
                let mut call = call;
                call["dispatch_id"] = json!("x");
                call
            },
            &body(json!({}))
        ),
        crate::Stepped::Stale
    );
}

#[test]
fn a_result_that_comes_after_the_time_but_before_the_timer_is_late() {
    let mut world = World::new(&[chain_with(json!({"timeout_seconds": 60}), json!([call("one", json!({}))]))]);
    let id = world.start("c", json!({}));
    world.now += 60_000;
    world.settle();
    assert_eq!(world.show(&id)["status"], "timed_out");
}

#[test]
fn a_running_chain_keeps_its_definition() {
    let steps = |last: &str| json!([call("one", json!({})), call(last, json!({}))]);
    let mut world = World::new(&[chain(steps("old"))]);
    let id = world.start("c", json!({}));
    world.definitions = World::new(&[chain(steps("new"))]).definitions;
    world.settle();
    assert_eq!(world.show(&id)["execution_path"], json!(["one", "old"]));
}

#[test]
fn a_provider_that_is_gone_fails_the_step() {
    let mut world = World::new(&[chain(json!([call("one", json!({"on_failure": "skip"})),
        {"name": "two", "provider": "q", "action_type": "do"}]))]);
    std::sync::Arc::make_mut(&mut world.definitions.providers).remove("p");
    let shown = world.run("c", json!({}));
    assert_eq!((&shown["status"], &shown["execution_path"]), (&json!("completed"), &json!(["one", "two"])));
    assert!(step_named(&shown, "one")["error"].as_str().unwrap().starts_with("PROVIDER_NOT_FOUND"));
}
