#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::api::testing::{Fate, Seen, Server};
use crate::log::{SendError, Topic};
use crate::view::audit::AuditView;
use crate::view::audit::testing::{Fixture, done, record, sent};
use serde_json::{Value, json};
use std::sync::Arc;

/// An API whose audit view holds records; what is sent to the log is written.
async fn server(records: &[Value], fate: impl Fn(&Seen) -> Fate + Send + Sync + 'static) -> (Server, Fixture) {
    let fixture = Fixture::new();
    fixture.write(0, records).await;
    let server = Server::start(fate).await;
    server.api.open_audit(AuditView::still(Arc::clone(fixture.store()) as _));
    (server, fixture)
}

fn ids(body: &Value) -> Vec<&str> {
    body["records"].as_array().unwrap().iter().map(|record| record["action_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn lists_have_the_original_shape_and_page_to_the_end() {
    let records: Vec<Value> = (0..5).map(|n| record(&format!("a{n}"), n, json!({}))).collect();
    let (server, fixture) = server(&records, |_| Fate::Written).await;
    let first = server.get("/v1/audit?namespace=n&limit=2").await;
    assert_eq!(first.status, 200);
    assert_eq!(ids(&first.body), ["a4", "a3"]);
    let page = [&first.body["total"], &first.body["limit"], &first.body["offset"]];
    assert_eq!(page, [&json!(5), &json!(2), &json!(0)]);
    fixture.write(100, &[record("newer", 50, json!({}))]).await;
    let mut seen = Vec::new();
    let mut next = first.body["next_cursor"].clone();
    while let Some(cursor) = next.as_str() {
        let page = server.get(&format!("/v1/audit?namespace=n&limit=2&cursor={cursor}")).await;
        seen.extend(ids(&page.body).into_iter().map(str::to_owned));
        assert_eq!(page.body.get("total"), None, "what is told on the first page is not counted again");
        next = page.body["next_cursor"].clone();
    }
    assert_eq!(seen, ["a2", "a1", "a0"]);
    let all = server.get("/v1/audit").await.body;
    assert_eq!((&all["total"], &all["limit"], all.get("next_cursor")), (&json!(6), &json!(50), None));
}

#[tokio::test]
async fn one_action_is_shown_and_what_is_not_there_is_told() {
    let (server, _fixture) = server(&[record("a b", 1, json!({"tenant": "u"}))], |_| Fate::Written).await;
    let found = server.get("/v1/audit/a%20b").await;
    assert_eq!((found.status, &found.body["action_id"]), (200, &json!("a b")));
    let cases = [
        ("/v1/audit/a%20b?tenant=u&namespace=n", 200, None),
        ("/v1/audit/a%20b?tenant=t", 404, Some("NOT_FOUND")),
        ("/v1/audit/other", 404, Some("NOT_FOUND")),
        ("/v1/audit/a%ff", 400, Some("INVALID_PATH")),
        ("/v1/audit/a%20b?limit=1", 400, Some("INVALID_QUERY")),
        ("/v1/audit?tennant=t", 400, Some("INVALID_QUERY")),
        ("/v1/audit?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", 400, Some("INVALID_QUERY")),
        ("/v1/audit?cursor=AAAA", 400, Some("INVALID_CURSOR")),
        ("/v1/analytics?metric=speed", 400, Some("INVALID_QUERY")),
    ];
    for (path, status, code) in cases {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (status, code), "{path}: {}", answer.body);
        if code.is_some() {
            let keys: Vec<&String> = answer.body.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["code", "error", "message", "retryable"], "{path}");
        }
    }
}

#[tokio::test]
async fn without_a_view_there_is_an_answer_too() {
    let server = Server::start(|_| Fate::Written).await;
    for path in ["/v1/audit", "/v1/audit/a", "/v1/analytics?metric=volume"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, &answer.body["code"]), (503, &json!("STARTING")), "{path}");
        assert_eq!(answer.body["retryable"], true);
    }
}

