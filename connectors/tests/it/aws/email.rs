use super::{dispatch, moto, results, sdk, start};
use crate::bed::PATIENCE;
use serde_json::{Value, json};

/// What moto's SES was given, by its id.
fn sent(id: &Value) -> Value {
    let contents = moto().contents().unwrap();
    let messages = contents["ses"]["Message"].as_array().unwrap();
    messages.iter().find(|message| message["id"] == *id).unwrap().clone()
}

#[test]
fn ses_sends_what_the_payload_says() {
    let client = aws_sdk_sesv2::Client::new(&sdk(&moto().url()));
    let from = "alerts@smartbuilding.example.com";
    super::run(client.create_email_identity().email_identity(from).send()).unwrap();
    let keys = json!({"backend": "ses", "from_address": from, "to": ["ops@example.com"]});
    let (bed, connectors) = start("email", &moto().url(), &keys);
    dispatch(
        &bed,
        "d-1",
        "x",
        &json!({
            "to": "a@example.com", "cc": ["b@example.com"], "subject": "Hot", "body": "97 degrees"
        }),
    );
    dispatch(&bed, "d-2", "sensor_reading", &json!({"value": 97}));
    let results = results(&bed, 2);
    assert_eq!(results["d-1"]["status"], "sent", "{results:?}");
    let written = sent(&results["d-1"]["message_id"]);
    assert_eq!(
        (&written["source"], &written["subject"], &written["body"]),
        (&json!(from), &json!("Hot"), &json!("97 degrees"))
    );
    assert_eq!(written["destinations"]["ToAddresses"], json!(["a@example.com"]), "{written}");
    assert_eq!(written["destinations"]["CcAddresses"], json!(["b@example.com"]), "{written}");
    let wrapped = sent(&results["d-2"]["message_id"]);
    assert_eq!(wrapped["destinations"]["ToAddresses"], json!(["ops@example.com"]), "{wrapped}");
    assert_eq!(
        (&wrapped["subject"], &wrapped["body"]),
        (&json!("sensor_reading (shop/acme)"), &json!(r#"{"value":97}"#))
    );
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn ses_sends_attachments_too() {
    let client = aws_sdk_sesv2::Client::new(&sdk(&moto().url()));
    let from = "files@smartbuilding.example.com";
    super::run(client.create_email_identity().email_identity(from).send()).unwrap();
    let keys = json!({"backend": "ses", "from_address": from, "to": ["ops@example.com"]});
    let (bed, connectors) = start("email", &moto().url(), &keys);
    let mut record = crate::bed::dispatch("p", "d-1", 0);
    record["payload"] = json!({"body": "see the file"});
    record["extra"] = json!({"attachments": [{"filename": "log.txt", "data_base64": "YSBsaW5l"}]});
    let producer = bed.producer(None);
    bed.put(&producer, "p", &record.to_string(), "key");
    rdkafka::producer::Producer::flush(&producer, PATIENCE).unwrap();
    let result = &results(&bed, 1)["d-1"];
    let contents = moto().contents().unwrap();
    let raw = contents["ses"]["RawMessage"].as_array().unwrap();
    let written = raw.iter().find(|message| message["id"] == result["message_id"]).unwrap();
    let text = written["raw_data"].as_str().unwrap();
    for part in ["filename=\"log.txt\"", "see the file", "X-Acteon-Dispatch-Id: d-1"] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn a_sender_that_is_not_verified_is_refused() {
    let keys = json!({"backend": "ses", "from_address": "nobody@unverified.example.net", "to": ["ops@example.com"]});
    let (bed, connectors) = start("email", &moto().url(), &keys);
    dispatch(&bed, "d-1", "x", &json!({}));
    let result = &results(&bed, 1)["d-1"];
    assert_eq!(result["retryable"], json!(false), "{result}");
    assert_eq!(connectors.stop(PATIENCE), 0);
}
