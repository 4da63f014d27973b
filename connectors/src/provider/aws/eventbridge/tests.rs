#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::provider::aws::samples;
use serde_json::Value;

fn settings(keys: Value) -> EventBridgeSettings {
    serde_json::from_value(keys).unwrap()
}

fn made(payload: &str) -> Result<Event, Invalid> {
    event(&samples::dispatch_of("device_lifecycle", payload), &settings(json!({"event_bus_name": "building-events"})))
}

#[test]
fn any_payload_is_the_detail() {
    let payload = r#"{"event":"online","source":"gateway-7"}"#;
    let wanted = Event {
        bus: "building-events".into(),
        source: "acteon".into(),
        detail_type: "device_lifecycle".into(),
        detail: payload.into(),
        resources: vec!["urn:acteon:dispatch:d-1".into()],
    };
    let bytes = 14 + "acteon".len() + "device_lifecycle".len() + payload.len() + "urn:acteon:dispatch:d-1".len();
    assert_eq!(wanted.bytes(), bytes);
    assert_eq!(made(payload), Ok(wanted));
    assert_eq!(made("[1,2]").unwrap().detail, r#"{"payload":[1,2]}"#);
    assert_eq!(made("null").unwrap().detail, r#"{"payload":null}"#);
}

#[test]
fn the_configured_source_and_type_go_first() {
    let settings = settings(json!({"source": "iot.gateway", "detail_type": "Lifecycle"}));
    let event = event(&samples::dispatch("{}"), &settings).unwrap();
    assert_eq!((&*event.bus, &*event.source, &*event.detail_type), ("default", "iot.gateway", "Lifecycle"));
}

#[test]
fn a_payload_with_a_detail_says_the_rest() {
    let payload = json!({
        "detail": {"a": 1}, "detail_type": "T", "source": "my.app", "resources": ["arn:x"], "event_bus_name": "other"
    });
    let wanted = Event {
        bus: "other".into(),
        source: "my.app".into(),
        detail_type: "T".into(),
        detail: r#"{"a":1}"#.into(),
        resources: vec!["arn:x".into(), "urn:acteon:dispatch:d-1".into()],
    };
    assert_eq!(made(&payload.to_string()), Ok(wanted));
}

#[test]
fn wrong_types_are_refused_with_the_key() {
    for (key, value) in [
        ("detail", json!("text")),
        ("detail", json!([1])),
        ("detail_type", json!(1)),
        ("source", json!({})),
        ("resources", json!([1])),
        ("event_bus_name", json!("a b")),
    ] {
        let mut payload = json!({"detail": {}});
        payload[key] = value;
        let Outcome::Reject(error) = made(&payload.to_string()).unwrap_err().outcome() else { panic!("{key}") };
        assert!(error.code == "VALIDATION" && error.message.contains(&format!("`{key}`")), "{}", error.message);
    }
}

#[test]
fn each_entry_has_its_own_answer() {
    let entry = PutEventsResultEntry::builder;
    let cases = [
        (entry().event_id("e-1"), r#"delivered {"event_bus":"b","event_id":"e-1","status":"published"}"#),
        (entry().error_code("InternalFailure"), "retry EXECUTION_FAILED"),
        (entry().error_code("InternalException"), "retry EXECUTION_FAILED"),
        (entry().error_code("ThrottlingException"), "retry RATE_LIMITED"),
        (entry().error_code("NotAuthorizedForSourceException"), "reject VALIDATION"),
        (entry().error_code("MalformedDetail").error_message("hunter2"), "reject VALIDATION"),
        (entry().event_id("e-1").error_code("InternalFailure"), "retry EXECUTION_FAILED"),
        (entry(), "retry EXECUTION_FAILED"),
    ];
    for (answer, wanted) in cases {
        let outcome = classify("b", read(&answer.build()));
        assert_eq!(samples::short(&outcome), wanted);
        assert!(!format!("{outcome:?}").contains("hunter2"));
    }
}

#[test]
fn a_bad_bus_is_refused() {
    let arn = "arn:aws:events:eu-west-1:123456789012:event-bus/b";
    assert_eq!(settings(json!({"event_bus_name": arn})).region("b").unwrap(), "eu-west-1");
    settings(json!({})).validate("b").unwrap();
    for (keys, key) in [
        (json!({"event_bus_name": ""}), "`event_bus_name`"),
        (json!({"event_bus_name": "a b"}), "`event_bus_name`"),
        (json!({"event_bus_name": "arn:aws:events:eu-west-1:123456789012:rule/b"}), "`event_bus_name`"),
        (json!({"source": ""}), "`source`"),
        (json!({"detail_type": ""}), "`detail_type`"),
        (json!({"event_bus_name": arn, "aws_region": "us-east-1"}), "`aws_region`"),
    ] {
        let error = settings(keys).validate("b").unwrap_err().to_string();
        assert!(error.contains("provider `b`") && error.contains(key), "{error}");
    }
}
