//! `examples/ecommerce-order-pipeline` by its own scripts: the 15 orders, an order's life, and the report.
//!
//! What hour it is does not matter to a test: by day no hour is after hours, by night all are. Ten seconds are one.

use crate::stage::Stage;
use acteon_testkit::wait_until;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
const EXAMPLE: &str = "ecommerce-order-pipeline";
const SCOPE: &str = "namespace=ecommerce&tenant=acme-store";

pub(crate) fn by_day(text: &str) -> String {
    faster(text).replace("lt: 9", "lt: 0").replace("gte: 17", "gte: 24").replace("gte: 6", "gte: 8")
}

fn by_night(text: &str) -> String {
    faster(text).replace("lt: 9", "lt: 24")
}

fn faster(text: &str) -> String {
    text.replace("delay_seconds: 30", "delay_seconds: 3").replace("window_seconds: 60", "window_seconds: 6")
}

fn script(stage: &Stage, name: &str, args: &[&str]) -> String {
    stage.script(&format!("{EXAMPLE}/scripts/{name}.sh"), args)
}

/// What the scripts print with `--json`, a line an order.
fn orders(stage: &Stage) -> Vec<Value> {
    let printed = script(stage, "send-orders", &["--json"]);
    printed.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{printed}"))).collect()
}

fn kinds(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect()
}

/// The rows of a part of a report: the first cell of each, and the second.
fn part(report: &str, title: &str) -> BTreeMap<String, String> {
    let lines = report.lines().skip_while(|line| *line != format!("== {title}")).skip(2);
    let rows = lines.take_while(|line| !line.is_empty()).map(|line| {
        let mut cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned);
        (cells.next().unwrap_or_default(), cells.next().unwrap_or_default())
    });
    rows.collect()
}

/// The quota's and the retention's number, which scripts may set any number of times.
fn set_up(stage: &Stage) {
    for _ in 0..2 {
        script(stage, "setup", &[]);
    }
    assert_eq!(stage.get(&format!("/v1/quotas?{SCOPE}"))["count"], 1);
    assert_eq!(stage.get(&format!("/v1/retention?{SCOPE}"))["policies"][0]["audit_ttl_seconds"], 1_209_600);
}

fn tear_down(stage: &Stage) {
    for _ in 0..2 {
        script(stage, "teardown", &[]);
    }
    for what in ["quotas", "retention"] {
        assert_eq!(stage.get(&format!("/v1/{what}?{SCOPE}"))["count"], 0, "{what}");
    }
}

/// The 15 orders by day, line by line.
fn orders_are_decided(stage: &Stage) {
    let rows = orders(stage);
    let expected = [
        vec!["executed"; 3],
        vec!["pending_approval"; 2],
        vec!["suppressed"; 2],
        vec!["executed", "deduplicated"],
        vec!["executed"; 6],
    ];
    assert_eq!(kinds(&rows), expected.concat(), "{rows:?}");
    assert_eq!((&rows[0]["name"], &rows[5]["detail"]["rule"]), (&"ORD-1001".into(), &"deny-sanctioned-regions".into()));
}

/// An order's life, told at each stage.
fn an_order_lives(stage: &Stage) {
    let said = script(stage, "manage-order", &[]);
    for part in [
        "order-lifecycle-001: executed success",
        "== placed\n",
        "order-lifecycle-001: placed → confirmed",
        "order-lifecycle-001: confirmed → shipped",
        "order-lifecycle-001: shipped → delivered",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    assert_eq!(part(&said, "confirmed")["order-lifecycle-001"], "confirmed", "{said}");
    assert_eq!(part(&said, "delivered")["order-lifecycle-001"], "delivered", "{said}");
    let (done, said) = stage.try_script(&format!("{EXAMPLE}/scripts/manage-order.sh"), &[]);
    assert!(!done && said.contains("order-lifecycle-001 is delivered already"), "{said}");
}

/// The report's figures, once the audit view has them.
fn the_report_is_right(stage: &Stage) {
    let mut report = String::new();
    let complete = wait_until(LIMIT, || {
        report = script(stage, "show-report", &[]);
        part(&report, "outcomes").get("suppressed").is_some_and(|count| count == "2")
            && part(&report, "outcomes").get("executed").is_some_and(|count| count == "11")
    });
    assert!(complete, "{report}");
    let outcomes = part(&report, "outcomes");
    assert_eq!((&*outcomes["pending_approval"], &*outcomes["deduplicated"]), ("2", "1"), "{report}");
    let orders = part(&report, "orders");
    // Ten orders, and one with a life.
    assert_eq!(
        (orders.len(), &*orders["order-lifecycle-001"], &*orders["ORD-1001"]),
        (11, "delivered", "placed"),
        "{report}"
    );
    // What was refused is not counted: eleven are executed, two wait for approval.
    assert_eq!(part(&report, "quotas")["acme-store-hourly"], "13", "{report}");
    assert!(part(&report, "retention").contains_key("ecommerce:acme-store"), "{report}");
    assert!(report.contains("with hidden fields") && !report.contains(" 0 with hidden fields"), "{report}");
}

/// Three orders, told of while they are sent.
fn orders_are_streamed(stage: &Stage) {
    let said = script(stage, "stream-orders", &[]);
    let told = said.split("what the stream told").nth(1).unwrap_or_default();
    let orders = told.lines().filter(|line| line.contains("action_dispatched") && line.contains("place_order"));
    let orders: Vec<&str> = orders.collect();
    assert_eq!(orders.len(), 3, "{said}");
    assert_eq!(orders.iter().filter(|line| line.contains("deny-sanctioned-regions")).count(), 1, "{said}");
}

/// All that happens by day.
fn a_day(stage: Stage) {
    set_up(&stage);
    orders_are_decided(&stage);
    an_order_lives(&stage);
    the_report_is_right(&stage);
    orders_are_streamed(&stage);
    tear_down(&stage);
    stage.stop();
}

#[test]
fn a_day_of_the_shop_by_its_scripts_on_acteon_dev() {
    a_day(Stage::dev(EXAMPLE, by_day, &[]));
}

#[test]
fn a_night_of_the_shop_by_its_scripts_on_acteon_dev() {
    let stage = Stage::dev(EXAMPLE, by_night, &[]);
    let rows = orders(&stage);
    let count = |kind: &str| kinds(&rows).into_iter().filter(|outcome| *outcome == kind).count();
    assert_eq!((count("scheduled"), count("pending_approval"), count("suppressed")), (11, 2, 2), "{rows:?}");
    // Released, one of the two that are the same is a duplicate.
    let executed = || stage.get(&format!("/v1/audit?{SCOPE}&outcome=executed&provider=payment-gateway&limit=100"));
    let placed = || executed()["records"].as_array().unwrap().len() == 10;
    assert!(wait_until(LIMIT, placed), "{}\n{}", executed(), stage.tail());
    let report = script(&stage, "show-report", &[]);
    assert_eq!(part(&report, "orders").len(), 10, "{report}");
    stage.stop();
}

#[test]
fn a_day_of_the_shop_by_its_scripts_on_seven_processes() {
    a_day(Stage::fleet(EXAMPLE, by_day, &[]));
}
