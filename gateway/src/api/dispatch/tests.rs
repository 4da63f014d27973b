#![allow(clippy::unwrap_used)]

use super::batch::MAX_BATCH;
use crate::api::ApiLimits;
use crate::api::body::{MAX_BATCH_BODY, MAX_BODY};
use crate::api::testing::{Answer, Fate, Seen, Server};
use crate::log::SendError;
use serde_json::json;
use std::time::Duration;

const ACTION: &str = r#"{"id":"a-1","namespace":"n","tenant":"t","provider":"p","action_type":"a","payload":{"x": 1}}"#;

/// Each action's fate is named by its type.
fn fate(seen: &Seen) -> Fate {
    match seen.value["action_type"].as_str().unwrap() {
        "silent" => Fate::Silent,
        "written" => Fate::Written,
        "lost" => Fate::Lost,
        "full" => Fate::Refused(SendError::Full),
        "failed" => Fate::Refused(SendError::Failed("broken".to_owned())),
        "large" => Fate::Refused(SendError::TooLarge),
        "dup" => Fate::Outcome("deduplicated", json!("Deduplicated")),
        _ => Fate::Outcome("suppressed", json!({"Suppressed": {"rule": "r"}})),
    }
}

fn action(action_type: &str) -> String {
    ACTION.replace(r#""action_type":"a""#, &format!(r#""action_type":"{action_type}""#))
}

/// An error has all four keys, and `error` is the message.
fn assert_error(answer: &Answer, status: u16, code: &str, retryable: bool) {
    assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{answer:?}");
    assert_eq!(answer.body["retryable"], retryable, "{answer:?}");
    assert!(answer.body["message"].as_str().is_some_and(|text| !text.is_empty()), "{answer:?}");
    assert_eq!(answer.body["error"], answer.body["message"]);
    assert!(answer.head.contains("content-type: application/json"), "{answer:?}");
}

#[tokio::test]
async fn the_answer_is_the_outcome() {
    let server = Server::start(fate).await;
    let answer = server.post("/v1/dispatch", ACTION).await;
    assert_eq!((answer.status, &answer.body), (200, &json!({"Suppressed": {"rule": "r"}})));
    assert!(answer.head.contains("acteon-action-id: a-1"), "{answer:?}");
    assert_eq!(server.post("/v1/dispatch", &action("dup")).await.body, json!("Deduplicated"));
    let sent = &server.seen()[0];
    assert_eq!((sent.key.as_str(), &sent.value["payload"]), ("n:t", &json!({"x": 1})));
}

#[tokio::test]
async fn json_is_read_whatever_the_content_type_says_and_traces_travel_along() {
    let server = Server::start(fate).await;
    let headers = "Content-Type: application/x-www-form-urlencoded\r\nTraceparent: 00-ab-cd-01\r\nTracestate: k=v\r\n";
    let answer = server.request("POST", "/v1/dispatch", headers, ACTION).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let sent = &server.seen()[0];
    assert_eq!((sent.trace.parent.as_deref(), sent.trace.state.as_deref()), (Some("00-ab-cd-01"), Some("k=v")));
    assert_eq!(sent.value["trace_context"], json!({"traceparent": "00-ab-cd-01", "tracestate": "k=v"}));
}

#[tokio::test]
async fn an_outcome_that_does_not_come_is_202_with_the_id() {
    let server = Server::start(fate).await;
    for path in ["/v1/dispatch", "/v1/dispatch?wait=0", "/v1/dispatch?wait=5ms"] {
        let answer = server.post(path, &action("written")).await;
        assert_eq!((answer.status, &answer.body), (202, &json!({"action_id": "a-1", "status": "accepted"})), "{path}");
    }
    let answer = server.post("/v1/dispatch?wait=0", &action("written").replace(r#""id":"a-1","#, "")).await;
    assert_eq!(answer.body["action_id"], server.seen()[3].value["id"]);
}

#[tokio::test]
async fn without_kafka_the_answer_is_503() {
    let server = Server::start(fate).await;
    for action_type in ["lost", "full", "failed"] {
        let answer = server.post("/v1/dispatch", &action(action_type)).await;
        assert_error(&answer, 503, "KAFKA_UNAVAILABLE", true);
        assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
        assert_eq!(answer.body["retry_after"], 1);
    }
    assert_error(&server.post("/v1/dispatch", &action("large")).await, 413, "TOO_LARGE", false);
    let starting = Server::starting().await;
    assert_error(&starting.post("/v1/dispatch", ACTION).await, 503, "STARTING", true);
    assert_error(&starting.post("/v1/dispatch/batch", "[]").await, 503, "STARTING", true);
}

#[tokio::test]
async fn bad_requests_have_their_status_and_code() {
    let server = Server::start(fate).await;
    let big = format!(r#"{{"payload":"{}"}}"#, "x".repeat(MAX_BODY));
    let no_tenant = ACTION.replace(r#""tenant":"t","#, "");
    let cases = [
        ("/v1/dispatch", "", 400, "EMPTY", "no value"),
        ("/v1/dispatch", "not json", 400, "INVALID_JSON", "line 1"),
        ("/v1/dispatch", r#"{"namespace":"#, 400, "INVALID_JSON", "EOF"),
        ("/v1/dispatch", "[]", 422, "INVALID_BODY", "an action"),
        ("/v1/dispatch", &no_tenant, 422, "INVALID_BODY", "missing field `tenant`"),
        ("/v1/dispatch", &ACTION.replace(r#""p""#, "7"), 422, "INVALID_BODY", "field `provider`"),
        ("/v1/dispatch", &ACTION.replace(r#""p""#, r#""""#), 422, "INVALID_FIELD", "`provider`"),
        ("/v1/dispatch", &big, 413, "TOO_LARGE", "1048576 bytes"),
        ("/v1/dispatch?wait=soon", ACTION, 400, "INVALID_QUERY", "`wait`"),
        ("/v1/dispatch?wait=2m", ACTION, 400, "INVALID_QUERY", "at most 60s"),
        ("/v1/dispatch?dry_run=maybe", ACTION, 400, "INVALID_QUERY", ""),
        ("/v1/dispatch?dryrun=true", ACTION, 400, "INVALID_QUERY", "dryrun"),
        ("/v1/dispatch?dry_run=true", "[]", 422, "INVALID_BODY", "an action"),
        ("/v1/dispatch/batch", ACTION, 422, "INVALID_BODY", "an array of actions"),
        ("/v1/dispatch/batch", "[1,", 400, "INVALID_JSON", "EOF"),
        ("/v1/nothing", ACTION, 404, "NOT_FOUND", "/v1/nothing"),
    ];
    for (path, body, status, code, part) in cases {
        let answer = server.post(path, body).await;
        assert_error(&answer, status, code, false);
        assert!(answer.body["message"].as_str().unwrap().contains(part), "{path} {answer:?}");
    }
    let answer = server.request("GET", "/v1/dispatch", "", "").await;
    assert_error(&answer, 405, "METHOD_NOT_ALLOWED", false);
    assert!(server.seen().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn a_huge_body_is_refused_before_it_is_read() {
    let server = Server::start(fate).await;
    let head = "POST /v1/dispatch HTTP/1.1\r\nHost: test\r\nContent-Length: 1073741824\r\n\r\n{";
    assert_error(&server.raw(head.as_bytes()).await, 413, "TOO_LARGE", false);
    // Without a length, as soon as it passes the limit.
    let chunk = "x".repeat(MAX_BODY + 1);
    let chunked = format!(
        "POST /v1/dispatch HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{chunk}\r\n",
        chunk.len()
    );
    assert_error(&server.raw(chunked.as_bytes()).await, 413, "TOO_LARGE", false);
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_item_by_item() {
    let server = Server::start(fate).await;
    let body = format!(
        "[{},{},{},{},{},7]",
        action("dup"),
        r#"{"namespace":"n"}"#,
        action("lost"),
        action("a"),
        action("written")
    );
    let answer = server.post("/v1/dispatch/batch", &body).await;
    assert_eq!(answer.status, 202, "one outcome is still to come");
    let items = answer.body.as_array().unwrap();
    assert_eq!(items.len(), 6);
    assert_eq!((&items[0], &items[3]), (&json!("Deduplicated"), &json!({"Suppressed": {"rule": "r"}})));
    assert_eq!(items[4], json!({"action_id": "a-1", "status": "accepted"}));
    for (index, code, retryable) in
        [(1, "INVALID_BODY", false), (2, "KAFKA_UNAVAILABLE", true), (5, "INVALID_BODY", false)]
    {
        let item = items[index].as_object().unwrap();
        assert_eq!(item.len(), 1, "one key: {item:?}");
        assert_eq!((&item["error"]["code"], &item["error"]["retryable"]), (&json!(code), &json!(retryable)));
    }
    assert_eq!(server.post("/v1/dispatch/batch", "[]").await.body, json!([]));
    let answer = server.post("/v1/dispatch/batch", &format!("[{ACTION}]")).await;
    assert_eq!((answer.status, &answer.body), (200, &json!([{"Suppressed": {"rule": "r"}}])));
}

#[tokio::test]
async fn a_batch_has_limits() {
    let server = Server::start(fate).await;
    let many = vec!["1"; MAX_BATCH + 1].join(",");
    assert_error(&server.post("/v1/dispatch/batch", &format!("[{many}]")).await, 422, "BATCH_TOO_LARGE", false);
    let large = format!("[\"{}\"]", "x".repeat(MAX_BATCH_BODY));
    let head = format!("POST /v1/dispatch/batch HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", large.len());
    assert_error(&server.raw(head.as_bytes()).await, 413, "TOO_LARGE", false);
    let deep = format!("[{}{}]", "[".repeat(70), "]".repeat(70));
    assert_error(&server.post("/v1/dispatch/batch", &deep).await, 422, "TOO_DEEP", false);
}

#[tokio::test]
async fn more_requests_than_the_limit_are_refused() {
    let limits = ApiLimits { max_concurrent: 1, ..ApiLimits::default() };
    let server = std::sync::Arc::new(Server::with(limits, Some(fate)).await);
    let first = std::sync::Arc::clone(&server);
    let first = tokio::spawn(async move { first.post("/v1/dispatch?wait=2s", &action("written")).await });
    while server.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_error(&server.post("/v1/dispatch", ACTION).await, 503, "OVERLOADED", true);
    let health = server.request("GET", "/health", "", "").await;
    assert_eq!(health.body["status"], json!("ok"), "operators get through");
    assert_eq!(first.await.unwrap().status, 202);
    assert_eq!(server.post("/v1/dispatch", ACTION).await.status, 200);
}
