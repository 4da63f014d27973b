//! The faults that tests of other crates inject.

use crate::client::{Client, LIMIT, commit, drain, send};
use crate::clock;
use acteon_broker::{ApiKey, Broker, Config};
use rdkafka::producer::Producer;
use std::time::Duration;

fn start(dir: &tempfile::TempDir) -> (Broker, Client) {
    let broker = Broker::start(Config::new(dir.path())).unwrap();
    let client = Client::new(broker.bootstrap());
    client.create("t", 1, &[]).unwrap();
    (broker, client)
}

#[test]
fn a_delayed_end_of_a_transaction_is_answered_late_and_done_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, client) = start(&dir);
    let producer = client.transactional("tx").unwrap();
    producer.begin_transaction().unwrap();
    send(&producer, "t", 0, "k", Some("v")).unwrap();
    drain(&producer).unwrap();
    const DELAY: Duration = Duration::from_secs(3);
    broker.faults().delay_end_txn(DELAY, 1);
    let began = clock::now();
    std::thread::scope(|scope| {
        let committing = scope.spawn(|| producer.commit_transaction(LIMIT));
        while client.values("t", 0, "read_committed").unwrap().is_empty() {
            assert!(began.elapsed() < DELAY, "the records came only with the response");
        }
        committing.join().unwrap().unwrap();
    });
    assert!(began.elapsed() >= DELAY, "answered after {:?}", began.elapsed());
    producer.begin_transaction().unwrap();
    send(&producer, "t", 0, "k", Some("w")).unwrap();
    let began = clock::now();
    commit(&producer).unwrap();
    assert!(began.elapsed() < DELAY, "only one request was to be delayed");
}

#[test]
fn a_dropped_response_makes_the_client_repeat_what_was_done() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, client) = start(&dir);
    let producer = client.transactional("tx").unwrap();
    producer.begin_transaction().unwrap();
    broker.faults().drop_responses(ApiKey::Produce, 1);
    send(&producer, "t", 0, "k", Some("v")).unwrap();
    drain(&producer).unwrap();
    broker.faults().drop_responses(ApiKey::EndTxn, 1);
    commit(&producer).unwrap();
    assert_eq!(client.values("t", 0, "read_committed").unwrap(), ["v"], "once, although it was sent twice");
}
