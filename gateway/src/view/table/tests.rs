//! A table on the embedded broker.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use acteon_broker::{Broker, Config};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::collections::BTreeMap;

const TOPIC: &str = "things";
/// Longest wait for what comes at once on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Things(BTreeMap<Vec<u8>, Vec<u8>>);

impl Table for Things {
    const NAME: &'static str = "things";

    fn take(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), String> {
        match value {
            Some(b"bad") => return Err("bad".to_owned()),
            Some(value) => self.0.insert(key.to_vec(), value.to_vec()),
            None => self.0.remove(key),
        };
        Ok(())
    }
}

fn until(what: &str, reached: impl Fn() -> bool) {
    let end = clock::now() + PATIENCE;
    while !reached() {
        assert!(clock::now() < end, "not {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_table_holds_what_its_topic_says_and_follows_it() {
    let directory = tempfile::tempdir().unwrap();
    let start = |port| {
        Broker::start(Config { auto_create_partitions: Some(2), port, ..Config::new(directory.path()) }).unwrap()
    };
    let broker = start(0);
    let kafka = KafkaConfig::new(&broker.bootstrap());
    let producer: BaseProducer = kafka.client().create().unwrap();
    let write = |key: &str, value: Option<&str>| {
        let mut message = BaseRecord::<str, str>::to(TOPIC).key(key).partition(0);
        message.payload = value;
        producer.send(message).map_err(|(error, _)| error).unwrap();
        producer.flush(PATIENCE).unwrap();
    };
    let view = TableView::<Things>::start(&kafka, TOPIC, ReadFrom::Beginning).unwrap();
    assert!(view.progress().unready("view").is_some(), "there is no topic yet");
    producer.client().fetch_metadata(Some(TOPIC), PATIENCE).unwrap();
    until("caught up with an empty topic", || view.progress().caught_up);
    for (key, value) in [("a", Some("1")), ("b", Some("2")), ("c", Some("bad")), ("a", None), ("d", Some("4"))] {
        write(key, value);
    }
    until("read", || view.read().0.len() == 2);
    let late = TableView::<Things>::start(&kafka, TOPIC, ReadFrom::Beginning).unwrap();
    until("caught up", || late.progress().caught_up);
    assert_eq!(late.read().0, view.read().0, "what is there once it has caught up is all");
    assert_eq!(late.read().0, BTreeMap::from([(b"b".to_vec(), b"2".to_vec()), (b"d".to_vec(), b"4".to_vec())]));
    assert_eq!(late.component().name, "things view");
    let recent = TableView::<Things>::start(&kafka, TOPIC, ReadFrom::Ago(-3_600_000)).unwrap();
    until("caught up", || recent.progress().caught_up);
    assert!(recent.read().0.is_empty(), "nothing is younger than that");
}
