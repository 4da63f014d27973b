//! The broker stops without warning: killed inside a transaction, and by a failpoint between markers and "done".

use crate::client::{Client, LIMIT, drain, send, send_offsets, take};
use crate::clock;
use acteon_broker::{Broker, Config};
use acteon_testkit::free_port;
use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::producer::Producer;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Set for the child process: where its broker keeps its data, and its port.
const CHILD_DIR: &str = "ACTEON_BROKER_TEST_DIR";
const CHILD_PORT: &str = "ACTEON_BROKER_TEST_PORT";

/// Not a test of its own: the body of the child process that is killed.
#[test]
fn child_broker() {
    let (Ok(dir), Ok(port)) = (std::env::var(CHILD_DIR), std::env::var(CHILD_PORT)) else { return };
    let _broker = Broker::start(Config { port: port.parse().unwrap(), ..Config::new(dir) }).unwrap();
    let mut ended = String::new();
    // Lives until the parent closes the pipe, and so never outlives it.
    std::io::stdin().read_line(&mut ended).unwrap();
}

struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A broker in a process of its own, by running this test binary again.
fn spawn(dir: &Path, port: u16) -> KilledOnDrop {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crashes::child_broker", "--nocapture"])
        .env(CHILD_DIR, dir)
        .env(CHILD_PORT, port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    KilledOnDrop(child)
}

/// A topic "in" of 30 records, a topic "out", and a group that has read "in" inside a transaction that is open.
fn open_transaction(client: &Client) -> (rdkafka::producer::BaseProducer, rdkafka::consumer::BaseConsumer) {
    client.create("in", 1, &[]).unwrap();
    client.create("out", 1, &[]).unwrap();
    let plain = client.producer().unwrap();
    (0..30).for_each(|n| send(&plain, "in", 0, "k", Some(&n.to_string())).unwrap());
    drain(&plain).unwrap();
    let consumer = client.consumer("g", "read_committed", "range").unwrap();
    consumer.subscribe(&["in"]).unwrap();
    let received = take(&consumer, 30, Duration::from_secs(10)).unwrap();
    assert_eq!(received.len(), 30);
    let producer = client.transactional("tx").unwrap();
    producer.begin_transaction().unwrap();
    for record in &received {
        send(&producer, "out", 0, "k", record.value.as_deref()).unwrap();
    }
    send_offsets(&producer, &consumer).unwrap();
    drain(&producer).unwrap();
    (producer, consumer)
}

#[test]
fn a_transaction_survives_kill_9_of_the_broker_and_commits() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port().unwrap();
    let broker = spawn(dir.path(), port);
    let client = Client::new(format!("127.0.0.1:{port}"));
    let (producer, _consumer) = open_transaction(&client);
    drop(broker); // SIGKILL
    let _broker = spawn(dir.path(), port);
    producer.commit_transaction(LIMIT).unwrap();
    assert_eq!(client.values("out", 0, "read_committed").unwrap().len(), 30);
    assert_eq!(client.committed("g", "in", 1).unwrap(), [Offset::Offset(30)]);
}

#[test]
fn a_transaction_left_open_by_kill_9_is_aborted_by_the_next_producer() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port().unwrap();
    let broker = spawn(dir.path(), port);
    let client = Client::new(format!("127.0.0.1:{port}"));
    let (_producer, _consumer) = open_transaction(&client);
    drop(broker);
    let _broker = spawn(dir.path(), port);
    client.transactional("tx").unwrap();
    assert!(client.values("out", 0, "read_committed").unwrap().is_empty());
    assert_eq!(client.values("out", 0, "read_uncommitted").unwrap().len(), 30);
    assert_eq!(client.committed("g", "in", 1).unwrap(), [Offset::Invalid]);
}

#[test]
fn a_crash_between_markers_and_done_is_made_good_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(Config::new(dir.path())).unwrap();
    let port: u16 = broker.bootstrap().rsplit(':').next().unwrap().parse().unwrap();
    let client = Client::new(broker.bootstrap());
    let (producer, _consumer) = open_transaction(&client);
    broker.faults().crash_before_done();
    std::thread::scope(|scope| {
        let committing = scope.spawn(|| producer.commit_transaction(LIMIT));
        let began = clock::now();
        while !broker.is_halted() {
            assert!(began.elapsed() < LIMIT, "the failpoint was not reached");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(broker);
        let _broker = Broker::start(Config { port, ..Config::new(dir.path()) }).unwrap();
        // The client asks again and is told that it is done.
        committing.join().unwrap().unwrap();
        assert_eq!(client.committed("g", "in", 1).unwrap(), [Offset::Offset(30)]);
        assert_eq!(client.values("out", 0, "read_committed").unwrap().len(), 30);
        let reader = client.consumer("w", "read_uncommitted", "range").unwrap();
        assert_eq!(reader.fetch_watermarks("out", 0, LIMIT).unwrap(), (0, 31), "one marker only");
    });
}
