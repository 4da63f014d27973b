//! How long ended chains are kept. The settings of these tests say an hour.

use super::world::{World, call, chain};
use serde_json::{Value, json};

const HOUR: i64 = 3600 * 1000;
const DAY: i64 = 24 * HOUR;

/// A chain that has ended, in a tenant with this retention.
fn ended(retention: Value) -> (World, String) {
    let mut world = World::new(&[chain(json!([call("one", json!({}))]))]);
    keep(&mut world, retention);
    let shown = world.run("c", json!({}));
    assert_eq!(shown["status"], "completed");
    let id = shown["chain_id"].as_str().unwrap().to_owned();
    (world, id)
}

fn keep(world: &mut World, retention: Value) {
    world.command(&json!({"set_retention": {"retention": retention}})).unwrap();
}

fn is_kept(world: &mut World, id: &str) -> bool {
    world.command(&json!({"show_chain": {"chain_id": id}})).is_ok()
}

#[test]
fn a_tenants_retention_goes_before_the_settings() {
    for (retention, kept_ms) in [
        (json!({"event_ttl_seconds": 60}), HOUR),
        (json!({"state_ttl_seconds": 7200}), 2 * HOUR),
        (json!({"state_ttl_seconds": 60}), 60_000),
        (json!({"state_ttl_seconds": 60, "enabled": false}), HOUR),
        (json!({"state_ttl_seconds": 20 * 24 * 3600}), 20 * DAY),
    ] {
        let (mut world, id) = ended(retention.clone());
        world.advance(kept_ms - 1);
        assert!(is_kept(&mut world, &id), "{retention}");
        world.advance(1);
        assert!(!is_kept(&mut world, &id), "{retention}");
    }
}

#[test]
fn a_compliance_hold_keeps_a_chain_until_it_is_lifted() {
    let (mut world, id) = ended(json!({"compliance_hold": true, "state_ttl_seconds": 60}));
    world.advance(400 * DAY);
    assert!(is_kept(&mut world, &id));
    keep(&mut world, json!({"state_ttl_seconds": 60}));
    world.advance(7 * DAY);
    assert!(!is_kept(&mut world, &id), "it is looked at once a week");
}

#[test]
fn a_hold_that_comes_after_the_end_counts() {
    let (mut world, id) = ended(json!({"state_ttl_seconds": 60}));
    keep(&mut world, json!({"compliance_hold": true}));
    world.advance(30 * DAY);
    assert!(is_kept(&mut world, &id));
}
