//! The client against a server that answers as told.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use acteon_testkit::http::{Receiver, Reply, Request};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use std::time::Duration;

fn reply(status: u16, body: &Value) -> Reply {
    Reply::status(status).header("content-type", "application/json").body(body.to_string())
}

fn refusal(status: u16, code: &str, retryable: bool) -> Reply {
    reply(status, &json!({"error": "no", "message": "no", "code": code, "retryable": retryable}))
}

fn client(server: &Receiver) -> Client {
    let retry = RetryPolicy { max_retries: 2, initial: Duration::from_millis(5), max: Duration::from_millis(20) };
    Client::builder(&server.url()).retry(retry).token("t0k").timeout(Duration::from_secs(5)).build().unwrap()
}

fn action() -> Action {
    Action::new("n", "t", "p", "a", &json!({"x": 1}))
}

#[tokio::test]
async fn what_can_succeed_later_is_sent_again_with_the_same_id() {
    let server = Receiver::start().unwrap();
    server.respond_first(1, refusal(503, "STARTING", true));
    server.respond_first(1, Reply::status(502).body("<html>"));
    server.respond(reply(200, &json!("Deduplicated")));
    assert_eq!(client(&server).dispatch(&action()).await.unwrap(), Outcome::Deduplicated);
    let sent = server.requests();
    let ids: Vec<Value> = sent.iter().map(|request| request.json().unwrap()["id"].clone()).collect();
    assert_eq!((ids.len(), &ids[0], &ids[0]), (3, &ids[1], &ids[2]));
    assert_eq!((sent[0].path.as_str(), sent[0].header("authorization")), ("/v1/dispatch", Some("Bearer t0k")));

    server.respond(refusal(503, "KAFKA_UNAVAILABLE", true));
    server.clear();
    let error = client(&server).dispatch(&action()).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string() == "no (KAFKA_UNAVAILABLE, HTTP 503)", "{error}");
    assert_eq!(server.count(), 3, "an attempt and two retries");
}

#[tokio::test]
async fn what_can_not_is_an_error_at_once() {
    let server = Receiver::start().unwrap();
    server.respond(refusal(422, "INVALID_FIELD", false));
    let error = client(&server).dispatch(&action()).await.unwrap_err();
    let Error::Api(refused) = &error else { panic!("{error}") };
    assert_eq!((refused.status, refused.code.as_str(), server.count()), (422, "INVALID_FIELD", 1));
    // A replay is another action each time.
    server.respond(refusal(503, "STARTING", true));
    client(&server).replay("a-1").await.unwrap_err();
    assert_eq!(server.count(), 2);
    server.respond(Reply::status(200).body("<html>"));
    let error = client(&server).health().await.unwrap_err().to_string();
    assert!(error.starts_with("the answer to /health can't be read"), "{error}");
    let nobody = Client::builder("http://127.0.0.1:1").retry(RetryPolicy::never()).build().unwrap();
    let error = nobody.dispatch(&action()).await.unwrap_err();
    assert!(matches!(error, Error::Transport { .. }) && error.is_retryable(), "{error}");
}

#[tokio::test]
async fn waits_dry_runs_and_batches() {
    let server = Receiver::start().unwrap();
    server.respond(reply(202, &json!({"action_id": "a-1", "status": "accepted"})));
    let outcome = client(&server).dispatch_within(&action(), Duration::from_millis(50)).await.unwrap();
    assert_eq!(outcome, Outcome::Accepted { action_id: "a-1".to_owned() });
    server.respond(reply(200, &json!({"DryRun": {"verdict": "deny", "matched_rule": "r", "would_be_provider": "p"}})));
    assert_eq!(client(&server).try_out(&action()).await.unwrap().name(), "dry_run");
    let items = json!([
        {"Suppressed": {"rule": "r"}},
        {"error": {"code": "INVALID_BODY", "message": "m", "retryable": false}},
        {"Failed": {"code": "TIMEOUT", "message": "m", "retryable": true, "attempts": 4}},
    ]);
    server.respond(reply(200, &items));
    let items = client(&server).dispatch_batch(&[action(), action(), action()]).await.unwrap();
    assert_eq!(items[0].as_ref().unwrap().name(), "suppressed");
    assert_eq!(items[1].as_ref().unwrap_err().code, "INVALID_BODY");
    assert_eq!(items[2].as_ref().unwrap().name(), "failed");
    let queries: Vec<String> = server.requests().into_iter().map(|request| request.query).collect();
    assert_eq!(queries, ["wait=50ms", "dry_run=true", ""]);
}

fn record(id: u32) -> Value {
    json!({"id": id.to_string(), "action_id": format!("a-{id}"), "namespace": "n", "tenant": "t", "provider": "p",
        "action_type": "a", "verdict": "allow", "matched_rule": null, "outcome": "executed",
        "dispatched_at": "2026-03-02T10:00:00Z", "duration_ms": 3, "sequence_number": id})
}

