#![allow(clippy::unwrap_used, clippy::panic)]

use crate::api::testing::{Fate, Server};
use acteon_topology::KafkaConfig;
use serde_json::json;

#[tokio::test]
async fn what_can_not_be_streamed_is_refused() {
    let server = Server::start(|_| {
        Fate::Outcome("command_refused", json!({"CommandRefused": {"code": "NOT_FOUND", "message": "no"}}))
    })
    .await;
    // Nobody listens there, and nobody is asked.
    server.api.open_streams(&KafkaConfig::new("127.0.0.1:9"), "acteon.audit");
    let cases = [
        ("/v1/stream?event_type=nothing", 400, "INVALID_QUERY", "action_dispatched"),
        ("/v1/stream?outcome=Executed", 400, "INVALID_QUERY", "executed"),
        ("/v1/stream?colour=red", 400, "INVALID_QUERY", "colour"),
        ("/v1/stream?last_event_id=0196a7c2-7d1e-7000-8000-3f2a5c1b9e77", 400, "INVALID_EVENT_ID", "`id`"),
        ("/v1/subscribe/chain/c?namespace=n", 400, "INVALID_QUERY", "tenant"),
        ("/v1/subscribe/tree/c?namespace=n&tenant=t", 400, "INVALID_PATH", "chain"),
        ("/v1/subscribe/chain/c?namespace=n&tenant=t", 404, "NOT_FOUND", "no"),
        ("/v1/subscribe/group/c?namespace=n&tenant=t", 404, "NOT_FOUND", "no"),
        ("/v1/subscribe/chain/c?namespace=n&tenant=t&include_history=2", 400, "INVALID_QUERY", "include_history"),
    ];
    for (path, status, code, part) in cases {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.body["code"].as_str().unwrap()), (status, code), "{path}: {answer:?}");
        assert!(answer.body["message"].as_str().unwrap().contains(part), "{path}: {answer:?}");
    }
    let answer = server.request("GET", "/v1/stream", "Last-Event-ID: yesterday\r\n", "").await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("INVALID_EVENT_ID")));
}

#[tokio::test]
async fn before_kafka_is_there_nothing_is_streamed() {
    let server = Server::starting().await;
    let answer = server.get("/v1/stream").await;
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("STARTING")));
}
