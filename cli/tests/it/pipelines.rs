//! The documents' pipelines end to end on Apache Kafka.
//!
//! Times are shortened (a second stands for ten), the rest of rules and configuration is the examples' own.

use crate::pipeline::{LIMIT, Pipeline};
use acteon_testkit::http::Request;
use acteon_testkit::wait_until;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn reading(payload: &Value) -> Value {
    json!({"namespace": "iot", "tenant": "smartbuilding-hq", "provider": "metrics-queue",
        "action_type": "sensor_reading", "payload": payload, "metadata": {"labels": {"source": "test"}}})
}

fn temperature(value: u32) -> Value {
    reading(
        &json!({"device_id": "temp", "sensor_type": "temperature", "value": value, "unit": "celsius", "floor": "2"}),
    )
}

/// The 21 events of the smart building.
fn telemetry() -> Vec<Value> {
    let humidity = |floor: &str, value: u32| {
        reading(&json!({"device_id": "hum", "sensor_type": "humidity", "value": value, "floor": floor}))
    };
    let mut events = vec![temperature(92), temperature(88)];
    for floor in ["1", "B1"] {
        let mut event = reading(&json!({"sensor_type": "motion", "event": "intrusion", "floor": floor}));
        event["provider"] = json!("alert-fanout");
        events.push(event);
    }
    events.extend([21, 22, 23].map(temperature));
    events.extend([humidity("2", 45), humidity("3", 50), humidity("2", 55)]);
    events.extend([300, 350].map(|value| reading(&json!({"sensor_type": "energy", "value": value, "unit": "kWh"}))));
    events.extend([22, 22, 22].map(temperature));
    for _ in 0..2 {
        let mut event = temperature(22);
        event["dedup_key"] = json!("temp-sensor-400-reading");
        events.push(event);
    }
    events.extend((0..2).map(|_| reading(&json!({"sensor_type": "temperature", "value": 99, "environment": "test"}))));
    let mut online = reading(&json!({"event": "online", "firmware_version": "3.2.1"}));
    (online["provider"], online["action_type"]) = (json!("event-bus"), json!("device_lifecycle"));
    let mut firmware = reading(&json!({"version": "3.3.0", "signed": false}));
    firmware["action_type"] = json!("firmware_update");
    events.extend([online, firmware]);
    events
}

