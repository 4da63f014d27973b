//! Following and publishing the definitions topic, a global table.

use crate::clock::{Clock as _, SystemClock};
use crate::error::Error;
use crate::kafka::{SETTLE_TIMEOUT, is_fenced, quiet};
use acteon_core::{Assembled, Definitions, DefinitionsError, Secrets, SetAside};
use acteon_schemas::{CircuitState, Definition, OPERATOR_PREFIX};
use acteon_topology::{KafkaConfig, Names};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Key prefix of circuits, which tasks write.
const CIRCUIT_PREFIX: &str = "circuit/";
/// Key prefixes of definitions of which there are several: what is not published any more is removed. Circuits and what
/// operators set are not published, so they stay.
const OWNED_PREFIXES: [&str; 4] = ["provider/", "chain/", "state_machine/", "time_interval/"];
/// Limit of one read of the whole table.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// Attempts to publish where others do so at the same time.
const PUBLISH_ATTEMPTS: u32 = 20;
/// Longest wait for one delivery report while the records of a transaction are on their way.
const DRAIN_INTERVAL: Duration = Duration::from_millis(1);
/// How long the broker holds back a fetch for which there is nothing yet. The topic's end is known only by such a fetch,
/// so this is also how long a reader of the whole table waits for nothing.
const READ_WAIT: Duration = Duration::from_millis(10);
/// The same for a follower, which asks again and again.
const FOLLOW_WAIT: Duration = Duration::from_millis(100);

/// The definitions topic's records by key, and the offset up to which they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    records: BTreeMap<String, Vec<u8>>,
    /// Offset of the last record read; -1 before the first.
    version: i64,
    /// The same of those that are no circuits: what has to be compiled.
    published: i64,
}

impl Table {
    /// Compiles the table into a snapshot; `None` while there are no rules or no settings yet.
    ///
    /// # Errors
    /// A record can't be decoded, or what is published does not compile.
    pub fn compile(&self, secrets: &Secrets) -> Result<Option<Definitions>, Error> {
        let Some(Assembled { definitions, set_aside }) = self.assemble(secrets)? else { return Ok(None) };
        for SetAside { key, reason } in set_aside {
            tracing::warn!(key, reason, "what an operator has set does not go with the configuration and is left out");
        }
        Ok(Some(definitions))
    }

    fn assemble(&self, secrets: &Secrets) -> Result<Option<Assembled>, Error> {
        let (mut published, mut operators) = (Vec::new(), Vec::new());
        for (key, value) in &self.records {
            let layer = if key.starts_with(OPERATOR_PREFIX) { &mut operators } else { &mut published };
            layer.push(decode(key, value)?);
        }
        Definitions::assemble(self.version, &published, &operators, secrets)
            .map_err(|error: DefinitionsError| Error::Definitions(error.to_string()))
    }

    /// All definitions, in the order of their keys.
    ///
    /// # Errors
    /// A record can't be decoded.
    pub fn definitions(&self) -> Result<Vec<Definition>, Error> {
        self.records.iter().map(|(key, value)| decode(key, value)).collect()
    }

    /// How circuits stand, by the table.
    ///
    /// # Errors
    /// A record can't be decoded.
    fn circuits(&self) -> Result<Vec<CircuitState>, Error> {
        let is_circuit = |(key, _): &(&String, &Vec<u8>)| key.starts_with(CIRCUIT_PREFIX);
        let mut circuits = Vec::new();
        for (key, value) in self.records.iter().filter(is_circuit) {
            match decode(key, value)? {
                Definition::Circuit(state) => circuits.push(state),
                _ => return Err(Error::Definitions(format!("record `{key}`: not a circuit"))),
            }
        }
        Ok(circuits)
    }

    fn take(&mut self, key: &[u8], value: Option<&[u8]>, offset: i64) {
        let key = String::from_utf8_lossy(key).into_owned();
        if !key.starts_with(CIRCUIT_PREFIX) {
            self.published = offset;
        }
        match value {
            Some(value) => {
                self.records.insert(key, value.to_vec());
            }
            None => {
                self.records.remove(&key);
            }
        }
        self.version = offset;
    }
}

fn decode(key: &str, value: &[u8]) -> Result<Definition, Error> {
    Definition::decode(value).map_err(|error| Error::Definitions(format!("record `{key}`: {error}")))
}

