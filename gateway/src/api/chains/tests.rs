#![allow(clippy::unwrap_used)]

use super::*;
use crate::api::testing::{Fate, Server};
use acteon_core::Chains;
use serde_json::json;

fn definition() -> Value {
    json!({
        "name": "order", "timeout_seconds": 60,
        "steps": [
            {"name": "check", "provider": "stock", "action_type": "check", "retry": {"max_retries": 2},
             "branches": [{"field": "body.free", "operator": "gt", "value": 3, "target": "tell"}], "default_next": "all"},
            {"name": "all", "parallel": {"join": "any", "steps": [{"name": "in", "provider": "p", "action_type": "a"}]}},
            {"name": "sub", "sub_chain": "other"},
            {"name": "tell", "wait_for_signal": {"signal_name": "s", "on_timeout": "sub"}},
        ],
    })
}

fn shown(with_definition: bool) -> Value {
    let attempt = json!({"attempt": 0, "started_at": "2026-01-01T00:00:00.000Z", "completed_at": "2026-01-01T00:00:01.000Z",
        "success": false, "duration_ms": 1000, "error": "TIMEOUT: late"});
    let inner = json!({"name": "in", "status": "completed", "attempt": 1, "max_retries": 0, "attempts": []});
    let mut shown = json!({
        "chain_id": "c", "chain_name": "order", "status": "running", "execution_path": ["check", "all"],
        "steps": [
            {"name": "check", "status": "completed", "attempt": 1, "max_retries": 2, "attempts": [attempt]},
            {"name": "all", "status": "running", "attempt": 0, "max_retries": 0, "attempts": [], "parallel_steps": [inner]},
            {"name": "sub", "status": "pending", "attempt": 0, "max_retries": 0, "attempts": []},
            {"name": "tell", "status": "pending", "attempt": 0, "max_retries": 0, "attempts": []},
        ],
    });
    if with_definition {
        shown["definition"] = definition();
    }
    shown
}

#[tokio::test]
async fn a_running_chain_is_told_with_its_attempts_and_as_a_graph() {
    let server = Server::start(|seen| {
        let asks = &seen.value["command"]["show_chain"];
        let with_definition = asks["with_definition"] == true;
        Fate::Outcome("command_done", json!({"CommandDone": {"result": shown(with_definition)}}))
    })
    .await;
    let history = server.get("/v1/chains/c/history?namespace=n&tenant=t").await;
    assert_eq!(history.status, 200, "{history:?}");
    let steps: Vec<_> =
        history.body["steps"].as_array().unwrap().iter().map(|step| (&step["name"], &step["step_index"])).collect();
    let expected = [("check", 0), ("all", 1), ("in", 1), ("sub", 2), ("tell", 3)];
    assert_eq!(
        steps,
        expected.map(|(name, index)| (json!(name), json!(index))).iter().map(|(a, b)| (a, b)).collect::<Vec<_>>()
    );
    assert_eq!(history.body["steps"][0]["attempts"][0]["error"], "TIMEOUT: late");
    let graph = server.get("/v1/chains/c/dag?namespace=n&tenant=t").await;
    assert_eq!((graph.status, &graph.body["status"], &graph.body["chain_id"]), (200, &json!("running"), &json!("c")));
    assert_eq!(graph.body["nodes"][1]["parallel_children"][0]["status"], "completed");
    let edges: Vec<String> = graph.body["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| {
            let text = |name: &str| edge[name].as_str().unwrap_or("-").to_owned();
            format!("{} {} [{}] {}", text("source"), text("target"), text("label"), edge["on_execution_path"])
        })
        .collect();
    let expected = [
        "check tell [body.free > 3] false",
        "check all [otherwise] true",
        "all sub [-] false",
        "sub tell [-] false",
        "tell sub [timeout] false",
    ];
    assert_eq!(edges, expected);
}

