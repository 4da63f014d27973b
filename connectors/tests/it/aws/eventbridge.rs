use super::{Queue, body, dispatch, moto, repeated_alone, results, sdk, start};
use crate::bed::PATIENCE;
use acteon_testkit::http::{Receiver, Reply};
use aws_sdk_eventbridge::types::Target;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Makes a bus whose events of a kind go to a queue.
fn bus(name: &str, pattern: &Value, queue: &Queue) {
    let client = aws_sdk_eventbridge::Client::new(&sdk(&moto().url()));
    super::run(client.create_event_bus().name(name).send()).unwrap();
    let rule = client.put_rule().name("to-queue").event_bus_name(name).event_pattern(pattern.to_string());
    super::run(rule.send()).unwrap();
    let target = Target::builder().id("queue").arn(queue.arn()).build().unwrap();
    super::run(client.put_targets().rule("to-queue").event_bus_name(name).targets(target).send()).unwrap();
}

#[test]
fn a_rule_s_target_gets_the_event() {
    let queue = Queue::create(&moto().url(), "lifecycle", &[]);
    bus("building-events", &json!({"source": ["acteon"], "detail-type": ["device_lifecycle"]}), &queue);
    let (bed, connectors) = start("aws-eventbridge", &moto().url(), &json!({"event_bus_name": "building-events"}));
    let payload = json!({"event": "online", "firmware_version": "3.2.1"});
    dispatch(&bed, "d-1", "device_lifecycle", &payload);
    dispatch(&bed, "d-2", "something_else", &payload);
    let results = results(&bed, 2);
    let events = queue.take(1);
    assert_eq!(events.len(), 1, "the rule takes one of them");
    let event = body(&events[0]);
    assert_eq!((&event["source"], &event["detail-type"]), (&json!("acteon"), &json!("device_lifecycle")));
    assert_eq!(event["detail"], payload);
    assert_eq!(event["resources"], json!(["urn:acteon:dispatch:d-1"]));
    let wanted = json!({"event_id": event["id"], "event_bus": "building-events", "status": "published"});
    assert_eq!(results["d-1"], wanted);
    assert_eq!(connectors.stop(PATIENCE), 0);
}

/// The dispatches of a request's entries.
fn dispatches(request: &Value) -> Vec<String> {
    let entries = request["Entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["Resources"][0].as_str().unwrap().rsplit(':').next().unwrap().to_owned()).collect()
}

#[test]
fn entries_that_failed_are_repeated_alone() {
    let server = Receiver::start().unwrap();
    let known = Mutex::new(BTreeSet::new());
    server.respond_by(move |request| {
        let entry = |id: String| {
            let fails = id.ends_with("-001") && known.lock().unwrap().insert(id.clone());
            let failure = json!({"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"});
            if fails { failure } else { json!({"EventId": format!("e-{id}")}) }
        };
        let entries: Vec<Value> = dispatches(&request.json().unwrap()).into_iter().map(entry).collect();
        let failed = entries.iter().filter(|entry| entry.get("ErrorCode").is_some()).count();
        let body = json!({"FailedEntryCount": failed, "Entries": entries}).to_string();
        Some(Reply::status(200).header("content-type", "application/x-amz-json-1.1").body(body))
    });
    let (bed, connectors) = start("aws-eventbridge", &server.url(), &json!({}));
    repeated_alone((&bed, &server), dispatches, |ids, results| {
        assert!(ids.iter().all(|id| results[id]["event_id"] == format!("e-{id}")), "{results:?}");
    });
    assert_eq!(connectors.stop(PATIENCE), 0);
}
