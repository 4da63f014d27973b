//! Quotas, when a clock is put back.

use crate::driver::{Driver, definitions};
use acteon_core::Stepped;
use acteon_schemas::Outcome;
use serde_json::json;

const HOUR: i64 = 3_600_000;
const START: i64 = 1_772_463_600_000;

#[test]
fn a_clock_that_goes_back_opens_no_second_window() {
    let mut driver = Driver::new(definitions("rules: []", "allow"));
    let quota = json!({"set_quota": {"quota": {"max_actions": 3, "window": "hourly"}}});
    let command = json!({"id": "c", "namespace": "n", "tenant": "t", "issued_at": 0, "command": quota});
    assert_eq!(driver.feed("commands", START, command.to_string().as_bytes()).0, Stepped::Commanded);
    let action = json!({"namespace": "n", "tenant": "t", "provider": "email", "action_type": "a", "payload": {}});
    let outcome = |driver: &mut Driver, at: i64| match driver.feed("actions", at, action.to_string().as_bytes()).0 {
        Stepped::Decided(outcome) => outcome,
        other => panic!("{other:?}"),
    };
    for at in [START, START, START - HOUR] {
        assert_eq!(outcome(&mut driver, at), Outcome::Dispatched);
    }
    // On the same machine, and on one whose clock was behind all the time.
    for at in [START - HOUR, START - 1, START - 2 * HOUR] {
        assert_eq!(outcome(&mut driver, at), Outcome::QuotaExceeded);
        driver.restart();
    }
    assert_eq!(outcome(&mut driver, START + HOUR - 1), Outcome::QuotaExceeded);
    // What came after the clock was put back counted as of the time that it did not fall below.
    for _ in 0..3 {
        assert_eq!(outcome(&mut driver, START + HOUR), Outcome::Dispatched);
    }
    assert_eq!(outcome(&mut driver, START), Outcome::QuotaExceeded);
}
