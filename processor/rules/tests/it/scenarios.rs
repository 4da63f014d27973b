//! The rule files of the documents, and the first step of their outcome tables.

use acteon_rules::{Evaluation, Options, Verdict};
use chrono_tz::Tz;
use serde_json::json;

use crate::support::{AFTER_HOURS, Action, Memory, OFFICE_HOURS, fixture, lines, resume, summaries, walk};

fn reading(id: &str, payload: serde_json::Value) -> Action {
    Action::new("sensor_reading", payload).id(id).tenant("smartbuilding-hq").provider("metrics-queue")
}

fn order(id: &str, cents: u64, country: &str) -> Action {
    let payload = json!({"order_id": id, "total_cents": cents, "shipping_country": country});
    Action::new("place_order", payload)
        .id(&format!("{id}-{cents}"))
        .tenant("acme-store")
        .provider("payment-gateway")
        .key(&format!("order-{id}"))
}

fn eastern() -> Options {
    Options { default_timezone: Tz::US__Eastern, ..Options::default() }
}

#[test]
fn every_rule_file_of_the_documents_compiles() {
    let mut count = 0;
    for (name, expected) in
        [("aws-extensions", 3), ("patterns", 8), ("orders", 6), ("orders-extensions", 2), ("aws", 14)]
    {
        let checked = fixture(name, &eastern());
        assert_eq!(checked.rules.rules().len(), expected, "{name}");
        count += expected;
        if name != "aws" {
            assert_eq!(lines(&checked.warnings), "", "{name}");
        }
    }
    assert_eq!(count, 33);
}

/// C18: `allow-remaining` takes all that `deny-unmatched` would block.
#[test]
fn the_aws_rules_have_one_warning() {
    assert_eq!(
        lines(&fixture("aws", &Options::default()).warnings),
        "safety.yaml:17:5: warning: rule `deny-unmatched` can never fire: `allow-remaining` \
         (routing.yaml:43) routes every action that it matches\n"
    );
}

#[test]
fn aws_events_come_out_as_the_table_has_them() {
    let rules = fixture("aws", &Options::default()).rules;
    let lifecycle = |kind: &str, provider: &str, payload| {
        Action::new(kind, payload).tenant("smartbuilding-hq").provider(provider).id(kind)
    };
    let actions = [
        reading("1", json!({"sensor_type": "temperature", "value": 92, "floor": 3})),
        reading("2", json!({"sensor_type": "motion", "event": "intrusion"})).provider("x"),
        reading("3", json!({"sensor_type": "temperature", "value": 21})),
        reading("4", json!({"sensor_type": "humidity", "value": 45, "floor": "2"})),
        reading("5", json!({"sensor_type": "energy", "value": 300})),
        reading("6", json!({"sensor_type": "temperature", "value": 22})).key("k400"),
        reading("7", json!({"sensor_type": "temperature", "value": 22})).key("k400"),
        reading("8", json!({"sensor_type": "temperature", "value": 99, "environment": "test"})),
        lifecycle("device_lifecycle", "event-bus", json!({"event": "online"})),
        lifecycle("firmware_update", "x", json!({"signed": false})),
        lifecycle("firmware_update", "x", json!({"signed": true})),
        lifecycle("other", "x", json!({})),
        Action::new("other", json!({})).tenant("someone-else"),
    ];
    assert_eq!(
        summaries(&rules, &actions, OFFICE_HOURS),
        [
            "Reroute metrics-queue→alert-fanout by critical-temperature-alert",
            "Reroute x→alert-fanout by intrusion-alert",
            "Chain by chain-sensor-readings",
            "Capture by group-humidity-readings",
            "Capture by schedule-energy-reports",
            "Chain by chain-sensor-readings",
            "Deduplicated by dedup-sensor-readings",
            "Suppress by suppress-test-devices",
            "Reroute event-bus→event-bus by lifecycle-to-eventbridge",
            "Deny by deny-unsigned-firmware",
            "Reroute x→metrics-queue by firmware-to-sqs",
            "Allow by allow-remaining",
            "DefaultAllow",
        ]
    );
}