/// Makes snapshots of a table that changes. What is published is compiled once: a circuit that opens or closes costs
/// nothing of that.
#[derive(Debug, Default)]
pub struct Snapshots {
    secrets: Secrets,
    /// What was compiled last, or refused.
    compiled: Option<i64>,
    running: Option<Definitions>,
    /// Circuits as the last snapshot has them.
    circuits: Vec<CircuitState>,
}

impl Snapshots {
    /// None yet. `secrets`: what decisions need and no topic may hold.
    #[must_use]
    pub fn new(secrets: Secrets) -> Self {
        Self { secrets, ..Self::default() }
    }

    /// The snapshot of a table; `None` while there are no rules or no settings yet, and where nothing has changed.
    ///
    /// # Errors
    /// What has been published is refused. Asked again, the last good snapshot is given, with circuits as they stand.
    pub fn take(&mut self, table: &Table) -> Result<Option<Definitions>, Error> {
        if self.compiled.replace(table.published) != Some(table.published) {
            let compiled = table.compile(&self.secrets)?;
            if compiled.is_some() {
                self.circuits = table.circuits()?;
                self.running.clone_from(&compiled);
            }
            return Ok(compiled);
        }
        let circuits = table.circuits()?;
        let Some(running) = self.running.as_ref().filter(|_| circuits != self.circuits) else { return Ok(None) };
        self.circuits.clone_from(&circuits);
        Ok(Some(running.with_circuits(table.version, circuits)))
    }
}

/// Reads the definitions topic from its beginning and follows it.
pub struct Follower {
    consumer: BaseConsumer<crate::kafka::QuietContext>,
    table: Table,
    /// The version that was returned last.
    shown: Option<i64>,
}

impl Follower {
    /// Begins at the topic's first record.
    ///
    /// # Errors
    /// The consumer can't be made, or Kafka does not answer within 30 seconds.
    pub fn new(kafka: &KafkaConfig, names: &Names) -> Result<Self, Error> {
        Self::with_fetch_wait(kafka, names, FOLLOW_WAIT)
    }

    fn with_fetch_wait(kafka: &KafkaConfig, names: &Names, fetch_wait: Duration) -> Result<Self, Error> {
        let consumer = quiet(
            kafka,
            &[
                ("isolation.level", "read_committed"),
                ("enable.partition.eof", "true"),
                ("auto.offset.reset", "earliest"),
                ("fetch.wait.max.ms", &fetch_wait.as_millis().to_string()),
            ],
        )
        .map_err(|error| Error::Kafka(error.to_string()))?;
        // Assigned before its leader is known, a partition is looked at again only after half a second.
        let found = consumer.fetch_metadata(Some(names.definitions()), READ_LIMIT);
        found.map_err(|error| unread(kafka, names, &format!(": {error}")))?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(names.definitions(), 0, Offset::Beginning)?;
        consumer.assign(&list)?;
        Ok(Self { consumer, table: Table { version: -1, published: -1, ..Table::default() }, shown: None })
    }

    /// Waits for at most `wait`; returns the table where its end was reached with something new in it.
    ///
    /// Changes are shown only at the topic's end: records written in one transaction are seen together.
    pub fn poll(&mut self, wait: Duration) -> Option<&Table> {
        let mut wait = wait;
        loop {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    self.table.take(message.key().unwrap_or_default(), message.payload(), message.offset());
                    // More of the same transaction may follow; its end is reported.
                    wait = READ_LIMIT;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    // Not only what this call has read: an error can stand between a record and the end.
                    let version = Some(self.table.version);
                    return (self.shown.replace(self.table.version) != version).then_some(&self.table);
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "definitions consumer error");
                    return None;
                }
                None => return None,
            }
        }
    }
}

/// Reads the whole table once.
///
/// # Errors
/// The topic can't be read within 30 seconds.
pub fn read(kafka: &KafkaConfig, names: &Names) -> Result<Table, Error> {
    let mut follower = Follower::with_fetch_wait(kafka, names, READ_WAIT)?;
    let clock = SystemClock::default();
    // An error, as of a broker that is away for a moment, ends a poll early.
    while clock.monotonic() < READ_LIMIT {
        if let Some(table) = follower.poll(Duration::from_secs(1)) {
            return Ok(table.clone());
        }
    }
    Err(unread(kafka, names, ""))
}

