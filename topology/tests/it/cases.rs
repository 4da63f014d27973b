//! The cases, for any broker. Each has a prefix of its own, so that they may share one.

use acteon_topology::{
    Actual, Applied, Error, KafkaConfig, Names, Settings, Step, Topology, apply, check, ensure_dispatch_topic,
    partition_of, plan, read_actual, wait_for_kafka,
};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use std::sync::Mutex;
use std::time::Duration;

const PARTITIONS: i32 = 4;

fn settings(prefix: &str) -> Settings {
    Settings { partitions: PARTITIONS, providers: vec!["slack".into()], ..Settings::new(prefix) }
}

fn connect(bootstrap: &str) -> KafkaConfig {
    let kafka = KafkaConfig::new(bootstrap);
    wait_for_kafka(&kafka, Duration::from_secs(30), |_| {}).unwrap();
    kafka
}

fn actual(kafka: &KafkaConfig, topology: &Topology) -> Actual {
    read_actual(kafka, topology.topics.iter().map(|topic| topic.name.as_str())).unwrap()
}

/// Creates a topic as someone else would, and waits until the broker shows it.
fn create(kafka: &KafkaConfig, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> = kafka.client().create().unwrap();
    let new = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let new = configs.iter().fold(new, |new, (name, value)| new.set(name, value));
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
    futures::executor::block_on(admin.create_topics([&new], &options)).unwrap()[0].as_ref().unwrap();
    for _ in 0..1000 {
        if read_actual(kafka, [name]).unwrap().topics.get(name).is_some_and(|topic| topic.partitions == partitions) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{name} does not come up");
}

pub(crate) fn applying_twice_changes_nothing(bootstrap: &str) {
    let kafka = connect(bootstrap);
    let topology = Topology::of(&settings("twice")).unwrap();

    let error = check(&kafka, &topology).unwrap_err().to_string();
    assert!(error.contains("twice.actions does not exist"), "{error}");
    assert!(error.contains("run: acteon topology apply") && error.contains(bootstrap), "{error}");

    let first = plan(&topology, &actual(&kafka, &topology));
    let applied = apply(&kafka, &first).unwrap();
    assert_eq!(applied.created.len(), topology.topics.len());

    // All of it is as wanted at once, properties included.
    let second = plan(&topology, &actual(&kafka, &topology));
    assert!(second.is_empty(), "{second:?}");
    check(&kafka, &topology).unwrap();

    // The first plan again: stale, and harmless.
    let again = apply(&kafka, &first).unwrap();
    assert_eq!((again.created.len(), again.already.len()), (0, topology.topics.len()));
}

pub(crate) fn conflicts_stop_everything(bootstrap: &str) {
    let kafka = connect(bootstrap);
    let topology = Topology::of(&settings("conflict")).unwrap();
    create(&kafka, "conflict.actions", 6, &[]);
    create(&kafka, "conflict.audit", 4, &[]);

    let plan = plan(&topology, &actual(&kafka, &topology));
    let error = apply(&kafka, &plan).unwrap_err();
    assert!(matches!(error, Error::Conflicts(_)), "{error}");
    let command =
        format!("kafka-topics.sh --bootstrap-server {bootstrap} --alter --topic conflict.audit --partitions 6");
    assert!(error.to_string().contains(&command), "{error}");
    assert_eq!(actual(&kafka, &topology).topics.len(), 2, "nothing was created");

    let error = check(&kafka, &topology).unwrap_err().to_string();
    assert!(error.contains("conflict.actions has 6, conflict.audit has 4"), "{error}");
    assert!(error.contains("conflict.changelog does not exist"), "{error}");
}

pub(crate) fn what_may_change_is_changed(bootstrap: &str) {
    let kafka = connect(bootstrap);
    let topology = Topology::of(&settings("change")).unwrap();
    create(&kafka, "change.dlq", 2, &[("retention.ms", "-1")]);
    create(&kafka, "change.changelog", PARTITIONS, &[("cleanup.policy", "compact"), ("flush.ms", "60000")]);

    let first = plan(&topology, &actual(&kafka, &topology));
    assert_eq!(first.conflicts, []);
    let applied = apply(&kafka, &first).unwrap();
    assert_eq!(applied.grown, ["change.dlq"]);
    assert_eq!(applied.altered, ["change.changelog", "change.dlq"]);

    let after = actual(&kafka, &topology);
    let left = plan(&topology, &after);
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(after.topics["change.dlq"].partitions, PARTITIONS);
    assert_eq!(after.topics["change.dlq"].configs["retention.ms"], "-1", "never lowered");
    assert_eq!(after.topics["change.changelog"].configs["flush.ms"], "60000", "set by hand, and kept");
    assert_eq!(after.topics["change.changelog"].configs["segment.bytes"], "67108864");
}

pub(crate) fn a_new_provider_gets_its_topic(bootstrap: &str) {
    let kafka = connect(bootstrap);
    let settings = settings("provider");
    let created = ensure_dispatch_topic(&kafka, &settings, "fan.out").unwrap();
    assert_eq!(created.created, ["provider.dispatch.fan.out"]);
    assert_eq!(ensure_dispatch_topic(&kafka, &settings, "fan.out").unwrap(), Applied::default());
    assert!(ensure_dispatch_topic(&kafka, &settings, "fan out").is_err());
}

/// A plan that someone else was faster than neither fails nor hides that the topic is another one than planned.
pub(crate) fn a_stale_plan_is_found_out(bootstrap: &str) {
    let kafka = connect(bootstrap);
    let topology = Topology::of(&settings("stale")).unwrap();
    let stale = plan(&topology, &Actual::default());
    create(&kafka, "stale.dlq", 2, &[]);
    assert_eq!(apply(&kafka, &stale).unwrap().already, ["stale.dlq"]);
    let error = check(&kafka, &topology).unwrap_err().to_string();
    assert!(error.contains("stale.dlq has 2 partitions and needs 4"), "{error}");
    let applied = apply(&kafka, &plan(&topology, &actual(&kafka, &topology))).unwrap();
    assert_eq!((applied.grown, applied.altered), (vec!["stale.dlq".to_owned()], vec!["stale.dlq".to_owned()]));
    check(&kafka, &topology).unwrap();
}

pub(crate) fn two_at_the_same_time_do_not_fail(bootstrap: &str) {
    let kafka = connect(bootstrap);
    let topology = Topology::of(&settings("race")).unwrap();
    let plan = plan(&topology, &Actual::default());
    assert!(plan.steps.iter().all(|step| matches!(step, Step::Create { .. })));
    let all: Vec<Applied> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| apply(&kafka, &plan).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(all.iter().map(|applied| applied.created.len()).sum::<usize>(), topology.topics.len());
    check(&kafka, &topology).unwrap();
}

/// Keeps where each record went.
#[derive(Default)]
struct Partitions(Mutex<Vec<(Vec<u8>, i32)>>);

impl rdkafka::ClientContext for Partitions {}
impl ProducerContext for Partitions {
    type DeliveryOpaque = ();
    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let message = result.as_ref().expect("delivered");
        self.0.lock().unwrap().push((message.key().expect("a key").to_vec(), message.partition()));
    }
}

pub(crate) fn a_producer_sends_where_the_partitioner_says(bootstrap: &str) {
    const KEYS: usize = 200;
    let kafka = connect(bootstrap);
    let names = Names::new("murmur").unwrap();
    create(&kafka, names.actions(), 7, &[]);
    let mut config: ClientConfig = kafka.client();
    let producer: BaseProducer<Partitions> =
        config.set("partitioner", "murmur2").create_with_context(Partitions::default()).unwrap();
    for i in 0..KEYS {
        let key = format!("namespace-{}:tenant-{}", i % 13, "x".repeat(i % 5) + &i.to_string());
        producer.send(BaseRecord::to(names.actions()).key(&key).payload("{}")).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
    let sent = producer.context().0.lock().unwrap();
    assert_eq!(sent.len(), KEYS);
    for (key, partition) in sent.iter() {
        assert_eq!(partition_of(key, 7), *partition, "{}", String::from_utf8_lossy(key));
    }
}