#[test]
fn aws_telemetry_is_enriched_behind_its_route_and_throttled_after_thirty() {
    let rules = fixture("aws", &Options::default()).rules;
    let mut host = Memory::default();
    for n in 0..30 {
        let action = reading(&n.to_string(), json!({"sensor_type": "temperature", "value": 22}));
        let walked = walk(&rules, &action, OFFICE_HOURS, &mut host);
        assert_eq!(walked.summary(), "Chain by chain-sensor-readings");
        assert_eq!(walked.payload["pipeline_version"], "2.0.0");
        assert_eq!(walked.rewritten_by, ["enrich-telemetry-metadata"]);
    }
    let action = reading("30", json!({"sensor_type": "temperature", "value": 22}));
    let walked = walk(&rules, &action, OFFICE_HOURS, &mut host);
    assert_eq!(walked.summary(), "Throttled by throttle-telemetry");
}

/// A suppressed reading asks no gate behind the block.
#[test]
fn aws_test_devices_use_up_no_limit() {
    let rules = fixture("aws", &Options::default()).rules;
    let mut host = Memory::default();
    let action = reading("1", json!({"environment": "test"}));
    walk(&rules, &action, OFFICE_HOURS, &mut host);
    assert!(host.asked.is_empty(), "{:?}", host.asked);
}

#[test]
fn orders_in_office_hours() {
    let rules = fixture("orders", &eastern()).rules;
    let mut actions = vec![
        order("1001", 5_990, "US"),
        order("1002", 12_500, "CA"),
        order("1003", 19_999, "GB"),
        order("2001", 75_000, "US"),
        order("3001", 2_500, "NK"),
        order("3002", 4_900, "SY"),
        order("4001", 1_500, "US"),
        order("4001", 1_500, "US"),
    ];
    actions.extend((5001..=5006).map(|id| order(&id.to_string(), 1_500, "US")));
    actions.push(Action::new("order_status_change", json!({})).tenant("acme-store"));
    actions.push(Action::new("ping", json!({})).tenant("acme-store").id("ping"));
    let mut expected = vec!["DefaultAllow"; 3];
    expected.extend([
        "Capture by approve-high-value",
        "Deny by deny-sanctioned-regions",
        "Deny by deny-sanctioned-regions",
        "DefaultAllow",
        "Deduplicated by dedup-double-submit",
    ]);
    // Ten orders reach the throttle and pass: those that were refused before it do not count.
    expected.extend(["DefaultAllow"; 6]);
    expected.extend(["Suppress by deny-unmatched"; 2]);
    assert_eq!(summaries(&rules, &actions, OFFICE_HOURS), expected);
    let mut host = Memory::default();
    let eleven: Vec<_> = (0..11).map(|id| order(&id.to_string(), 1, "US")).collect();
    let last = eleven.iter().map(|order| walk(&rules, order, OFFICE_HOURS, &mut host)).last();
    assert_eq!(last.unwrap().summary(), "Throttled by throttle-merchant-orders");
}

/// An order held until later does not meet its own schedule rule again, and is executed once.
#[test]
fn an_order_after_hours_is_held_and_then_executed() {
    let rules = fixture("orders", &eastern()).rules;
    let mut host = Memory::default();
    let order = order("6001", 1_500, "US");
    let held = walk(&rules, &order, AFTER_HOURS, &mut host);
    assert_eq!(held.summary(), "Capture by schedule-after-hours");
    assert!(host.asked.is_empty());
    let point = held.resume.unwrap();
    let released = resume(&rules, &order, AFTER_HOURS + 30_000, &point, &mut host);
    assert_eq!(released.summary(), "DefaultAllow");
    assert_eq!(released.admitted_by, ["dedup-double-submit", "throttle-merchant-orders"]);
}

