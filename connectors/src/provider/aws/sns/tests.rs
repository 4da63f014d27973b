#![allow(clippy::unwrap_used)]

use super::*;
use crate::provider::aws::samples;

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:building-alerts";
const FIFO: &str = "arn:aws:sns:us-east-1:000000000000:orders.fifo";

fn made(payload: &str, topic: &str) -> Result<Message, Invalid> {
    let (dispatch, trace) = (samples::dispatch(payload), samples::trace());
    message(Call { dispatch: &dispatch, trace: &trace }, topic)
}

fn marks() -> BTreeMap<String, String> {
    [("acteon-dispatch-id", "d-1"), ("traceparent", "00-ab-cd-01")].map(|(k, v)| (k.into(), v.into())).into()
}

#[test]
fn any_payload_is_a_message() {
    for payload in [r#"{"device_id":"temp-1","value":92.0}"#, "[1,2]", "\"text\"", "null", r#"{"message":null}"#] {
        let message = made(payload, TOPIC).unwrap();
        assert_eq!(message.text, payload);
        assert_eq!((message.topic_arn, message.subject), (TOPIC.to_owned(), None));
        assert_eq!((message.group_id, message.dedup_id), (None, None));
        assert_eq!(message.attributes, marks());
    }
}

#[test]
fn a_payload_with_a_message_says_the_rest() {
    let payload = json!({
        "message": "hot", "subject": "Alert", "topic_arn": FIFO, "message_group_id": "g", "message_dedup_id": "x",
        "message_attributes": {"severity": "critical"}, "device_id": "ignored"
    });
    let mut attributes = marks();
    attributes.insert("severity".into(), "critical".into());
    let wanted = Message {
        topic_arn: FIFO.into(),
        text: "hot".into(),
        subject: Some("Alert".into()),
        group_id: Some("g".into()),
        dedup_id: Some("x".into()),
        attributes,
    };
    assert_eq!(made(&payload.to_string(), TOPIC), Ok(wanted));
}

#[test]
fn a_fifo_topic_deduplicates_by_the_dispatch() {
    let message = made("{}", FIFO).unwrap();
    assert_eq!((message.group_id.as_deref(), message.dedup_id.as_deref()), (Some("iot:hq"), Some("d-1")));
}

#[test]
fn wrong_types_are_refused_with_the_key() {
    for (key, value) in [
        ("message", json!(1)),
        ("subject", json!([])),
        ("message_group_id", json!(true)),
        ("message_dedup_id", json!({})),
        ("message_attributes", json!({"a": 1})),
        ("topic_arn", json!("building-alerts")),
    ] {
        let mut payload = json!({"message": "hot"});
        payload[key] = value;
        let outcome = made(&payload.to_string(), TOPIC).unwrap_err().outcome();
        assert_eq!(samples::short(&outcome), "reject VALIDATION");
        let Outcome::Reject(error) = outcome else { unreachable!() };
        assert!(error.message.contains(&format!("`{key}`")), "{}", error.message);
    }
}

#[test]
fn answers() {
    let wanted = format!(r#"delivered {{"message_id":"m-1","status":"published","topic_arn":"{TOPIC}"}}"#);
    assert_eq!(samples::short(&classify(TOPIC, Ok("m-1".into()))), wanted);
    assert_eq!(samples::short(&classify(TOPIC, Err(Failure::TimedOut))), "retry TIMEOUT");
}

#[test]
fn a_bad_topic_is_refused() {
    let settings = |keys: serde_json::Value| serde_json::from_value::<SnsSettings>(keys).unwrap();
    settings(json!({"topic_arn": TOPIC})).validate("alerts").unwrap();
    for (keys, key) in [
        (json!({"topic_arn": "building-alerts"}), "`topic_arn`"),
        (json!({"topic_arn": "arn:aws:sqs:us-east-1:000000000000:x"}), "`topic_arn`"),
        (json!({"topic_arn": TOPIC, "aws_region": "eu-west-1"}), "`aws_region`"),
        (json!({"topic_arn": TOPIC, "aws_role_arn": "acteon"}), "`aws_role_arn`"),
    ] {
        let error = settings(keys).validate("alerts").unwrap_err().to_string();
        assert!(error.contains("provider `alerts`") && error.contains(key), "{error}");
    }
}