#[test]
fn the_telemetry_pipeline_on_apache_kafka() {
    let shorter = |text: &str| {
        text.replace("group_wait_seconds: 30", "group_wait_seconds: 3").replace("delay_seconds: 60", "delay_seconds: 6")
    };
    let pipeline = Pipeline::start("aws-event-pipeline/acteon.toml", "iot", "smartbuilding-hq", shorter);
    let events = telemetry();
    assert_eq!(events.len(), 21);
    let expected: BTreeMap<String, u64> = serde_json::from_value(json!({
        "rerouted": 5, "chain_started": 7, "grouped": 3, "scheduled": 2, "deduplicated": 1, "suppressed": 3,
    }))
    .unwrap();
    assert_eq!(pipeline.outcomes(&events), expected);

    // Seven readings and, once they are released, two of energy go through the chain and its sub-chain.
    let queue = pipeline.calls("metrics-queue", 9 + 2);
    let payload = |call: &Request| call.json().unwrap()["payload"].clone();
    let mut groups: Vec<Value> = queue
        .iter()
        .map(payload)
        .filter(|payload| payload["group_id"].is_string())
        .map(|p| p["count"].clone())
        .collect();
    groups.sort_unstable_by_key(Value::as_u64);
    assert_eq!(groups, [json!(1), json!(2)]);
    let archived = queue.iter().map(payload).filter(|payload| payload["processed"] == "true").count();
    assert_eq!((archived, queue.len()), (9, 11));
    for (provider, count) in
        [("telemetry-normalizer", 9), ("anomaly-detector", 9), ("event-bus", 9 + 1), ("alert-fanout", 9 + 4)]
    {
        assert_eq!(pipeline.calls(provider, count).len(), count, "{provider}");
    }
    let ended = || pipeline.ask(&["chains", "list", "--status", "completed"]);
    assert!(wait_until(LIMIT, || ended()["count"] == 18), "{}", ended());
    let chains = ended();
    let of = |name: &str| {
        let all = chains["chains"].as_array().unwrap().iter().filter(|chain| chain["chain_name"] == name);
        all.map(|chain| chain["chain_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (parents, children) = (of("telemetry-processing"), of("critical-alert"));
    assert_eq!((parents.len(), children.len()), (9, 9));
    let shown = pipeline.ask(&["chains", "show", &parents[0]]);
    assert_eq!(
        shown["execution_path"],
        json!(["normalize", "detect-anomaly", "publish-event", "archive-metrics"]),
        "{shown}"
    );
    assert_eq!(pipeline.ask(&["scheduled", "list"])["count"], 0);
    pipeline.stop();
}

fn order(id: &str, total_cents: u64, country: &str) -> Value {
    json!({"namespace": "ecommerce", "tenant": "acme-store", "provider": "payment-gateway", "action_type": "place_order",
        "dedup_key": format!("order-{id}"),
        "payload": {"order_id": id, "total_cents": total_cents, "shipping_country": country, "card_last4": "4242"}})
}

/// The 15 orders of the shop.
fn orders() -> Vec<Value> {
    let mut orders =
        vec![order("ORD-1001", 5_990, "US"), order("ORD-1002", 12_500, "CA"), order("ORD-1003", 19_999, "GB")];
    orders.extend([order("ORD-2001", 75_000, "US"), order("ORD-2002", 120_000, "DE")]);
    orders.extend([order("ORD-3001", 2_500, "NK"), order("ORD-3002", 4_900, "SY")]);
    orders.extend([order("ORD-4001", 8_900, "US"), order("ORD-4001", 8_900, "US")]);
    orders.extend(["ORD-5001", "ORD-5002", "ORD-5003"].map(|id| order(id, 1_500, "US")));
    orders.extend(["ORD-6001", "ORD-6002", "ORD-6003"].map(|id| order(id, 3_500, "US")));
    orders
}

#[test]
fn the_order_pipeline_by_day_and_by_night_on_apache_kafka() {
    // What hour it is does not matter to a test: by day no hour is after hours, by night all are.
    let hours = |first: &str, last: &str, text: &str| {
        let text = text.replace("lt: 9", first).replace("gte: 17", last).replace("gte: 6", "gte: 8");
        text.replace("delay_seconds: 30", "delay_seconds: 3").replace("timeout_seconds: 60", "timeout_seconds: 20")
    };
    let day = Pipeline::start("ecommerce-order-pipeline/acteon.toml", "ecommerce", "acme-store", |text| {
        hours("lt: 0", "gte: 24", text)
    });
    let expected: BTreeMap<String, u64> = serde_json::from_value(json!({
        "executed": 10, "pending_approval": 2, "suppressed": 2, "deduplicated": 1,
    }))
    .unwrap();
    assert_eq!(day.outcomes(&orders()), expected);
    // Each request was carried by mail, on a signed link that nothing else shows.
    let mails = day.calls("email-service", 2);
    let link = mails[0].json().unwrap()["payload"]["approval_url"].as_str().unwrap().to_owned();
    assert!(link.contains("sig="), "{link}");
    let pending = day.ask(&["approvals", "list", "--status", "pending"]);
    let approval = pending["approvals"][0]["token"].as_str().unwrap().to_owned();
    assert_eq!(day.ask(&["approvals", "approve", &approval])["status"], "approved");
    assert_eq!(day.ask(&["approvals", "reject", &approval])["error"]["code"], "CONFLICT");
    // The approved one goes on, once; the limit of ten orders a minute is used up by now, so it is told to wait.
    let expired = || day.ask(&["approvals", "list", "--status", "expired"])["count"] == 1;
    assert!(wait_until(LIMIT, expired), "{}", day.process.tail());
    assert_eq!(day.calls("payment-gateway", 10).len(), 10);
    for state in ["confirmed", "shipped", "delivered"] {
        let moved = day.ask(&["events", "transition", "ORD-1001", state]);
        assert_eq!(moved["new_state"], state, "{moved}");
    }
    let refused = day.ask(&["events", "transition", "ORD-1001", "placed"]);
    assert_eq!(refused["error"]["code"], "CONFLICT", "{refused}");
    day.stop();

    let night = Pipeline::start("ecommerce-order-pipeline/acteon.toml", "ecommerce", "acme-store", |text| {
        hours("lt: 24", "gte: 24", text)
    });
    let expected: BTreeMap<String, u64> =
        serde_json::from_value(json!({"scheduled": 11, "pending_approval": 2, "suppressed": 2})).unwrap();
    assert_eq!(night.outcomes(&orders()), expected);
    // Released, each goes on behind the rule that held it: one is a duplicate by then.
    assert_eq!(night.calls("payment-gateway", 10).len(), 10);
    assert!(wait_until(LIMIT, || night.ask(&["scheduled", "list"])["count"] == 0));
    assert_eq!(night.calls("payment-gateway", 10).len(), 10);
    night.stop();
}
