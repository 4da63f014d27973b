#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::provider::Outcome;
use serde_json::{Value, json};

/// Settings for the topic `orders`, with these keys on top.
fn settings(keys: &Value) -> KafkaSettings {
    let mut all = json!({"bootstrap_servers": "127.0.0.1:1", "topic": "orders"});
    all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

/// Topic, partition, key, headers and value of the record for a payload; or what is wrong with it.
fn record(keys: &Value, payload: &Value) -> Result<Value, String> {
    let text = crate::testing::dispatch(payload).to_string();
    let dispatch: Dispatch<'_> = serde_json::from_str(&text).unwrap();
    let trace = TraceContext { traceparent: Some("00-ab-cd-01".into()), tracestate: None };
    let builder = Builder::new("k", &settings(keys)).unwrap();
    match builder.record(&dispatch, &trace) {
        Ok(Record { topic, partition, key, headers, value }) => Ok(json!([topic, partition, key, headers, value])),
        Err(invalid) => match invalid.outcome() {
            Outcome::Reject(error) if error.code == "VALIDATION" => Err(error.message.into_owned()),
            outcome => panic!("{outcome:?}"),
        },
    }
}

/// Acteon's own headers with these.
fn headers(more: &Value) -> Value {
    let mut all = json!({"acteon-dispatch-id": "d-1", "traceparent": "00-ab-cd-01"});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

#[test]
fn a_payload_is_the_value_unless_it_says_what_the_record_is() {
    let plain = json!({});
    let allowed = json!({"allow_payload_topic": true});
    let (tenant, none) = (json!("shop:acme"), headers(&json!({})));
    for (keys, payload, wanted) in [
        (&plain, json!({"id": 1}), json!(["orders", null, tenant, none, {"id": 1}])),
        (&plain, json!("text"), json!(["orders", null, tenant, none, "text"])),
        (&plain, json!(null), json!(["orders", null, tenant, none, null])),
        // Those of a sensor, which happen to be named alike.
        (&plain, json!({"value": 7, "unit": "C"}), json!(["orders", null, tenant, none, {"value": 7, "unit": "C"}])),
        (&plain, json!({"key": "k"}), json!(["orders", null, tenant, none, {"key": "k"}])),
        (&plain, json!({"value": {"a": 1}}), json!(["orders", null, tenant, none, {"a": 1}])),
        (
            &allowed,
            json!({"value": [1], "key": "k", "topic": "other", "partition": 2, "headers": {"h": "1"}}),
            json!(["other", 2, "k", headers(&json!({"h": "1"})), [1]]),
        ),
        (&plain, json!({"value": 1, "key": ""}), json!(["orders", null, null, none, 1])),
    ] {
        assert_eq!(record(keys, &payload), Ok(wanted), "{payload}");
    }
}

#[test]
fn topic_key_and_headers_are_made_by_templates() {
    let keys = json!({
        "topic": "{{ action.namespace }}.{{ action.tenant }}.{{ action.action_type }}",
        "key": "{{ payload.order.id }}",
        "headers": {"cluster": "{{ metadata.cluster }}", "kind": "order"},
    });
    let wanted = headers(&json!({"cluster": "prod", "kind": "order"}));
    let payload = json!({"order": {"id": "o-7"}});
    assert_eq!(record(&keys, &payload), Ok(json!(["shop.acme.notify", null, "o-7", wanted, payload])));
    // A key that becomes nothing is none.
    assert_eq!(record(&keys, &json!({})).unwrap()[2], Value::Null);
    // A payload's header goes before the configured one.
    let record = record(&keys, &json!({"value": 1, "headers": {"kind": "refund"}})).unwrap();
    assert_eq!(record[3]["kind"], "refund");
}

#[test]
fn a_bad_payload_is_refused_with_the_key() {
    let allowed = json!({"allow_payload_topic": true});
    let many: serde_json::Map<String, Value> = (0..65).map(|n| (n.to_string(), json!(""))).collect();
    for (payload, part) in [
        (json!({"value": 1, "key": 7}), "`key` must be a string"),
        (json!({"value": 1, "partition": -1}), "`partition` must be a whole number"),
        (json!({"value": 1, "partition": "0"}), "`partition` must be a whole number"),
        (json!({"value": 1, "headers": ["h"]}), "`headers` must be an object"),
        (json!({"value": 1, "headers": {"acteon-dispatch-id": "x"}}), "\"acteon-dispatch-id\", which is set by Acteon"),
        (json!({"value": 1, "headers": {"": "x"}}), "\"\", which is not a header's name"),
        (json!({"value": 1, "headers": many}), "`headers` makes more than 64 headers"),
        (json!({"value": 1, "topic": 7}), "`topic` must be a string"),
        (json!({"value": 1, "topic": "a b"}), "`topic` is \"a b\", which is no name of a topic"),
        (json!({"value": 1, "topic": ""}), "`topic` is \"\""),
    ] {
        let error = record(&allowed, &payload).unwrap_err();
        assert!(error.contains(part), "{error} lacks {part}");
    }
    let error = record(&json!({}), &json!({"value": 1, "topic": "acteon.commands"})).unwrap_err();
    assert!(error.contains("`topic` is not allowed; set `allow_payload_topic = true`"), "{error}");
}

#[test]
fn bad_settings_are_refused_with_the_key() {
    for (keys, key, part) in [
        (json!({"topic": ""}), "`topic`", "no name of a topic"),
        (json!({"topic": "a/b"}), "`topic`", "no name of a topic"),
        (json!({"topic": "a".repeat(250)}), "`topic`", "no name of a topic"),
        (json!({"topic": "{{ payload.topic }}"}), "`topic`", "which is all that a topic may depend on"),
        (json!({"topic": "{{ action.template }}"}), "`topic`", "which is all that a topic may depend on"),
        (json!({"topic": "{{ action."}), "`topic`", "bad template"),
        (json!({"topic": "{{ action.tenant }}/x"}), "`topic`", "no name of a topic"),
        (json!({"key": "{{"}), "`key`", "bad template"),
        (json!({"headers": {"h": "{{"}}), "`headers.h`", "bad template"),
        (json!({"headers": {"traceparent": "x"}}), "`headers.traceparent`", "set by Acteon"),
        (json!({"headers": {"": "x"}}), "`headers.`", "not a header's name"),
        (json!({"format": "avro"}), "`schema_registry_url`", "is missing"),
        (json!({"format": "avro", "schema_registry_url": "registry:8081"}), "`schema_registry_url`", "https://"),
        (json!({"format": "avro", "schema_registry_url": "x"}), "`schema_registry_url`", "https://"),
        (
            json!({"format": "avro", "schema_registry_url": "http://h?a=b"}),
            "`schema_registry_url`",
            "has a user or a query",
        ),
        (json!({"schema_registry_url": "http://h"}), "`schema_registry_url`", "has no meaning"),
        (json!({"subject": "orders"}), "`subject`", "has no meaning"),
        (json!({"format": "avro", "schema_registry_url": "http://h", "subject": "a?b"}), "`subject`", "characters"),
        (json!({"bootstrap_servers": " "}), "`bootstrap_servers`", "is empty"),
        (json!({"properties": {"acks": "0"}}), "`properties.acks`", "set by Acteon"),
        (json!({"properties": {"linger.ms": "hunter2"}}), "`properties.linger.ms`", "librdkafka"),
        (json!({"properties": {"lingerr.ms": "1"}}), "`properties.lingerr.ms`", "No such configuration property"),
        (json!({"http": {"proxy": "hunter2"}}), "`http.proxy`", "http://host:port"),
    ] {
        let message = settings(&keys).validate("k").unwrap_err().to_string();
        for part in ["provider `k`", key, part] {
            assert!(message.contains(part), "{message} lacks {part}");
        }
        assert!(!message.contains("hunter2"), "{message}");
    }
    settings(&json!({"format": "avro", "schema_registry_url": "http://h:1/registry/"})).validate("k").unwrap();
}
