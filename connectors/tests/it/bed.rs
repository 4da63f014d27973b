//! A broker with the topics of one fleet, and hands to put dispatches in and take results out.

use acteon_broker::{Broker, Config};
use acteon_connectors::{
    Connectors, ConnectorsConfig, DeliveryLimits, EgressPolicy, ProviderConfig, ProviderSettings, TemplateLibrary,
    WebhookSettings,
};
use acteon_testkit::{clock, kafka::Kafka};
use acteon_topology::{KafkaConfig, Names};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Longest wait for anything that shall happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Partitions of every topic.
pub(crate) const PARTITIONS: i32 = 3;

/// A broker, and names of its own for the test.
pub(crate) struct Bed {
    pub(crate) bootstrap: String,
    pub(crate) names: Names,
    _broker: Option<(Broker, TempDir)>,
}

/// A record read back.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) partition: i32,
    pub(crate) key: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) value: Vec<u8>,
}

impl Read {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.value).unwrap()
    }

    /// The dispatch that a result answers.
    pub(crate) fn dispatch_id(&self) -> String {
        self.json()["dispatch_id"].as_str().unwrap().to_owned()
    }
}

impl Bed {
    /// A broker with the dispatch topics of these providers.
    pub(crate) fn new(providers: &[&str]) -> Self {
        let (bootstrap, broker) = if std::env::var("ACTEON_TEST_BROKER").is_ok_and(|which| which == "apache") {
            (Kafka::shared().unwrap().bootstrap().to_owned(), None)
        } else {
            let dir = TempDir::with_prefix("acteon-connectors-").unwrap();
            let broker = Broker::start(broker_config(&dir)).unwrap();
            (broker.bootstrap(), Some((broker, dir)))
        };
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("t{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let bed = Self { bootstrap, names: Names::new(&prefix).unwrap(), _broker: broker };
        bed.create_topics(providers);
        bed
    }

    /// Hands for a broker that the test runs itself, without topics yet.
    pub(crate) fn at(bootstrap: String) -> Self {
        Self { bootstrap, names: Names::new("acteon").unwrap(), _broker: None }
    }

    pub(crate) fn create_topics(&self, providers: &[&str]) {
        let mut topics =
            [self.names.results(), self.names.dlq(), self.names.provider_health()].map(str::to_owned).to_vec();
        topics.extend(providers.iter().map(|provider| self.names.dispatch(provider)));
        let new: Vec<_> =
            topics.iter().map(|name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1))).collect();
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let results = futures::executor::block_on(admin.create_topics(&new, &AdminOptions::new())).unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    /// Makes the definitions topic.
    pub(crate) fn create_definitions(&self) {
        let topic = NewTopic::new(self.names.definitions(), 1, TopicReplication::Fixed(1));
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let results = futures::executor::block_on(admin.create_topics(&[topic], &AdminOptions::new())).unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    fn client(&self) -> ClientConfig {
        KafkaConfig::new(&self.bootstrap).with("fetch.wait.max.ms", "20").client()
    }

    /// A configuration with short waits.
    pub(crate) fn config(&self, providers: Vec<ProviderConfig>) -> ConnectorsConfig {
        ConnectorsConfig {
            kafka: KafkaConfig::new(&self.bootstrap)
                .with("reconnect.backoff.max.ms", "200")
                .with("heartbeat.interval.ms", "200")
                .with("fetch.wait.max.ms", "20"),
            names: self.names.clone(),
            providers,
            limits: DeliveryLimits {
                backoff_initial: Duration::from_millis(5),
                backoff_max: Duration::from_millis(50),
                commit_interval: Duration::from_millis(20),
                ..DeliveryLimits::default()
            },
            egress: EgressPolicy::default().with_loopback(),
            templates: TemplateLibrary::default(),
            allow_exec: false,
            health_interval: Duration::from_millis(50),
        }
    }

    pub(crate) fn start(&self, providers: Vec<ProviderConfig>) -> Connectors {
        Connectors::start(&self.config(providers)).unwrap()
    }

    /// A producer; a transactional one where it is given an id.
    pub(crate) fn producer(&self, transactional_id: Option<&str>) -> BaseProducer {
        let mut config = self.client();
        if let Some(id) = transactional_id {
            config.set("transactional.id", id);
        }
        config.create().unwrap()
    }

    /// Puts one dispatch in, on partition 0, and waits until it is there.
    pub(crate) fn dispatch(&self, provider: &str, id: &str, key: &str) {
        let producer = self.producer(None);
        self.put(&producer, provider, &dispatch(provider, id, 0).to_string(), key);
        producer.flush(PATIENCE).unwrap();
    }

    /// Puts many dispatches in, spread over the partitions by number.
    pub(crate) fn dispatch_all(&self, provider: &str, ids: impl IntoIterator<Item = String>) {
        let (producer, topic) = (self.producer(None), self.names.dispatch(provider));
        for (number, id) in ids.into_iter().enumerate() {
            let partition = i32::try_from(number).unwrap() % PARTITIONS;
            let value = dispatch(provider, &id, partition).to_string();
            producer.send(BaseRecord::to(&topic).partition(partition).key(&id).payload(&value)).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
    }

    /// Hands a dispatch record for partition 0 to a producer.
    pub(crate) fn put(&self, producer: &BaseProducer, provider: &str, value: &str, key: &str) {
        let topic = self.names.dispatch(provider);
        let headers = OwnedHeaders::new().insert(Header { key: "traceparent", value: Some("00-abc-def-01") });
        producer.send(BaseRecord::to(&topic).partition(0).key(key).payload(value).headers(headers)).unwrap();
    }

    /// Waits until there are `count` results and returns all there are.
    pub(crate) fn results(&self, count: usize) -> Vec<Read> {
        self.read(self.names.results(), count)
    }

    /// Waits until there are `count` dead letters and returns all there are.
    pub(crate) fn dead_letters(&self, count: usize) -> Vec<Read> {
        self.read(self.names.dlq(), count)
    }

    /// Reads a topic from its beginning until there are `count` records and a short time longer.
    pub(crate) fn read(&self, topic: &str, count: usize) -> Vec<Read> {
        let consumer: BaseConsumer =
            self.client().set("group.id", "reader").set("enable.auto.commit", "false").create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let deadline = clock::now() + PATIENCE;
        let mut found = Vec::new();
        loop {
            match consumer.poll(Duration::from_millis(100)) {
                Some(message) => found.push(to_read(&message.unwrap())),
                None if found.len() >= count => return found,
                None => {}
            }
            assert!(clock::now() < deadline, "{} of {count} records in {topic}: {found:?}", found.len());
        }
    }

    /// The offset that a provider's fleet has committed on partition 0.
    pub(crate) fn committed(&self, provider: &str) -> Option<i64> {
        let group = format!("{}.connectors.{provider}", self.names.prefix());
        let consumer: BaseConsumer = self.client().set("group.id", group).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.names.dispatch(provider), 0);
        let list = consumer.committed_offsets(list, PATIENCE).unwrap();
        match list.elements()[0].offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }
}

/// A broker that keeps its data in `dir` and makes no topic by itself.
pub(crate) fn broker_config(dir: &TempDir) -> Config {
    Config { auto_create_partitions: None, ..Config::new(dir.path()) }
}

fn to_read(message: &rdkafka::message::BorrowedMessage<'_>) -> Read {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Read {
        partition: message.partition(),
        key: text(message.key().unwrap_or_default()),
        headers: message
            .headers()
            .into_iter()
            .flat_map(|headers| headers.iter())
            .map(|header| (header.key.to_owned(), text(header.value.unwrap_or_default())))
            .collect(),
        value: message.payload().unwrap_or_default().to_vec(),
    }
}

