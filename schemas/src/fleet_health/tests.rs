#![allow(clippy::unwrap_used)]

use super::*;
use crate::latency::LatencyBucket;
use crate::provider_health::MAX_HEALTH_AGE_MS;
use serde_json::json;

const NOW: i64 = 10_000_000;

/// A member's record: so many calls that took 1 ms and were taken, and so many that took 200 ms and failed.
fn health(member: &str, successes: u64, failures: u64) -> ProviderHealth {
    let buckets = [(1_000, successes), (200_000, failures)].into_iter().filter(|(_, count)| *count > 0);
    ProviderHealth {
        provider: "p".to_owned(),
        member: member.to_owned(),
        measured_at: NOW,
        window_seconds: 900,
        successes,
        failures,
        latency: LatencyHistogram {
            sum_us: successes * 1_000 + failures * 200_000,
            max_us: if failures > 0 { 200_000 } else { 1_000 },
            buckets: buckets.map(|(le_us, count)| LatencyBucket { le_us, count }).collect(),
        },
        consecutive_failures: failures,
        last_request_at: (successes + failures > 0).then_some(NOW - 100),
        last_error: (failures > 0).then(|| failure("TIMEOUT", NOW - 100)),
        in_flight: 2,
        lag: Some(5),
    }
}

fn failure(code: &str, at: i64) -> CallFailure {
    CallFailure { code: code.to_owned(), message: "no answer".to_owned(), at }
}

fn table(records: &[ProviderHealth]) -> ProviderHealthTable {
    let mut table = ProviderHealthTable::default();
    for record in records {
        table.take(&record.key(), Some(&serde_json::to_vec(record).unwrap())).unwrap();
    }
    table
}

fn merged(records: &[ProviderHealth]) -> FleetHealth {
    table(records).fleet(NOW).remove("p").unwrap()
}

#[test]
fn members_add_up() {
    let fleet = merged(&[health("a", 970, 0), health("b", 10, 20)]);
    assert_eq!((fleet.members, fleet.requests(), fleet.successes, fleet.failures), (2, 1_000, 980, 20));
    assert_eq!((fleet.in_flight, fleet.backlog), (4, 10));
    let report = fleet.report(Some("closed"));
    // The members' own are 1 and 200: only the buckets together tell that of the fleet.
    assert_eq!((report.p50_latency_ms, report.p95_latency_ms, report.p99_latency_ms), (1.0, 1.0, 200.0));
    assert_eq!((report.success_rate, report.avg_latency_ms), (98.0, 4.98));
    assert_eq!((report.healthy, report.health_check_error), (true, None), "one gets through");
    assert_eq!(report.last_error.as_deref(), Some("TIMEOUT: no answer"));
}

#[test]
fn the_order_of_members_makes_no_difference() {
    let mut other = health("b", 1, 2);
    other.last_error = Some(failure("CONNECTION", NOW - 100));
    let mut idle = health("c", 0, 0);
    idle.lag = None;
    let all = [health("a", 5, 1), other, idle, health("d", 0, 3)];
    let wanted = {
        let mut fleet = FleetHealth::of(&all[0]);
        all[1..].iter().for_each(|health| fleet.add(health));
        fleet
    };
    for turn in 1..all.len() {
        let mut turned = all.clone();
        turned.rotate_left(turn);
        let mut fleet = FleetHealth::of(&turned[0]);
        turned[1..].iter().for_each(|health| fleet.add(health));
        assert_eq!(fleet, wanted, "turned by {turn}");
    }
    assert_eq!((wanted.members, wanted.consecutive_failures, wanted.backlog), (4, 1, 17));
}

