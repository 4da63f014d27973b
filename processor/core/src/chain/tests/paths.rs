//! The chains of the examples take the paths that their documents tell of.

use super::world::{World, body, call, chain, failed, step_named};
use serde_json::{Value, json};

pub(super) const PROVIDERS: [&str; 9] = [
    "telemetry-normalizer",
    "anomaly-detector",
    "metrics-queue",
    "alert-fanout",
    "event-bus",
    "payment-gateway",
    "warehouse",
    "email-service",
    "fraud-analyzer",
];

fn step(name: &str, provider: &str, action_type: &str, fields: &[&str]) -> Value {
    let payload = fields.iter().map(|field| ((*field).to_owned(), json!(format!("{{{{origin.payload.{field}}}}}"))));
    let payload = Value::Object(payload.collect());
    json!({"name": name, "provider": provider, "action_type": action_type, "payload_template": payload})
}

fn with(mut step: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        match (step.get_mut(key), value) {
            (Some(Value::Object(known)), Value::Object(more)) => known.extend(more.clone()),
            _ => step[key] = value.clone(),
        }
    }
    step
}

fn branch(field: &str, target: &str) -> Value {
    json!([{"field": field, "operator": "eq", "value": true, "target": target}])
}

fn telemetry() -> [Value; 2] {
    let reading = ["device_id", "sensor_type", "value"];
    [
        json!({"name": "telemetry-processing", "timeout_seconds": 300, "steps": [
            with(step("normalize", "telemetry-normalizer", "invoke", &["device_id", "sensor_type", "value", "unit"]),
                json!({"branches": branch("body.logged", "detect-anomaly")})),
            with(step("detect-anomaly", "anomaly-detector", "invoke", &reading),
                json!({"branches": branch("success", "publish-event"), "default_next": "archive-metrics"})),
            {"name": "publish-event", "sub_chain": "critical-alert"},
            with(step("archive-metrics", "metrics-queue", "send_message", &reading),
                json!({"payload_template": {"processed": "true"}})),
        ]}),
        json!({"name": "critical-alert", "timeout_seconds": 120, "steps": [
            with(step("fan-out-alert", "alert-fanout", "publish", &reading),
                json!({"payload_template": {"severity": "critical"}})),
            {"name": "publish-to-bus", "provider": "event-bus", "action_type": "put_event", "payload_template": {
                "source": "acteon.iot", "detail_type": "CriticalAlert", "detail": "{{origin.payload}}"}},
        ]}),
    ]
}

fn orders() -> [Value; 2] {
    [
        json!({"name": "order-processing", "timeout_seconds": 120, "steps": [
            with(step("validate", "payment-gateway", "validate_order", &["order_id", "total_cents", "currency"]),
                json!({"branches": branch("body.logged", "charge")})),
            {"name": "fraud-review-step", "sub_chain": "fraud-review"},
            step("charge", "payment-gateway", "charge_card", &["order_id", "total_cents", "card_last4"]),
            step("fulfill", "warehouse", "ship_order", &["order_id", "shipping_country", "items"]),
            step("notify-customer", "email-service", "order_confirmation", &["order_id", "customer_email"]),
        ]}),
        json!({"name": "fraud-review", "timeout_seconds": 60, "steps": [
            step("analyze", "fraud-analyzer", "deep_scan", &["order_id", "total_cents", "shipping_country"]),
            with(step("notify-merchant", "email-service", "fraud_alert", &["order_id"]),
                json!({"payload_template": {"merchant": "{{origin.tenant}}"}})),
        ]}),
    ]
}

#[test]
fn telemetry_with_an_anomaly_runs_the_alert_as_a_sub_chain() {
    let mut world = World::new(&telemetry());
    let reading = json!({"device_id": "d-1", "sensor_type": "smoke", "value": 91.5, "unit": "ppm"});
    let chain = world.run("telemetry-processing", reading.clone());
    assert_eq!(chain["status"], "completed");
    assert_eq!(chain["execution_path"], json!(["normalize", "detect-anomaly", "publish-event", "archive-metrics"]));
    let payloads: Vec<_> = world.all.dispatches.iter().map(|call| (&call["provider"], &call["payload"])).collect();
    assert_eq!(
        payloads,
        [
            (&json!("telemetry-normalizer"), &reading),
            (&json!("anomaly-detector"), &json!({"device_id": "d-1", "sensor_type": "smoke", "value": 91.5})),
            (
                &json!("alert-fanout"),
                &json!({"device_id": "d-1", "sensor_type": "smoke", "value": 91.5, "severity": "critical"})
            ),
            (&json!("event-bus"), &json!({"source": "acteon.iot", "detail_type": "CriticalAlert", "detail": reading})),
            (
                &json!("metrics-queue"),
                &json!({"device_id": "d-1", "sensor_type": "smoke", "value": 91.5, "processed": "true"})
            ),
        ]
    );
    let child = chain["child_chain_ids"][0].as_str().unwrap().to_owned();
    assert_eq!(step_named(&chain, "publish-event")["child_chain_id"], json!(child));
    let child = world.show(&child);
    assert_eq!(child["execution_path"], json!(["fan-out-alert", "publish-to-bus"]));
    assert_eq!(child["parent_chain_id"], chain["chain_id"]);
    assert_eq!(
        world.told(),
        [
            "normalize chain_step_completed",
            "detect-anomaly chain_step_completed",
            "fan-out-alert chain_step_completed",
            "publish-to-bus chain_step_completed",
            "critical-alert chain_completed",
            "publish-event chain_step_completed",
            "archive-metrics chain_step_completed",
            "telemetry-processing chain_completed",
        ]
    );
    let answers: Vec<_> = world.all.outcomes.iter().filter(|outcome| outcome["provider"] != "").collect();
    assert_eq!(answers.len(), 2, "one answer at the start and one at the end: {answers:?}");
    assert_eq!(answers[0]["detail"]["ChainStarted"]["first_step"], "normalize");
    assert_eq!(answers[0]["detail"]["ChainStarted"]["total_steps"], 4);
    assert_eq!((&answers[1]["outcome"], &answers[1]["chain_id"]), (&json!("chain_completed"), &chain["chain_id"]));
    assert_eq!(answers[1]["detail"]["ChainEnded"]["execution_path"], chain["execution_path"]);
    assert_eq!(answers[1]["is_final"], true);
}

