#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;

fn response(status: u16, retry_after: Option<u64>, body: Option<&'static str>) -> Answer {
    Answer::Response(Response {
        status,
        retry_after: retry_after.map(Duration::from_secs),
        headers: BTreeMap::new(),
        body: body.map(Bytes::from),
    })
}

#[test]
fn answers_are_classified() {
    let cases: [(Answer, &str, &str, Option<u64>); 12] = [
        (response(503, None, None), "retry", "EXECUTION_FAILED", None),
        (response(503, Some(7), None), "retry", "EXECUTION_FAILED", Some(7)),
        (response(429, Some(2), None), "retry", "RATE_LIMITED", Some(2)),
        (response(408, None, None), "retry", "TIMEOUT", None),
        (response(400, Some(7), None), "reject", "VALIDATION", None),
        (response(401, None, None), "reject", "CREDENTIALS", None),
        (response(403, None, None), "reject", "CREDENTIALS", None),
        (response(302, None, None), "reject", "CONFIGURATION", None),
        (Answer::Failed(Failure::TimedOut), "retry", "TIMEOUT", None),
        (Answer::Failed(Failure::NotConnected("refused".into())), "retry", "CONNECTION", None),
        (Answer::Failed(Failure::Broken("reset".into())), "retry", "CONNECTION", None),
        (Answer::Failed(Failure::Unsendable("no".into())), "reject", "SERIALIZATION", None),
    ];
    for (answer, kind, code, wait) in cases {
        let name = format!("{answer:?}");
        let (found, after, error) = match classify(answer) {
            Outcome::Retry { after, error } => ("retry", after, error),
            Outcome::Reject(error) => ("reject", None, error),
            Outcome::Delivered(_) => panic!("{name} counts as delivered"),
        };
        assert_eq!((found, &*error.code, after), (kind, code, wait.map(Duration::from_secs)), "{name}");
        assert_eq!(error.retryable, kind == "retry", "{name}");
    }
}

#[test]
fn the_body_is_the_response_where_it_is_json() {
    let deep: &'static str = format!("{}{}", "[".repeat(65), "]".repeat(65)).leak();
    let cases = [
        (200, Some(r#"{"id": "ch_1"}"#), r#"{"id": "ch_1"}"#),
        (200, Some(" 7 "), "7"),
        (201, Some("thanks"), r#"{"status_code":201}"#),
        (202, Some(deep), r#"{"status_code":202}"#),
        (204, Some(""), r#"{"status_code":204}"#),
        (200, None, r#"{"status_code":200}"#),
    ];
    for (status, body, wanted) in cases {
        let Outcome::Delivered(found) = classify(response(status, None, body)) else {
            panic!("{status} not delivered")
        };
        assert_eq!(found.body.get(), wanted);
    }
}

#[test]
fn the_request_is_the_whole_action() {
    let text = json!({
        "dispatch_id": "d", "action_id": "a", "namespace": "n", "tenant": "t", "provider": "hook",
        "original_provider": "slack", "action_type": "alert", "payload": {"x": [1]}, "metadata": {"k": "v"},
        "dedup_key": "db", "status": "firing", "fingerprint": "f", "created_at": "2026-01-01T00:00:00Z",
        "extra": {"template": "profile", "ends_at": null}, "rule": "r", "decided_at": 1, "task": 0,
        "source": {"topic": "acteon.actions", "partition": 0, "offset": 1}
    })
    .to_string();
    let dispatch: Dispatch<'_> = serde_json::from_str(&text).unwrap();
    let sent: Value = serde_json::from_slice(&body(&dispatch).unwrap()).unwrap();
    assert_eq!(
        sent,
        json!({
            "id": "a", "namespace": "n", "tenant": "t", "provider": "hook", "action_type": "alert",
            "payload": {"x": [1]}, "metadata": {"k": "v"}, "dedup_key": "db", "status": "firing", "fingerprint": "f",
            "created_at": "2026-01-01T00:00:00Z", "template": "profile", "ends_at": null
        })
    );
}

#[test]
fn bad_settings_are_refused_with_the_key() {
    let with = |url: &str, method: &str, header: (&str, &str)| WebhookSettings {
        method: method.to_owned(),
        headers: BTreeMap::from([(header.0.to_owned(), Secret::new(header.1))]),
        ..WebhookSettings::new(url)
    };
    let good = ("x-a", "b");
    let cases = [
        (with("", "POST", good), "`url`", "not a URL"),
        (with("example.com/x", "POST", good), "`url`", "http"),
        (with("ftp://example.com/x", "POST", good), "`url`", "`ftp`"),
        (with("http://", "POST", good), "`url`", "not a URL"),
        (with("http://h/", "GET", good), "`method`", "POST, PUT or PATCH"),
        (with("http://h/", "POST", ("a b", "x")), "`headers.a b`", "name"),
        (with("http://h/", "POST", ("Authorization", "to\nken")), "`headers.Authorization`", "ASCII"),
        (with("http://h/", "POST", ("Idempotency-Key", "x")), "`headers.Idempotency-Key`", "set by Acteon"),
        (with("http://h/", "POST", ("Content-Length", "1")), "`headers.Content-Length`", "set by Acteon"),
    ];
    for (settings, key, part) in cases {
        let message = settings.validate("hook").unwrap_err().to_string();
        for part in ["provider `hook`", key, part] {
            assert!(message.contains(part), "{message} lacks {part}");
        }
        assert!(!message.contains("ken"), "a header's value is shown: {message}");
    }
}

#[test]
fn content_type_can_be_set_and_secrets_stay_hidden() {
    let mut settings = WebhookSettings::new("https://user:hunter2@hooks.example.com/T00/hunter2?key=hunter2");
    assert_eq!(settings.target("hook").unwrap().headers[CONTENT_TYPE], "application/json");
    settings.headers.insert("Authorization".into(), Secret::new("Bearer hunter2"));
    settings.headers.insert("content-type".into(), Secret::new("application/x-www-form-urlencoded"));
    let target = settings.target("hook").unwrap();
    assert_eq!(target.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
    let shown = format!("{settings:?} {:?} {}", target.headers, serde_json::to_value(&settings).unwrap());
    assert!(!shown.contains("hunter2") && shown.contains("hooks.example.com"), "{shown}");
}