#[tokio::test]
async fn a_replay_is_the_action_again_with_its_origin() {
    let rerouted = json!({"original_provider": "first", "provider": "second", "verdict": "reroute",
        "metadata": {"cluster": "prod", "__dedup_key": "k", "__status": "open", "__fingerprint": "f"}});
    let (server, _fixture) = server(&[record("a", 1, rerouted)], |_| Fate::Written).await;
    let answer = server.post("/v1/audit/a/replay", "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let new_id = answer.body["new_action_id"].as_str().unwrap().to_owned();
    let expected = json!({"original_action_id": "a", "new_action_id": new_id, "success": true, "error": null});
    assert_eq!(answer.body, expected);
    let seen = server.seen();
    assert_eq!((seen.len(), seen[0].topic, seen[0].key.as_str()), (1, Topic::Actions, "n:t"));
    let action = json!({
        "id": new_id, "namespace": "n", "tenant": "t", "provider": "first", "action_type": "x",
        "payload": {"amount": 1}, "metadata": {"cluster": "prod", "replayed_from": "a"}, "dedup_key": "k",
        "status": "open", "fingerprint": "f",
    });
    assert_eq!(seen[0].value, action);
}

#[tokio::test]
async fn what_can_not_be_replayed_is_told() {
    let bare = json!({"action_payload": null});
    let step = json!({"phase": "progress", "outcome": "chain_completed"});
    let (server, _fixture) = server(&[record("bare", 1, bare), record("step", 2, step)], |_| Fate::Written).await;
    let cases = [("bare", 422, "NOT_REPLAYABLE"), ("step", 422, "NOT_REPLAYABLE"), ("gone", 404, "NOT_FOUND")];
    for (id, status, code) in cases {
        let answer = server.post(&format!("/v1/audit/{id}/replay"), "").await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{id}: {}", answer.body);
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn many_are_replayed_the_oldest_first_and_each_action_once() {
    let records = [
        sent("a", 1),
        done("a", 1, 5, json!({})),
        record("b", 2, json!({"action_payload": null})),
        record("c", 3, json!({})),
        record("c", 4, json!({"id": "released", "released_by": "schedule"})),
        record("lost", 5, json!({})),
        record("refused", 6, json!({})),
        record("other", 7, json!({"tenant": "u"})),
    ];
    let fate = |seen: &Seen| match seen.value["metadata"]["replayed_from"].as_str() {
        Some("lost") => Fate::Lost,
        Some("refused") => Fate::Refused(SendError::Full),
        _ => Fate::Written,
    };
    let (server, _fixture) = server(&records, fate).await;
    let answer = server.post("/v1/audit/replay?namespace=n&tenant=t", "{}").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = &answer.body;
    assert_eq!([&body["replayed"], &body["failed"], &body["skipped"]], [&json!(2), &json!(2), &json!(2)]);
    let origins: Vec<_> = server.seen().iter().map(|seen| seen.value["metadata"]["replayed_from"].clone()).collect();
    assert_eq!(origins, ["a", "c", "lost", "refused"]);
    for result in body["results"].as_array().unwrap() {
        assert_eq!(result["success"] == true, result["error"].is_null(), "{result}");
        assert_eq!(result["success"] == true, result["new_action_id"].is_string(), "{result}");
    }
    let rest = server.post("/v1/audit/replay?limit=1&tenant=t", "").await;
    assert!(rest.body["next_cursor"].is_string(), "{}", rest.body);
    let bad = server.post("/v1/audit/replay?outcome=exploded", "").await;
    assert_eq!((bad.status, &bad.body["code"]), (400, &json!("INVALID_QUERY")));
}

#[tokio::test]
async fn figures_have_the_original_shape() {
    /// 2026-02-18T13:00:00Z.
    const AT: i64 = 1_771_419_600_000;
    let records = [
        sent("a", AT),
        done("a", AT, 10, json!({})),
        sent("b", AT + 1),
        done("b", AT + 1, 30, json!({"outcome": "failed"})),
        record("c", AT + 3_600_000, json!({})),
    ];
    let (server, _fixture) = server(&records, |_| Fate::Written).await;
    let range = "from=2026-02-18T12:00:00Z&to=2026-02-18T15:00:00Z";
    let ask = async |metric: &str| server.get(&format!("/v1/analytics?metric={metric}&{range}")).await.body;
    let expected = json!({
        "metric": "latency", "interval": "hourly", "from": "2026-02-18T12:00:00.000Z", "to": "2026-02-18T15:00:00.000Z",
        "buckets": [{"timestamp": "2026-02-18T13:00:00.000Z", "count": 2, "avg_duration_ms": 20.0,
            "p50_duration_ms": 10, "p95_duration_ms": 30, "p99_duration_ms": 30}],
        "total_count": 2,
    });
    assert_eq!(ask("latency").await, expected);
    let rates = ask("error_rate").await;
    assert_eq!([&rates["buckets"][0]["error_rate"], &rates["buckets"][1]["error_rate"]], [&json!(0.5), &json!(0.0)]);
    let top = ask("top_action_types").await;
    assert_eq!(top["top_entries"], json!([{"label": "x", "count": 3, "percentage": 100.0}]));
    assert_eq!(ask("outcome_breakdown").await["buckets"][0]["group"], "executed");
    assert_eq!(ask("volume").await["total_count"], 3);
}
