//! Starting, stopping, and the data directory.

use crate::client::{Client, drain, send};
use acteon_broker::{Broker, Config, Error};

#[test]
fn two_brokers_do_not_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = Broker::start(Config::new(dir.path())).unwrap();
    let error = Broker::start(Config::new(dir.path())).unwrap_err();
    assert!(matches!(error, Error::DirectoryInUse { .. }), "{error}");
    assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
    first.shutdown();
    Broker::start(Config::new(dir.path())).unwrap();
}

#[test]
fn a_port_in_use_and_a_public_address_are_refused_in_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let error = Broker::start(Config { port, ..Config::new(dir.path()) }).unwrap_err().to_string();
    assert!(error.contains(&port.to_string()) && !error.contains('\n'), "{error}");
    let error = Broker::start(Config { host: "0.0.0.0".into(), ..Config::new(dir.path()) }).unwrap_err().to_string();
    assert!(error.contains("loopback") && !error.contains('\n'), "{error}");
}

#[test]
fn everything_is_there_after_a_restart_on_the_same_port() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(Config::new(dir.path())).unwrap();
    let client = Client::new(broker.bootstrap());
    let port: u16 = broker.bootstrap().rsplit(':').next().unwrap().parse().unwrap();
    client.create("t", 2, &[("segment.bytes", "2000")]).unwrap();
    let producer = client.producer().unwrap();
    for n in 0..500 {
        send(&producer, "t", n % 2, "k", Some(&n.to_string())).unwrap();
        if n % 50 == 0 {
            drain(&producer).unwrap();
        }
    }
    drain(&producer).unwrap();
    broker.shutdown();
    let _broker = Broker::start(Config { port, ..Config::new(dir.path()) }).unwrap();
    for partition in 0..2 {
        let expected: Vec<String> = (0..500).filter(|n| n % 2 == partition).map(|n| n.to_string()).collect();
        assert_eq!(client.values("t", partition, "read_committed").unwrap(), expected);
    }
    // The same producer goes on: its sequence numbers were remembered.
    send(&producer, "t", 0, "k", Some("after")).unwrap();
    drain(&producer).unwrap();
    assert_eq!(client.values("t", 0, "read_committed").unwrap().last().unwrap(), "after");
}

#[test]
fn a_broker_may_be_started_and_dropped_inside_a_runtime() {
    crate::client::block_on(async {
        let dir = tempfile::tempdir().unwrap();
        drop(Broker::start(Config::new(dir.path())).unwrap());
    });
}
