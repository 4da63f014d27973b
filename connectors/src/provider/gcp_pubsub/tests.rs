#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::provider::http::Response;
use acteon_schemas::Dispatch;
use bytes::Bytes;
use std::collections::BTreeMap;

fn settings(keys: &Value) -> GcpPubsubSettings {
    let key = json!({
        "type": "service_account", "project_id": "shop", "private_key_id": "k-1",
        "private_key": include_str!("test-key.pem"), "client_email": "acteon@shop.iam.gserviceaccount.com"
    });
    let mut all = json!({"gcp_topic": "orders", "gcp_service_account_key": key.to_string()});
    all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

#[test]
fn the_topic_is_in_its_project() {
    for (keys, url) in [
        (json!({}), "https://pubsub.googleapis.com/v1/projects/shop/topics/orders:publish"),
        (
            json!({"gcp_project_id": "other", "gcp_endpoint_url": "https://europe-west1-pubsub.googleapis.com/"}),
            "https://europe-west1-pubsub.googleapis.com/v1/projects/other/topics/orders:publish",
        ),
    ] {
        let settings = settings(&keys);
        let account = settings.account("p").unwrap();
        assert_eq!(settings.publish_url("p", &account).unwrap().as_str(), url);
    }
}

#[test]
fn bad_settings_are_refused_with_the_key() {
    for (keys, key, part) in [
        (json!({"gcp_topic": "projects/p/topics/t"}), "`gcp_topic`", "no name alone"),
        (json!({"gcp_topic": ""}), "`gcp_topic`", "no name alone"),
        (json!({"gcp_project_id": "a b"}), "`gcp_project_id`", "no name alone"),
        (json!({"gcp_endpoint_url": "x"}), "`gcp_endpoint_url`", "not a URL"),
        (json!({"gcp_service_account_key": "hunter2"}), "`gcp_service_account_key`", "JSON with `client_email`"),
        (
            json!({"gcp_service_account_key":
                r#"{"client_email": "a", "private_key": "hunter2", "private_key_id": "k", "project_id": "p"}"#}),
            "`gcp_service_account_key`",
            "RSA key in PEM",
        ),
    ] {
        let error = settings(&keys).validate("p").unwrap_err().to_string();
        for part in [key, part] {
            assert!(error.contains(part), "{error} lacks {part}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }
    settings(&json!({})).validate("p").unwrap();
}

/// The messages for a payload; or what is wrong with it.
fn messages(payload: &Value) -> Result<Value, String> {
    let text = crate::testing::dispatch(payload).to_string();
    let dispatch: Dispatch<'_> = serde_json::from_str(&text).unwrap();
    match message::messages(&dispatch) {
        Ok(messages) => Ok(messages.into()),
        Err(invalid) => match invalid.outcome() {
            Outcome::Reject(error) if error.code == "VALIDATION" => Err(error.message.into_owned()),
            outcome => panic!("{outcome:?}"),
        },
    }
}

#[test]
fn a_payload_is_a_message_unless_it_says_what_the_messages_are() {
    let id = |id: &str| json!({"acteon-dispatch-id": id});
    for (payload, wanted) in [
        // `echo -n '{"id":1}' | base64`, and so on.
        (json!({"id": 1}), json!([{"data": "eyJpZCI6MX0=", "attributes": id("d-1")}])),
        (json!("hello"), json!([{"data": "aGVsbG8=", "attributes": id("d-1")}])),
        (json!({"data": "hello"}), json!([{"data": "aGVsbG8=", "attributes": id("d-1")}])),
        (json!({"data": {"id": 1}}), json!([{"data": "eyJpZCI6MX0=", "attributes": id("d-1")}])),
        (json!({"data": 7, "unit": "C"}), json!([{"data": "eyJkYXRhIjo3LCJ1bml0IjoiQyJ9", "attributes": id("d-1")}])),
        (
            json!({"data": "hello", "attributes": {"a": "1"}, "ordering_key": "k"}),
            json!([{
                "data": "aGVsbG8=", "attributes": {"a": "1", "acteon-dispatch-id": "d-1"}, "orderingKey": "k"
            }]),
        ),
        (
            json!({"messages": [{"data": "hello"}, {"data": "hello", "ordering_key": "k"}]}),
            json!([
                {"data": "aGVsbG8=", "attributes": id("d-1-0")},
                {"data": "aGVsbG8=", "attributes": id("d-1-1"), "orderingKey": "k"}
            ]),
        ),
    ] {
        assert_eq!(messages(&payload), Ok(wanted), "{payload}");
    }
    let many: serde_json::Map<String, Value> = (0..100).map(|n| (n.to_string(), json!(""))).collect();
    for (payload, part) in [
        (json!({"data": "x", "attributes": {"a": 1}}), "`attributes` must be an object"),
        (json!({"data": "x", "attributes": many}), "`attributes` has more entries"),
        (json!({"data": "x", "ordering_key": 1}), "`ordering_key` must be a string"),
        (json!({"messages": "x"}), "`messages` must be a list"),
        (json!({"messages": []}), "`messages` must have 1 to 1000"),
        (json!({"messages": [{"data": "x"}, "y"]}), "`messages[1]` must have `data`"),
        (json!({"messages": [{"data": "x", "ordering_key": 1}]}), "`messages[0].ordering_key` must be"),
    ] {
        let error = messages(&payload).unwrap_err();
        assert!(error.contains(part), "{error} lacks {part}");
    }
}

#[test]
fn answers_are_classified() {
    let response = |status, body: &'static str| {
        let body = Some(Bytes::from(body));
        Answer::Response(Response { status, retry_after: None, headers: BTreeMap::new(), is_cut: false, body })
    };
    for (status, kind, wanted) in [
        (400, "reject", "VALIDATION"),
        (401, "reject", "CREDENTIALS"),
        (403, "reject", "CREDENTIALS"),
        (404, "reject", "CONFIGURATION"),
        (429, "retry", "RATE_LIMITED"),
        (503, "retry", "EXECUTION_FAILED"),
    ] {
        let (found, error) = match classify("t", response(status, "hunter2")) {
            Outcome::Retry { error, .. } => ("retry", error),
            Outcome::Reject(error) => ("reject", error),
            Outcome::Delivered(_) => panic!("{status} is no success"),
        };
        assert_eq!((found, &*error.code), (kind, wanted), "{status}");
        assert!(!error.message.contains("hunter2"), "{}", error.message);
    }
    for (body, ids) in
        [(r#"{"messageIds": ["19", "20"]}"#, json!(["19", "20"])), ("<html>", json!([])), ("{}", json!([]))]
    {
        let Outcome::Delivered(answer) = classify("t", response(200, body)) else { panic!("{body}") };
        let answer: Value = serde_json::from_str(answer.body.get()).unwrap();
        assert_eq!(answer, json!({"message_ids": ids, "topic": "t", "status": "published"}));
    }
}
