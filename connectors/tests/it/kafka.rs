//! The provider `kafka`: what is in the other topic is compared.

use crate::bed::{Bed, PATIENCE, Read};
use acteon_connectors::{Connectors, KafkaSettings, ProviderConfig, ProviderSettings};
use acteon_testkit::free_port;
use acteon_testkit::http::{Receiver, Reply};
use acteon_testkit::kafka::Kafka;
use rdkafka::producer::Producer as _;
use serde_json::{Value, json};
use std::time::Duration;

/// Starts a provider `copy` that writes to the topic `orders` of the bed.
fn start(bed: &Bed, keys: &Value) -> (Connectors, String) {
    let topic = bed.names.dispatch("orders");
    (start_at(bed, &bed.bootstrap, &topic, keys), topic)
}

fn start_at(bed: &Bed, bootstrap: &str, topic: &str, keys: &Value) -> Connectors {
    let mut all = json!({"bootstrap_servers": bootstrap, "topic": topic, "properties": {"linger.ms": 1}});
    all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let settings: KafkaSettings = serde_json::from_value(all).unwrap();
    let mut provider = ProviderConfig::new("copy", ProviderSettings::Kafka(settings));
    provider.max_retries = Some(1);
    bed.start(vec![provider])
}

/// Puts a dispatch with this payload in.
fn put(bed: &Bed, id: &str, payload: &Value) {
    let producer = bed.producer(None);
    let mut dispatch = crate::bed::dispatch("copy", id, 0);
    dispatch["payload"] = payload.clone();
    bed.put(&producer, "copy", &dispatch.to_string(), "key");
    producer.flush(PATIENCE).unwrap();
}

/// The only result's code, whether it is retryable, and its message.
fn failure(bed: &Bed) -> (String, bool, String) {
    let result = bed.results(1).remove(0).json();
    let failed = &result["result"]["failed"];
    let text = |key: &str| failed[key].as_str().unwrap_or_else(|| panic!("{result}")).to_owned();
    (text("code"), failed["retryable"].as_bool().unwrap(), text("message"))
}

