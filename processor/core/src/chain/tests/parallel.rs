//! Steps taken at the same time.

use super::world::{World, body, call, chain, failed, step_named};
use serde_json::{Value, json};

fn three(more: Value) -> Value {
    let mut parallel = json!({"steps": [call("a", json!({})), call("b", json!({})), call("d", json!({}))]});
    for (key, value) in more.as_object().unwrap() {
        parallel[key] = value.clone();
    }
    chain(json!([{"name": "par", "parallel": parallel}, call("last", json!({"payload_template": "{{prev.body}}"}))]))
}

fn open(world: &World) -> Vec<String> {
    world.open.iter().map(|call| World::step_of(call).to_owned()).collect()
}

#[test]
fn all_are_called_at_once_and_their_bodies_stand_under_their_names() {
    let mut world = World::new(&[three(json!({}))]);
    world.answer("b", [body(json!({"id": 2}))]);
    let id = world.start("c", json!({}));
    assert_eq!(
        (open(&world), world.show(&id)["status"].clone()),
        (vec!["par/a".into(), "par/b".into(), "par/d".into()], json!("waiting_parallel"))
    );
    world.settle();
    let shown = world.show(&id);
    assert_eq!(shown["execution_path"], json!(["par", "par/a", "par/b", "par/d", "last"]));
    let logged = json!({"logged": true});
    assert_eq!(world.all.dispatches[3]["payload"], json!({"a": logged, "b": {"id": 2}, "d": logged}));
    assert_eq!(shown["steps"][0]["parallel_steps"][1]["response_body"], json!({"id": 2}));
    assert_eq!(world.told()[..2], ["par/a chain_step_completed", "par/b chain_step_completed"]);
}

#[test]
fn joins_and_failures_are_as_told() {
    let fail = || failed("EXECUTION_FAILED", false);
    for (more, failing, status, calls) in [
        (json!({}), vec!["a"], "failed", 3),
        (json!({"max_concurrency": 1}), vec!["a"], "failed", 1),
        (json!({"max_concurrency": 1, "on_failure": "best_effort"}), vec!["a"], "failed", 3),
        (json!({"max_concurrency": 1, "join": "any"}), vec!["a"], "completed", 3),
        (json!({"max_concurrency": 1, "join": "any"}), vec![], "completed", 2),
        (json!({"join": "any"}), vec!["a", "b", "d"], "failed", 3),
        (json!({"join": "any", "on_failure": "fail_fast", "max_concurrency": 1}), vec!["a"], "failed", 1),
    ] {
        let mut world = World::new(&[three(more.clone())]);
        for step in &failing {
            world.answer(step, [fail()]);
        }
        let shown = world.run("c", json!({}));
        assert_eq!(shown["status"], status, "{more} {failing:?}");
        assert_eq!(world.all.dispatches.len(), calls, "{more} {failing:?}: with the step behind");
        if status == "failed" {
            let error = step_named(&shown, "par")["error"].as_str().unwrap();
            assert_eq!(error, "EXECUTION_FAILED: parallel step `a`: no");
        }
    }
}

#[test]
fn so_many_are_called_at_a_time() {
    let mut world = World::new(&[three(json!({"max_concurrency": 2}))]);
    let id = world.start("c", json!({}));
    assert_eq!(open(&world), ["par/a", "par/b"]);
    let second = world.open.remove(1).unwrap();
    world.give(&second, &body(json!({})));
    assert_eq!(open(&world), ["par/a", "par/d"]);
    world.settle();
    assert_eq!(world.show(&id)["status"], "completed");
}

#[test]
fn the_whole_has_its_own_time() {
    let mut more = three(json!({"timeout_seconds": 20}));
    more["steps"][0]["on_failure"] = json!("skip");
    let mut world = World::new(&[more]);
    let id = world.start("c", json!({}));
    let first = world.open.pop_front().unwrap();
    world.give(&first, &body(json!(1)));
    world.advance(20_000);
    let shown = world.show(&id);
    assert_eq!(step_named(&shown, "par")["status"], "skipped");
    assert!(step_named(&shown, "par")["error"].as_str().unwrap().starts_with("TIMEOUT"));
    assert_eq!(step_named(&shown, "par")["response_body"], json!({"a": 1, "b": null, "d": null}));
    world.settle();
    assert_eq!(world.show(&id)["status"], "completed");
    assert!(world.all.audit.iter().any(|record| record["outcome_details"]["late"] == true));
}

#[test]
fn each_is_tried_again_by_itself() {
    let mut more = three(json!({}));
    more["steps"][0]["parallel"]["steps"][1]["retry"] = json!({"max_retries": 1, "backoff_ms": 500});
    let mut world = World::new(&[more]);
    world.answer("b", [failed("TIMEOUT", true), body(json!("second"))]);
    let id = world.start("c", json!({}));
    world.settle();
    assert_eq!(world.show(&id)["status"], "waiting_parallel");
    world.advance(500);
    world.settle();
    let shown = world.show(&id);
    assert_eq!(
        (&shown["status"], &shown["execution_path"]),
        (&json!("completed"), &json!(["par", "par/a", "par/b", "par/d", "last"]))
    );
    assert_eq!(world.all.dispatches.last().unwrap()["payload"]["b"], "second");
}