#[tokio::test]
async fn audit_records_are_read_page_by_page() {
    let server = Receiver::start().unwrap();
    let pages = |request: &Request| {
        let page = match request.query.rsplit_once("cursor=") {
            None => {
                json!({"records": [record(3), record(2)], "total": 3, "limit": 2, "offset": 0, "next_cursor": "two"})
            }
            Some((_, "two")) => json!({"records": [record(1)], "limit": 2, "offset": 0}),
            Some(_) => return Some(refusal(400, "INVALID_CURSOR", false)),
        };
        Some(reply(200, &page))
    };
    server.respond_by(pages);
    let query = AuditQuery { tenant: Some("t".to_owned()), limit: Some(2), ..AuditQuery::default() };
    let all: Vec<AuditRecord> = client(&server).audit_records(query.clone()).try_collect().await.unwrap();
    let ids: Vec<&str> = all.iter().map(|record| record.action_id.as_str()).collect();
    assert_eq!((ids, &all[0].more["sequence_number"]), (vec!["a-3", "a-2", "a-1"], &json!(3)));
    assert_eq!(server.requests()[1].query, "tenant=t&limit=2&cursor=two");
    assert_eq!(client(&server).query_audit(&query, None).await.unwrap().total, Some(3));
    assert!(client(&server).query_audit(&query, Some("x")).await.is_err());
    let some = |text: &str| Some(text.to_owned());
    let query = AuditQuery { caller_id: some("ann"), signer_id: some("ci"), kid: some("k1"), ..AuditQuery::default() };
    client(&server).query_audit(&query, None).await.unwrap();
    assert_eq!(server.requests().last().unwrap().query, "caller_id=ann&signer_id=ci&kid=k1");
}

#[tokio::test]
async fn events_approvals_groups_and_chains() {
    let server = Receiver::start().unwrap();
    let client = client(&server);
    server.respond(reply(200, &json!({"events": [{"fingerprint": "f", "state": "s", "updated_at": "x"}], "count": 1})));
    let events = client.events("n", "t", Some("s")).await.unwrap();
    assert_eq!((events[0].state.as_str(), &events[0].more["updated_at"]), ("s", &json!("x")));
    server.respond(reply(200, &json!({"fingerprint": "f", "previous_state": "a", "new_state": "b", "notify": true})));
    assert_eq!(client.transition("n", "t", "a/b", "b").await.unwrap().new_state, "b");
    server.respond(reply(200, &json!({"approvals": [{"token": "a-1", "status": "pending"}], "count": 1})));
    assert_eq!(client.approvals("n", "t", None).await.unwrap()[0].token, "a-1");
    server.respond(reply(200, &json!({"id": "a-1", "status": "approved"})));
    let link = "https://elsewhere/v1/approvals/n/t/a-1/approve?sig=ab&expires_at=1";
    assert_eq!(client.decide(link).await.unwrap().status, "approved");
    server.respond(reply(200, &json!({"groups": [{"group_id": "g", "group_key": "k", "event_count": 2}]})));
    assert_eq!(client.groups("n", "t").await.unwrap()[0].event_count, 2);
    server.respond(reply(200, &json!({"group_id": "g", "event_count": 2, "status": "flushed", "notified": true})));
    assert!(client.flush_group("n", "t", "k").await.unwrap().notified);
    server.respond(reply(200, &json!({"chains": [{"chain_id": "c", "chain_name": "x", "status": "running"}]})));
    assert_eq!(client.chains("n", "t", Some("running")).await.unwrap()[0].chain_id, "c");
    server.respond(reply(200, &json!({"chain_id": "c", "chain_name": "x", "status": "cancelled", "steps": []})));
    assert_eq!(client.cancel_chain("n", "t", "c", "no need").await.unwrap().status, "cancelled");
    let sent: Vec<String> =
        server.requests().iter().map(|sent| format!("{} {}?{}", sent.method, sent.path, sent.query)).collect();
    let expected = [
        "GET /v1/events?namespace=n&tenant=t&status=s",
        "PUT /v1/events/a%2Fb/transition?",
        "GET /v1/approvals?namespace=n&tenant=t",
        "POST /v1/approvals/n/t/a-1/approve?sig=ab&expires_at=1",
        "GET /v1/groups?namespace=n&tenant=t",
        "DELETE /v1/groups/k?namespace=n&tenant=t",
        "GET /v1/chains?namespace=n&tenant=t&status=running",
        "POST /v1/chains/c/cancel?",
    ];
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn a_stream_goes_on_where_it_broke_off() {
    let server = Receiver::start().unwrap();
    let event = |id: u32| format!("id: {id}\nevent: action_dispatched\ndata: {{\"n\": {id}}}\n\n");
    let events = move |request: &Request| {
        let text = match request.header("last-event-id") {
            None => format!(": ping\n\n{}{}", event(1), event(2)),
            Some("2") => format!("event: lagged\ndata: lost\n\n{}", event(3)),
            Some(_) => return Some(refusal(410, "GONE", false)),
        };
        Some(Reply::status(200).header("content-type", "text/event-stream").body(text))
    };
    server.respond_by(events);
    let filter = StreamFilter { namespace: Some("n".to_owned()), ..StreamFilter::default() };
    let came: Vec<_> = client(&server).stream(&filter, None).collect().await;
    let shown: Vec<String> = came
        .iter()
        .map(|item| match item {
            Ok(event) => format!("{} {} {}", event.id.as_deref().unwrap_or("-"), event.event, event.data),
            Err(error) => error.to_string(),
        })
        .collect();
    let expected = [
        r#"1 action_dispatched {"n":1}"#,
        r#"2 action_dispatched {"n":2}"#,
        r#"2 lagged "lost""#,
        r#"3 action_dispatched {"n":3}"#,
        "no (GONE, HTTP 410)",
    ];
    assert_eq!(shown, expected);
    assert_eq!(server.requests()[0].query, "namespace=n");
}

#[tokio::test]
async fn a_stream_that_can_t_be_opened_ends_after_its_retries() {
    let server = Receiver::start().unwrap();
    server.respond(refusal(429, "TOO_MANY", true));
    let came: Vec<_> = client(&server).stream(&StreamFilter::default(), Some("7")).collect().await;
    assert_eq!((came.len(), server.count()), (1, 3), "{came:?}");
    assert_eq!(server.requests()[2].header("last-event-id"), Some("7"));
}
