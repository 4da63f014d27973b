//! What members tell of their providers.

use crate::bed::{Bed, PATIENCE, Read, ids, webhook_with};
use acteon_connectors::Connectors;
use acteon_schemas::{FleetHealth, ProviderHealth, ProviderHealthTable};
use acteon_testkit::http::{Receiver, Reply};
use acteon_testkit::{clock, wait_until};
use std::collections::BTreeMap;
use std::time::Duration;

/// The records of the topic so far.
fn records(bed: &Bed) -> Vec<Read> {
    bed.read(bed.names.provider_health(), 1)
}

/// How a provider does by all of them.
fn fleet(bed: &Bed, provider: &str) -> Option<FleetHealth> {
    let mut table = ProviderHealthTable::default();
    for record in records(bed) {
        table.take(&record.key, Some(record.value.as_slice()).filter(|value| !value.is_empty())).unwrap();
    }
    table.fleet(clock::unix_ms()).remove(provider)
}

fn start(bed: &Bed, receiver: &Receiver) -> Connectors {
    bed.start(vec![webhook_with("hook", &receiver.url(), |provider| provider.max_retries = Some(0))])
}

#[test]
fn members_of_a_fleet_add_up_and_take_back_what_they_said() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    let members = [start(&bed, &receiver), start(&bed, &receiver)];
    let shared = || members.iter().all(|member| member.health()[0].partitions > 0);
    assert!(wait_until(PATIENCE, shared), "both have partitions");
    bed.dispatch_all("hook", ids("good", 30));
    bed.results(30);
    receiver.respond(Reply::status(500).body("out of order"));
    bed.dispatch_all("hook", ids("bad", 6));
    bed.results(36);

    let all_told = || fleet(&bed, "hook").is_some_and(|health| health.requests() == 36 && health.backlog == 0);
    assert!(wait_until(PATIENCE, all_told), "{:?}", fleet(&bed, "hook"));
    let health = fleet(&bed, "hook").unwrap();
    assert_eq!((health.members, health.successes, health.failures, health.latency.count()), (2, 30, 6, 36));
    assert_eq!(health.last_error.map(|error| error.code).as_deref(), Some("EXECUTION_FAILED"));
    // A record of each member has something new.
    let mut last = BTreeMap::new();
    for record in records(&bed) {
        let health = ProviderHealth { measured_at: 0, ..ProviderHealth::decode(&record.value).unwrap() };
        assert_eq!(record.key, health.key());
        let before = last.insert(record.key, health.clone());
        assert_ne!(before, Some(health));
    }

    let [first, second] = members;
    assert_eq!(first.stop(PATIENCE), 0);
    let one_left = || fleet(&bed, "hook").is_some_and(|health| health.members == 1);
    assert!(wait_until(PATIENCE, one_left), "{:?}", fleet(&bed, "hook"));
    assert_eq!(second.stop(PATIENCE), 0);
    assert!(wait_until(PATIENCE, || fleet(&bed, "hook").is_none()), "{:?}", fleet(&bed, "hook"));
}

#[test]
fn a_member_with_work_left_leaves_its_last_word() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    let member = start(&bed, &receiver);
    bed.dispatch("hook", "good", "key");
    bed.results(1);
    receiver.respond(Reply::status(200).delay(PATIENCE));
    bed.dispatch("hook", "held", "key");
    assert!(wait_until(PATIENCE, || receiver.count() == 2));
    assert_eq!(member.stop(Duration::from_millis(1)), 1);
    let health = fleet(&bed, "hook").unwrap();
    assert_eq!((health.successes, health.in_flight, health.backlog), (1, 1, 1), "{health:?}");
}
