//! One processor against a broker, with what a test needs around it.

use acteon_runtime::{CommitLimits, Processor, ProcessorConfig, Producers, definitions};
use acteon_schemas::{
    CircuitDefinition, Definition, ProviderDefinition, RuleFile, RulesDefinition, SettingsDefinition,
};
use acteon_topology::{KafkaConfig, Names, Settings, Topology};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest wait for anything.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A topology under a prefix of its own.
pub struct Bench {
    pub kafka: KafkaConfig,
    pub names: Names,
    pub partitions: i32,
    pub state: tempfile::TempDir,
}

/// A record read back.
#[derive(Debug, Clone)]
pub struct Seen {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_slice(self.value.as_deref().unwrap_or_default()).unwrap()
    }
}

impl Bench {
    pub fn new(bootstrap: &str, prefix: &str, partitions: i32, rules: &str) -> Self {
        let kafka = KafkaConfig::new(bootstrap);
        let names = Names::new(prefix).unwrap();
        let settings = Settings {
            partitions,
            replication_factor: 1,
            providers: vec!["email".into(), "webhook".into()],
            ..Settings::new(prefix)
        };
        let wanted = Topology::of(&settings).unwrap();
        let actual = acteon_topology::read_actual(&kafka, wanted.topics.iter().map(|t| t.name.as_str())).unwrap();
        acteon_topology::apply(&kafka, &acteon_topology::plan(&wanted, &actual)).unwrap();
        let bench = Self { kafka, names, partitions, state: tempfile::tempdir().unwrap() };
        bench.publish(rules).unwrap();
        bench
    }

    pub fn publish(&self, rules: &str) -> Result<usize, acteon_runtime::Error> {
        self.publish_guarded(rules, None)
    }

    /// Publishes with a circuit for `email`.
    pub fn publish_guarded(
        &self,
        rules: &str,
        circuit: Option<CircuitDefinition>,
    ) -> Result<usize, acteon_runtime::Error> {
        let plain = |name: &str| ProviderDefinition::new(name, "log");
        let email = Definition::Provider(ProviderDefinition { circuit, ..plain("email") });
        let rules = RulesDefinition {
            evaluation: "cascade".into(),
            default: "allow".into(),
            default_timezone: "UTC".into(),
            files: vec![RuleFile { name: "test.yaml".into(), text: rules.into() }],
        };
        let settings = SettingsDefinition {
            audit_store_payload: true,
            audit_redact_fields: vec!["secret".into()],
            audit_redact_placeholder: "[REDACTED]".into(),
            ..SettingsDefinition::default()
        };
        let webhook = Definition::Provider(plain("webhook"));
        let all = [Definition::Rules(rules), Definition::Settings(settings), email, webhook];
        definitions::publish(&self.kafka, &self.names, &all)
    }

    pub fn start(&self, instance: &str) -> Processor {
        self.try_start(instance, &self.state.path().join(instance)).unwrap()
    }

    pub fn try_start(&self, instance: &str, state: &Path) -> Result<Processor, acteon_runtime::Error> {
        self.try_start_with(instance, state, 2)
    }

    /// With one worker: with two, a task that has been restored may move to the other one, which finds its store in place.
    pub fn start_alone(&self, instance: &str) -> Processor {
        self.try_start_with(instance, &self.state.path().join(instance), 1).unwrap()
    }

    fn try_start_with(&self, instance: &str, state: &Path, workers: usize) -> Result<Processor, acteon_runtime::Error> {
        Processor::start(ProcessorConfig {
            kafka: self.kafka.clone(),
            names: self.names.clone(),
            application_id: format!("{}.processor", self.names.prefix()),
            instance_id: Some(instance.into()),
            workers,
            state_dir: state.to_owned(),
            commit: CommitLimits::default(),
            secrets: acteon_core::Secrets::default(),
            producers: Producers::of_kafka(&self.kafka, &self.names),
        })
    }

    /// Deletes a topic and makes it again, empty.
    pub fn recreate(&self, topic: &str) {
        use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
        let admin: AdminClient<rdkafka::client::DefaultClientContext> = self.kafka.client().create().unwrap();
        let options = AdminOptions::new();
        futures::executor::block_on(admin.delete_topics(&[topic], &options)).unwrap()[0].as_ref().unwrap();
        let new = NewTopic::new(topic, self.partitions, TopicReplication::Fixed(1));
        let made = acteon_testkit::wait_until(LIMIT, || {
            futures::executor::block_on(admin.create_topics([&new], &options)).unwrap()[0].is_ok()
        });
        assert!(made, "{topic} not made again");
    }

    pub fn producer(&self) -> BaseProducer {
        let mut config: ClientConfig = self.kafka.client();
        config
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            .set("message.max.bytes", "4000000")
            .create()
            .unwrap()
    }

    /// Produces values under their tenants' keys.
    pub fn produce(&self, topic: &str, records: &[(&str, Vec<u8>)]) {
        let producer = self.producer();
        for (key, value) in records {
            let mut record = BaseRecord::to(topic).key(*key).payload(value.as_slice());
            while let Err((_, back)) = producer.send(record) {
                producer.poll(Duration::from_millis(5));
                record = back;
            }
        }
        producer.flush(LIMIT).unwrap();
    }

    /// Reads a topic from its beginning until there are `count` records, and for a moment longer, so that one too many
    /// is seen.
    pub fn read(&self, topic: &str, count: usize) -> Vec<Seen> {
        let mut config = self.kafka.client();
        config.set("group.id", "reader").set("isolation.level", "read_committed").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        let partitions = if topic == self.names.definitions() { 1 } else { self.partitions };
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut seen = Vec::new();
        let mut deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) {
                seen.push(Seen {
                    partition: message.partition(),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                    headers: headers(&message),
                });
                if seen.len() == count {
                    deadline = Instant::now() + Duration::from_millis(500);
                }
            }
        }
        assert_eq!(seen.len(), count, "records of {topic}");
        seen
    }
}

/// An embedded broker on a directory that goes with it.
pub fn embedded() -> (Embedded, String) {
    let directory = tempfile::tempdir().unwrap();
    let broker = acteon_broker::Broker::start(acteon_broker::Config::new(directory.path().join("broker"))).unwrap();
    let bootstrap = broker.bootstrap();
    (Embedded { broker, _directory: directory }, bootstrap)
}

/// A broker and its directory, dropped in that order.
pub struct Embedded {
    broker: acteon_broker::Broker,
    _directory: tempfile::TempDir,
}

impl Embedded {
    pub fn faults(&self) -> acteon_broker::Faults {
        self.broker.faults()
    }
}

/// Keys and values as `produce` takes them.
pub fn borrowed(records: &[(String, Vec<u8>)]) -> Vec<(&str, Vec<u8>)> {
    records.iter().map(|(key, value)| (key.as_str(), value.clone())).collect()
}

fn headers(message: &impl Message) -> Vec<(String, String)> {
    let Some(all) = message.headers() else { return Vec::new() };
    all.iter()
        .map(|header| (header.key.to_owned(), String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned()))
        .collect()
}

/// An action of tenant `t<n>`.
pub fn action(id: &str, tenant: usize, more: &str) -> (String, Vec<u8>) {
    let value = format!(
        r#"{{"id":"{id}","namespace":"n","tenant":"t{tenant}","provider":"email","action_type":"a","payload":{{}}{more}}}"#
    );
    (format!("n:t{tenant}"), value.into_bytes())
}
