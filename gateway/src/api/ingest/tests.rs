#![allow(clippy::unwrap_used)]

use crate::api::testing::{Answer, Fate, Seen, Server};
use crate::intake::{AlertReceiver, Intake, IntakeSettings, Intakes, Scheme, Signature};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn fate(seen: &Seen) -> Fate {
    match seen.value["action_type"].as_str().unwrap() {
        "lost" => Fate::Lost,
        "written" => Fate::Written,
        _ => Fate::Outcome("suppressed", json!({"Suppressed": {"rule": "r"}})),
    }
}

fn intake(name: &str, signature: Option<Signature>) -> Intake {
    let settings = IntakeSettings {
        name: name.to_owned(),
        namespace: "n".to_owned(),
        tenant: "t".to_owned(),
        provider: "p".to_owned(),
        action_type: "{{/type}}".to_owned(),
        items: (name == "many").then(|| "/events".to_owned()),
        id: Some("{{/id}}".to_owned()),
        starts_at: Some("{{/since}}".to_owned()),
        labels: BTreeMap::from([("event".to_owned(), "{{header.x-event}}".to_owned())]),
        ..IntakeSettings::default()
    };
    Intake::new(settings, signature).unwrap()
}

async fn server() -> Server {
    let server = Server::start(fate).await;
    let signed = Signature::new(Scheme::Token, "secret").unwrap();
    let intakes = [intake("one", None), intake("many", None), intake("signed", Some(signed))];
    server.api.open_intakes(Intakes {
        by_name: intakes.into_iter().map(|intake| (intake.name().to_owned(), intake)).collect(),
        alerts: Some(AlertReceiver::new("monitoring", "ops", "pager", "alert", None).unwrap()),
    });
    server
}

fn assert_error(answer: &Answer, status: u16, code: &str, part: &str) {
    assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{answer:?}");
    assert!(answer.body["message"].as_str().unwrap().contains(part), "{answer:?}");
}

#[tokio::test]
async fn a_webhook_is_accepted_when_it_is_written_and_can_wait_for_its_outcome() {
    let server = server().await;
    let body = r#"{"id": "a-1", "type": "push"}"#;
    let answer = server.request("POST", "/v1/ingest/one", "X-Event: push\r\nTraceparent: 00-ab-cd-01\r\n", body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.body, json!({"status": "accepted", "accepted": 1, "action_ids": ["a-1"]}));
    let seen = &server.seen()[0];
    assert_eq!((seen.key.as_str(), &seen.value["payload"]), ("n:t", &json!({"id": "a-1", "type": "push"})));
    assert_eq!(
        (&seen.value["metadata"], seen.trace.parent.as_deref()),
        (&json!({"event": "push"}), Some("00-ab-cd-01"))
    );

    let answer = server.post("/v1/ingest/one?wait=2s", body).await;
    let outcomes = json!([{"Suppressed": {"rule": "r"}}]);
    let expected = json!({"status": "done", "accepted": 1, "action_ids": ["a-1"], "outcomes": outcomes});
    assert_eq!((answer.status, answer.body), (200, expected));
    let answer = server.post("/v1/ingest/one?wait=5ms", r#"{"type": "written"}"#).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("accepted")));
    assert_eq!(answer.body["action_ids"][0], server.seen()[2].value["id"], "an id is made where there is none");
}

#[tokio::test]
async fn several_actions_are_sent_together_or_not_at_all() {
    let server = server().await;
    let events = |events: Value| json!({ "events": events }).to_string();
    let good = json!({"id": "1", "type": "a"});
    let answer = server.post("/v1/ingest/many", &events(json!([good, {"type": "b"}]))).await;
    assert_eq!((answer.status, &answer.body["accepted"]), (202, &json!(2)), "{answer:?}");
    assert_eq!(server.post("/v1/ingest/many", &events(json!([]))).await.body["accepted"], 0);
    let sent = server.seen().len();
    let cases = [
        (events(json!([good, {}])), "`/events/1`: field `action_type`: there is no `/type`"),
        (events(json!([good, {"type": ""}])), "`/events/1`: field `action_type`"),
        (events(json!([good, {"type": "x".repeat(300)}])), "action 1: field `action_type`"),
        (events(json!([good, {"type": "a", "since": "soon"}])), "action 1: field `starts_at`: `soon` is not a time"),
        ("{}".to_owned(), "`/events` is no list"),
    ];
    for (body, part) in cases {
        let answer = server.post("/v1/ingest/many", &body).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert!(answer.body["message"].as_str().unwrap().contains(part), "{answer:?}");
    }
    assert_eq!(server.seen().len(), sent, "nothing was sent of them");
    let answer = server.post("/v1/ingest/many", &events(json!([good, {"type": "lost"}]))).await;
    assert_error(&answer, 503, "KAFKA_UNAVAILABLE", "no broker");
}

#[tokio::test]
async fn bad_requests_have_their_status_and_code() {
    let server = server().await;
    let good = r#"{"type": "a"}"#;
    assert_error(&server.post("/v1/ingest/none", good).await, 404, "NOT_FOUND", "no intake `none`");
    assert_error(&server.post("/v1/ingest/one", "{").await, 400, "INVALID_JSON", "EOF");
    assert_error(&server.post("/v1/ingest/one", "").await, 400, "INVALID_JSON", "no JSON");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert_error(&server.post("/v1/ingest/one", &deep).await, 400, "INVALID_JSON", "recursion");
    assert_error(&server.post("/v1/ingest/one?wait=2h", good).await, 400, "INVALID_QUERY", "`wait`");
    assert_error(&server.post("/v1/ingest/one?waits=2s", good).await, 400, "INVALID_QUERY", "waits");
    assert_error(&server.get("/v1/ingest/one").await, 405, "METHOD_NOT_ALLOWED", "GET");
    assert_error(&server.post("/v1/ingest/signed", good).await, 401, "UNSIGNED", "authorization");
    let wrong = server.request("POST", "/v1/ingest/signed", "Authorization: Bearer no\r\n", good).await;
    assert_error(&wrong, 401, "UNSIGNED", "not good");
    assert!(server.seen().is_empty(), "nothing was sent");
    let signed = server.request("POST", "/v1/ingest/signed", "Authorization: Bearer secret\r\n", good).await;
    assert_eq!(signed.status, 202, "{signed:?}");
    let starting = Server::starting().await;
    for path in ["/v1/ingest/one", "/api/v2/alerts"] {
        assert_error(&starting.post(path, good).await, 503, "STARTING", "/ready");
    }
}

/// Status line, headers and body.
async fn posted(server: &Server, path: &str, body: &Value) -> String {
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}", body.len());
    server.text(&format!("{head}\r\n\r\n{body}")).await
}

