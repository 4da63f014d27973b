#![allow(clippy::unwrap_used, clippy::panic)]

use crate::api::testing::{Fate, Server};
use crate::dead_letters::{DeadLetterChoice, DeadLetterError, DeadLetterFilter, DeadLetters};
use acteon_schemas::Resolution;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Two dead letters, and what was done with them.
#[derive(Default)]
struct Fake(Mutex<Vec<String>>);

fn entry(id: &str, provider: &str) -> Value {
    json!({
        "id": id, "at": "2026-03-02T10:00:00.000Z", "code": "TIMEOUT", "message": "too slow", "holds": "dispatch",
        "source": "acteon.actions/0/1", "bytes": 2, "attempts": 4, "action_id": "a", "provider": provider,
    })
}

impl DeadLetters for Fake {
    fn list(&self, filter: &DeadLetterFilter) -> Result<Vec<Value>, DeadLetterError> {
        match filter.since.as_deref() {
            Some("bad") => return Err(DeadLetterError::Refused("`since`".to_owned())),
            Some("away") => return Err(DeadLetterError::Failed("Kafka is away".to_owned())),
            _ => {}
        }
        let done = self.0.lock().unwrap();
        let all = [entry("0/1", "slack"), entry("1/7", "email")].into_iter();
        let open = all.filter(|entry| filter.resolved || !done.iter().any(|id| entry["id"] == *id.as_str()));
        Ok(open.filter(|entry| filter.provider.as_deref().is_none_or(|name| entry["provider"] == name)).collect())
    }

    fn show(&self, id: &str) -> Result<Value, DeadLetterError> {
        let found = self.list(&DeadLetterFilter { resolved: true, ..DeadLetterFilter::default() })?;
        let found = found.into_iter().find(|entry| entry["id"] == id);
        let mut entry = found.ok_or_else(|| DeadLetterError::Unknown(format!("none {id}")))?;
        entry["value"] = json!({"x": 1});
        Ok(entry)
    }

    fn resolve(&self, what: Resolution, chosen: &DeadLetterChoice) -> Result<Vec<Value>, DeadLetterError> {
        let ids: Vec<String> = match chosen {
            DeadLetterChoice::Ids(ids) => ids.clone(),
            DeadLetterChoice::All(filter) => {
                self.list(filter)?.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
            }
        };
        let mut done = self.0.lock().unwrap();
        if let Some(again) = ids.iter().find(|id| done.contains(id)) {
            return Err(DeadLetterError::Resolved(format!("{again} was dealt with before")));
        }
        done.extend(ids.iter().cloned());
        Ok(ids.iter().map(|id| json!({"id": id, "status": what.as_str()})).collect())
    }
}

async fn server() -> Server {
    let server = Server::start(|_| Fate::Silent).await;
    server.api.open_dead_letters(Arc::new(Fake::default()));
    server
}

#[tokio::test]
async fn dead_letters_are_told_of_with_the_names_that_clients_read() {
    let server = server().await;
    assert_eq!(server.get("/v1/dlq/stats").await.body, json!({"enabled": true, "count": 2}));
    let list = server.get("/v1/dlq?limit=1").await.body;
    assert_eq!((&list["count"], &list["total"]), (&json!(1), &json!(2)));
    let first = &list["entries"][0];
    assert_eq!((&first["error"], &first["timestamp"]), (&json!("too slow"), &json!("2026-03-02T10:00:00.000Z")));
    assert!(first.get("at").is_none() && first.get("message").is_none());
    assert_eq!(server.get("/v1/dlq?provider=email").await.body["entries"][0]["id"], "1/7");
    assert_eq!(server.get("/v1/dlq/1/7").await.body["value"], json!({"x": 1}));
}

#[tokio::test]
async fn they_are_replayed_dropped_and_drained() {
    let server = server().await;
    let replayed = server.post("/v1/dlq/replay", r#"{"ids":["0/1"]}"#).await;
    let expected = json!({"done": 1, "failed": 0, "results": [{"id": "0/1", "status": "replayed"}]});
    assert_eq!((replayed.status, replayed.body), (200, expected));
    let again = server.post("/v1/dlq/drop", r#"{"ids":["0/1"]}"#).await;
    assert_eq!((again.status, &again.body["code"]), (409, &json!("CONFLICT")));
    assert_eq!(server.get("/v1/dlq?resolved=true").await.body["total"], 2);
    let drained = server.post("/v1/dlq/drain", "").await.body;
    assert_eq!((&drained["count"], &drained["entries"][0]["id"]), (&json!(1), &json!("1/7")));
    assert_eq!(server.post("/v1/dlq/drain", "").await.body, json!({"entries": [], "count": 0, "total": 0}));
    assert_eq!(server.get("/v1/dlq/stats").await.body["count"], 0);
}

#[tokio::test]
async fn bad_questions_are_refused() {
    let server = server().await;
    let cases = [
        ("GET", "/v1/dlq?limit=0", "", 400, "INVALID_QUERY"),
        ("GET", "/v1/dlq?limit=10001", "", 400, "INVALID_QUERY"),
        ("GET", "/v1/dlq?topic=x", "", 400, "INVALID_QUERY"),
        ("GET", "/v1/dlq?since=bad", "", 422, "INVALID"),
        ("GET", "/v1/dlq?since=away", "", 503, "KAFKA_UNAVAILABLE"),
        ("GET", "/v1/dlq/0/9", "", 404, "NOT_FOUND"),
        ("GET", "/v1/dlq/a/9", "", 400, "INVALID_PATH"),
        ("POST", "/v1/dlq/replay", "", 422, "INVALID_BODY"),
        ("POST", "/v1/dlq/replay", r#"{"ids":["0/1"],"code":"x"}"#, 422, "INVALID_BODY"),
        ("POST", "/v1/dlq/drop", r#"{"id":"0/1"}"#, 422, "INVALID_BODY"),
    ];
    for (method, path, body, status, code) in cases {
        let answer = server.request(method, path, "", body).await;
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{method} {path} {body}: {answer:?}");
    }
    let none = Server::start(|_| Fate::Silent).await.get("/v1/dlq/stats").await;
    assert_eq!((none.status, &none.body["code"]), (503, &json!("STARTING")));
}
