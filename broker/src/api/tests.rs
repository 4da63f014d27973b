#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

//! Every advertised version of every request is answered, fully, in a form that the other side can read. (The
//! protocol library refuses to encode a field that a version does not have, and the connection would just drop.)

mod requests;

use super::*;
use crate::Config;
use crate::log::batch::TRANSACTIONAL;
use crate::log::batch::tests::{batch_of, plain, records_section};
use kafka_protocol::messages::ProduceResponse;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// A broker without a network, and the versions that were called on it.
struct Bench {
    shared: Shared,
    called: RefCell<BTreeSet<(i16, i16)>>,
    _dir: tempfile::TempDir,
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let shared = Shared::open(Config::new(dir.path()), 9092).unwrap();
        Self { shared, called: RefCell::default(), _dir: dir }
    }

    /// Sends a request as its bytes and reads the answer from its bytes.
    async fn call<Q: Encodable, A: Decodable>(&self, api: ApiKey, version: i16, request: &Q) -> A {
        let mut body = BytesMut::new();
        request.encode(&mut body, version).unwrap_or_else(|e| panic!("request of {api:?} {version}: {e}"));
        let request = Request { api, version, supported: true, client: "test", body: body.freeze() };
        let mut out = BytesMut::new();
        let answered = dispatch(&self.shared, request, &mut out).await;
        assert!(answered.unwrap_or_else(|e| panic!("{api:?} {version}: {e}")));
        let mut bytes = out.freeze();
        let answer = A::decode(&mut bytes, version).unwrap_or_else(|e| panic!("answer of {api:?} {version}: {e}"));
        assert!(bytes.is_empty(), "answer of {api:?} {version}: {} bytes too many", bytes.len());
        self.called.borrow_mut().insert((api as i16, version));
        answer
    }

    /// Calls `visit` with every version of an API that is carried out.
    async fn each(&self, api: ApiKey, visit: impl AsyncFn(i16)) {
        let supported = SUPPORTED.iter().find(|s| s.api == api).unwrap();
        for version in supported.accepted..=supported.max {
            visit(version).await;
        }
    }

    async fn produce(&self, topic: &str, partition: i32, records: Bytes) -> (i16, i64) {
        use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(records));
        let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
        let request = ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]);
        let answer: ProduceResponse = self.call(ApiKey::Produce, 8, &request).await;
        let partition = &answer.responses[0].partition_responses[0];
        (partition.error_code, partition.base_offset)
    }
}

#[test]
fn every_advertised_version_is_answered_in_full() {
    let bench = Bench::new();
    block_on(async {
        requests::topics(&bench).await;
        requests::records(&bench).await;
        requests::transactions(&bench).await;
        requests::groups(&bench).await;
        requests::deletions(&bench).await;
    });
    let advertised: BTreeSet<(i16, i16)> =
        SUPPORTED.iter().flat_map(|s| (s.accepted..=s.max).map(|v| (s.api as i16, v))).collect();
    assert_eq!(*bench.called.borrow(), advertised);
}

#[test]
fn a_request_for_versions_in_an_unknown_version_is_answered_in_the_first() {
    let answer = metadata::api_versions(false);
    assert_eq!(answer.error_code, ResponseError::UnsupportedVersion.code());
    assert_eq!(answer.api_keys.len(), SUPPORTED.len());
    assert!(!accepts(ApiKey::Produce, 2) && accepts(ApiKey::Produce, 3) && !accepts(ApiKey::ApiVersions, 99));
}

#[test]
fn a_repeated_batch_is_answered_with_its_first_offset() {
    let bench = Bench::new();
    block_on(async {
        requests::create(&bench, "t", 1, &[]).await;
        let batch = |sequence| batch_of(&records_section(&[("k", Some("v"))]), 1, 0, (5, 0, sequence), 0);
        assert_eq!(bench.produce("t", 0, batch(0)).await, (0, 0));
        assert_eq!(bench.produce("t", 0, batch(1)).await, (0, 1));
        assert_eq!(bench.produce("t", 0, batch(0)).await, (0, 0));
        assert_eq!(bench.produce("t", 0, batch(3)).await.0, ResponseError::OutOfOrderSequenceNumber.code());
    });
}