fn unread(kafka: &KafkaConfig, names: &Names, problem: &str) -> Error {
    let (topic, bootstrap, limit) = (names.definitions(), kafka.bootstrap(), READ_LIMIT.as_secs());
    Error::Kafka(format!("{topic} could not be read from {bootstrap} within {limit} s{problem}"))
}

/// Makes the table hold exactly these definitions, in one transaction, writing only what differs. Returns how many records
/// were written. Of several that publish at the same time, the last one's definitions stay.
///
/// # Errors
/// The topic can't be read or written.
pub fn publish(kafka: &KafkaConfig, names: &Names, wanted: &[Definition]) -> Result<usize, Error> {
    for _ in 0..PUBLISH_ATTEMPTS {
        let changes = changes(&read(kafka, names)?, wanted)?;
        if changes.is_empty() || write(kafka, names, &changes)? == Written::Committed {
            return Ok(changes.len());
        }
    }
    Err(Error::Kafka(format!(
        "{}: {PUBLISH_ATTEMPTS} times another process wrote at the same time",
        names.definitions()
    )))
}

/// Keys with their new values, `None` for those to be deleted.
type Changes = Vec<(String, Option<Vec<u8>>)>;

fn changes(table: &Table, wanted: &[Definition]) -> Result<Changes, Error> {
    let mut changes = Changes::new();
    for definition in wanted {
        let key = definition.key();
        let value = serde_json::to_vec(definition).map_err(|error| Error::Definitions(error.to_string()))?;
        if table.records.get(&key) != Some(&value) {
            changes.push((key, Some(value)));
        }
    }
    let keys: BTreeSet<String> = wanted.iter().map(Definition::key).collect();
    let gone = table
        .records
        .keys()
        .filter(|key| OWNED_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) && !keys.contains(*key));
    changes.extend(gone.map(|key| (key.clone(), None)));
    Ok(changes)
}

/// What came of a transaction.
#[derive(Debug, PartialEq, Eq)]
enum Written {
    Committed,
    /// Another process has begun one, and this one was not written; or the broker does not say what came of it, as Apache
    /// Kafka's does where both happen at a time (`UNKNOWN_SERVER_ERROR`). The topic tells.
    Unclear,
}

fn write(kafka: &KafkaConfig, names: &Names, changes: &Changes) -> Result<Written, Error> {
    let mut config = kafka.client();
    config.set("transactional.id", format!("{}.definitions", names.prefix()));
    let producer: BaseProducer = config.create()?;
    let is_unclear = |error: &KafkaError| {
        // A fatal error stands for the one that made it so.
        let code = producer.client().fatal_error().map(|(code, _)| code).or_else(|| error.rdkafka_error_code());
        code.is_some_and(|code| is_fenced(code) || code == RDKafkaErrorCode::Unknown)
    };
    match transact(&producer, names.definitions(), changes) {
        Ok(()) => Ok(Written::Committed),
        Err(error) if is_unclear(&error) => {
            tracing::info!(%error, "another process publishes definitions at the same time, looking again");
            Ok(Written::Unclear)
        }
        Err(error) => Err(error.into()),
    }
}

fn transact(producer: &BaseProducer, topic: &str, changes: &Changes) -> Result<(), KafkaError> {
    producer.init_transactions(SETTLE_TIMEOUT)?;
    producer.begin_transaction()?;
    for (key, value) in changes {
        let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(topic).key(key.as_str()).partition(0);
        record.payload = value.as_deref();
        producer.send(record).map_err(|(error, _)| error)?;
    }
    // With nothing on the way a commit does not wait; else it looks only every 100 ms. Each record gets its report, be it
    // that it timed out.
    while producer.in_flight_count() > 0 {
        producer.poll(DRAIN_INTERVAL);
    }
    producer.commit_transaction(SETTLE_TIMEOUT)
}

mod edit;

pub use edit::{EditError, edit};

#[cfg(test)]
mod tests {
    use super::*;
    use acteon_schemas::{CircuitDefinition, ProviderDefinition, RulesDefinition, SettingsDefinition};
    use std::sync::Arc;

