//! Sub-chains.

use super::world::{World, body, call, failed, step_named};
use serde_json::{Value, json};

fn family(more: Value, inside: Value) -> [Value; 2] {
    let mut step = json!({"name": "sub", "sub_chain": "child"});
    for (key, value) in more.as_object().unwrap() {
        step[key] = value.clone();
    }
    let last = call("last", json!({"payload_template": {"prev": "{{prev.body}}", "named": "{{steps.sub.body.id}}"}}));
    [
        json!({"name": "c", "timeout_seconds": 100, "steps": [step, last]}),
        json!({"name": "child", "timeout_seconds": 50, "steps": inside,
            "on_cancel": {"provider": "q", "action_type": "told"}}),
    ]
}

#[test]
fn the_result_of_a_sub_chain_is_that_of_its_last_step() {
    let mut world = World::new(&family(json!({}), json!([call("in1", json!({})), call("in2", json!({}))])));
    world.answer("in2", [body(json!({"id": 9}))]);
    let id = world.start("c", json!({"x": 1}));
    let shown = world.show(&id);
    assert_eq!(
        (&shown["status"], &shown["steps"][0]["status"]),
        (&json!("waiting_sub_chain"), &json!("waiting_sub_chain"))
    );
    world.settle();
    let shown = world.show(&id);
    assert_eq!((&shown["status"], &shown["execution_path"]), (&json!("completed"), &json!(["sub", "last"])));
    assert_eq!(world.all.dispatches[0]["payload"], json!({"x": 1}), "it has the origin of its parent");
    assert_eq!(world.all.dispatches[2]["payload"], json!({"prev": {"id": 9}, "named": 9}));
    let ends = world.all.outcomes.iter().filter(|outcome| outcome["outcome"] == "chain_completed").count();
    assert_eq!(ends, 1, "the end of a sub-chain answers nobody");
}

#[test]
fn a_sub_chain_that_does_not_end_well_fails_its_step() {
    for (more, status, path) in [
        (json!({}), "failed", json!(["sub"])),
        (json!({"on_failure": "skip"}), "completed", json!(["sub", "last"])),
        (json!({"default_next": "last"}), "completed", json!(["sub", "last"])),
    ] {
        let mut world = World::new(&family(more, json!([call("in1", json!({}))])));
        world.answer("in1", [failed("TIMEOUT", false)]);
        let shown = world.run("c", json!({}));
        assert_eq!((&shown["status"], &shown["execution_path"]), (&json!(status), &path));
        let error = step_named(&shown, "sub")["error"].as_str().unwrap();
        assert!(error.contains("SUB_CHAIN_FAILED: sub-chain `child`") && error.contains("TIMEOUT"), "{error}");
        assert_eq!(world.all.other_dead_letters.len(), usize::from(status == "failed"), "the action is buried once");
    }
    let mut world = World::new(&family(json!({}), json!([call("in1", json!({}))])));
    let id = world.start("c", json!({}));
    world.advance(50_000);
    let shown = world.show(&id);
    assert!(shown["error"].as_str().unwrap().contains("SUB_CHAIN_TIMED_OUT"), "{shown}");
}

#[test]
fn what_ends_a_parent_calls_its_sub_chain_off() {
    for cancelled in [true, false] {
        let [mut parent, mut child] = family(json!({}), json!([call("in1", json!({}))]));
        parent["timeout_seconds"] = json!(40);
        child["on_cancel"]["provider"] = json!("q");
        let mut world = World::new(&[parent, child]);
        let id = world.start("c", json!({}));
        let inner = world.show(&id)["child_chain_ids"][0].as_str().unwrap().to_owned();
        if cancelled {
            world.command(&json!({"cancel_chain": {"chain_id": id, "reason": "no stock"}})).unwrap();
        } else {
            world.advance(40_000);
        }
        let (outer, shown) = (world.show(&id), world.show(&inner));
        assert_eq!(outer["status"], if cancelled { "cancelled" } else { "timed_out" });
        assert_eq!(shown["status"], "cancelled");
        let reason = shown["cancel_reason"].as_str().unwrap();
        assert!(reason.contains(if cancelled { "was cancelled: no stock" } else { "timed out" }), "{reason}");
        let notice = world.all.dispatches.last().unwrap();
        assert_eq!((&notice["provider"], &notice["context"]["notice"]["of"]), (&json!("q"), &json!("chain_cancelled")));
        assert_eq!(notice["payload"]["chain_id"], json!(inner));
    }
}

#[test]
fn a_sub_chain_without_a_definition_fails_its_step() {
    let mut world = World::new(&family(json!({}), json!([call("in1", json!({}))])));
    let id = world.start("c", json!({}));
    world.settle();
    assert_eq!(world.show(&id)["status"], "completed");
    let [parent, _] = family(json!({}), json!([]));
    let delayed = json!({"name": "c", "steps": [{"name": "sub", "sub_chain": "child", "delay_seconds": 5}]});
    let child = json!({"name": "child", "steps": [call("in1", json!({}))]});
    let mut world = World::new(&[delayed, child.clone()]);
    let id = world.start("c", json!({}));
    world.definitions = World::new(&[json!({"name": "other", "steps": child["steps"]})]).definitions;
    world.advance(5_000);
    assert!(world.show(&id)["error"].as_str().unwrap().contains("CHAIN_NOT_FOUND"));
    assert_eq!(parent["name"], "c");
}
