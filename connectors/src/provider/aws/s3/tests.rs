#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::provider::aws::samples;
use crate::provider::payload::Invalid;
use serde_json::Value;

fn settings(keys: Value) -> S3Settings {
    serde_json::from_value(keys).unwrap()
}

fn made(action_type: &str, payload: &Value) -> Result<Request, Invalid> {
    let settings = settings(json!({"bucket_name": "building-telemetry", "object_prefix": "raw/"}));
    request::of(&samples::dispatch_of(action_type, &payload.to_string()), &settings)
}

fn put(payload: &Value) -> Put {
    match made("put_object", payload).unwrap() {
        Request::Put(put) => put,
        other => panic!("{other:?}"),
    }
}

fn place(bucket: &str, key: &str) -> Place {
    Place { bucket: bucket.to_owned(), key: key.to_owned() }
}

#[test]
fn any_payload_is_an_object_of_the_dispatch() {
    for payload in [json!({"key": "temp-1", "value": 21}), json!([1]), json!("text")] {
        let put = put(&payload);
        assert_eq!(put.place, place("building-telemetry", "raw/iot/hq/d-1.json"));
        assert_eq!(put.body, payload.to_string().into_bytes());
        assert_eq!(put.content_type.as_deref(), Some("application/json"));
        assert_eq!(put.metadata["acteon-dispatch-id"], "d-1");
    }
    assert!(matches!(made("sensor_reading", &json!({})), Ok(Request::Put(_))));
}

#[test]
fn a_payload_with_key_and_body_says_the_rest() {
    let text = put(&json!({
        "key": "reports/daily-summary.json", "body": r#"{"total_readings": 1234}"#,
        "content_type": "application/json", "metadata": {"site": "hq"}, "bucket": "other-bucket"
    }));
    assert_eq!(text.place, place("other-bucket", "raw/reports/daily-summary.json"));
    assert_eq!(text.body, br#"{"total_readings": 1234}"#);
    assert_eq!((text.content_type.as_deref(), &*text.metadata["site"]), (Some("application/json"), "hq"));
    let json = put(&json!({"key": "k", "body": {"total_readings": 1234}}));
    assert_eq!(
        (&*json.body, json.content_type.as_deref()),
        (&br#"{"total_readings":1234}"#[..], Some("application/json"))
    );
    let plain = put(&json!({"key": "k", "body": "text"}));
    assert_eq!((&*plain.body, plain.content_type), (&b"text"[..], None));
    let bytes = put(&json!({"key": "k", "body_base64": "AP8=", "content_type": "image/png"}));
    assert_eq!((&*bytes.body, bytes.content_type.as_deref()), (&[0, 255][..], Some("image/png")));
}

#[test]
fn get_and_delete_name_an_object() {
    let payload = json!({"key": "a.json"});
    let wanted = || place("building-telemetry", "raw/a.json");
    assert_eq!(made("get_object", &payload), Ok(Request::Get(wanted())));
    assert_eq!(made("delete_object", &payload), Ok(Request::Delete(wanted())));
}

#[test]
fn what_is_wrong_is_refused_with_the_key() {
    let with = |key: &str, value: Value| {
        let mut payload = json!({"key": "k", "body": "b"});
        payload[key] = value;
        payload
    };
    for (action_type, payload, key) in [
        ("get_object", json!({"device": 1}), "key"),
        ("get_object", json!([1]), "key"),
        ("delete_object", json!({"key": ""}), "key"),
        ("delete_object", json!({"key": 7}), "key"),
        ("put_object", with("key", json!(7)), "key"),
        ("put_object", with("key", json!("x".repeat(1021))), "key"),
        ("put_object", with("content_type", json!(7)), "content_type"),
        ("put_object", with("content_type", json!("a\nb")), "content_type"),
        ("put_object", with("metadata", json!({"a": 1})), "metadata"),
        ("put_object", with("metadata", json!({"a b": "x"})), "metadata"),
        ("put_object", with("metadata", json!({"a": "gebäude"})), "metadata"),
        ("put_object", with("metadata", json!({"a": "x".repeat(2048)})), "metadata"),
        ("put_object", with("body_base64", json!("AP8=")), "body_base64"),
        ("put_object", json!({"key": "k", "body_base64": "not base64"}), "body_base64"),
        ("put_object", with("bucket", json!("No")), "bucket"),
    ] {
        let Outcome::Reject(error) = made(action_type, &payload).unwrap_err().outcome() else { panic!("{payload}") };
        assert!(error.code == "VALIDATION" && error.message.contains(&format!("`{key}`")), "{}", error.message);
    }
}

#[test]
fn answers() {
    let at = place("b", "k");
    let cases = [
        (done(&at, "uploaded", Ok(())), r#"delivered {"bucket":"b","key":"k","status":"uploaded"}"#),
        (done(&at, "deleted", Err(Failure::TimedOut)), "retry TIMEOUT"),
        (
            got(&at, Some("text/plain".into()), b"hot".to_vec()),
            r#"delivered {"body":"hot","bucket":"b","content_type":"text/plain","key":"k","status":"downloaded"}"#,
        ),
        (
            got(&at, None, vec![0, 255]),
            r#"delivered {"body_base64":"AP8=","bucket":"b","key":"k","status":"downloaded"}"#,
        ),
    ];
    for (outcome, wanted) in cases {
        assert_eq!(samples::short(&outcome), wanted);
    }
}

#[test]
fn a_bad_bucket_is_refused() {
    settings(json!({"bucket_name": "arn:aws:s3:us-east-1:123456789012:accesspoint/x"})).validate("b").unwrap();
    for (keys, key) in [
        (json!({"bucket_name": "Telemetry"}), "`bucket_name`"),
        (json!({"bucket_name": "ab"}), "`bucket_name`"),
        (json!({"bucket_name": "-telemetry"}), "`bucket_name`"),
        (json!({"bucket_name": "a/b/c"}), "`bucket_name`"),
        (json!({"bucket_name": "arn:aws:s3:us-east-1:123456789012:bucket"}), "`bucket_name`"),
        (json!({"bucket_name": "abc", "object_prefix": "x".repeat(513)}), "`object_prefix`"),
        (json!({"bucket_name": "abc", "aws_endpoint_url": "minio:9000"}), "`aws_endpoint_url`"),
    ] {
        let error = settings(keys).validate("b").unwrap_err().to_string();
        assert!(error.contains("provider `b`") && error.contains(key), "{error}");
    }
}