    fn table(records: &[Definition]) -> Table {
        let mut table = Table { version: -1, published: -1, ..Table::default() };
        for (offset, definition) in (0_i64..).zip(records) {
            table.take(definition.key().as_bytes(), Some(&serde_json::to_vec(definition).unwrap()), offset);
        }
        table
    }

    fn rules(text: &str) -> Definition {
        let file = acteon_schemas::RuleFile { name: "rules/a.yaml".into(), text: text.into() };
        Definition::Rules(RulesDefinition {
            evaluation: "cascade".into(),
            default: "allow".into(),
            default_timezone: "UTC".into(),
            files: vec![file],
        })
    }

    fn settings() -> Definition {
        Definition::Settings(SettingsDefinition {
            audit_store_payload: true,
            audit_redact_fields: Vec::new(),
            audit_redact_placeholder: "[REDACTED]".into(),
            ..SettingsDefinition::default()
        })
    }

    #[test]
    fn a_table_compiles_once_it_has_rules_and_settings() {
        assert!(table(&[settings()]).compile(&Secrets::default()).unwrap().is_none());
        let definitions = table(&[settings(), rules("rules: []")]).compile(&Secrets::default()).unwrap().unwrap();
        assert_eq!(definitions.version, 1);
    }

    fn provider(circuit: bool) -> Definition {
        let circuit = circuit.then_some(CircuitDefinition {
            failure_threshold: 1,
            success_threshold: 1,
            recovery_timeout_ms: 1,
            fallback_provider: None,
        });
        Definition::Provider(ProviderDefinition { circuit, ..ProviderDefinition::new("p", "log") })
    }

    fn circuit(epoch: u64) -> Definition {
        Definition::Circuit(CircuitState {
            provider: "p".into(),
            epoch,
            failures: 1,
            successes: 0,
            opened_at: Some(1),
            probe_at: None,
            reason: None,
            changed_at: 1,
        })
    }

    fn add(table: &mut Table, definition: &Definition) {
        let offset = table.version + 1;
        table.take(definition.key().as_bytes(), Some(&serde_json::to_vec(definition).unwrap()), offset);
    }

    #[test]
    fn circuits_change_without_compiling_anything_anew() {
        let mut table = table(&[settings(), rules("rules: []"), provider(true), circuit(1)]);
        let mut snapshots = Snapshots::default();
        let first = snapshots.take(&table).unwrap().unwrap();
        assert_eq!(first.circuits.state("p").unwrap().epoch, 1);
        add(&mut table, &circuit(2));
        let second = snapshots.take(&table).unwrap().unwrap();
        assert_eq!((second.version, second.circuits.state("p").unwrap().epoch), (4, 2));
        assert!(Arc::ptr_eq(&first.rules, &second.rules) && Arc::ptr_eq(&first.chains, &second.chains));

        // What is refused leaves the running rules, whose circuits still change.
        add(&mut table, &rules("rules: nonsense"));
        add(&mut table, &circuit(3));
        assert!(snapshots.take(&table).is_err());
        assert_eq!(snapshots.take(&table).unwrap().unwrap().circuits.state("p").unwrap().epoch, 3);
        assert!(snapshots.take(&table).unwrap().is_none(), "nothing is new");

        // A provider without a circuit: what is known of it is ignored, and nobody removes it.
        add(&mut table, &rules("rules: []"));
        add(&mut table, &provider(false));
        let third = snapshots.take(&table).unwrap().unwrap();
        assert!(third.circuits.state("p").is_none() && !Arc::ptr_eq(&third.rules, &first.rules));
        assert_eq!(changes(&table, &[settings(), rules("rules: []"), provider(false)]).unwrap(), []);
        let gone = changes(&table, &[settings(), rules("rules: []")]).unwrap();
        assert_eq!(gone, [("provider/p".to_owned(), None)]);
    }

    #[test]
    fn a_name_that_nothing_has_is_refused_with_its_place() {
        let text = "rules:\n  - name: held\n    condition: {field: action.tenant, eq: t}\n    action: {type: chain, chain: c}\n";
        let error = table(&[settings(), rules(text)]).compile(&Secrets::default()).unwrap_err().to_string();
        assert!(error.contains("rules/a.yaml:4") && error.contains("`c`"), "{error}");
    }
}
