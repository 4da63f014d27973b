//! The follower on the embedded broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{AuditFollower, GATHER, GATHER_BEHIND, GATHER_MANY, MANY, patience_after};
use crate::view::Progress;
use crate::view::audit::testing::{Fixture, TOPIC, done, record, sent};
use crate::view::audit::{AuditFilter, AuditQuery, AuditStore};
use acteon_broker::{Broker, Config};
use acteon_topology::KafkaConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const PARTITIONS: i32 = 3;
/// Longest wait for what comes at once on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Log {
    broker: Option<Broker>,
    directory: TempDir,
    kafka: KafkaConfig,
}

impl Log {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let broker = start(&directory, 0);
        let kafka = KafkaConfig::new(&broker.bootstrap());
        Self { broker: Some(broker), directory, kafka }
    }

    fn stop(&mut self) {
        self.broker = None;
    }

    fn restart(&mut self) {
        let port = self.kafka.bootstrap().rsplit(':').next().unwrap().parse().unwrap();
        self.broker = Some(start(&self.directory, port));
    }

    /// Writes records, each to the partition of its number.
    fn write(&self, records: &[Value]) {
        let producer: BaseProducer = self.kafka.client().create().unwrap();
        send(&producer, records);
        producer.flush(PATIENCE).unwrap();
    }

    /// Writes one transaction that is called off, and one that is not.
    fn write_in_transactions(&self, aborted: &[Value], committed: &[Value]) {
        let producer: BaseProducer = self.kafka.client().set("transactional.id", "test").create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        send(&producer, aborted);
        producer.flush(PATIENCE).unwrap();
        producer.abort_transaction(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        send(&producer, committed);
        producer.commit_transaction(PATIENCE).unwrap();
    }
}

fn start(directory: &TempDir, port: u16) -> Broker {
    let config = Config { auto_create_partitions: Some(PARTITIONS), port, ..Config::new(directory.path()) };
    Broker::start(config).unwrap()
}

fn send(producer: &BaseProducer, records: &[Value]) {
    for (number, record) in (0..).zip(records) {
        let value = record.to_string();
        let message = BaseRecord::<(), str>::to(TOPIC).partition(number % PARTITIONS).payload(&value);
        producer.send(message).map_err(|(error, _)| error).unwrap();
        producer.poll(Duration::ZERO);
    }
}

fn follow(log: &Log, fixture: &Fixture) -> AuditFollower {
    let store: Arc<dyn AuditStore> = Arc::clone(fixture.store()) as _;
    AuditFollower::start(&log.kafka, TOPIC, store).unwrap()
}

async fn until(follower: &AuditFollower, what: &str, reached: impl Fn(&Progress) -> bool) -> Progress {
    for _ in 0..PATIENCE.as_millis() / 20 {
        let progress = follower.progress();
        if reached(&progress) {
            return progress;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not {what}: {:?}", follower.progress());
}

async fn until_it_has(fixture: &Fixture, count: u64) {
    let mut total = None;
    for _ in 0..PATIENCE.as_millis() / 20 {
        total = fixture.page(AuditQuery { limit: 1, ..AuditQuery::default() }).await.total;
        if total == Some(count) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{total:?} instead of {count}");
}

/// Actions with their results, both in one partition.
fn actions(numbers: std::ops::Range<i64>) -> Vec<Value> {
    let ids: Vec<i64> = numbers.collect();
    let mut records = Vec::new();
    for chunk in ids.chunks_exact(PARTITIONS as usize) {
        records.extend(chunk.iter().map(|n| sent(&format!("a{n}"), *n)));
        records.extend(chunk.iter().map(|n| done(&format!("a{n}"), *n, 5, json!({}))));
    }
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn the_view_has_what_the_log_has_and_goes_on_where_it_ended() {
    let log = Log::new();
    let mut fixture = Fixture::empty();
    log.write(&actions(0..300));
    let follower = follow(&log, &fixture);
    let progress = until(&follower, "caught up", |progress| progress.caught_up).await;
    assert_eq!(fixture.indexes().len(), 8, "it can be asked");
    assert_eq!(progress, Progress { caught_up: true, lag: 0, trouble: None });
    let executed = AuditFilter { outcome: Some("executed".to_owned()), ..AuditFilter::default() };
    assert_eq!(fixture.found(executed).await.len(), 300, "what was there before is there once it has caught up");
    log.write(&actions(300..330));
    until_it_has(&fixture, 330).await;
    drop(follower);
    log.write(&actions(330..360));
    fixture.reopen();
    let follower = follow(&log, &fixture);
    until(&follower, "caught up", |progress| progress.caught_up).await;
    let mut found = fixture.found(AuditFilter::default()).await;
    assert_eq!(found.len(), 360);
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 360, "none is there twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_committed_is_seen_and_markers_are_no_lag() {
    let log = Log::new();
    let fixture = Fixture::new();
    let aborted: Vec<Value> = (0..9).map(|n| record(&format!("aborted{n}"), n, json!({}))).collect();
    log.write_in_transactions(&aborted, &actions(0..30));
    let follower = follow(&log, &fixture);
    let progress = until(&follower, "caught up", |progress| progress.caught_up).await;
    assert_eq!(progress.lag, 0);
    assert_eq!(fixture.found(AuditFilter::default()).await.len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_may_be_away_at_the_start_and_later() {
    let mut log = Log::new();
    let fixture = Fixture::new();
    log.write(&actions(0..30));
    log.stop();
    let follower = follow(&log, &fixture);
    until(&follower, "in trouble", |progress| progress.trouble.is_some() && !progress.caught_up).await;
    log.restart();
    until(&follower, "caught up", |progress| progress.caught_up && progress.trouble.is_none()).await;
    log.stop();
    log.restart();
    log.write(&actions(30..60));
    until_it_has(&fixture, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_made_anew_is_read_from_its_beginning() {
    let log = Log::new();
    let fixture = Fixture::new();
    log.write(&actions(0..30));
    for partition in 0..PARTITIONS {
        fixture.store().reset_offset(TOPIC, partition, 1_000).await.unwrap();
    }
    let follower = follow(&log, &fixture);
    until(&follower, "caught up", |progress| progress.caught_up).await;
    assert_eq!(fixture.found(AuditFilter::default()).await.len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_log_is_caught_up_and_what_can_not_be_read_holds_nothing_up() {
    let log = Log::new();
    let fixture = Fixture::new();
    let follower = follow(&log, &fixture);
    // Nobody has made the topic yet.
    until(&follower, "in trouble", |progress| progress.trouble.is_some()).await;
    log.write(&[json!("no record"), json!({}), json!([]), record("a", 1, json!({}))]);
    until(&follower, "caught up", |progress| progress.caught_up).await;
    assert_eq!(fixture.found(AuditFilter::default()).await, ["a"]);
}

#[test]
fn records_gather_for_longer_while_many_come() {
    for (records, has_caught_up, patience) in [
        (0, true, GATHER),
        (MANY - 1, true, GATHER),
        (MANY, true, GATHER_MANY),
        (0, false, GATHER_BEHIND),
        (MANY, false, GATHER_BEHIND),
    ] {
        assert_eq!(patience_after(records, has_caught_up), patience, "{records} {has_caught_up}");
    }
}