#[test]
fn failures_in_a_row_are_those_of_the_member_with_the_fewest() {
    // Successes and failures of two members, failures in a row of both, whether that is healthy.
    let cases = [
        ((0, 2), (0, 9), 2, true),
        ((0, 3), (0, 9), 3, false),
        ((1, 0), (0, 9), 0, true),
        // One that has made no call has no say.
        ((0, 0), (0, 9), 9, false),
        ((0, 9), (0, 0), 9, false),
        ((0, 0), (0, 0), 0, true),
    ];
    for (a, b, in_a_row, healthy) in cases {
        let fleet = merged(&[health("a", a.0, a.1), health("b", b.0, b.1)]);
        let report = fleet.report(None);
        assert_eq!((report.consecutive_failures, report.healthy), (in_a_row, healthy), "{a:?} {b:?}");
        let wanted = format!("the last {in_a_row} calls failed, at last with TIMEOUT: no answer");
        assert_eq!(report.health_check_error, (!healthy).then_some(wanted));
    }
}

#[test]
fn the_latest_error_is_told() {
    let mut early = health("a", 0, 1);
    early.last_error = Some(failure("CONNECTION", NOW - 500));
    let fleet = merged(&[early, health("b", 0, 1), health("c", 1, 0)]);
    assert_eq!(fleet.last_error, Some(failure("TIMEOUT", NOW - 100)));
}

#[test]
fn old_records_and_members_that_left_say_nothing() {
    let mut old = health("a", 7, 0);
    old.measured_at = NOW - MAX_HEALTH_AGE_MS - 1;
    let mut all = table(&[old, health("b", 5, 0), health("c", 1, 0)]);
    assert_eq!((all.fleet(NOW)["p"].members, all.fleet(NOW)["p"].successes), (2, 6));
    all.take("p/c", None).unwrap();
    all.take("p/never-seen", None).unwrap();
    assert_eq!(all.fleet(NOW)["p"].successes, 5);
    assert!(all.take("p/b", Some(b"{}")).is_err());
    assert_eq!(all.fleet(NOW)["p"].successes, 5, "a bad record changes nothing");
    assert!(all.fleet(NOW + 2 * MAX_HEALTH_AGE_MS).is_empty());
}

#[test]
fn providers_are_told_apart() {
    let other = ProviderHealth { provider: "q".to_owned(), ..health("a", 3, 0) };
    let fleet = table(&[health("a", 1, 0), other]).fleet(NOW);
    let all: Vec<(&str, u64)> = fleet.iter().map(|(name, health)| (name.as_str(), health.successes)).collect();
    assert_eq!(all, [("p", 1), ("q", 3)]);
}

#[test]
fn a_report_has_the_fields_of_the_http_api() {
    let shown = serde_json::to_value(merged(&[health("a", 0, 0)]).report(None)).unwrap();
    assert_eq!((&shown["total_requests"], &shown["success_rate"]), (&json!(0), &json!(100.0)));
    for key in ["avg_latency_ms", "p50_latency_ms", "p95_latency_ms", "p99_latency_ms"] {
        assert_eq!(shown[key], json!(0.0), "{key}");
    }
    for key in ["health_check_error", "circuit_breaker_state", "last_request_at", "last_error"] {
        assert!(shown.as_object().unwrap().contains_key(key) && shown[key].is_null(), "{key}");
    }
    assert_eq!((&shown["healthy"], &shown["successes"], &shown["failures"]), (&json!(true), &json!(0), &json!(0)));
}

#[test]
fn the_table_has_a_limit_and_the_oldest_makes_room() {
    let mut table = ProviderHealthTable::default();
    let take = |table: &mut ProviderHealthTable, member: &str, measured_at| {
        let record = ProviderHealth { measured_at, ..health(member, 1, 0) };
        table.take(&record.key(), Some(&serde_json::to_vec(&record).unwrap())).unwrap();
    };
    take(&mut table, "oldest", NOW - 1);
    for member in 0..MAX_HEALTH_RECORDS {
        take(&mut table, &member.to_string(), NOW);
    }
    assert_eq!(table.0.len(), MAX_HEALTH_RECORDS);
    assert!(!table.0.contains_key("p/oldest"));
}
