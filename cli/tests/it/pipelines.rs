//! The order pipeline end to end on Apache Kafka; for that of the smart building see [`crate::aws_pipeline`].
//!
//! Times are shortened (a second stands for ten), the rest of rules and configuration is the examples' own.

use crate::pipeline::{LIMIT, Pipeline};
use acteon_testkit::wait_until;
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
