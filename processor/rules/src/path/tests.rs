#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

fn read(path: &str) -> Value {
    let payload = json!({
        "a": {"b": 1}, "items": [{"sku": "x"}, {"sku": "y"}], "0": "zero", "none": null,
    });
    let metadata = BTreeMap::from([("app.kubernetes.io/name".to_owned(), "api".to_owned())]);
    let Value::Object(extra) = json!({"created_at": "2026-01-05", "trace": {"id": 7}}) else {
        return Value::Null;
    };
    let subject = Subject {
        id: "i",
        namespace: "n",
        tenant: "t",
        provider: Cow::Borrowed("p"),
        action_type: "at",
        payload: Cow::Borrowed(&payload),
        metadata: &metadata,
        dedup_key: Some("d"),
        status: None,
        fingerprint: Some("f"),
        extra: &extra,
    };
    FieldPath::parse_key_field(path).unwrap().path.read(&subject).to_value()
}

#[test]
fn reads_every_field() {
    for (path, expected) in [
        ("id", json!("i")),
        ("namespace", json!("n")),
        ("action.tenant", json!("t")),
        ("action.provider", json!("p")),
        ("action_type", json!("at")),
        ("dedup_key", json!("d")),
        ("status", json!(null)),
        ("fingerprint", json!("f")),
        ("payload.a.b", json!(1)),
        ("payload.a.b.c", json!(null)),
        ("payload.items[1].sku", json!("y")),
        ("payload.items.0.sku", json!("x")),
        ("payload.items[7].sku", json!(null)),
        ("payload.0", json!("zero")),
        ("payload.none", json!(null)),
        ("payload.missing", json!(null)),
        ("metadata.app.kubernetes.io/name", json!("api")),
        ("metadata.cluster", json!(null)),
        ("created_at", json!("2026-01-05")),
        ("trace.id", json!(7)),
        ("unknown.x", json!(null)),
    ] {
        assert_eq!(read(path), expected, "{path}");
    }
}

#[test]
fn refuses_what_is_no_path() {
    for (path, message, suggestion) in [
        ("payload.x", "`payload.x` is no field: a path starts with `action.` or `time.`", Some("action.payload.x")),
        (
            "actoin.tenant",
            "`actoin.tenant` is no field: a path starts with `action.` or `time.`",
            Some("action.tenant"),
        ),
        ("x", "`x` is no field: a path starts with `action.` or `time.`", None),
        ("action.", "the path names no field", None),
        ("action.payload..x", "the path has an empty part", None),
        ("action.payload.items[x]", "`[x]` is no list index: write a number", None),
        ("action.payload.items[1", "`[` without `]` in a field path", None),
        ("action.payload.items[1]x", "`x` in a field path: write `.` before it", None),
        ("action.metadata", "name a label: `action.metadata.<label>`", None),
        ("action.tenant.x", "`action.tenant` is a string: nothing is below it", None),
    ] {
        let error = FieldPath::parse_action(path).expect_err(path);
        assert_eq!((error.message.as_str(), error.suggestion.as_deref()), (message, suggestion));
    }
    let error = FieldPath::parse_action("env.REGION").expect_err("environment").message;
    assert!(error.contains("rules cannot read the environment"), "{error}");
    let error = FieldPath::parse_key_field("time.hour").expect_err("no key").message;
    assert!(error.contains("a key is made of action fields alone"), "{error}");
}

#[test]
fn doubts_a_field_close_to_a_known_one() {
    let doubt = |path| FieldPath::parse_action(path).unwrap().doubt;
    assert_eq!(doubt("action.tenent"), Some("action.tenant".into()));
    assert_eq!(doubt("action.paylod.x"), Some("action.payload.x".into()));
    assert_eq!(doubt("action.customer_region"), None);
    assert_eq!(doubt("action.created_at"), None);
}

#[test]
fn both_spellings_are_one_path() {
    let parse = |path| FieldPath::parse_key_field(path).unwrap().path;
    assert_eq!(parse("payload.floor"), parse("action.payload.floor"));
    assert_eq!(parse("payload.floor").to_string(), "action.payload.floor");
}
