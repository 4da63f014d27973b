//! What a provider is sent, and what is made of its answers.

use crate::bed::{Bed, PARTITIONS, PATIENCE, webhook, webhook_with};
use acteon_connectors::{LogSettings, ProviderConfig, ProviderSettings, Secret, WebhookSettings};
use acteon_testkit::free_port;
use acteon_testkit::http::{Receiver, Reply, Request};
use rdkafka::producer::Producer as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

fn keys(requests: &[Request]) -> Vec<&str> {
    requests.iter().map(|request| request.header("idempotency-key").unwrap()).collect()
}

#[test]
fn a_webhook_is_sent_the_whole_action_and_its_answer_comes_back() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    receiver.respond(Reply::status(201).body(r#"{"id":"ch_1"}"#).header("x-request-id", "r-1"));
    let settings = WebhookSettings {
        headers: BTreeMap::from([("Authorization".to_owned(), Secret::new("Bearer secret"))]),
        ..WebhookSettings::new(format!("{}/orders?x=1", receiver.url()))
    };
    let connectors = bed.start(vec![ProviderConfig::new("hook", ProviderSettings::Webhook(settings))]);
    let producer = bed.producer(None);
    bed.put(&producer, "hook", &crate::bed::dispatch("hook", "d-1", PARTITIONS - 1).to_string(), "shop:acme");
    producer.flush(PATIENCE).unwrap();

    let request = receiver.wait_for(1, PATIENCE).unwrap().remove(0);
    assert_eq!((&*request.method, &*request.path, &*request.query), ("POST", "/orders", "x=1"));
    for (name, value) in [
        ("idempotency-key", "d-1"),
        ("authorization", "Bearer secret"),
        ("content-type", "application/json"),
        ("traceparent", "00-abc-def-01"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert!(request.header("user-agent").unwrap().starts_with("acteon/"));
    let wanted = json!({
        "id": "action-of-d-1", "namespace": "shop", "tenant": "acme", "provider": "hook", "action_type": "notify",
        "payload": {"tracking_enabled": true}, "metadata": {"cluster": "prod"}, "dedup_key": "k",
        "template": "profile"
    });
    assert_eq!(request.json().unwrap(), wanted);

    let result = bed.results(1).remove(0);
    assert_eq!((result.partition, &*result.key), (PARTITIONS - 1, "shop:acme"));
    assert_eq!(result.headers["acteon-type"], "provider_result");
    assert_eq!(result.headers["traceparent"], "00-abc-def-01");
    let mut value = result.json();
    assert!(value["started_at"].as_i64().unwrap() > 1_700_000_000_000);
    assert!(value["duration_ms"].is_u64());
    for key in ["started_at", "duration_ms"] {
        value[key] = Value::Null;
    }
    let wanted = json!({
        "dispatch_id": "d-1", "action_id": "action-of-d-1", "namespace": "shop", "tenant": "acme",
        "provider": "hook", "original_provider": "slack", "action_type": "notify", "rule": "to-webhook",
        "result": {"delivered": {
            "status": "success", "body": {"id": "ch_1"}, "headers": {"x-request-id": "r-1"}
        }},
        "attempts": 1, "started_at": null, "duration_ms": null, "decided_at": 1_700_000_000_000_i64,
        "source": {"topic": "acteon.actions", "partition": 2, "offset": 42}
    });
    assert_eq!(value, wanted);
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn log_answers_under_its_configured_name() {
    let bed = Bed::new(&["warehouse"]);
    let connectors = bed.start(vec![ProviderConfig::new("warehouse", ProviderSettings::Log(LogSettings {}))]);
    bed.dispatch("warehouse", "d-1", "shop:acme");
    let result = bed.results(1).remove(0).json();
    assert_eq!(result["result"]["delivered"]["body"], json!({"provider": "warehouse", "logged": true}));
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn failures_that_may_pass_are_repeated_with_the_same_key_and_the_wait_that_was_asked_for() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    receiver.respond_first(1, Reply::status(503));
    receiver.respond_first(1, Reply::status(503).header("retry-after", "1"));
    let connectors = bed.start(vec![webhook("hook", &receiver.url())]);
    bed.dispatch("hook", "d-1", "shop:acme");
    let result = bed.results(1).remove(0).json();
    assert_eq!(result["attempts"], 3);
    assert_eq!(result["result"]["delivered"]["body"], json!({"status_code": 200}));
    let requests = receiver.requests();
    assert_eq!(keys(&requests), ["d-1"; 3]);
    assert!(requests[2].at - requests[1].at >= Duration::from_secs(1), "Retry-After was not kept");
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn what_the_receiver_refuses_is_tried_once() {
    let (bed, receiver) = (Bed::new(&["bad", "gone"]), Receiver::start().unwrap());
    receiver.respond_at("/bad", Reply::status(400).body("no such field"));
    receiver.respond_at("/gone", Reply::status(302).header("location", "/elsewhere"));
    let url = receiver.url();
    let connectors = bed.start(vec![webhook("bad", &format!("{url}/bad")), webhook("gone", &format!("{url}/gone"))]);
    bed.dispatch("bad", "d-1", "k");
    bed.dispatch("gone", "d-2", "k");
    for result in bed.results(2) {
        let result = result.json();
        let failed = &result["result"]["failed"];
        let code = if result["dispatch_id"] == "d-1" { "VALIDATION" } else { "CONFIGURATION" };
        assert_eq!((&failed["code"], &failed["retryable"]), (&json!(code), &json!(false)), "{result}");
        assert_eq!(result["attempts"], 1);
        let id = result["dispatch_id"].as_str().unwrap();
        assert_eq!(result["dispatch"], crate::bed::dispatch(result["provider"].as_str().unwrap(), id, 0));
    }
    assert_eq!((receiver.requests_to("/bad").len(), receiver.requests_to("/gone").len()), (1, 1));
    assert!(receiver.requests_to("/elsewhere").is_empty(), "the redirect was followed");
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn failures_that_do_not_pass_end_with_their_code() {
    let (bed, receiver) = (Bed::new(&["slow", "busy", "away"]), Receiver::start().unwrap());
    receiver.respond_at("/slow", Reply::hang());
    receiver.respond_at("/busy", Reply::status(429).header("retry-after", "0"));
    let few = |provider: &mut ProviderConfig| {
        provider.max_retries = Some(1);
        provider.timeout = Some(Duration::from_millis(300));
    };
    let url = receiver.url();
    let away = format!("http://127.0.0.1:{}/?key=hunter2", free_port().unwrap());
    let connectors = bed.start(vec![
        webhook_with("slow", &format!("{url}/slow"), few),
        webhook_with("busy", &format!("{url}/busy"), few),
        webhook_with("away", &away, few),
    ]);
    for provider in ["slow", "busy", "away"] {
        bed.dispatch(provider, provider, "k");
    }
    let codes = BTreeMap::from([("slow", "TIMEOUT"), ("busy", "RATE_LIMITED"), ("away", "CONNECTION")]);
    let results = bed.results(3);
    assert_eq!(results.len(), 3);
    for result in results {
        let result = result.json();
        let failed = &result["result"]["failed"];
        assert_eq!(failed["code"], codes[result["provider"].as_str().unwrap()], "{result}");
        assert_eq!((&failed["retryable"], &result["attempts"]), (&json!(true), &json!(2)), "{result}");
        assert!(!result.to_string().contains("hunter2"), "a secret is in the result: {result}");
    }
    assert_eq!(keys(&receiver.requests_to("/slow")), ["slow"; 2]);
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn an_answer_that_is_too_long_is_delivered_without_its_body() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    receiver.respond(Reply::status(200).body(format!("\"{}\"", "x".repeat(acteon_connectors::MAX_RESPONSE_BYTES))));
    let connectors = bed.start(vec![webhook("hook", &receiver.url())]);
    bed.dispatch("hook", "d-1", "k");
    let result = bed.results(1).remove(0).json();
    assert_eq!(result["result"]["delivered"]["body"], json!({"status_code": 200}));
    assert_eq!(connectors.stop(PATIENCE), 0);
}
