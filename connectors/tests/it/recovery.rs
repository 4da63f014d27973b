//! Restarts, bad records and a broker that goes away.

use crate::bed::{Bed, PATIENCE, Read, broker_config, dispatch, ids, webhook, webhook_with};
use acteon_broker::{Broker, Config};
use acteon_connectors::Connectors;
use acteon_testkit::free_port;
use acteon_testkit::http::{Receiver, Reply};
use rdkafka::producer::Producer as _;
use std::collections::BTreeSet;
use std::time::Duration;
use tempfile::TempDir;

#[test]
fn a_restart_brings_again_only_what_was_not_committed_and_with_the_same_keys() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    // Dispatches come in transactions, one of which is aborted.
    let producer = bed.producer(Some("processor"));
    producer.init_transactions(PATIENCE).unwrap();
    let all = ids("d", 20);
    for (number, batch) in all.chunks(4).enumerate() {
        producer.begin_transaction().unwrap();
        for id in batch {
            bed.put(&producer, "hook", &dispatch("hook", id, 0).to_string(), "k");
        }
        producer.commit_transaction(PATIENCE).unwrap();
        if number == 1 {
            producer.begin_transaction().unwrap();
            bed.put(&producer, "hook", &dispatch("hook", "aborted", 0).to_string(), "k");
            producer.flush(PATIENCE).unwrap();
            producer.abort_transaction(PATIENCE).unwrap();
        }
    }
    receiver.respond_first(10, Reply::status(200));
    receiver.respond(Reply::hang());
    // One key and in order, so that it can be told which ones were called for.
    let providers = || vec![webhook_with("hook", &receiver.url(), |provider| provider.ordered = true)];
    let called = || -> Vec<String> {
        receiver.requests().iter().map(|request| request.header("idempotency-key").unwrap().to_owned()).collect()
    };
    let connectors = bed.start(providers());
    receiver.wait_for(11, PATIENCE).unwrap();
    bed.results(10);
    assert_ne!(connectors.stop(Duration::ZERO), 0, "the call under way was not given up");
    assert_eq!(called(), all[..11]);

    receiver.clear();
    receiver.respond(Reply::status(200));
    let connectors = bed.start(providers());
    let results = bed.results(20);
    assert_eq!(called(), all[10..]);
    assert_eq!(results.iter().map(Read::dispatch_id).collect::<Vec<_>>(), all);
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn a_stop_waits_for_calls_under_way() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    receiver.respond(Reply::status(200).delay(Duration::from_millis(500)));
    let connectors = bed.start(vec![webhook("hook", &receiver.url())]);
    bed.dispatch("hook", "d-1", "k");
    receiver.wait_for(1, PATIENCE).unwrap();
    assert_eq!(connectors.stop(PATIENCE), 0);
    assert_eq!(bed.results(1).len(), 1);
    assert_eq!(bed.committed("hook"), Some(1));
}

#[test]
fn a_dispatch_that_can_t_be_read_is_dead_lettered_and_the_next_goes_on() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    let producer = bed.producer(None);
    bed.put(&producer, "hook", "not json", "k-1");
    bed.put(&producer, "hook", &dispatch("hook", "nobody-waits", 99).to_string(), "k-2");
    bed.put(&producer, "hook", &dispatch("hook", "good", 0).to_string(), "k-3");
    producer.flush(PATIENCE).unwrap();
    let connectors = bed.start(vec![webhook("hook", &receiver.url())]);
    assert_eq!(bed.results(1)[0].dispatch_id(), "good");
    let mut letters = bed.dead_letters(2);
    letters.sort_by(|a, b| a.key.cmp(&b.key));
    let topic = bed.names.dispatch("hook");
    for (letter, key, code, offset) in
        [(&letters[0], "k-1", "INVALID_JSON", 0), (&letters[1], "k-2", "RESULT_REFUSED", 1)]
    {
        assert_eq!(letter.key, key);
        assert_eq!(letter.headers["acteon-dlq-code"], code);
        assert_eq!(letter.headers["acteon-dlq-source"], format!("{topic}/0/{offset}"));
        assert_eq!(letter.headers["acteon-type"], "dead_letter");
    }
    assert_eq!(letters[0].value, b"not json");
    assert_eq!(letters[1].json(), dispatch("hook", "nobody-waits", 99));
    assert_eq!(connectors.stop(PATIENCE), 0);
    assert_eq!(bed.committed("hook"), Some(3));
}

#[test]
fn kafka_may_come_late_and_go_away() {
    let receiver = Receiver::start().unwrap();
    let (port, dir) = (free_port().unwrap(), TempDir::with_prefix("acteon-connectors-").unwrap());
    let start = || Broker::start(Config { port, ..broker_config(&dir) }).unwrap();
    let bed = Bed::at(format!("127.0.0.1:{port}"));
    let connectors = bed.start(vec![webhook("hook", &receiver.url())]);
    let trouble = || connectors.health()[0].kafka_trouble.clone();
    assert!(acteon_testkit::wait_until(PATIENCE, || trouble().is_some()), "nothing is wrong without a broker");

    let broker = start();
    bed.create_topics(&["hook"]);
    receiver.respond(Reply::status(200).delay(Duration::from_secs(1)));
    bed.dispatch_all("hook", ids("before", 10));
    receiver.wait_for(10, PATIENCE).unwrap();
    // Away while calls are under way: their results wait.
    broker.shutdown();
    assert!(acteon_testkit::wait_until(PATIENCE, || trouble().is_some()), "nothing is wrong without a broker");

    let broker = start();
    bed.dispatch_all("hook", ids("after", 10));
    let found: BTreeSet<String> = bed.results(20).iter().map(Read::dispatch_id).collect();
    assert_eq!(found, ids("before", 10).into_iter().chain(ids("after", 10)).collect());
    assert!(acteon_testkit::wait_until(PATIENCE, || trouble().is_none()), "{:?}", trouble());
    assert_eq!(connectors.stop(PATIENCE), 0);
    broker.shutdown();
}

#[test]
fn a_result_that_comes_back_is_written_again() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    let mut config = bed.config(vec![webhook("hook", &receiver.url())]);
    // A client that takes no second record before the first is acknowledged.
    config.kafka = config.kafka.with("queue.buffering.max.messages", "1");
    let connectors = Connectors::start(&config).unwrap();
    bed.dispatch_all("hook", ids("d", 20));
    let found: BTreeSet<String> = bed.results(20).iter().map(Read::dispatch_id).collect();
    assert_eq!(found, ids("d", 20).into_iter().collect());
    assert_eq!(connectors.stop(PATIENCE), 0);
    assert_eq!(bed.committed("hook"), Some(7));
    assert_eq!(receiver.count(), 20);
}