/// A dispatch record whose result goes to partition `task`.
pub(crate) fn dispatch(provider: &str, id: &str, task: i32) -> Value {
    json!({
        "dispatch_id": id, "action_id": format!("action-of-{id}"), "namespace": "shop", "tenant": "acme",
        "provider": provider, "original_provider": "slack", "action_type": "notify",
        "payload": {"tracking_enabled": true}, "metadata": {"cluster": "prod"}, "dedup_key": "k",
        "extra": {"template": "profile"}, "rule": "to-webhook", "decided_at": 1_700_000_000_000_i64, "task": task,
        "source": {"topic": "acteon.actions", "partition": 2, "offset": 42}
    })
}

/// A webhook provider with the fleet's limits.
pub(crate) fn webhook(name: &str, url: &str) -> ProviderConfig {
    ProviderConfig::new(name, ProviderSettings::Webhook(WebhookSettings::new(url)))
}

/// A webhook provider with limits of its own.
pub(crate) fn webhook_with(name: &str, url: &str, change: impl FnOnce(&mut ProviderConfig)) -> ProviderConfig {
    let mut provider = webhook(name, url);
    change(&mut provider);
    provider
}

/// The ids `name-0` to `name-(count-1)`.
pub(crate) fn ids(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}-{number:03}")).collect()
}
