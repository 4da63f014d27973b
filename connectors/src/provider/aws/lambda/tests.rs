#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::provider::aws::samples;

fn settings(keys: Value) -> LambdaSettings {
    serde_json::from_value(keys).unwrap()
}

fn made(payload: &str) -> Result<Invocation, Invalid> {
    let (dispatch, trace) = (samples::dispatch(payload), samples::trace());
    let settings = settings(json!({"function_name": "anomaly-detector", "qualifier": "live"}));
    invocation(Call { dispatch: &dispatch, trace: &trace }, &settings)
}

#[test]
fn any_payload_is_the_event() {
    for payload in
        [r#"{"device_id":"temp-1","value":21.0}"#, "[1]", "7", "{}", r#"{"device_id":"temp-1","payload":{"a":1}}"#]
    {
        let invocation = made(payload).unwrap();
        assert_eq!(invocation.event, payload);
        assert_eq!(invocation.function_name, "anomaly-detector");
        assert_eq!(invocation.qualifier.as_deref(), Some("live"));
        assert_eq!(invocation.invocation_type, InvocationType::RequestResponse);
    }
}

#[test]
fn the_client_context_carries_the_dispatch() {
    let context = STANDARD.decode(made("{}").unwrap().client_context).unwrap();
    let context: Value = serde_json::from_slice(&context).unwrap();
    assert_eq!(context, json!({"custom": {"acteon-dispatch-id": "d-1", "traceparent": "00-ab-cd-01"}}));
}

#[test]
fn a_payload_of_lambda_s_keys_says_the_rest() {
    let payload = json!({
        "payload": {"device_id": "temp-1"}, "function_name": "normalizer", "qualifier": "7", "invocation_type": "Event"
    });
    let invocation = made(&payload.to_string()).unwrap();
    assert_eq!(invocation.event, r#"{"device_id":"temp-1"}"#);
    assert_eq!((&*invocation.function_name, invocation.qualifier.as_deref()), ("normalizer", Some("7")));
    assert_eq!(invocation.invocation_type, InvocationType::Event);
    let other = made(r#"{"function_name": "normalizer"}"#).unwrap();
    assert_eq!((&*other.event, other.qualifier), ("{}", None), "the configured version is another function's");
}

#[test]
fn wrong_types_are_refused_with_the_key() {
    for (key, value) in [
        ("function_name", json!(1)),
        ("function_name", json!("a b")),
        ("qualifier", json!("")),
        ("invocation_type", json!("Later")),
    ] {
        let mut payload = json!({"payload": {}});
        payload[key] = value;
        let Outcome::Reject(error) = made(&payload.to_string()).unwrap_err().outcome() else { panic!("{key}") };
        assert!(error.code == "VALIDATION" && error.message.contains(&format!("`{key}`")), "{}", error.message);
    }
}

fn answer(status: i32, function_error: Option<&str>, payload: &str) -> Outcome {
    let function_error = function_error.map(str::to_owned);
    classify("f", Ok(Invoked { status, function_error, payload: payload.into() }))
}

#[test]
fn answers() {
    let long = format!("\"{}\"", "x".repeat(MAX_RESPONSE_BYTES));
    for (status, payload, wanted) in [
        (200, r#"{"is_anomaly":true}"#, r#"{"function_name":"f","response":{"is_anomaly":true},"status_code":200}"#),
        (200, "not JSON", r#"{"function_name":"f","response":"not JSON","status_code":200}"#),
        (202, "", r#"{"function_name":"f","response":null,"status_code":202}"#),
        (200, &long, r#"{"function_name":"f","status_code":200}"#),
    ] {
        assert_eq!(samples::short(&answer(status, None, payload)), format!("delivered {wanted}"));
    }
    assert_eq!(samples::short(&classify("f", Err(Failure::TimedOut))), "retry TIMEOUT");
}

#[test]
fn a_function_s_error_is_no_success_and_its_message_stays_out() {
    let payload = r#"{"errorMessage":"no such card hunter2","errorType":"KeyError"}"#;
    for (payload, part) in [(payload, "failed with KeyError (unhandled)"), ("hunter2", "failed (unhandled)")] {
        let outcome = answer(200, Some("Unhandled"), payload);
        assert_eq!(samples::short(&outcome), "retry EXECUTION_FAILED");
        let Outcome::Retry { error, .. } = outcome else { panic!("not a retry") };
        assert!(error.message.contains(part) && !error.message.contains("hunter2"), "{}", error.message);
    }
}

#[test]
fn a_bad_function_is_refused() {
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:f:live";
    assert_eq!(settings(json!({"function_name": arn})).region("f").unwrap(), "eu-west-1");
    for (keys, key) in [
        (json!({"function_name": ""}), "`function_name`"),
        (json!({"function_name": "a b"}), "`function_name`"),
        (json!({"function_name": "arn:aws:sns:eu-west-1:123456789012:f"}), "`function_name`"),
        (json!({"function_name": "arn:aws:lambda:eu-west-1:123456789012:layer:f"}), "`function_name`"),
        (json!({"function_name": "f", "qualifier": "a.b"}), "`qualifier`"),
        (json!({"function_name": arn, "aws_region": "us-east-1"}), "`aws_region`"),
    ] {
        let error = settings(keys).validate("f").unwrap_err().to_string();
        assert!(error.contains("provider `f`") && error.contains(key), "{error}");
    }
    let error = serde_json::from_value::<LambdaSettings>(json!({"function_name": "f", "invocation_type": "Later"}));
    assert!(error.unwrap_err().to_string().contains("RequestResponse"));
}