#[tokio::test]
async fn alerts_are_answered_as_alertmanager_answers() {
    let server = server().await;
    let alert = json!({"labels": {"alertname": "Down"}, "startsAt": "2026-03-02T09:00:00Z"});
    let webhook = json!({"version": "4", "status": "resolved", "alerts": [
        {"status": "resolved", "labels": {"alertname": "Down"}, "startsAt": "2026-03-02T09:00:00Z", "endsAt": "2026-03-02T09:30:00Z"},
    ]});
    for (path, body) in [("/api/v2/alerts", json!([alert])), ("/v1/dispatch/alertmanager", webhook)] {
        let answer = posted(&server, path, &body).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\n"), "{answer}");
    }
    let seen = server.seen();
    let statuses: Vec<&Value> = seen.iter().map(|sent| &sent.value["status"]).collect();
    assert_eq!(statuses, ["firing", "resolved"]);
    assert_eq!((seen[0].key.as_str(), &seen[0].value["metadata"]), ("monitoring:ops", &json!({"alertname": "Down"})));
    assert_eq!(seen[0].value["fingerprint"], seen[1].value["fingerprint"]);

    assert_error(&server.post("/api/v2/alerts", "{}").await, 422, "INVALID_BODY", "neither a list");
    assert_error(&server.post("/api/v2/alerts", "[").await, 400, "INVALID_JSON", "EOF");
    let status = server.get("/api/v2/status").await;
    assert_eq!((status.status, &status.body["cluster"]["status"]), (200, &json!("disabled")));
    for path in ["/-/ready", "/-/healthy"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn without_a_section_there_are_no_alerts() {
    let server = Server::start(fate).await;
    server.api.open_intakes(Intakes::default());
    assert_error(&server.post("/api/v2/alerts", "[]").await, 404, "NOT_FOUND", "[alertmanager]");
    assert_error(&server.get("/api/v2/status").await, 404, "NOT_FOUND", "[alertmanager]");
}
