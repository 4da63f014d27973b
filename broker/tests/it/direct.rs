//! Transactions from the broker's own process, as its clients see them.

use crate::client::{Client, commit, send};
use acteon_broker::{Broker, Config, DirectProducer, Member, RecordBatch};
use rdkafka::Offset;
use rdkafka::producer::Producer;
use tempfile::TempDir;

const TIMEOUT_MS: i32 = 10_000;
/// One that commits for a group without members.
const NOBODY: Member<'static> = Member { group: "g", id: "", generation: -1 };

fn start() -> (TempDir, Broker, Client) {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(Config::new(dir.path())).unwrap();
    let client = Client::new(broker.bootstrap());
    client.create("in", 1, &[]).unwrap();
    client.create("out", 2, &[]).unwrap();
    (dir, broker, client)
}

fn batch(partition: i32, values: &[&str]) -> RecordBatch {
    let mut batch = RecordBatch::new("out", partition, 1_000);
    values.iter().for_each(|value| batch.push(Some(b"k"), Some(value.as_bytes()), &[("h", b"1")]));
    batch
}

fn values(client: &Client, partition: i32) -> Vec<String> {
    client.values("out", partition, "read_committed").unwrap()
}

/// Commits one record, as proof that it can be done.
fn go_on(producer: &mut DirectProducer, client: &Client) {
    let before = values(client, 0);
    producer.commit(&[batch(0, &["more"])], &[], NOBODY).unwrap();
    assert_eq!(values(client, 0), [before, vec!["more".to_owned()]].concat());
}

#[test]
fn records_and_offsets_are_there_for_clients_after_the_commit() {
    let (_dir, broker, client) = start();
    let mut producer = broker.direct().producer("tx", TIMEOUT_MS).unwrap();
    let batches = [batch(0, &["a", "b"]), batch(1, &["c"]), batch(0, &["d"])];
    assert_eq!(producer.commit(&batches, &[("in", 0, 7)], NOBODY).unwrap(), [0, 0, 2]);
    assert_eq!(values(&client, 0), ["a", "b", "d"]);
    assert_eq!(values(&client, 1), ["c"]);
    assert_eq!(client.committed("g", "in", 1).unwrap(), [Offset::Offset(7)]);
    // The marker takes an offset, as a client's would.
    assert_eq!(producer.commit(&[batch(0, &["e"])], &[("in", 0, 8)], NOBODY).unwrap(), [4]);
    assert_eq!(values(&client, 0), ["a", "b", "d", "e"]);
    assert_eq!(client.committed("g", "in", 1).unwrap(), [Offset::Offset(8)]);
    assert_eq!((broker.direct().partitions("out"), broker.direct().partitions("none")), (Some(2), None));
}

#[test]
fn whoever_the_group_does_not_know_commits_nothing() {
    let (_dir, broker, client) = start();
    let mut producer = broker.direct().producer("tx", TIMEOUT_MS).unwrap();
    let stale = Member { group: "g", id: "gone", generation: 3 };
    let refused = producer.commit(&[batch(0, &["a"])], &[("in", 0, 7)], stale).unwrap_err();
    assert!(!refused.is_fenced() && refused.batch.is_none(), "{refused}");
    assert!(client.values("out", 0, "read_uncommitted").unwrap().is_empty());
    assert_eq!(client.committed("g", "in", 1).unwrap(), [Offset::Invalid]);
    go_on(&mut producer, &client);
}

#[test]
fn what_a_log_must_not_hold_is_named_and_nothing_is_written() {
    let (_dir, broker, client) = start();
    let mut producer = broker.direct().producer("tx", TIMEOUT_MS).unwrap();
    let long = "x".repeat(2_000_000);
    let elsewhere = RecordBatch::new("none", 0, 0);
    for (name, second) in
        [("too large", batch(1, &[&long])), ("unknown topic", elsewhere), ("partition", batch(2, &["a"]))]
    {
        let refused = producer.commit(&[batch(0, &["a"]), second], &[("in", 0, 7)], NOBODY).unwrap_err();
        assert_eq!((refused.batch, refused.is_fenced()), (Some(1), false), "{name}");
        assert!(client.values("out", 0, "read_uncommitted").unwrap().is_empty(), "{name}");
    }
    assert_eq!(client.committed("g", "in", 1).unwrap(), [Offset::Invalid]);
    go_on(&mut producer, &client);
}

#[test]
fn the_last_one_with_an_id_fences_the_others_wherever_they_are() {
    let (_dir, broker, client) = start();
    let mut first = broker.direct().producer("tx", TIMEOUT_MS).unwrap();
    go_on(&mut first, &client);
    let network = client.transactional("tx").unwrap();
    assert!(first.commit(&[batch(0, &["late"])], &[], NOBODY).unwrap_err().is_fenced());
    network.begin_transaction().unwrap();
    send(&network, "out", 0, "k", Some("network")).unwrap();
    commit(&network).unwrap();
    // What it leaves open is ended.
    network.begin_transaction().unwrap();
    send(&network, "out", 0, "k", Some("left open")).unwrap();
    crate::client::drain(&network).unwrap();
    let mut second = broker.direct().producer("tx", TIMEOUT_MS).unwrap();
    go_on(&mut second, &client);
    assert!(network.commit_transaction(crate::client::LIMIT).is_err());
    assert_eq!(values(&client, 0), ["more", "network", "more"]);
    for (id, timeout_ms) in [("", TIMEOUT_MS), ("other", 0), ("other", i32::MAX)] {
        assert!(!broker.direct().producer(id, timeout_ms).unwrap_err().is_fenced(), "{id:?} {timeout_ms}");
    }
}

#[test]
fn a_transaction_that_was_decided_before_a_crash_is_there_once_after_it() {
    let (dir, broker, _) = start();
    let mut producer = broker.direct().producer("tx", TIMEOUT_MS).unwrap();
    broker.faults().crash_before_done();
    let batches = [batch(0, &["a"])];
    assert!(!producer.commit(&batches, &[("in", 0, 7)], NOBODY).unwrap_err().is_fenced());
    assert!(broker.is_halted());
    assert!(producer.commit(&batches, &[("in", 0, 7)], NOBODY).is_err(), "nothing more is taken");
    drop((producer, broker));
    let broker = Broker::start(Config::new(dir.path())).unwrap();
    let client = Client::new(broker.bootstrap());
    assert_eq!(values(&client, 0), ["a"]);
    assert_eq!(client.committed("g", "in", 1).unwrap(), [Offset::Offset(7)]);
    go_on(&mut broker.direct().producer("tx", TIMEOUT_MS).unwrap(), &client);
}

#[test]
fn a_broker_that_has_stopped_takes_nothing_more() {
    let (dir, broker, _) = start();
    let direct = broker.direct();
    let mut producer = direct.producer("tx", TIMEOUT_MS).unwrap();
    producer.commit(&[batch(0, &["a"])], &[("in", 0, 7)], NOBODY).unwrap();
    broker.shutdown();
    // Its directory may be another one's by now.
    assert!(!producer.commit(&[batch(0, &["late"])], &[("in", 0, 8)], NOBODY).unwrap_err().is_fenced());
    assert!(direct.producer("tx", TIMEOUT_MS).is_err());
    let broker = Broker::start(Config::new(dir.path())).unwrap();
    let client = Client::new(broker.bootstrap());
    assert_eq!(values(&client, 0), ["a"]);
    assert_eq!(client.committed("g", "in", 1).unwrap(), [Offset::Offset(7)]);
}
