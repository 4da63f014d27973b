//! Who waits for whom: providers, keys, limits.

use crate::bed::{Bed, PATIENCE, Read, dispatch, ids, webhook, webhook_with};
use acteon_connectors::{Connectors, ProviderConfig};
use acteon_testkit::http::{Receiver, Reply, Request};
use rdkafka::producer::Producer as _;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn id(request: &Request) -> String {
    request.header("idempotency-key").unwrap().to_owned()
}

fn dispatch_ids(results: &[Read]) -> BTreeSet<String> {
    results.iter().map(Read::dispatch_id).collect()
}

#[test]
fn a_provider_that_hangs_holds_up_no_other() {
    let (bed, receiver) = (Bed::new(&["slow", "fast"]), Receiver::start().unwrap());
    receiver.respond_at("/slow", Reply::hang());
    let url = receiver.url();
    let connectors = bed.start(vec![webhook("slow", &format!("{url}/slow")), webhook("fast", &format!("{url}/fast"))]);
    // More than may be under way at a time.
    bed.dispatch_all("slow", ids("slow", 150));
    assert!(acteon_testkit::wait_until(PATIENCE, || receiver.requests_to("/slow").len() == 100));
    bed.dispatch_all("fast", ids("fast", 50));
    assert_eq!(dispatch_ids(&bed.results(50)), ids("fast", 50).into_iter().collect());
    assert_eq!(receiver.requests_to("/slow").len(), 100, "the limit on calls under way was not kept");
    assert!(connectors.stop(Duration::ZERO) >= 100);
}

#[test]
fn a_key_is_in_order_where_that_is_asked_for() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    for _ in 0..10 {
        receiver.respond_first(1, Reply::status(503));
        receiver.respond_first(3, Reply::status(200));
    }
    let connectors = bed.start(vec![webhook_with("hook", &receiver.url(), |provider| {
        provider.ordered = true;
        // Enough for one dispatch to take all the failures there are.
        provider.max_retries = Some(10);
    })]);
    let producer = bed.producer(None);
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for number in 0..12 {
        for key in ["a", "b", "c", "d"] {
            let id = format!("{key}-{number}");
            bed.put(&producer, "hook", &dispatch("hook", &id, 0).to_string(), key);
            wanted.entry(key.to_owned()).or_default().push(id);
        }
    }
    producer.flush(PATIENCE).unwrap();
    bed.results(48);
    let mut called: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in receiver.requests() {
        let id = id(&request);
        called.entry(id[..1].to_owned()).or_default().push(id);
    }
    assert_eq!(receiver.count(), 48 + 10);
    // A repeated call follows the one that failed, with no other of its key in between.
    called.values_mut().for_each(Vec::dedup);
    assert_eq!(called, wanted);
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn a_key_that_fails_backs_off_without_holding_up_others() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    receiver.respond_first(1, Reply::status(503).header("retry-after", "2"));
    let connectors = bed.start(vec![webhook_with("hook", &receiver.url(), |provider| {
        provider.ordered = true;
        provider.max_concurrent = Some(1);
    })]);
    bed.dispatch("hook", "a-1", "a");
    receiver.wait_for(1, PATIENCE).unwrap();
    for (id, key) in [("a-2", "a"), ("b-1", "b"), ("b-2", "b")] {
        bed.dispatch("hook", id, key);
    }
    bed.results(4);
    let called: Vec<_> = receiver.requests().iter().map(id).collect();
    assert_eq!(called, ["a-1", "b-1", "b-2", "a-1", "a-2"]);
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn limits_on_what_is_on_the_way_lose_and_double_nothing() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    receiver.respond(Reply::status(200).delay(Duration::from_millis(2)));
    let mut config = bed.config(vec![webhook("hook", &receiver.url())]);
    (config.limits.max_in_flight, config.limits.max_uncommitted) = (15, 12);
    let connectors = Connectors::start(&config).unwrap();
    bed.dispatch_all("hook", ids("d", 200));
    assert_eq!(dispatch_ids(&bed.results(200)), ids("d", 200).into_iter().collect());
    assert_eq!(receiver.count(), 200);
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn members_share_the_partitions_and_take_over_from_each_other() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    receiver.respond(Reply::status(200).delay(Duration::from_millis(20)));
    let providers = || vec![webhook_with("hook", &receiver.url(), |provider| provider.max_concurrent = Some(4))];
    let partitions = |member: &Connectors| member.health()[0].partitions;
    let first = bed.start(providers());
    assert!(acteon_testkit::wait_until(PATIENCE, || partitions(&first) == 3));
    bed.dispatch_all("hook", ids("d", 300));
    receiver.wait_for(50, PATIENCE).unwrap();
    let second = bed.start(providers());
    assert!(acteon_testkit::wait_until(PATIENCE, || (1..3).contains(&partitions(&second))), "no share for the second");
    assert!(acteon_testkit::wait_until(PATIENCE, || partitions(&first) + partitions(&second) == 3));
    assert_eq!(first.stop(PATIENCE), 0);
    assert!(acteon_testkit::wait_until(PATIENCE, || partitions(&second) == 3), "not all for the second");
    let results = bed.results(300);
    assert_eq!(dispatch_ids(&results), ids("d", 300).into_iter().collect());
    // Only what was being called for when a partition changed hands can come twice: 4 calls and what they overtook.
    assert!(receiver.count() <= 300 + 16, "{} calls", receiver.count());
    assert_eq!(second.stop(PATIENCE), 0);
}

#[test]
fn health_tells_what_is_going_on() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    receiver.respond(Reply::hang());
    let providers: Vec<ProviderConfig> = vec![webhook("hook", &receiver.url())];
    let mut config = bed.config(providers);
    config.limits.max_in_flight = 2;
    let connectors = Connectors::start(&config).unwrap();
    bed.dispatch_all("hook", ids("d", 6));
    let is_full = || {
        let health = connectors.health().remove(0);
        (health.partitions, health.paused_partitions, health.in_flight) == (3, 3, 2)
    };
    assert!(acteon_testkit::wait_until(PATIENCE, is_full), "{:?}", connectors.health());
    assert!(
        acteon_testkit::wait_until(PATIENCE, || connectors.health()[0].lag == Some(6)),
        "{:?}",
        connectors.health()
    );
    assert_eq!(connectors.health()[0].kafka_trouble, None);
    assert_eq!(connectors.stop(Duration::ZERO), 2);
}
