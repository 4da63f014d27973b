#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::provider::http::{Failure, HttpSettings};
use crate::secret::Secret;
use acteon_schemas::Dispatch;
use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

fn response(status: u16, retry_after: Option<u64>, body: Option<&'static str>) -> Answer {
    Answer::Response(Response {
        status,
        retry_after: retry_after.map(Duration::from_secs),
        headers: BTreeMap::new(),
        is_cut: false,
        body: body.map(Bytes::from),
    })
}

#[test]
fn answers_are_classified() {
    let cases: [(Answer, &str, &str, Option<u64>); 13] = [
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
        (Answer::Failed(Failure::Refused("10.0.0.1 is private".into())), "reject", "CONFIGURATION", None),
    ];
    for (answer, kind, code, wait) in cases {
        let name = format!("{answer:?}");
        let (found, after, error) = match classify(&Check::default(), answer) {
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
        let Outcome::Delivered(found) = classify(&Check::default(), response(status, None, body)) else {
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
    let sent: Value = serde_json::from_slice(&whole_action(&dispatch).unwrap()).unwrap();
    assert_eq!(
        sent,
        json!({
            "id": "a", "namespace": "n", "tenant": "t", "provider": "hook", "action_type": "alert",
            "payload": {"x": [1]}, "metadata": {"k": "v"}, "dedup_key": "db", "status": "firing", "fingerprint": "f",
            "created_at": "2026-01-01T00:00:00Z", "template": "profile", "ends_at": null
        })
    );
}

/// Settings for `https://h/` with a change.
fn with(change: impl FnOnce(&mut WebhookSettings)) -> WebhookSettings {
    let mut settings = WebhookSettings::new("https://h/");
    change(&mut settings);
    settings
}

fn header(name: &str, value: &str) -> impl FnOnce(&mut WebhookSettings) {
    let (name, value) = (name.to_owned(), Secret::new(value));
    move |settings| drop(settings.headers.insert(name, value))
}

#[test]
fn bad_settings_are_refused_with_the_key() {
    let url = |url: &'static str| with(|all| all.url = Secret::new(url));
    let method = |method: &'static str| with(|all| all.method = method.to_owned());
    let cases = [
        (url(""), "`url`", "not a URL"),
        (url("example.com/x"), "`url`", "http"),
        (url("ftp://example.com/x"), "`url`", "`ftp`"),
        (url("http://"), "`url`", "not a URL"),
        (url("http://{{ payload.h }}/"), "`url`", "allow_host_template"),
        (url("http://h{{ payload.h }}/"), "`url`", "allow_host_template"),
        (url("http://a@h:{{ payload.h }}?x"), "`url`", "allow_host_template"),
        (url("{{ payload.url }}"), "`url`", "allow_host_template"),
        (url("http://h/{{ payload."), "`url`", "bad template"),
        (url("http://h/{{ payload.x | nosuch }}"), "`url`", "nosuch"),
        (method("OPTIONS"), "`method`", "POST, PUT, PATCH, GET or DELETE"),
        (with(|all| (all.method, all.body) = ("GET".into(), Some("x".into()))), "`body`", "GET sends none"),
        (with(|all| all.body = Some("{{".into())), "`body`", "bad template"),
        (with(header("a b", "x")), "`headers.a b`", "name"),
        (with(header("Authorization", "to\nken")), "`headers.Authorization`", "ASCII"),
        (with(header("Authorization", "ken {{")), "`headers.Authorization`", "bad template"),
        (with(header("Idempotency-Key", "x")), "`headers.Idempotency-Key`", "set by Acteon"),
        (with(header("Content-Length", "1")), "`headers.Content-Length`", "set by Acteon"),
        (with(header("Webhook-Signature", "1")), "`headers.Webhook-Signature`", "set by Acteon"),
        (with(|all| all.signing_secrets = vec![Secret::new("ken")]), "`signing_secrets[0]`", "whsec_"),
        (with(|all| all.success_status = vec![200, 99]), "`success_status`", "99"),
        (
            with(|all| all.expect_json = Some(ExpectedJson { path: "a..b".into(), equals: json!(1) })),
            "`expect_json.path`",
            "dots",
        ),
        (
            with(|all| all.http = HttpSettings { proxy: Some(Secret::new("ken")), ..HttpSettings::default() }),
            "`http.proxy`",
            "http://host:port",
        ),
    ];
    for (settings, key, part) in cases {
        let message = settings.validate("hook").unwrap_err().to_string();
        for part in ["provider `hook`", key, part] {
            assert!(message.contains(part), "{message} lacks {part}");
        }
        assert!(!message.contains("ken"), "a secret is shown: {message}");
    }
}

/// The request for a dispatch with this payload, at second 7.
fn prepared(settings: &WebhookSettings, payload: &Value) -> Result<request::Prepared, Unsendable> {
    let text = crate::testing::dispatch(payload).to_string();
    let dispatch: Dispatch<'_> = serde_json::from_str(&text).unwrap();
    Builder::new("hook", settings).unwrap().prepare(&dispatch, 7)
}

#[test]
fn content_type_can_be_set_and_secrets_stay_hidden() {
    let mut settings = WebhookSettings::new("https://user:hunter2@hooks.example.com/T00/hunter2?key=hunter2");
    assert_eq!(prepared(&settings, &json!({})).unwrap().headers[CONTENT_TYPE], "application/json");
    settings.headers.insert("Authorization".into(), Secret::new("Bearer hunter2"));
    settings.headers.insert("content-type".into(), Secret::new("application/x-www-form-urlencoded"));
    settings.signing_secrets = vec![Secret::new("whsec_hunter2hunter2hunter2hunter2hunter2hunte")];
    let headers = prepared(&settings, &json!({})).unwrap().headers;
    assert_eq!(headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
    let shown = format!("{settings:?} {headers:?} {}", serde_json::to_value(&settings).unwrap());
    assert!(!shown.contains("hunter2") && shown.contains("hooks.example.com"), "{shown}");
}

#[test]
fn templates_make_url_headers_and_body() {
    let mut settings = WebhookSettings::new("https://h/{{ action.tenant }}/{{ payload.id }}?q={{ payload.q }}");
    settings.method = "PUT".to_owned();
    settings.headers.insert("X-Id".into(), Secret::new("id {{ payload.id }}"));
    settings.body = Some(r#"{"n": {{ payload.n | tojson }}}"#.to_owned());
    let request = prepared(&settings, &json!({"id": "a/b", "q": "x&y", "n": [1]})).unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("PUT", "https://h/acme/a%2Fb?q=x%26y"));
    assert_eq!((&request.headers["x-id"], &*request.body), (&"id a/b".parse().unwrap(), &br#"{"n": [1]}"#[..]));
    for (payload, part) in [
        (json!({"q": 1}), "`url` can't be made"),
        (json!({"id": "..", "q": 1}), "would change the path"),
        (json!({"id": "a\nb", "q": 1}), "`headers.x-id` becomes a value that HTTP does not allow"),
    ] {
        let Unsendable(code, message) = prepared(&settings, &payload).unwrap_err();
        assert!(code == "VALIDATION" && message.contains(part), "{code}: {message}");
    }
}

#[test]
fn a_host_comes_from_an_action_only_where_that_is_allowed() {
    let mut settings = with(|all| all.url = Secret::new("https://{{ payload.host }}/x"));
    settings.allow_host_template = true;
    let request = prepared(&settings, &json!({"host": "evil.example"})).unwrap();
    assert_eq!(request.url.host_str(), Some("evil.example"));
    let settings = with(|all| all.url = Secret::new("https://good.example/{{ payload.x }}"));
    for x in ["@evil.example", "//evil.example", "\\evil.example", "?@evil.example"] {
        let request = prepared(&settings, &json!({"x": x})).unwrap();
        assert_eq!(request.url.host_str(), Some("good.example"), "{x}");
    }
}

#[test]
fn a_get_has_no_body() {
    let settings = with(|all| all.method = "GET".to_owned());
    let request = prepared(&settings, &json!({"x": 1})).unwrap();
    assert!(request.body.is_empty() && !request.headers.contains_key(CONTENT_TYPE));
}

#[test]
fn signatures_are_of_what_is_sent() {
    let mut settings = with(|all| all.body = Some("{{ payload.x }}".to_owned()));
    settings.signing_secrets = vec![Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
    settings.hmac_header = Some(HmacSettings {
        header: "X-Signature".into(),
        secret: Secret::new("k"),
        prefix: "sha256=".into(),
        encoding: HmacEncoding::Hex,
    });
    let headers = prepared(&settings, &json!({"x": "abc"})).unwrap().headers;
    assert_eq!((&headers["webhook-id"], &headers["webhook-timestamp"]), (&"d-1".parse().unwrap(), &7.into()));
    assert!(headers["webhook-signature"].to_str().unwrap().starts_with("v1,"));
    // hmac.new(b"k", b"abc", "sha256")
    assert_eq!(headers["x-signature"], "sha256=342e519ce0ad6c03a36b98eeb3f1d130db4813b9df4d1160eda488d712dc78ee");
}

#[test]
fn a_response_is_checked_where_it_is_asked_for() {
    let expect = |path: &str, equals: Value| Some(ExpectedJson { path: path.to_owned(), equals });
    let ok = || Check { expect_json: expect("result.0.ok", json!(true)), ..Check::default() };
    let created = || Check { success_status: vec![201, 409], ..Check::default() };
    let cases = [
        (ok(), response(200, None, Some(r#"{"result":[{"ok":true}]}"#)), None),
        (ok(), response(200, None, Some(r#"{"result":[{"ok":"hunter2"}]}"#)), Some("is not what `expect_json` wants")),
        (ok(), response(200, None, Some(r#"{"result":[]}"#)), Some("`result.0.ok` is missing")),
        (ok(), response(200, None, Some("<html>hunter2")), Some("a body that is not JSON")),
        (ok(), response(200, None, None), Some("its body can't be read")),
        (ok(), response(404, None, Some(r#"{"result":[{"ok":true}]}"#)), Some("answered 404")),
        (created(), response(201, None, None), None),
        (created(), response(409, None, None), None),
        (created(), response(200, None, None), Some("answered 200")),
        (created(), response(503, None, None), Some("answered 503")),
    ];
    for (check, answer, problem) in cases {
        let shown = format!("{answer:?}");
        match (classify(&check, answer), problem) {
            (Outcome::Delivered(_), None) => {}
            (Outcome::Reject(error) | Outcome::Retry { error, .. }, Some(problem)) => {
                assert!(error.message.contains(problem) && !error.message.contains("hunter2"), "{}", error.message);
            }
            (outcome, _) => panic!("{shown} becomes {outcome:?}"),
        }
    }
}