#[test]
fn a_failing_detector_leads_to_the_archive() {
    let mut world = World::new(&telemetry());
    world.answer("detect-anomaly", [failed("EXECUTION_FAILED", false)]);
    let chain = world.run("telemetry-processing", json!({}));
    assert_eq!(chain["status"], "completed");
    assert_eq!(chain["execution_path"], json!(["normalize", "detect-anomaly", "archive-metrics"]));
    assert_eq!(step_named(&chain, "detect-anomaly")["status"], "failed");
    let record = world.all.audit.iter().find(|record| record["outcome"] == "chain_step_failed").unwrap();
    assert_eq!(record["outcome_details"]["next_step"], "archive-metrics");
    assert_eq!(record["outcome_details"]["error"]["code"], "EXECUTION_FAILED");
    assert_eq!(record["provider"], "anomaly-detector");
    assert!(world.all.other_dead_letters.is_empty());
}

#[test]
fn orders_are_charged_after_a_review_where_validation_says_otherwise() {
    for (validated, path) in [
        (json!({"logged": true}), json!(["validate", "charge", "fulfill", "notify-customer"])),
        (json!({"logged": false}), json!(["validate", "fraud-review-step", "charge", "fulfill", "notify-customer"])),
        (Value::Null, json!(["validate", "fraud-review-step", "charge", "fulfill", "notify-customer"])),
    ] {
        let mut world = World::new(&orders());
        world.answer("validate", [body(validated)]);
        let items = json!([{"sku": "x", "quantity": 2}]);
        let chain = world.run("order-processing", json!({"order_id": "o-1", "items": items, "total_cents": 1200}));
        assert_eq!((&chain["status"], &chain["execution_path"]), (&json!("completed"), &path));
        let ship = world.all.dispatches.iter().find(|call| call["provider"] == "warehouse").unwrap();
        assert_eq!(ship["payload"], json!({"order_id": "o-1", "shipping_country": null, "items": items}));
        if let Some(alert) = world.all.dispatches.iter().find(|call| call["action_type"] == "fraud_alert") {
            assert_eq!(alert["payload"]["merchant"], "t");
        }
    }
}

#[test]
fn a_call_tells_whose_it_is() {
    let mut world = World::new(&[chain(json!([
        call("one", json!({})),
        call(
            "two",
            json!({"payload_template": {
                "prev": "{{prev.body.id}}", "all": "{{step_result}}", "named": "{{steps.one.body.id}}",
                "who": "{{chain_id}}", "place": "{{step_index}}", "region": "{{origin.metadata.region}}",
            }})
        ),
    ]))]);
    world.answer("one", [body(json!({"id": 7}))]);
    let chain = world.run("c", json!({"x": 1}));
    let [one, two] = world.all.dispatches.as_slice() else { panic!("two calls") };
    assert_eq!(one["payload"], json!({"x": 1}), "without a template it is the origin's payload");
    assert_eq!(
        two["payload"],
        json!({"prev": 7, "all": {"id": 7}, "named": 7, "who": chain["chain_id"], "place": 1,
        "region": "eu"})
    );
    assert_eq!(
        two["context"]["chain"],
        json!({"chain_id": chain["chain_id"], "step": "two", "visit": 0, "attempt": 0})
    );
    assert_eq!((&two["rule"], &two["metadata"]["region"]), (&json!("start-c"), &json!("eu")));
    assert_ne!(one["dispatch_id"], two["dispatch_id"]);
    assert_eq!(step_named(&chain, "one")["response_body"], json!({"id": 7}));
}

#[test]
fn the_origin_is_as_rules_have_left_it_and_results_are_limited() {
    let mut world = World::new(&[chain(json!([
        call("one", json!({})),
        call("two", json!({"payload_template": {"big": "{{prev.body}}"}})),
    ]))]);
    world.answer("one", [body(json!("x".repeat(300 * 1024)))]);
    let chain = world.run("c", json!({}));
    assert_eq!(chain["status"], "completed");
    assert_eq!(world.all.dispatches[1]["payload"], json!({"big": null}));
    assert!(step_named(&chain, "one")["note"].as_str().unwrap().contains("was not kept"));
}

#[test]
fn a_payload_that_grows_too_large_fails_its_step() {
    let large = vec![json!("{{origin.payload}}"); 8];
    let mut world = World::new(&[chain(json!([call("one", json!({"payload_template": large}))]))]);
    let chain = world.run("c", json!("x".repeat(200 * 1024)));
    assert_eq!(chain["status"], "failed");
    assert!(chain["error"].as_str().unwrap().contains("PAYLOAD_TOO_LARGE"));
    assert!(world.all.dispatches.is_empty());
}