#[test]
fn transactional_records_need_their_partition_added() {
    let bench = Bench::new();
    block_on(async {
        requests::create(&bench, "t", 1, &[]).await;
        let (id, epoch) = requests::init_producer(&bench, "tx", 4).await;
        let batch = batch_of(&records_section(&[("k", Some("v"))]), 1, TRANSACTIONAL, (id, epoch, 0), 0);
        assert_eq!(bench.produce("t", 0, batch).await.0, ResponseError::InvalidTxnState.code());
        let unknown = batch_of(&records_section(&[("k", Some("v"))]), 1, TRANSACTIONAL, (99, 0, 0), 0);
        assert_eq!(bench.produce("t", 0, unknown).await.0, ResponseError::InvalidProducerIdMapping.code());
    });
}

#[test]
fn the_newest_record_is_found_behind_a_marker() {
    use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ListOffsetsResponse, ProducerId, TransactionalId};
    let bench = Bench::new();
    block_on(async {
        requests::create(&bench, "t", 1, &[]).await;
        assert_eq!(bench.produce("t", 0, plain(&[("k", Some("v"))], 1_000)).await, (0, 0));
        let (id, epoch) = requests::init_producer(&bench, "tx", 4).await;
        let partitions = vec![("t".to_string(), 0)];
        let entry = crate::meta::Entry::TxnPartitions { id: "tx".into(), partitions, at: crate::clock::wall_ms() };
        bench.shared.coordinator().record(entry).unwrap();
        let end = EndTxnRequest::default()
            .with_transactional_id(TransactionalId(text("tx")))
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch)
            .with_committed(true);
        let ended: EndTxnResponse = bench.call(ApiKey::EndTxn, 3, &end).await;
        assert_eq!(ended.error_code, 0);
        let newest = ListOffsetsPartition::default().with_timestamp(-3);
        let topic = ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(vec![newest]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        let answer: ListOffsetsResponse = bench.call(ApiKey::ListOffsets, 7, &request).await;
        let found = &answer.topics[0].partitions[0];
        assert_eq!((found.offset, found.timestamp), (0, 1_000));
    });
}

#[test]
fn a_disk_that_fails_is_reported_and_never_acknowledged() {
    let bench = Bench::new();
    block_on(async {
        requests::create(&bench, "t", 1, &[]).await;
        let batch = plain(&[("k", Some("v"))], 0);
        assert_eq!(bench.produce("t", 0, batch.clone()).await, (0, 0));
        let partition = bench.shared.catalog.partition("t", 0).unwrap();
        crate::catalog::lock(&partition.log).fail_appends_for_test();
        assert_eq!(bench.produce("t", 0, batch).await, (ResponseError::KafkaStorageError.code(), -1));
        assert_eq!(crate::catalog::lock(&partition.log).end(), 1);
    });
}

#[test]
fn an_oversized_batch_is_refused() {
    let bench = Bench::new();
    block_on(async {
        requests::create(&bench, "t", 1, &[("max.message.bytes", "100")]).await;
        let large = plain(&[("k", Some(&"x".repeat(200)))], 0);
        assert_eq!(bench.produce("t", 0, large).await.0, ResponseError::MessageTooLarge.code());
    });
}

#[test]
fn epochs_run_out_and_a_new_producer_id_follows() {
    let bench = Bench::new();
    block_on(async {
        let (first, _) = requests::init_producer(&bench, "tx", 4).await;
        bench.shared.coordinator().record(crate::meta::Entry::Fence { id: "tx".into(), epoch: i16::MAX - 2 }).unwrap();
        assert_eq!(requests::init_producer(&bench, "tx", 4).await, (first, i16::MAX - 1));
        let (second, epoch) = requests::init_producer(&bench, "tx", 4).await;
        assert!(second > first && epoch == 0, "{second} {epoch}");
        let coordinator = bench.shared.coordinator();
        assert!(coordinator.meta.txn_of(first).is_none() && coordinator.meta.txn_of(second).is_some());
    });
}
