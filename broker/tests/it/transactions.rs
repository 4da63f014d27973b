//! What transactions do at their edges: time-outs, used-up epochs.

use crate::client::{Client, LIMIT, commit, drain, send};
use crate::clock;
use acteon_broker::{Broker, Config};
use rdkafka::consumer::Consumer;
use rdkafka::producer::Producer;
use std::time::Duration;

#[test]
fn a_transaction_that_outlives_its_time_out_is_aborted_and_its_producer_fenced() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(Config::new(dir.path())).unwrap();
    let client = Client::new(broker.bootstrap());
    client.create("t", 1, &[]).unwrap();
    let producer = client.transactional_with("slow", Duration::from_secs(1)).unwrap();
    producer.begin_transaction().unwrap();
    send(&producer, "t", 0, "k", Some("late")).unwrap();
    drain(&producer).unwrap();
    let plain = client.producer().unwrap();
    send(&plain, "t", 0, "k", Some("plain")).unwrap();
    drain(&plain).unwrap();

    let began = clock::now();
    while client.values("t", 0, "read_committed").unwrap() != ["plain"] {
        assert!(began.elapsed() < LIMIT, "the transaction still holds the last stable offset");
    }
    let error = producer.commit_transaction(LIMIT).unwrap_err();
    assert!(error.to_string().to_lowercase().contains("fenced"), "{error}");

    let again = client.transactional("slow").unwrap();
    again.begin_transaction().unwrap();
    send(&again, "t", 0, "k", Some("again")).unwrap();
    commit(&again).unwrap();
    assert_eq!(client.values("t", 0, "read_committed").unwrap(), ["plain", "again"]);
}

#[test]
fn a_producer_that_comes_back_very_often_is_always_served() {
    // Each start takes one epoch; fewer than in the unit test of exhaustion, but through a real client.
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(Config::new(dir.path())).unwrap();
    let client = Client::new(broker.bootstrap());
    client.create("t", 1, &[]).unwrap();
    for n in 0..10 {
        let producer = client.transactional("often").unwrap();
        producer.begin_transaction().unwrap();
        send(&producer, "t", 0, "k", Some(&n.to_string())).unwrap();
        if n % 2 == 0 {
            commit(&producer).unwrap();
        } else {
            drain(&producer).unwrap(); // left open: the next one aborts it
        }
    }
    client.transactional("often").unwrap();
    assert_eq!(client.values("t", 0, "read_committed").unwrap(), ["0", "2", "4", "6", "8"]);
    let watermarks = client.consumer("w", "read_uncommitted", "range").unwrap().fetch_watermarks("t", 0, LIMIT);
    assert_eq!(watermarks.unwrap(), (0, 20), "ten records and ten markers");
}