/// Dispatches of one bed arrive in the topic `orders` of the other.
fn records_arrive(bed: &Bed, target: &Bed) {
    let keys = json!({"key": "{{ payload.id }}", "headers": {"cluster": "{{ metadata.cluster }}"}});
    let topic = target.names.dispatch("orders");
    let connectors = start_at(bed, &target.bootstrap, &topic, &keys);
    put(bed, "d-1", &json!({"id": "o-1", "total": 4200}));
    put(bed, "d-2", &json!({"value": {"id": "o-2"}, "key": "mine", "partition": 2, "headers": {"kind": "refund"}}));
    let mut records = target.read(&topic, 2);
    records.sort_by_key(|record| record.headers["acteon-dispatch-id"].clone());
    let Read { key, headers, value, .. } = &records[0];
    assert_eq!((&**key, &**value), ("o-1", &br#"{"id":"o-1","total":4200}"#[..]));
    assert_eq!(headers["cluster"], "prod");
    assert_eq!(headers["traceparent"], "00-abc-def-01");
    let Read { key, headers, value, partition } = &records[1];
    assert_eq!((&**key, &**value, *partition), ("mine", &br#"{"id":"o-2"}"#[..], 2));
    assert_eq!((&*headers["kind"], &*headers["acteon-dispatch-id"]), ("refund", "d-2"));
    let results = bed.results(2);
    let second = results.iter().find(|result| result.dispatch_id() == "d-2").unwrap().json();
    let wanted = json!({"topic": topic, "partition": 2, "offset": 0, "status": "written"});
    assert_eq!(second["result"]["delivered"]["body"], wanted, "{second}");
    connectors.stop(PATIENCE);
}

#[test]
fn a_record_arrives_with_key_headers_and_value() {
    let bed = Bed::new(&["copy", "orders"]);
    records_arrive(&bed, &bed);
}

#[test]
fn a_record_arrives_in_another_cluster_that_is_apache_kafka() {
    let kafka = Kafka::start().unwrap();
    let other = Bed::at(kafka.bootstrap().to_owned());
    other.create_topics(&["orders"]);
    records_arrive(&Bed::new(&["copy"]), &other);
}

#[test]
fn an_unknown_topic_and_a_bad_partition_are_told() {
    let bed = Bed::new(&["copy", "orders"]);
    let connectors = start_at(&bed, &bed.bootstrap, "no-such-topic", &json!({}));
    put(&bed, "d-1", &json!({}));
    let (code, retryable, message) = failure(&bed);
    assert_eq!((&*code, retryable), ("CONFIGURATION", false), "{message}");
    connectors.stop(PATIENCE);
    let bed = Bed::new(&["copy", "orders"]);
    let (connectors, _) = start(&bed, &json!({}));
    put(&bed, "d-1", &json!({"value": 1, "partition": 77}));
    let (code, retryable, message) = failure(&bed);
    assert_eq!((&*code, retryable), ("VALIDATION", false), "{message}");
    connectors.stop(PATIENCE);
}

#[test]
fn a_cluster_that_is_away_is_no_connection() {
    let bed = Bed::new(&["copy"]);
    let nobody = format!("127.0.0.1:{}", free_port().unwrap());
    let mut provider: KafkaSettings =
        serde_json::from_value(json!({"bootstrap_servers": nobody, "topic": "t"})).unwrap();
    provider.properties.0.insert("sasl.password".into(), acteon_connectors::Secret::new("hunter2"));
    let mut provider = ProviderConfig::new("copy", ProviderSettings::Kafka(provider));
    provider.max_retries = Some(0);
    provider.timeout = Some(Duration::from_secs(25));
    let connectors = bed.start(vec![provider]);
    put(&bed, "d-1", &json!({}));
    let (code, retryable, message) = failure(&bed);
    assert_eq!((&*code, retryable), ("CONNECTION", true), "{message}");
    assert!(!message.contains("hunter2"));
    connectors.stop(PATIENCE);
}

#[test]
fn avro_is_written_with_the_registry_s_latest_schema() {
    let bed = Bed::new(&["copy", "orders"]);
    let registry = Receiver::start().unwrap();
    let schema = json!({"type": "record", "name": "Order", "fields": [
        {"name": "id", "type": "string"}, {"name": "total", "type": "long"}
    ]});
    let subject = format!("{}-value", bed.names.dispatch("orders"));
    let answer = json!({"subject": subject, "version": 1, "id": 7, "schema": schema.to_string()});
    registry.respond_at(
        &format!("/subjects/{subject}/versions/latest"),
        Reply::status(200).header("content-type", "application/vnd.schemaregistry.v1+json").body(answer.to_string()),
    );
    let keys = json!({
        "format": "avro", "schema_registry_url": registry.url(), "schema_registry_username": "acteon",
        "schema_registry_password": "hunter2"
    });
    let (connectors, topic) = start(&bed, &keys);
    put(&bed, "d-1", &json!({"id": "o-1", "total": 4200}));
    put(&bed, "d-2", &json!({"id": "o-2", "total": -1}));
    let mut values: Vec<Vec<u8>> = bed.read(&topic, 2).into_iter().map(|record| record.value).collect();
    values.sort_by_key(|value| value.len());
    // By the specification: magic byte, id, length and text, zigzag number.
    assert_eq!(
        values,
        [[&[0, 0, 0, 0, 7, 6], &b"o-2"[..], &[1]].concat(), [&[0, 0, 0, 0, 7, 6], &b"o-1"[..], &[0xd0, 0x41]].concat(),]
    );
    let asked = registry.requests();
    assert_eq!(asked.len(), 1, "a schema is kept");
    // `echo -n acteon:hunter2 | base64`
    assert_eq!(asked[0].header("authorization"), Some("Basic YWN0ZW9uOmh1bnRlcjI="));
    put(&bed, "d-3", &json!({"id": "o-3", "total": "many"}));
    let results = bed.results(3);
    let third = results.iter().find(|result| result.dispatch_id() == "d-3").unwrap().json();
    assert_eq!(third["result"]["failed"]["code"], "VALIDATION", "{third}");
    let message = third["result"]["failed"]["message"].as_str().unwrap();
    assert!(message.contains("schema 7") && message.contains("field `total`"), "{message}");
    connectors.stop(PATIENCE);
}

#[test]
fn a_registry_that_refuses_or_is_away_is_told_without_its_words() {
    for (reply, wanted, is_retryable) in [
        (Some(Reply::status(404).body(r#"{"error_code":40401,"message":"hunter2"}"#)), "CONFIGURATION", false),
        (Some(Reply::status(401).body("hunter2")), "CREDENTIALS", false),
        (Some(Reply::status(503).body("hunter2")), "EXECUTION_FAILED", true),
        (None, "CONNECTION", true),
    ] {
        let bed = Bed::new(&["copy", "orders"]);
        let registry = Receiver::start().unwrap();
        let mut url = registry.url();
        match reply {
            Some(reply) => registry.respond(reply),
            None => url = format!("http://127.0.0.1:{}", free_port().unwrap()),
        }
        let (connectors, _) = start(&bed, &json!({"format": "avro", "schema_registry_url": url}));
        put(&bed, "d-1", &json!({"id": "o-1"}));
        let (code, retryable, message) = failure(&bed);
        assert_eq!((&*code, retryable), (wanted, is_retryable), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
        connectors.stop(PATIENCE);
    }
}
