//! Delays, timers and signals.

use super::world::{World, call, chain, step_named};
use serde_json::{Value, json};

fn wait(more: Value) -> Value {
    let mut step = json!({"name": "wait", "wait_for_signal": {"signal_name": "go"}});
    for (key, value) in more.as_object().unwrap() {
        step["wait_for_signal"][key] = value.clone();
    }
    step
}

#[test]
fn delays_and_timers_hold_the_chain() {
    let at = json!({"name": "until", "timer": {"until": "{{origin.payload.at}}"}});
    let mut world = World::new(&[chain(json!([
        call("one", json!({"delay_seconds": 5})), {"name": "nap", "timer": {"duration_seconds": 10}}, at,
        call("two", json!({})),
    ]))]);
    let id = world.start("c", json!({"at": "2026-03-02T15:01:00Z"}));
    assert_eq!((world.show(&id)["status"].clone(), world.all.dispatches.len()), (json!("waiting_timer"), 0));
    world.advance(5_000);
    world.settle();
    let shown = world.show(&id);
    assert_eq!((&shown["status"], &shown["current_step"]), (&json!("waiting_timer"), &json!(1)));
    world.advance(10_000);
    assert_eq!(world.show(&id)["current_step"], 2);
    world.advance(44_000);
    assert_eq!(world.all.dispatches.len(), 1);
    world.advance(1_000);
    world.settle();
    let shown = world.show(&id);
    assert_eq!(
        (&shown["status"], &shown["execution_path"]),
        (&json!("completed"), &json!(["one", "nap", "until", "two"]))
    );
    assert_eq!(step_named(&shown, "until")["response_body"], json!({"until": "2026-03-02T15:01:00Z"}));
}

#[test]
fn a_time_that_is_none_fails_its_step_and_one_that_has_passed_does_not_wait() {
    for (at, status, error) in [
        (json!("2020-01-01T00:00:00Z"), "completed", ""),
        (json!("soon"), "failed", "INVALID_TIMER"),
        (json!(17), "failed", "INVALID_TIMER"),
        (Value::Null, "failed", "which is not a time"),
        (json!("2099-01-01T00:00:00Z"), "failed", "366 days ahead"),
    ] {
        let until = json!({"name": "until", "timer": {"until": "{{origin.payload.at}}"}});
        let mut world = World::new(&[chain(json!([until]))]);
        let shown = world.run("c", json!({"at": at}));
        assert_eq!(shown["status"], status, "{at}");
        assert!(shown["error"].as_str().unwrap_or_default().contains(error), "{shown}");
    }
}

#[test]
fn a_signal_that_comes_early_or_late_is_the_body_of_the_step() {
    for early in [true, false] {
        let last = call("last", json!({"payload_template": "{{prev.body.by}}"}));
        let mut world = World::new(&[chain(json!([call("one", json!({})), wait(json!({})), last]))]);
        let id = world.start("c", json!({}));
        let signal = json!({"signal": {"chain_id": id, "signal": "go", "payload": {"by": "ann"}}});
        let other = json!({"signal": {"chain_id": id, "signal": "stop"}});
        world.command(&other).unwrap();
        if early {
            world.command(&signal).unwrap();
            assert_eq!(world.show(&id)["execution_path"], json!(["one"]));
            world.settle();
        } else {
            world.settle();
            assert_eq!(world.show(&id)["status"], "waiting_signal");
            world.command(&signal).unwrap();
            world.settle();
        }
        let shown = world.show(&id);
        assert_eq!(
            (&shown["status"], &shown["execution_path"]),
            (&json!("completed"), &json!(["one", "wait", "last"]))
        );
        assert_eq!(world.all.dispatches[1]["payload"], "ann");
        assert_eq!(world.command(&signal).unwrap_err().0, "CONFLICT");
    }
}

#[test]
fn a_signal_that_does_not_come_leads_on_or_fails() {
    for (on_timeout, status, path) in [
        (json!({"timeout_seconds": 30, "on_timeout": "late"}), "completed", json!(["wait", "late"])),
        (json!({"timeout_seconds": 30}), "failed", json!(["wait"])),
    ] {
        let mut world =
            World::new(&[chain(json!([wait(on_timeout), call("next", json!({})), call("late", json!({}))]))]);
        let id = world.start("c", json!({}));
        world.advance(29_999);
        assert_eq!(world.show(&id)["status"], "waiting_signal");
        world.advance(1);
        world.settle();
        let shown = world.show(&id);
        assert_eq!((&shown["status"], &shown["execution_path"]), (&json!(status), &path));
        assert!(step_named(&shown, "wait")["error"].as_str().unwrap().starts_with("SIGNAL_TIMEOUT"));
    }
}

#[test]
fn signals_are_limited() {
    let mut world = World::new(&[chain(json!([wait(json!({}))]))]);
    let id = world.start("c", json!({}));
    let signal = |payload: Value| json!({"signal": {"chain_id": id, "signal": "other", "payload": payload}});
    assert_eq!(world.command(&signal(json!("x".repeat(17 * 1024)))).unwrap_err().0, "INVALID");
    for _ in 0..16 {
        world.command(&signal(Value::Null)).unwrap();
    }
    assert_eq!(world.command(&signal(Value::Null)).unwrap_err().0, "LIMIT");
}
