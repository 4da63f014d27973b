use super::{Queue, attribute, body, dispatch, moto, results, sdk, start};
use crate::bed::PATIENCE;
use serde_json::json;

/// Makes a topic and subscribes a queue to it.
fn topic(name: &str, queue: &Queue, raw: bool) -> String {
    let client = aws_sdk_sns::Client::new(&sdk(&moto().url()));
    let mut request = client.create_topic().name(name);
    if name.ends_with(".fifo") {
        request = request.attributes("FifoTopic", "true");
    }
    let arn = super::run(request.send()).unwrap().topic_arn.unwrap();
    let subscribe = client
        .subscribe()
        .topic_arn(&arn)
        .protocol("sqs")
        .endpoint(queue.arn())
        .attributes("RawMessageDelivery", raw.to_string());
    super::run(subscribe.send()).unwrap();
    arn
}

#[test]
fn a_topic_s_subscribers_get_the_payload() {
    let queue = Queue::create(&moto().url(), "sns-alerts", &[]);
    let arn = topic("building-alerts", &queue, false);
    let (bed, connectors) = start("aws-sns", &moto().url(), &json!({"topic_arn": arn}));
    let reading = json!({"device_id": "temp-crit-001", "value": 92, "unit": "celsius"});
    dispatch(&bed, "d-1", "sensor_reading", &reading);
    dispatch(
        &bed,
        "d-2",
        "alert",
        &json!({
            "message": "intrusion", "subject": "Alert", "message_attributes": {"severity": "critical"}
        }),
    );
    let results = results(&bed, 2);
    let mut messages: Vec<_> = queue.take(2).iter().map(body).collect();
    messages.sort_by_key(|message| message["Message"].as_str().unwrap() == "intrusion");

    let sent: serde_json::Value = serde_json::from_str(messages[0]["Message"].as_str().unwrap()).unwrap();
    assert_eq!(sent, reading);
    assert_eq!(messages[0]["MessageAttributes"]["acteon-dispatch-id"]["Value"], "d-1");
    assert_eq!(messages[0]["MessageAttributes"]["traceparent"]["Value"], "00-abc-def-01");
    assert_eq!((&messages[1]["Subject"], &messages[1]["Message"]), (&json!("Alert"), &json!("intrusion")));
    assert_eq!(messages[1]["MessageAttributes"]["severity"]["Value"], "critical");
    for (id, message) in [("d-1", &messages[0]), ("d-2", &messages[1])] {
        let wanted = json!({"message_id": message["MessageId"], "topic_arn": arn, "status": "published"});
        assert_eq!(results[id], wanted);
    }
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn a_fifo_topic_passes_on_group_and_deduplication() {
    let queue = Queue::create(&moto().url(), "sns-orders.fifo", &[]);
    let arn = topic("orders.fifo", &queue, true);
    let (bed, connectors) = start("aws-sns", &moto().url(), &json!({"topic_arn": arn}));
    dispatch(&bed, "d-1", "order", &json!({"order": 1}));
    results(&bed, 1);
    let message = queue.take(1).remove(0);
    assert_eq!(body(&message), json!({"order": 1}));
    assert_eq!(attribute(&message, "acteon-dispatch-id"), "d-1");
    let system = message.attributes().unwrap();
    assert_eq!(system[&"MessageGroupId".into()], "shop:acme");
    assert_eq!(system[&"MessageDeduplicationId".into()], "d-1");
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn a_topic_that_is_not_there_is_a_matter_of_configuration() {
    let arn = "arn:aws:sns:us-east-1:123456789012:absent";
    let (bed, connectors) = start("aws-sns", &moto().url(), &json!({"topic_arn": arn}));
    dispatch(&bed, "d-1", "alert", &json!({}));
    let result = &results(&bed, 1)["d-1"];
    assert_eq!((&result["code"], &result["retryable"]), (&json!("CONFIGURATION"), &json!(false)), "{result}");
    assert!(result["message"].as_str().unwrap().contains("`topic_arn`"), "{result}");
    assert_eq!(connectors.stop(PATIENCE), 0);
}
