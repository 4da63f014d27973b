//! Streams on the embedded broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod catch_up;
mod crowd;

use super::*;
use crate::view::audit::testing::{TOPIC, record};
use acteon_broker::{Broker, Config};
use acteon_topology::partition_of;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};
use std::pin::Pin;
use tempfile::TempDir;

const PARTITIONS: i32 = 3;
/// Longest wait for what comes at once on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Log {
    _broker: Broker,
    _directory: TempDir,
    pub(super) kafka: KafkaConfig,
    producer: BaseProducer,
}

impl Log {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { auto_create_partitions: Some(PARTITIONS), port: 0, ..Config::new(directory.path()) };
        let broker = Broker::start(config).unwrap();
        let kafka = KafkaConfig::new(&broker.bootstrap());
        let producer: BaseProducer = kafka.client().create().unwrap();
        // Asking for it makes it.
        producer.client().fetch_metadata(Some(TOPIC), PATIENCE).unwrap();
        Self { _broker: broker, _directory: directory, kafka, producer }
    }

    pub(super) fn streams(&self) -> Streams {
        Streams::new(&self.kafka, TOPIC, StreamLimits::default())
    }

    /// Writes records of the tenants `t0` to `t9` in turn, with these numbers as ids, where their tenants' records are.
    pub(super) fn write(&self, numbers: std::ops::Range<i64>) {
        for number in numbers {
            let tenant = format!("t{}", number % 10);
            self.write_one(&number.to_string(), &tenant, &json!({}));
        }
        self.producer.flush(PATIENCE).unwrap();
    }

    fn write_one(&self, id: &str, tenant: &str, changed: &Value) {
        let mut value = record(id, 1, json!({"tenant": tenant}));
        value.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        let (value, partition) = (value.to_string(), partition_of(format!("n:{tenant}").as_bytes(), PARTITIONS));
        let message = || BaseRecord::<(), str>::to(TOPIC).partition(partition).payload(&value);
        while self.producer.send(message()).is_err() {
            self.producer.poll(Duration::from_millis(1));
        }
        self.producer.poll(Duration::ZERO);
    }

    /// The same in a transaction that is called off, so that markers are left in the log.
    fn write_and_call_off(&self, numbers: std::ops::Range<i64>) {
        let producer: BaseProducer = self.kafka.client().set("transactional.id", "test").create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        for number in numbers {
            let value = record(&number.to_string(), 1, json!({"tenant": "t0"})).to_string();
            let partition = i32::try_from(number).unwrap() % PARTITIONS;
            let message = BaseRecord::<(), str>::to(TOPIC).partition(partition).payload(&value);
            producer.send(message).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
        producer.abort_transaction(PATIENCE).unwrap();
    }
}

/// What a client has received.
pub(super) struct Client {
    pieces: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    text: String,
    /// As a client keeps it.
    pub(super) last_id: String,
}

/// An event: its type, and its data.
type Received = (String, Value);

impl Client {
    pub(super) async fn connect(streams: &Streams, filter: Filter, begin: Begin) -> Self {
        Self::of(
            streams,
            Request { filter, begin, follows: Follows::Nothing, party: Party::Peer([10, 0, 0, 1].into()) },
        )
        .await
    }

    async fn of(streams: &Streams, request: Request) -> Self {
        let connection = streams.open(request).await.unwrap();
        Self { pieces: Box::pin(connection.pieces()), text: String::new(), last_id: String::new() }
    }

    /// The next block that is an event; none at the end.
    async fn next(&mut self) -> Option<Received> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
                if let Some(id) = field("id: ") {
                    self.last_id = id.to_owned();
                }
                if let Some(event) = field("event: ") {
                    return Some((event.to_owned(), serde_json::from_str(field("data: ").unwrap()).unwrap()));
                }
                continue;
            }
            let piece = tokio::time::timeout(PATIENCE, self.pieces.next()).await.expect("nothing comes")?;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The ids of the actions of so many events.
    pub(super) async fn actions(&mut self, count: usize) -> Vec<i64> {
        let mut found = Vec::new();
        while found.len() < count {
            let (event, data) = self.next().await.expect("the stream ended");
            assert_eq!(event, "action_dispatched", "{data}");
            found.push(data["action_id"].as_str().unwrap().parse().unwrap());
        }
        found
    }
}

pub(super) fn tenant(name: &str) -> Filter {
    Filter { namespace: Some("n".to_owned()), tenant: Some(name.to_owned()), ..Filter::default() }
}

fn after(id: &str) -> Begin {
    Begin::After(id.parse().unwrap())
}
