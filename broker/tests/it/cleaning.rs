//! Compaction, retention and deletion as consumers and admin clients see them.

use crate::client::{Client, LIMIT, block_on, commit, drain, send};
use acteon_broker::{Broker, Config};
use rdkafka::admin::{AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

fn start(dir: &tempfile::TempDir) -> (Broker, Client) {
    let broker = Broker::start(Config::new(dir.path())).unwrap();
    let client = Client::new(broker.bootstrap());
    (broker, client)
}

#[test]
fn a_consumer_of_a_compacted_topic_gets_the_last_committed_values() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, client) = start(&dir);
    client.create("t", 1, &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")]).unwrap();
    let compressed: BaseProducer = client.config().set("compression.type", "lz4").create().unwrap();
    for round in 0..20 {
        for key in 0..5 {
            send(&compressed, "t", 0, &format!("k{key}"), Some(&format!("r{round}"))).unwrap();
        }
        drain(&compressed).unwrap();
    }
    let producer = client.transactional("tx").unwrap();
    producer.begin_transaction().unwrap();
    send(&producer, "t", 0, "k0", Some("committed")).unwrap();
    commit(&producer).unwrap();
    producer.begin_transaction().unwrap();
    send(&producer, "t", 0, "k1", Some("aborted")).unwrap();
    drain(&producer).unwrap();
    producer.abort_transaction(LIMIT).unwrap();
    send(&compressed, "t", 0, "k2", None).unwrap();
    drain(&compressed).unwrap();

    broker.roll("t", 0).unwrap();
    send(&compressed, "t", 0, "last", Some("active")).unwrap();
    drain(&compressed).unwrap();
    broker.clean_now();
    for _ in 0..2 {
        let seen = client.read("t", 0, "read_committed", Offset::Beginning).unwrap();
        let seen: Vec<(i64, &str, Option<&str>)> =
            seen.iter().map(|r| (r.offset, r.key.as_str(), r.value.as_deref())).collect();
        // 100 records, then one with its commit marker, one with its abort marker, and a tombstone at 104.
        let expected = [
            (96, "k1", Some("r19")),
            (98, "k3", Some("r19")),
            (99, "k4", Some("r19")),
            (100, "k0", Some("committed")),
            (104, "k2", None),
            (105, "last", Some("active")),
        ];
        assert_eq!(seen, expected);
        broker.clean_now();
    }
}

#[test]
fn below_the_start_that_retention_leaves_offsets_are_out_of_range() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, client) = start(&dir);
    client.create("t", 1, &[("retention.bytes", "1000"), ("segment.bytes", "500")]).unwrap();
    let producer = client.producer().unwrap();
    for n in 0..50 {
        send(&producer, "t", 0, "k", Some(&format!("{n:0100}"))).unwrap();
        drain(&producer).unwrap();
    }
    broker.clean_now();
    let consumer = client.consumer("g", "read_committed", "range").unwrap();
    let (start, end) = consumer.fetch_watermarks("t", 0, LIMIT).unwrap();
    assert!(start > 30 && end == 50, "{start}..{end}");
    assert_eq!(client.read("t", 0, "read_committed", Offset::Beginning).unwrap()[0].offset, start);
    let error = client.read("t", 0, "read_committed", Offset::Offset(0)).unwrap_err();
    let out_of_range = |e: &KafkaError| {
        let code = e.rdkafka_error_code();
        code == Some(RDKafkaErrorCode::AutoOffsetReset) || code == Some(RDKafkaErrorCode::OffsetOutOfRange)
    };
    assert!(error.downcast_ref::<KafkaError>().is_some_and(out_of_range), "{error:#}");
}

#[test]
fn offsets_are_found_by_time() {
    let dir = tempfile::tempdir().unwrap();
    let (_broker, client) = start(&dir);
    client.create("t", 1, &[("segment.bytes", "300")]).unwrap();
    let producer: BaseProducer = client.config().set("compression.type", "zstd").create().unwrap();
    for n in 0..20_i64 {
        let record = rdkafka::producer::BaseRecord::to("t").key("k").payload("v").timestamp(1_000_000 + n * 10);
        producer.send(record).map_err(|(e, _)| e).unwrap();
        if n % 4 == 3 {
            drain(&producer).unwrap();
        }
    }
    let consumer = client.consumer("g", "read_committed", "range").unwrap();
    for (timestamp, expected) in [(0, Offset::Offset(0)), (1_000_095, Offset::Offset(10)), (1_000_191, Offset::End)] {
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_offset("t", 0, Offset::Offset(timestamp)).unwrap();
        let found = consumer.offsets_for_times(wanted, LIMIT).unwrap();
        assert_eq!(found.elements()[0].offset(), expected, "{timestamp}");
    }
}

#[test]
fn an_admin_client_grows_alters_empties_and_deletes_topics() {
    let dir = tempfile::tempdir().unwrap();
    let (_broker, client) = start(&dir);
    client.create("t", 1, &[]).unwrap();
    let admin = client.admin().unwrap();
    let options = AdminOptions::new();
    let grown = block_on(admin.create_partitions(&[NewPartitions::new("t", 3)], &options)).unwrap();
    assert!(grown[0].is_ok(), "{grown:?}");
    let shrunk = block_on(admin.create_partitions(&[NewPartitions::new("t", 2)], &options)).unwrap();
    assert!(shrunk[0].is_err(), "{shrunk:?}");
    let alter = AlterConfig::new(ResourceSpecifier::Topic("t")).set("retention.ms", "1234");
    assert!(block_on(admin.alter_configs(&[alter], &options)).unwrap()[0].is_ok());
    let described = block_on(admin.describe_configs(&[ResourceSpecifier::Topic("t")], &options)).unwrap();
    let value = described[0].as_ref().unwrap().get("retention.ms").unwrap().value.clone();
    assert_eq!(value.as_deref(), Some("1234"));

    let producer = client.producer().unwrap();
    (0..10).for_each(|n| send(&producer, "t", 2, "k", Some(&n.to_string())).unwrap());
    drain(&producer).unwrap();
    let mut before = TopicPartitionList::new();
    before.add_partition_offset("t", 2, Offset::Offset(7)).unwrap();
    block_on(admin.delete_records(&before, &options)).unwrap();
    assert_eq!(client.values("t", 2, "read_committed").unwrap(), ["7", "8", "9"]);

    assert!(block_on(admin.delete_topics(&["t"], &options)).unwrap()[0].is_ok());
    client.create("t", 1, &[]).unwrap();
    assert!(client.values("t", 0, "read_committed").unwrap().is_empty(), "a new topic of an old name is empty");
}
