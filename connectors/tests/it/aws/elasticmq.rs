use super::{PAUSE, Queue, attribute, body, dispatch, results, start};
use crate::bed::{PATIENCE, ids};
use acteon_testkit::clock;
use acteon_testkit::elasticmq::ElasticMq;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;

#[test]
fn a_fifo_queue_keeps_order_and_drops_a_dispatch_that_is_repeated() {
    let server = ElasticMq::start().unwrap();
    let queue = Queue::create(&server.url(), "orders.fifo", &[]);
    let (bed, connectors) = start("aws-sqs", &server.url(), &json!({"queue_url": queue.url}));
    for (number, id) in ["d-1", "d-2", "d-1", "d-3", "d-2"].into_iter().enumerate() {
        dispatch(&bed, id, "order", &json!({"id": id}));
        bed.results(number + 1);
    }
    let messages = queue.take(3);
    let arrived: Vec<_> = messages.iter().map(|message| attribute(message, "acteon-dispatch-id")).collect();
    assert_eq!(arrived, ["d-1", "d-2", "d-3"]);
    for message in &messages {
        let system = message.attributes().unwrap();
        assert_eq!(system[&"MessageGroupId".into()], "shop:acme");
        assert_eq!(body(message)["id"], attribute(message, "acteon-dispatch-id"));
    }
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn a_message_that_is_taken_and_not_deleted_comes_again() {
    let server = ElasticMq::start().unwrap();
    let queue = Queue::create(&server.url(), "metrics", &[(QueueAttributeName::VisibilityTimeout, "2")]);
    let (bed, connectors) = start("aws-sqs", &server.url(), &json!({"queue_url": queue.url}));
    dispatch(&bed, "d-1", "metric", &json!({"value": 1}));
    dispatch(&bed, "d-2", "metric", &json!({"message_body": "later", "delay_seconds": 2}));
    let sent = clock::now();
    results(&bed, 2);
    let first = queue.look();
    assert_eq!(first.len(), 1, "the delayed one is not there yet");
    assert_eq!(attribute(&first[0], "acteon-dispatch-id"), "d-1");
    let again = queue.take(2);
    assert!(clock::now() - sent >= 3 * PAUSE);
    let mut arrived: Vec<_> = again.iter().map(|message| attribute(message, "acteon-dispatch-id")).collect();
    arrived.sort_unstable();
    assert_eq!(arrived, ["d-1", "d-2"]);
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn batches_arrive_whole() {
    let server = ElasticMq::start().unwrap();
    let queue = Queue::create(&server.url(), "metrics", &[]);
    let (bed, connectors) = start("aws-sqs", &server.url(), &json!({"queue_url": queue.url}));
    bed.dispatch_all("p", ids("d", 100));
    let results = results(&bed, 100);
    let messages = queue.take(100);
    assert_eq!(messages.len(), 100);
    for message in &messages {
        let wanted = message.message_id.as_deref();
        assert_eq!(results[attribute(message, "acteon-dispatch-id")]["message_id"].as_str(), wanted);
    }
    assert_eq!(connectors.stop(PATIENCE), 0);
}
