#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::provider::Outcome;
use serde_json::{Value, json};

fn made(payload: &Value, default_to: &[&str]) -> Result<Message, Invalid> {
    let default_to: Vec<String> = default_to.iter().map(|address| (*address).to_owned()).collect();
    let text = crate::testing::dispatch(payload).to_string();
    of(&serde_json::from_str(&text).unwrap(), &default_to)
}

fn list(addresses: &[&str]) -> Vec<String> {
    addresses.iter().map(|address| (*address).to_owned()).collect()
}

#[test]
fn a_payload_says_what_to_write() {
    let payload = json!({
        "to": ["a@example.com", "B <b@example.com>"], "cc": "c@example.com", "bcc": ["d@example.com"],
        "reply_to": "e@example.com", "subject": "Hot", "body": "text", "html_body": "<p>text</p>"
    });
    let wanted = Message {
        dispatch_id: "d-1".into(),
        to: list(&["a@example.com", "B <b@example.com>"]),
        cc: list(&["c@example.com"]),
        bcc: list(&["d@example.com"]),
        reply_to: list(&["e@example.com"]),
        subject: "Hot".into(),
        body: Some("text".into()),
        html_body: Some("<p>text</p>".into()),
    };
    assert_eq!(made(&payload, &["ops@example.com"]), Ok(wanted));
}

#[test]
fn any_payload_is_a_body_for_the_configured_recipients() {
    for payload in [json!({"device_id": "temp-1", "value": 97}), json!([1]), json!("text")] {
        let message = made(&payload, &["ops@example.com"]).unwrap();
        assert_eq!(message.to, list(&["ops@example.com"]));
        assert_eq!(message.subject, "notify (shop/acme)");
        assert_eq!((message.body, message.html_body), (Some(payload.to_string()), None));
    }
    let html = made(&json!({"to": "a@example.com", "html_body": "<p>"}), &[]).unwrap();
    assert_eq!((html.body, html.html_body), (None, Some("<p>".into())));
}

#[test]
fn what_is_wrong_is_refused_with_the_key() {
    let many: Vec<String> = (0..51).map(|number| format!("a{number}@example.com")).collect();
    for (payload, key) in [
        (json!({"value": 1}), "to"),
        (json!({"to": 1}), "to"),
        (json!({"to": "nobody"}), "to"),
        (json!({"to": "a@example.com, b@example.com"}), "to"),
        (json!({"to": "a@example.com\r\nBcc: x@example.com"}), "to"),
        (json!({"to": many}), "to"),
        (json!({"to": "a@example.com", "cc": [1]}), "cc"),
        (json!({"to": "a@example.com", "bcc": "@example.com"}), "bcc"),
        (json!({"to": "a@example.com", "reply_to": "a@"}), "reply_to"),
        (json!({"to": "a@example.com", "subject": "a\r\nBcc: x@example.com"}), "subject"),
        (json!({"to": "a@example.com", "subject": "x".repeat(999)}), "subject"),
        (json!({"to": "a@example.com", "body": {"a": 1}}), "body"),
        (json!({"to": "a@example.com", "html_body": 1}), "html_body"),
    ] {
        let Outcome::Reject(error) = made(&payload, &[]).unwrap_err().outcome() else { panic!("{payload}") };
        assert!(error.code == "VALIDATION" && error.message.contains(&format!("`{key}`")), "{}", error.message);
    }
}
