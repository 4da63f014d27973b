//! Answers that are not as they should be, from a scripted server.

use super::{provider, results};
use crate::bed::{Bed, PATIENCE};
use acteon_testkit::http::{Receiver, Reply};
use serde_json::{Value, json};
use std::time::Duration;

/// The types that speak to one endpoint, and keys that they need.
fn types(url: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("aws-sns", json!({"topic_arn": "arn:aws:sns:us-east-1:123456789012:t"})),
        ("aws-sqs", json!({"queue_url": format!("{url}/123456789012/q")})),
        ("aws-lambda", json!({"function_name": "f"})),
        ("aws-eventbridge", json!({})),
        ("aws-s3", json!({"bucket_name": "bucket"})),
        ("email", json!({"backend": "ses", "from_address": "a@example.com", "to": ["b@example.com"]})),
    ]
}

/// What each type makes of the same answer: code and whether it may be repeated.
fn all_of(reply: Reply) -> Vec<(String, Value)> {
    let server = Receiver::start().unwrap();
    server.respond(reply);
    let types = types(&server.url());
    let names: Vec<&str> = types.iter().map(|(name, _)| *name).collect();
    let bed = Bed::new(&names);
    let config = |(name, keys): &(&str, Value)| {
        let mut config = provider(name, name, &server.url(), keys);
        config.max_retries = Some(1);
        config.timeout = Some(Duration::from_secs(10));
        config
    };
    let connectors = bed.start(types.iter().map(config).collect());
    for name in &names {
        bed.dispatch(name, name, "k");
    }
    let results = results(&bed, names.len());
    assert_eq!(connectors.stop(PATIENCE), 0);
    assert!(!format!("{results:?}").contains("hunter2"), "{results:?}");
    results.into_iter().collect()
}

#[test]
fn a_page_in_place_of_an_answer_is_no_success() {
    let page = Reply::status(200).header("content-type", "text/html").body("<html>Welcome</html>");
    for (name, result) in all_of(page) {
        // These two take any body: that of a function is its own, and S3's is empty.
        if !["aws-lambda", "aws-s3"].contains(&&*name) {
            assert_eq!(
                (&result["code"], &result["retryable"]),
                (&json!("EXECUTION_FAILED"), &json!(true)),
                "{name}: {result}"
            );
        }
    }
}

#[test]
fn too_long_an_answer_is_not_kept() {
    let long = Reply::status(200).body(vec![b' '; 9 * 1024 * 1024]);
    for (name, result) in all_of(long) {
        if name != "aws-s3" {
            assert_eq!(result["code"], "EXECUTION_FAILED", "{name}: {result}");
        }
    }
}

#[test]
fn a_server_s_failure_may_pass_and_a_refusal_does_not() {
    for (name, result) in all_of(Reply::status(503).body("hunter2")) {
        assert_eq!(
            (&result["code"], &result["retryable"]),
            (&json!("EXECUTION_FAILED"), &json!(true)),
            "{name}: {result}"
        );
    }
    for (name, result) in all_of(Reply::status(429).header("retry-after", "0").body("hunter2")) {
        assert_eq!((&result["code"], &result["retryable"]), (&json!("RATE_LIMITED"), &json!(true)), "{name}: {result}");
    }
    for (name, result) in all_of(Reply::status(403).body("hunter2")) {
        assert_eq!((&result["code"], &result["retryable"]), (&json!("CREDENTIALS"), &json!(false)), "{name}: {result}");
    }
}
