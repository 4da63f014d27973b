//! The log on the embedded broker.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::log::{Asks, Identity, Reply, Trace};
use acteon_broker::{Broker, Config};
use rdkafka::message::Headers as _;
use rdkafka::producer::BaseProducer;
use serde_json::json;

const PARTITIONS: i32 = 3;
/// Longest wait for what comes at once on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Fixture {
    broker: Option<Broker>,
    kafka: KafkaConfig,
    names: Names,
    waiting: Arc<Waiting>,
    log: KafkaLog,
    _directory: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { auto_create_partitions: Some(PARTITIONS), port: 0, ..Config::new(directory.path()) };
        let broker = Broker::start(config).unwrap();
        let (kafka, names) = (KafkaConfig::new(&broker.bootstrap()), Names::new("acteon").unwrap());
        let producer: BaseProducer = kafka.client().create().unwrap();
        for topic in [names.actions(), names.commands(), names.outcomes()] {
            // Asking for it makes it.
            producer.client().fetch_metadata(Some(topic), PATIENCE).unwrap();
        }
        let waiting = Arc::new(Waiting::new(names.actions(), names.results()));
        let log = KafkaLog::start(&kafka, &names, &waiting).unwrap();
        Self { broker: Some(broker), kafka, names, waiting, log, _directory: directory }
    }

    /// Sends an action of the tenant `t`, and begins to wait for it.
    fn send(&self, id: &str, trace: &Trace) -> crate::log::Pending {
        let identity = Identity { namespace: "n".into(), tenant: "t".into(), id: id.into() };
        let pending = self.waiting.begin(identity, Asks::Outcome).unwrap();
        let record =
            Outgoing { topic: Topic::Actions, key: "n:t", value: id.as_bytes(), trace, ticket: pending.ticket() };
        self.log.send(record).unwrap();
        pending
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_written_where_its_tenant_is_and_its_outcome_comes_back() {
    let fixture = Fixture::new();
    let trace = Trace { parent: Some("00-ab-cd-01".to_owned()), state: Some("k=v".to_owned()) };
    let pending = fixture.send("a", &trace);
    let mut reader = Follower::start(&fixture.kafka, fixture.names.actions(), From::Beginning).unwrap();
    let (partition, offset) = loop {
        let Next::Record(record) = reader.next(PATIENCE).unwrap() else { continue };
        assert_eq!((record.key(), record.payload()), (Some(b"n:t".as_slice()), Some(b"a".as_slice())));
        let headers: Vec<_> = record.headers().unwrap().iter().map(|header| (header.key, header.value)).collect();
        let expected = [("traceparent", Some(b"00-ab-cd-01".as_slice())), ("tracestate", Some(b"k=v".as_slice()))];
        assert_eq!(headers, expected);
        break (record.partition(), record.offset());
    };
    assert_eq!(partition, acteon_topology::partition_of(b"n:t", PARTITIONS));
    let outcome = json!({
        "action_id": "a", "namespace": "n", "tenant": "t", "provider": "p", "action_type": "a", "is_final": true,
        "outcome": "deduplicated", "detail": "Deduplicated", "decided_at": 0,
        "source": {"topic": fixture.names.actions(), "partition": partition, "offset": offset},
    })
    .to_string();
    let producer: BaseProducer = fixture.kafka.client().create().unwrap();
    producer.send(BaseRecord::<(), str>::to(fixture.names.outcomes()).payload(&outcome)).unwrap();
    producer.flush(PATIENCE).unwrap();
    let reply = pending.within(PATIENCE, Duration::ZERO).await;
    let expected =
        Reply::Outcome(acteon_schemas::Outcome::Deduplicated, bytes::Bytes::from_static(b"\"Deduplicated\""));
    assert_eq!(reply, Some(expected));
    assert_eq!(fixture.log.failed(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_a_record_is_lost_in_bounded_time() {
    let mut fixture = Fixture::new();
    drop(fixture.broker.take());
    let pending = fixture.send("a", &Trace::default());
    let limit = Duration::from_millis(DELIVERY_TIMEOUT_MS.parse::<u64>().unwrap());
    let begun = crate::clock::now();
    match pending.within(PATIENCE, Duration::ZERO).await {
        Some(Reply::Lost(reason)) => assert!(!reason.is_empty()),
        other => panic!("{other:?}"),
    }
    assert!(begun.elapsed() < limit * 3, "{:?}", begun.elapsed());
}
