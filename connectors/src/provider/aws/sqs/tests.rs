#![allow(clippy::unwrap_used)]

use super::*;
use crate::provider::aws::samples;
use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchResultEntry};

const QUEUE: &str = "http://localhost:4566/000000000000/telemetry-metrics";

fn made(payload: &str, is_fifo: bool) -> Result<Message, Invalid> {
    let (dispatch, trace) = (samples::dispatch(payload), samples::trace());
    message(Call { dispatch: &dispatch, trace: &trace }, is_fifo)
}

#[test]
fn any_payload_is_a_body() {
    for payload in [r#"{"device_id":"temp-1","processed":true}"#, "[1,2]", "7", r#"{"message_body":null}"#] {
        let message = made(payload, false).unwrap();
        assert_eq!(message.body, payload);
        assert_eq!((message.group_id, message.dedup_id, message.delay_seconds), (None, None, None));
        assert_eq!(message.attributes["acteon-dispatch-id"], "d-1");
    }
}

#[test]
fn a_payload_with_a_body_says_the_rest() {
    let payload = json!({
        "message_body": "hot", "delay_seconds": 900, "message_group_id": "g", "message_dedup_id": "x",
        "message_attributes": {"severity": "critical"}
    });
    let message = made(&payload.to_string(), false).unwrap();
    assert_eq!((&*message.body, message.delay_seconds), ("hot", Some(900)));
    assert_eq!((message.group_id.as_deref(), message.dedup_id.as_deref()), (Some("g"), Some("x")));
    assert_eq!(message.attributes["severity"], "critical");
    let attributes = "severityStringcritical".len() + "acteon-dispatch-idStringd-1".len();
    assert_eq!(message.bytes(), "hot".len() + attributes + "traceparentString00-ab-cd-01".len());
}

#[test]
fn a_fifo_queue_deduplicates_by_the_dispatch() {
    let message = made("{}", true).unwrap();
    assert_eq!((message.group_id.as_deref(), message.dedup_id.as_deref()), (Some("iot:hq"), Some("d-1")));
    let named = made(r#"{"message_body":"x","message_group_id":"g","message_dedup_id":"own"}"#, true).unwrap();
    assert_eq!((named.group_id.as_deref(), named.dedup_id.as_deref()), (Some("g"), Some("own")));
}

#[test]
fn wrong_types_are_refused_with_the_key() {
    for (key, value, is_fifo) in [
        ("message_body", json!({"a": 1}), false),
        ("delay_seconds", json!("5"), false),
        ("delay_seconds", json!(901), false),
        ("delay_seconds", json!(5), true),
        ("message_group_id", json!(1), false),
        ("message_dedup_id", json!(1), true),
        ("message_attributes", json!(["a"]), false),
    ] {
        let mut payload = json!({"message_body": "hot"});
        payload[key] = value;
        let outcome = made(&payload.to_string(), is_fifo).unwrap_err().outcome();
        assert_eq!(samples::short(&outcome), "reject VALIDATION");
        let Outcome::Reject(error) = outcome else { unreachable!() };
        assert!(error.message.contains(&format!("`{key}`")), "{}", error.message);
    }
}

#[test]
fn each_entry_has_its_own_answer() {
    let sent = |id: &str| {
        let entry = SendMessageBatchResultEntry::builder().id(id).message_id(format!("m-{id}"));
        entry.md5_of_message_body("x").build().unwrap()
    };
    let failed = |id: &str, code: &str, sender_fault: bool| {
        BatchResultErrorEntry::builder().id(id).code(code).sender_fault(sender_fault).build().unwrap()
    };
    let output = SendMessageBatchOutput::builder()
        .successful(sent("2"))
        .successful(sent("99"))
        .failed(failed("0", "InternalError", false))
        .failed(failed("1", "InvalidMessageContents", true))
        .failed(failed("x", "Odd", true));
    let answer = output.build().unwrap();
    let outcomes: Vec<String> =
        answers(&answer, 4).into_iter().map(|answer| samples::short(&classify(QUEUE, answer))).collect();
    let delivered = format!(r#"delivered {{"message_id":"m-2","queue_url":"{QUEUE}","status":"sent"}}"#);
    assert_eq!(outcomes, ["retry EXECUTION_FAILED", "reject VALIDATION", &delivered, "retry EXECUTION_FAILED"]);
}

#[test]
fn a_bad_queue_is_refused() {
    let settings = |keys: serde_json::Value| serde_json::from_value::<SqsSettings>(keys).unwrap();
    let aws = "https://sqs.us-west-2.amazonaws.com/222222222222/staging-metrics";
    assert_eq!(settings(json!({"queue_url": QUEUE})).region("q").unwrap(), "us-east-1");
    assert_eq!(settings(json!({"queue_url": aws})).region("q").unwrap(), "us-west-2");
    for (keys, key) in [
        (json!({"queue_url": "staging-metrics"}), "`queue_url`"),
        (json!({"queue_url": "arn:aws:sqs:us-east-1:000000000000:x"}), "`queue_url`"),
        (json!({"queue_url": "https://sqs.us-west-2.amazonaws.com/"}), "`queue_url`"),
        (json!({"queue_url": aws, "aws_region": "us-east-1"}), "`aws_region`"),
    ] {
        let error = settings(keys).validate("q").unwrap_err().to_string();
        assert!(error.contains("provider `q`") && error.contains(key), "{error}");
    }
}
