#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use serde_json::json;

fn schema(fields: &serde_json::Value) -> Schema {
    let record = json!({"type": "record", "name": "Order", "namespace": "shop", "fields": fields});
    Schema::parse(&record).unwrap()
}

#[test]
fn json_becomes_avro_with_the_schema_s_id_in_front() {
    let orders = schema(&json!([
        {"name": "id", "type": "string"},
        {"name": "total", "type": "long"},
        {"name": "note", "type": ["null", "string"], "default": null},
        {"name": "rate", "type": "double", "default": 0.5},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["NEW", "OLD"]}, "default": "NEW"},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "parent", "type": ["null", {"type": "record", "name": "Ref", "fields": [{"name": "id", "type": "string"}]}],
         "default": null}
    ]));
    let front = [0, 0, 0, 0, 7];
    let half = 0.5_f64.to_le_bytes();
    // Written out by the specification: lengths and numbers as zigzag varints, 4200 as 0xd0 0x41.
    let all_absent: Vec<u8> = [&front[..], &[6], b"o-1", &[0xd0, 0x41, 0], &half, &[0, 0, 0]].concat();
    assert_eq!(encode(7, &orders, r#"{"total": 4200, "id": "o-1"}"#), Ok(all_absent.clone()));
    // What the schema doesn't have is left out.
    assert_eq!(encode(7, &orders, r#"{"total": 4200, "id": "o-1", "more": 1}"#), Ok(all_absent));
    let one = 1.0_f64.to_le_bytes();
    let all: Vec<u8> =
        [&front[..], &[2], b"x", &[1], &[2, 4], b"hi", &one, &[2], &[2, 2], b"a", &[0], &[2, 2], b"p"].concat();
    let value = json!({
        "id": "x", "total": -1, "note": "hi", "rate": 1, "kind": "OLD", "tags": ["a"], "parent": {"id": "p"}
    });
    assert_eq!(encode(7, &orders, &value.to_string()), Ok(all));
}

#[test]
fn what_does_not_fit_is_named_and_not_shown() {
    let orders = schema(&json!([
        {"name": "id", "type": "string"},
        {"name": "total", "type": "int", "default": 0},
        {"name": "day", "type": ["null", "long"], "default": null}
    ]));
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    for (value, problem) in [
        (r#"{"total": 1}"#, "it lacks the field `id`"),
        (r#"{"id": 77777}"#, "its field `id` is of another type"),
        (r#"{"id": "a", "total": "77777"}"#, "its field `total` is of another type"),
        (r#"{"id": "a", "total": 7777777777}"#, "its field `total` is of another type"),
        (r#"{"id": "a", "day": "77777"}"#, "its field `day` is of another type"),
        (r#"{"id": "a", "total": 18446744073709551615}"#, "a number is too large"),
        ("77777", "it is of another type than the schema's"),
        (&deep, "deep"),
    ] {
        let error = encode(7, &orders, value).unwrap_err();
        assert!(error.contains(problem) && !error.contains("77777"), "{value}: {error}");
    }
}

#[test]
fn the_registry_s_answers_are_classified() {
    let status = |status: &str| {
        SRCError::new(&format!("HTTP request to schema registry failed with status {status}"), None, false)
    };
    for (error, kind, wanted) in [
        (status("404 Not Found"), "reject", "CONFIGURATION"),
        (status("401 Unauthorized"), "reject", "CREDENTIALS"),
        (status("403 Forbidden"), "reject", "CREDENTIALS"),
        (status("422 Unprocessable Entity"), "reject", "CONFIGURATION"),
        (status("302 Found"), "reject", "CONFIGURATION"),
        (status("429 Too Many Requests"), "retry", "RATE_LIMITED"),
        (status("500 Internal Server Error"), "retry", "EXECUTION_FAILED"),
        (status("503 Service Unavailable"), "retry", "EXECUTION_FAILED"),
        (SRCError::new("http call to schema registry failed", Some("hunter2".into()), true), "retry", "CONNECTION"),
        (SRCError::new("type Protobuf, is not supported", None, false), "reject", "CONFIGURATION"),
    ] {
        let shown = error.error.clone();
        let (found, error) = match classify(&error, "orders-value") {
            Outcome::Retry { error, .. } => ("retry", error),
            Outcome::Reject(error) => ("reject", error),
            Outcome::Delivered(_) => panic!("{shown} is no success"),
        };
        assert_eq!((found, &*error.code), (kind, wanted), "{shown}");
        assert!(!error.message.contains("hunter2"), "{}", error.message);
    }
}