/// An approved order may still have to wait for office hours: later captures apply.
#[test]
fn an_approved_order_after_hours_is_scheduled_next() {
    let rules = fixture("orders", &eastern()).rules;
    let mut host = Memory::default();
    let order = order("2001", 75_000, "US");
    let held = walk(&rules, &order, AFTER_HOURS, &mut host);
    assert_eq!(held.summary(), "Capture by approve-high-value");
    let held = resume(&rules, &order, AFTER_HOURS, &held.resume.unwrap(), &mut host);
    assert_eq!(held.summary(), "Capture by schedule-after-hours");
    let released = resume(&rules, &order, AFTER_HOURS, &held.resume.unwrap(), &mut host);
    assert_eq!(released.verdict, Verdict::DefaultAllow);
}

#[test]
fn patterns_reroute_throttle_and_modify() {
    let rules = fixture("patterns", &Options::default()).rules;
    let mut host = Memory::default();
    let urgent = Action::new("send_notification", json!({"priority": "urgent"}));
    let walked = walk(&rules, &urgent, 0, &mut host);
    assert_eq!(walked.summary(), "Reroute email→sms by reroute-high-priority");
    assert_eq!(walked.admitted_by, ["throttle-notifications"]);
    let mail = Action::new("send_email", json!({"to": "a@b.c"}));
    let walked = walk(&rules, &mail, 0, &mut host);
    assert_eq!(walked.summary(), "DefaultAllow");
    assert_eq!(walked.payload, json!({"to": "a@b.c", "tracking_enabled": true, "source": "acteon-gateway"}));
}

/// C30: the second critical alert is a duplicate, though it came in for another provider than
/// the one that `dedup-webhook-alerts` asks for.
#[test]
fn patterns_deduplicate_after_a_reroute() {
    let rules = fixture("patterns", &Options::default()).rules;
    let alert = |severity: &str| {
        let payload = json!({"severity": severity, "message": "Database unreachable"});
        Action::new("page", payload).provider("slack").key("db-unreachable")
    };
    let actions = [alert("warning"), alert("critical"), alert("critical")];
    assert_eq!(
        summaries(&rules, &actions, 0),
        [
            "DefaultAllow",
            "Reroute slack→webhook by reroute-critical-to-webhook",
            "Deduplicated by dedup-webhook-alerts",
        ]
    );
}

#[test]
fn patterns_inhibit_while_the_cluster_is_down() {
    let rules = fixture("patterns", &Options::default()).rules;
    let pod = Action::new("pod_crash", json!({})).label("cluster", "prod");
    let call = r#"has_active_event("cluster_down","prod")"#;
    let mut down = Memory::answering(call, json!(true));
    assert_eq!(walk(&rules, &pod, 0, &mut down).summary(), "Suppress by inhibit-pod-alerts");
    assert_eq!(walk(&rules, &pod, 0, &mut Memory::default()).summary(), "DefaultAllow");
    let cluster = Action::new("cluster_down", json!({}));
    let held = walk(&rules, &cluster, 0, &mut Memory::default());
    assert_eq!(held.summary(), "Capture by group-cluster-alerts");
}

/// Rule sets written for the original run as they did there.
#[test]
fn first_match_decides_alone() {
    let options = Options { evaluation: Evaluation::FirstMatch, ..eastern() };
    let rules = fixture("orders", &options).rules;
    let mut host = Memory::default();
    let walked = walk(&rules, &order("1", 100, "US"), OFFICE_HOURS, &mut host);
    assert_eq!(walked.summary(), "Allow by dedup-double-submit");
    assert_eq!(host.asked, ["dedup-double-submit"]);
    let walked = walk(&rules, &order("1", 100, "US"), OFFICE_HOURS, &mut host);
    assert_eq!(walked.summary(), "Deduplicated by dedup-double-submit");
    let rules = fixture("patterns", &options).rules;
    let walked = walk(&rules, &Action::new("send_email", json!({})), 0, &mut host);
    assert_eq!(walked.summary(), "Allow by modify-add-tracking");
    assert_eq!(walked.payload["tracking_enabled"], true);
    let urgent = Action::new("send_notification", json!({"priority": "urgent"}));
    let walked = walk(&rules, &urgent, 0, &mut host);
    assert_eq!(walked.summary(), "Reroute email→sms by reroute-high-priority");
    assert!(walked.admitted_by.is_empty());
}
