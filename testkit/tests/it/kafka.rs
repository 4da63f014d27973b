use std::path::Path;
use std::process::Command;
use std::time::Duration;

use acteon_testkit::kafka::Kafka;
use acteon_testkit::process::find_program;
use acteon_testkit::{clock, wait_until};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

const SOON: Duration = Duration::from_secs(60);

fn client(kafka: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.bootstrap());
    config
}

async fn create_topic(kafka: &Kafka, name: &str) {
    let admin: AdminClient<DefaultClientContext> = client(kafka).create().unwrap();
    let topic = NewTopic::new(name, 1, TopicReplication::Fixed(1));
    let results = admin.create_topics([&topic], &AdminOptions::new()).await;
    assert_eq!(results.unwrap(), vec![Ok(name.to_owned())]);
}

fn produce(kafka: &Kafka, topic: &str, value: &str) {
    let producer: BaseProducer = client(kafka).set("transactional.id", "testkit").create().unwrap();
    producer.init_transactions(SOON).unwrap();
    producer.begin_transaction().unwrap();
    let record = BaseRecord::<(), str>::to(topic).payload(value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.commit_transaction(SOON).unwrap();
}

/// The committed values of partition 0, once there are `count`.
fn read(kafka: &Kafka, topic: &str, count: usize) -> Vec<String> {
    let consumer: BaseConsumer =
        client(kafka).set("group.id", "reader").set("enable.auto.commit", "false").create().unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&partitions).unwrap();
    let mut values = Vec::new();
    let deadline = clock::now() + SOON;
    while values.len() < count && clock::now() < deadline {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let value = message.payload().unwrap_or_default();
            values.push(String::from_utf8_lossy(value).into_owned());
        }
    }
    values
}

/// One test for all of the life of a broker: each start costs seconds.
#[tokio::test]
async fn kafka_keeps_its_records_over_restart_and_kill() {
    let mut kafka = Kafka::start_with(&[("log.segment.bytes", "1048576")]).unwrap();
    create_topic(&kafka, "t").await;
    produce(&kafka, "t", "one");
    assert_eq!(read(&kafka, "t", 1), ["one"]);

    let address = kafka.bootstrap().to_owned();
    kafka.restart().unwrap();
    assert_eq!(kafka.bootstrap(), address);
    produce(&kafka, "t", "two");
    assert_eq!(read(&kafka, "t", 2), ["one", "two"]);

    kafka.kill().unwrap();
    assert!(std::net::TcpStream::connect(&address).is_err());
    kafka.restart().unwrap();
    assert_eq!(read(&kafka, "t", 2), ["one", "two"]);

    drop(kafka);
    let closed = wait_until(SOON, || std::net::TcpStream::connect(&address).is_err());
    assert!(closed, "the broker outlived its handle");
}

#[test]
fn a_broker_that_cannot_start_says_why() {
    let error = Kafka::start_with(&[("num.io.threads", "none")]).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("num.io.threads"), "{text}");
}

#[test]
fn the_shared_broker_is_one() {
    let first = Kafka::shared().unwrap().bootstrap().to_owned();
    assert_eq!(Kafka::shared().unwrap().bootstrap(), first);
}

/// Runs another test of this binary where only the programs in `bin` are found and no jars are kept.
fn start_with_programs(bin: &Path) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kafka::the_shared_broker_is_one", "--nocapture"])
        .env("PATH", bin)
        .env("ACTEON_KAFKA_HOME", bin.join("home"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_missing_program_is_an_error_that_names_the_package() {
    let bin = tempfile::tempdir().unwrap();
    let text = start_with_programs(bin.path());
    assert!(text.contains("install the Debian package `default-jre-headless`"), "{text}");
    let java = find_program(Path::new("java")).unwrap();
    std::os::unix::fs::symlink(java, bin.path().join("java")).unwrap();
    let text = start_with_programs(bin.path());
    assert!(text.contains("install the Debian package `maven`"), "{text}");
}
