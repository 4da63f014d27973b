//! Commands about chains.

use super::world::{START, World, body, call, chain};
use serde_json::{Value, json};

fn two() -> Value {
    let mut chain = chain(json!([call("one", json!({})), call("two", json!({}))]));
    chain["on_cancel"] = json!({"provider": "q", "action_type": "order_cancelled"});
    chain
}

#[test]
fn a_paused_chain_keeps_results_and_takes_no_step() {
    let mut world = World::new(&[two()]);
    let id = world.start("c", json!({}));
    let pause = json!({"pause_chain": {"chain_id": id}});
    let resume = json!({"resume_chain": {"chain_id": id}});
    assert_eq!(world.command(&resume).unwrap_err().0, "CONFLICT");
    assert_eq!(world.command(&pause).unwrap()["status"], "paused");
    assert_eq!(world.command(&pause).unwrap_err().0, "CONFLICT");
    world.settle();
    world.advance(1_000_000);
    let shown = world.show(&id);
    assert_eq!((&shown["status"], &shown["steps"][0]["status"]), (&json!("paused"), &json!("completed")));
    assert_eq!(world.all.dispatches.len(), 1);
    assert_eq!(world.command(&resume).unwrap()["current_step"], 1);
    world.settle();
    assert_eq!(world.show(&id)["status"], "completed");
    for command in [pause, resume] {
        let (code, message) = world.command(&command).unwrap_err();
        assert_eq!(code, "CONFLICT");
        assert!(message.contains("is completed"), "{message}");
    }
}

#[test]
fn a_pause_holds_delays_retries_and_sub_chains() {
    let retry = json!({"retry": {"max_retries": 1, "backoff_ms": 1000}, "delay_seconds": 1});
    let child = json!({"name": "child", "steps": [call("one", retry)]});
    let mut world = World::new(&[json!({"name": "c", "steps": [{"name": "sub", "sub_chain": "child"}]}), child]);
    let id = world.start("c", json!({}));
    let pause = json!({"pause_chain": {"chain_id": id}});
    let resume = json!({"resume_chain": {"chain_id": id}});
    world.command(&pause).unwrap();
    world.advance(60_000);
    assert!(world.all.dispatches.is_empty(), "the delay is over, and the chain paused");
    world.command(&resume).unwrap();
    world.answer("one", [super::world::failed("TIMEOUT", true), body(json!({}))]);
    world.settle();
    world.command(&pause).unwrap();
    world.advance(60_000);
    assert_eq!(world.all.dispatches.len(), 1);
    world.command(&resume).unwrap();
    world.settle();
    assert_eq!(world.show(&id)["status"], "completed");
}

#[test]
fn a_cancelled_chain_tells_whom_it_shall() {
    let mut world = World::new(&[two()]);
    let id = world.start("c", json!({"x": 1}));
    let first = world.open.pop_front().unwrap();
    let cancel = json!({"cancel_chain": {"chain_id": id, "reason": "no stock", "cancelled_by": "bob"}});
    let shown = world.command(&cancel).unwrap();
    assert_eq!(
        (&shown["status"], &shown["cancel_reason"], &shown["cancelled_by"]),
        (&json!("cancelled"), &json!("no stock"), &json!("bob"))
    );
    let notice = world.open.pop_front().unwrap();
    assert_eq!((&notice["provider"], &notice["action_type"]), (&json!("q"), &json!("order_cancelled")));
    assert_eq!(notice["context"], json!({"notice": {"of": "chain_cancelled"}}));
    assert_eq!((&notice["payload"]["reason"], &notice["payload"]["current_step"]), (&json!("no stock"), &json!("one")));
    world.give(&notice, &body(json!({})));
    assert_eq!(world.told(), ["c chain_cancelled", "- notice_sent"]);
    world.give(&first, &body(json!({})));
    assert_eq!(world.show(&id)["execution_path"], json!(["one"]), "a late result is recorded and leads nowhere");
    assert_eq!(world.command(&cancel).unwrap_err().0, "CONFLICT");
    let end = world.all.outcomes.iter().find(|outcome| outcome["outcome"] == "chain_cancelled").unwrap();
    assert_eq!(end["detail"]["ChainEnded"]["error"], "no stock");
}

#[test]
fn a_cancellation_that_nobody_can_be_told_of_is_recorded() {
    let mut world = World::new(&[two()]);
    let id = world.start("c", json!({}));
    std::sync::Arc::make_mut(&mut world.definitions.providers).remove("q");
    world.command(&json!({"cancel_chain": {"chain_id": id}})).unwrap();
    assert_eq!(world.told(), ["c chain_cancelled", "- notice_failed"]);
    assert_eq!(world.show(&id)["cancelled_by"], "ann", "who sent the command");
}

#[test]
fn a_chain_starts_by_command() {
    let mut world = World::new(&[two()]);
    let action = json!({"namespace": "n", "tenant": "t", "provider": "p", "action_type": "any", "payload": {"x": 1}});
    let start = |chain: &str, action: &Value| json!({"start_chain": {"chain": chain, "action": action}});
    let started = world.command(&start("c", &action)).unwrap();
    assert_eq!(
        (&started["chain_name"], &started["first_step"], &started["total_steps"]),
        (&json!("c"), &json!("one"), &json!(2))
    );
    world.settle();
    let shown = world.show(started["chain_id"].as_str().unwrap());
    assert_eq!((&shown["status"], &shown["action_id"]), (&json!("completed"), &started["action_id"]));
    let mut other = action.clone();
    other["tenant"] = json!("t2");
    for (chain, action, code, text) in [
        ("no", &action, "NOT_FOUND", "there is no chain `no`"),
        ("c", &other, "INVALID", "belongs to n/t2"),
        ("c", &json!({"namespace": "n"}), "INVALID", "`action`"),
        ("c", &json!(7), "INVALID", "`action`"),
    ] {
        let (found, message) = world.command(&start(chain, action)).unwrap_err();
        assert_eq!(found, code, "{message}");
        assert!(message.contains(text), "{message}");
    }
}

#[test]
fn chains_are_listed_by_status_and_unknown_ones_are_not_found() {
    let mut world = World::new(&[two()]);
    let done = world.run("c", json!({}))["chain_id"].clone();
    let open = world.start("c", json!({}));
    let list = |status: Value| json!({"list_chains": {"status": status}});
    assert_eq!(world.command(&list(Value::Null)).unwrap()["count"], 2);
    let running = world.command(&list(json!("running"))).unwrap();
    assert_eq!(
        running["chains"],
        json!([{"chain_id": open, "chain_name": "c", "status": "running", "current_step": 0,
        "total_steps": 2, "started_at": crate::time::rfc3339(START + 20), "updated_at": crate::time::rfc3339(START + 20)}])
    );
    let completed = world.command(&list(json!("completed"))).unwrap();
    assert_eq!((&completed["count"], &completed["chains"][0]["chain_id"]), (&json!(1), &done));
    assert_eq!(world.command(&list(json!("done"))).unwrap_err().0, "INVALID");
    for id in ["no-id", "6d1f8f2e-5b0a-4c6b-9a52-ac7e0c0de001"] {
        for command in ["cancel_chain", "pause_chain", "resume_chain", "show_chain"] {
            assert_eq!(world.command(&json!({command: {"chain_id": id}})).unwrap_err().0, "NOT_FOUND");
        }
        let signal = json!({"signal": {"chain_id": id, "signal": "go"}});
        assert_eq!(world.command(&signal).unwrap_err().0, "NOT_FOUND");
    }
}