#[tokio::test]
async fn a_chain_that_is_not_there_has_no_history_and_no_graph() {
    let refused =
        || Fate::Outcome("command_refused", json!({"CommandRefused": {"code": "NOT_FOUND", "message": "no chain"}}));
    let server = Server::start(move |_| refused()).await;
    let cases = [
        ("/v1/chains/c/history?namespace=n&tenant=t", 404),
        ("/v1/chains/c/dag?namespace=n&tenant=t", 404),
        ("/v1/chains/c/dag?namespace=n", 400),
        ("/v1/chains/definitions/c", 404),
        ("/v1/chains/definitions/c/dag", 404),
        ("/v1/chains/definitions", 200),
    ];
    for (path, status) in cases {
        let answer = server.get(path).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
}

#[test]
fn a_definition_alone_has_no_states() {
    let definition: ChainDefinition = serde_json::from_value(definition()).unwrap();
    let graph = Known::new(&Chains::default(), &Family::default()).graph(&definition, None);
    let graph = serde_json::to_value(graph).unwrap();
    assert_eq!(graph["nodes"][0]["status"], Value::Null);
    assert_eq!(
        graph["nodes"].as_array().unwrap().iter().map(|node| node["node_type"].as_str().unwrap()).collect::<Vec<_>>(),
        ["step", "parallel", "sub_chain", "signal"]
    );
    let summary = serde_json::to_value(DefinitionSummary::of(&definition)).unwrap();
    assert_eq!(
        summary,
        json!({"name": "order", "description": null, "steps_count": 4, "has_branches": true,
        "has_parallel": true, "has_sub_chains": true, "on_failure": "abort", "timeout_seconds": 60})
    );
}

/// A chain with one step, which is a sub-chain where one is named.
fn link(name: &str, sub: Option<&str>) -> Value {
    let call = json!({"name": "call", "provider": "email", "action_type": "a"});
    let step = sub.map_or(call, |sub| json!({"name": "sub", "sub_chain": sub}));
    json!({"name": name, "timeout_seconds": 60, "steps": [step]})
}

async fn define(server: &Server, definition: &Value) {
    let path = format!("/v1/chains/definitions/{}", definition["name"].as_str().unwrap());
    let answer = server.request("PUT", &path, "", &definition.to_string()).await;
    assert!(answer.status < 300, "{answer:?}");
}

#[tokio::test]
async fn sub_chains_are_told_inside_of_their_steps() {
    let server = Server::start(|seen| {
        let asked = seen.value["command"]["show_chain"]["chain_id"].as_str().unwrap();
        let shown = |name: &str, sub: Option<&str>, child: Option<&str>, status: &str| {
            let state = json!({"name": link(name, sub)["steps"][0]["name"], "status": status, "child_chain_id": child});
            json!({"chain_id": asked, "chain_name": name, "status": status, "execution_path": [], "steps": [state],
                "definition": link(name, sub)})
        };
        let result = match asked {
            "c-outer" => shown("outer", Some("middle"), Some("c-middle"), "running"),
            // It was begun when its definition was another one.
            "c-middle" => shown("middle", Some("old"), Some("c-gone"), "waiting"),
            _ => {
                return Fate::Outcome(
                    "command_refused",
                    json!({"CommandRefused": {"code": "NOT_FOUND", "message": "no"}}),
                );
            }
        };
        Fate::Outcome("command_done", json!({"CommandDone": {"result": result}}))
    })
    .await;
    for (name, sub) in [("inner", None), ("old", None), ("middle", Some("inner")), ("outer", Some("middle"))] {
        define(&server, &link(name, sub)).await;
    }
    let whole = server.get("/v1/chains/definitions/outer/dag").await.body;
    let middle = &whole["nodes"][0]["children"];
    let inner = &middle["nodes"][0]["children"];
    assert_eq!((&middle["chain_name"], &inner["chain_name"]), (&json!("middle"), &json!("inner")), "{whole}");
    assert_eq!((&inner["nodes"][0]["name"], inner["nodes"][0].get("children")), (&json!("call"), None));
    assert_eq!((middle.get("chain_id"), middle.get("status")), (None, None), "nothing was begun");

    let running = server.get("/v1/chains/c-outer/dag?namespace=n&tenant=t").await.body;
    let middle = &running["nodes"][0]["children"];
    assert_eq!((&middle["chain_id"], &middle["status"]), (&json!("c-middle"), &json!("waiting")), "{running}");
    let old = &middle["nodes"][0]["children"];
    assert_eq!((&old["chain_name"], old.get("chain_id")), (&json!("old"), None), "one that is gone, by its definition");
}

#[tokio::test]
async fn a_graph_has_only_so_many_chains_inside_of_each_other_and_so_many_steps() {
    // It was begun when sub-chains could lead back to it: its graph ends all the same.
    let server = Server::start(|seen| {
        let asked = seen.value["command"]["show_chain"]["chain_id"].as_str().unwrap().to_owned();
        let number: usize = asked.parse().unwrap();
        let (name, sub) = (format!("chain-{number}"), format!("chain-{}", number + 1));
        let shown = json!({"chain_id": asked, "chain_name": name, "status": "running", "execution_path": [],
            "steps": [{"name": "sub", "child_chain_id": (number + 1).to_string()}], "definition": link(&name, Some(&sub))});
        Fate::Outcome("command_done", json!({"CommandDone": {"result": shown}}))
    })
    .await;
    let mut graph = server.get("/v1/chains/0/dag?namespace=n&tenant=t").await.body;
    let mut depth = 0;
    while !graph.is_null() {
        depth += 1;
        graph = graph["nodes"][0]["children"].take();
    }
    assert_eq!((depth, server.seen().len()), (8, 32));

    let steps: Vec<Value> = (0..100).map(|number| json!({"name": format!("s{number}"), "sub_chain": "wide"})).collect();
    let outer: ChainDefinition =
        serde_json::from_value(json!({"name": "outer", "timeout_seconds": 60, "steps": steps})).unwrap();
    let calls: Vec<Value> =
        (0..90).map(|number| json!({"name": format!("c{number}"), "provider": "email", "action_type": "a"})).collect();
    define(&server, &json!({"name": "wide", "timeout_seconds": 60, "steps": calls})).await;
    define(&server, &json!(outer)).await;
    let graph = server.get("/v1/chains/definitions/outer/dag").await.body;
    let told = graph["nodes"].as_array().unwrap().iter().filter(|node| node.get("children").is_some()).count();
    assert_eq!(told, 10, "100 steps, and 10 times 90 inside of them");
}
