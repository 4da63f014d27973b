#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::provider::http::Response;
use acteon_schemas::Dispatch;
use serde_json::Value;
use std::collections::BTreeMap;

fn settings(keys: &Value) -> AzureEventHubsSettings {
    let mut all = json!({
        "azure_namespace": "acteon", "azure_event_hub": "telemetry", "azure_shared_access_key_name": "send",
        "azure_shared_access_key": "hunter2"
    });
    all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

/// The reference was made with Python: `base64(hmac.new(key, quote_plus(uri) + "\n" + expiry, sha256).digest())`, and
/// `quote_plus` for what stands in the header, as Microsoft's documentation has it.
#[test]
fn the_signature_is_the_one_that_microsoft_s_example_makes() {
    let hub = settings(&json!({})).hub("p").unwrap();
    let key = Secret::new("c2VjcmV0LWtleS1vZi1hLXBvbGljeQ==");
    assert_eq!(
        signature(&hub, "send", &key, 1_700_003_600),
        "SharedAccessSignature sr=https%3A%2F%2Facteon.servicebus.windows.net%2Ftelemetry\
         &sig=w3F1CFn56yEps3FXcz5tPG3Uxv3rRNgWFmTE%2FMtLHss%3D&se=1700003600&skn=send"
    );
}

/// Partition key and events for a payload; or what is wrong with it.
fn batch(payload: &Value) -> Result<Value, String> {
    let text = crate::testing::dispatch(payload).to_string();
    let dispatch: Dispatch<'_> = serde_json::from_str(&text).unwrap();
    match event::batch(&dispatch) {
        Ok(batch) => Ok(json!([batch.partition_key, serde_json::from_str::<Value>(&batch.body()).unwrap()])),
        Err(invalid) => match invalid.outcome() {
            Outcome::Reject(error) if error.code == "VALIDATION" => Err(error.message.into_owned()),
            outcome => panic!("{outcome:?}"),
        },
    }
}

#[test]
fn a_payload_is_an_event_unless_it_says_what_the_events_are() {
    let event = |body: &str, id: &str| json!({"Body": body, "UserProperties": {"acteon-dispatch-id": id}});
    for (payload, wanted) in [
        (json!({"id": 1}), json!([null, [event(r#"{"id":1}"#, "d-1")]])),
        (json!("text"), json!([null, [event("text", "d-1")]])),
        (json!({"body": "b", "to": "x"}), json!([null, [event(r#"{"body":"b","to":"x"}"#, "d-1")]])),
        (json!({"body": "b", "partition_key": "k"}), json!(["k", [event("b", "d-1")]])),
        (json!({"body": [1]}), json!([null, [event("[1]", "d-1")]])),
        (
            json!({"body": "b", "properties": {"a": "1"}}),
            json!([null, [{"Body": "b", "UserProperties": {"a": "1", "acteon-dispatch-id": "d-1"}}]]),
        ),
        (
            json!({"events": [{"body": "a"}, {"body": {"n": 1}}], "partition_key": "k"}),
            json!(["k", [event("a", "d-1-0"), event(r#"{"n":1}"#, "d-1-1")]]),
        ),
    ] {
        assert_eq!(batch(&payload), Ok(wanted), "{payload}");
    }
    for (payload, part) in [
        (json!({"body": "b", "properties": ["a"]}), "`properties` must be an object"),
        (json!({"body": "b", "partition_key": 7}), "`partition_key` must be a string"),
        (json!({"body": "b", "partition_key": "k\nx"}), "`partition_key` must have"),
        (json!({"body": "b", "partition_key": "k".repeat(129)}), "`partition_key` must have"),
        (json!({"events": "x"}), "`events` must be a list"),
        (json!({"events": []}), "`events` must have 1 to 1000"),
        (json!({"events": [{"body": "a"}, {"bodi": "a"}]}), "`events[1]` must have `body`"),
        (json!({"events": [{"body": "a", "properties": 1}]}), "`events[0].properties` must be"),
    ] {
        let error = batch(&payload).unwrap_err();
        assert!(error.contains(part), "{error} lacks {part}");
    }
}

#[test]
fn answers_are_classified() {
    let batch = Batch::default();
    for (status, kind, wanted) in [
        (400, "reject", "VALIDATION"),
        (401, "reject", "CREDENTIALS"),
        (403, "reject", "CREDENTIALS"),
        (404, "reject", "CONFIGURATION"),
        (410, "reject", "CONFIGURATION"),
        (413, "reject", "VALIDATION"),
        (429, "retry", "RATE_LIMITED"),
        (500, "retry", "EXECUTION_FAILED"),
        (503, "retry", "EXECUTION_FAILED"),
    ] {
        let response = Response { status, retry_after: None, headers: BTreeMap::new(), is_cut: false, body: None };
        let (found, error) = match classify("h", &batch, Answer::Response(response)) {
            Outcome::Retry { error, .. } => ("retry", error),
            Outcome::Reject(error) => ("reject", error),
            Outcome::Delivered(_) => panic!("{status} is no success"),
        };
        assert_eq!((found, &*error.code), (kind, wanted), "{status}");
    }
    let created = Response { status: 201, retry_after: None, headers: BTreeMap::new(), is_cut: false, body: None };
    let Outcome::Delivered(response) = classify("h", &batch, Answer::Response(created)) else { panic!("201") };
    assert_eq!(response.body.get(), r#"{"event_hub":"h","events":0,"status":"sent"}"#);
}

#[test]
fn bad_settings_are_refused_with_the_key() {
    for (keys, key) in [
        (json!({"azure_namespace": "acteon.servicebus.windows.net"}), "`azure_namespace`"),
        (json!({"azure_event_hub": "a/b"}), "`azure_event_hub`"),
        (json!({"azure_shared_access_key_name": "a&b"}), "`azure_shared_access_key_name`"),
        (json!({"azure_shared_access_key": ""}), "`azure_shared_access_key`"),
        (json!({"azure_endpoint_url": "x"}), "`azure_endpoint_url`"),
    ] {
        let error = settings(&keys).validate("p").unwrap_err().to_string();
        assert!(error.contains(key) && !error.contains("hunter2"), "{error} lacks {key}");
    }
    settings(&json!({})).validate("p").unwrap();
}
