use super::{Queue, attribute, body, dispatch, moto, repeated_alone, results, start};
use crate::bed::{PATIENCE, ids};
use acteon_testkit::http::{Receiver, Reply};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Mutex;

#[test]
fn every_dispatch_is_a_message() {
    let queue = Queue::create(&moto().url(), "telemetry-metrics", &[]);
    let (bed, connectors) = start("aws-sqs", &moto().url(), &json!({"queue_url": queue.url}));
    let sent = ids("d", 25);
    bed.dispatch_all("p", sent.clone());
    let results = results(&bed, 25);
    let messages = queue.take(25);
    assert_eq!(messages.len(), 25, "none came twice");
    for message in &messages {
        let id = attribute(message, "acteon-dispatch-id");
        assert_eq!(body(message), json!({"tracking_enabled": true}));
        let wanted = json!({"message_id": message.message_id, "queue_url": queue.url, "status": "sent"});
        assert_eq!(results[id], wanted);
    }
    let arrived: BTreeSet<_> = messages.iter().map(|message| attribute(message, "acteon-dispatch-id")).collect();
    assert_eq!(arrived, sent.iter().map(String::as_str).collect());
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn a_payload_says_what_to_send() {
    let queue = Queue::create(&moto().url(), "firmware", &[]);
    let (bed, connectors) = start("aws-sqs", &moto().url(), &json!({"queue_url": queue.url}));
    dispatch(&bed, "d-1", "x", &json!({"message_body": "plain text", "message_attributes": {"site": "hq"}}));
    dispatch(&bed, "d-2", "x", &json!({"message_body": {"not": "text"}}));
    let results = results(&bed, 2);
    let messages = queue.take(1);
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].body(), attribute(&messages[0], "site")), (Some("plain text"), "hq"));
    assert_eq!(results["d-2"]["code"], "VALIDATION", "{results:?}");
    assert!(results["d-2"]["message"].as_str().unwrap().contains("`message_body`"), "{results:?}");
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn a_fifo_queue_drops_a_dispatch_that_is_repeated() {
    let queue = Queue::create(&moto().url(), "orders.fifo", &[]);
    let (bed, connectors) = start("aws-sqs", &moto().url(), &json!({"queue_url": queue.url}));
    for (id, order) in [("d-1", 1), ("d-1", 1), ("d-2", 2)] {
        dispatch(&bed, id, "order", &json!({"order": order}));
    }
    bed.results(3);
    let messages = queue.take(2);
    assert_eq!(messages.len(), 2);
    for message in &messages {
        let system = message.attributes().unwrap();
        assert_eq!(system[&"MessageGroupId".into()], "shop:acme");
        assert_eq!(system[&"MessageDeduplicationId".into()], attribute(message, "acteon-dispatch-id"));
    }
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn a_queue_that_is_not_there_is_a_matter_of_configuration() {
    let url = format!("{}/123456789012/absent", moto().url());
    let (bed, connectors) = start("aws-sqs", &moto().url(), &json!({"queue_url": url}));
    bed.dispatch("p", "d-1", "k");
    let result = &results(&bed, 1)["d-1"];
    assert_eq!((&result["code"], &result["retryable"]), (&json!("CONFIGURATION"), &json!(false)), "{result}");
    assert_eq!(connectors.stop(PATIENCE), 0);
}

/// The entries of a request: their ids, and the dispatches that they carry.
fn entries(request: &Value) -> Vec<(&str, &str)> {
    let dispatch = "/MessageAttributes/acteon-dispatch-id/StringValue";
    request["Entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["Id"].as_str().unwrap(), entry.pointer(dispatch).and_then(Value::as_str).unwrap()))
        .collect()
}

/// Takes each entry, but of one dispatch the first attempt, and of another none.
fn answer(known: &Mutex<BTreeSet<String>>, request: &Value) -> Value {
    let (mut taken, mut failed) = (Vec::new(), Vec::new());
    for (id, dispatch) in entries(request) {
        if dispatch.ends_with("-001") && known.lock().unwrap().insert(dispatch.to_owned()) {
            failed.push(json!({"Id": id, "Code": "InternalError", "SenderFault": false}));
        } else if dispatch.ends_with("-002") {
            failed.push(json!({"Id": id, "Code": "InvalidMessageContents", "SenderFault": true}));
        } else {
            taken.push(json!({"Id": id, "MessageId": format!("m-{dispatch}"), "MD5OfMessageBody": "x"}));
        }
    }
    json!({"Successful": taken, "Failed": failed})
}

#[test]
fn entries_that_failed_are_repeated_alone() {
    let server = Receiver::start().unwrap();
    let known = Mutex::default();
    server.respond_by(move |request| {
        let body = answer(&known, &request.json().unwrap()).to_string();
        Some(Reply::status(200).header("content-type", "application/x-amz-json-1.0").body(body))
    });
    let queue = format!("{}/123456789012/q", server.url());
    let (bed, connectors) = start("aws-sqs", &server.url(), &json!({"queue_url": queue}));
    let sent = |request: &Value| entries(request).into_iter().map(|(_, dispatch)| dispatch.to_owned()).collect();
    let repetitions = repeated_alone((&bed, &server), sent, |ids, results| {
        assert!(ids[..2].iter().all(|id| results[id]["message_id"] == format!("m-{id}")), "{results:?}");
        assert_eq!(results[&ids[2]]["code"], "VALIDATION");
    });
    assert!(repetitions.iter().all(|request| entries(request)[0].0 == "0"), "{repetitions:?}");
    assert!(
        server.requests().iter().all(|request| request.header("x-amz-target") == Some("AmazonSQS.SendMessageBatch"))
    );
    assert_eq!(connectors.stop(PATIENCE), 0);
}
