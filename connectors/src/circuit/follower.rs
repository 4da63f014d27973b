//! The thread that follows the definitions topic.

use super::{Circuit, Known};
use crate::consumer::Stop;
use crate::error::Error;
use crate::kafka::log;
use acteon_schemas::Definition;
use acteon_topology::{KafkaConfig, Names};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Longest wait for Kafka to say whether there is a definitions topic; it is asked again after that.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a record; the request to stop is looked at in between.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Errors come out of `poll` as well.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log("definitions", level, facility, text);
    }

    fn error(&self, _error: KafkaError, _reason: &str) {}
}

impl ConsumerContext for Quiet {}

/// Starts the thread that tells circuits, by provider, how they stand, and notes when it has told of all that was there.
/// Kafka need not be there yet.
///
/// # Errors
/// librdkafka refuses a property, or there are no more threads.
pub(crate) fn follow(
    kafka: &KafkaConfig,
    names: &Names,
    circuits: BTreeMap<String, Arc<Circuit>>,
    known: Arc<Known>,
    stop: Arc<Stop>,
) -> Result<(), Error> {
    let failed = |source| Error::Client { client: "the definitions".to_owned(), source };
    let mut config = kafka.client();
    config
        // Consumers have a group, be it that nothing is committed.
        .set("group.id", format!("{}.connectors", names.prefix()))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("allow.auto.create.topics", "false")
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("queued.max.messages.kbytes", "8192")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "100");
    let consumer: BaseConsumer<Quiet> = config.create_with_context(Quiet).map_err(failed)?;
    let topic = names.definitions().to_owned();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Beginning).map_err(failed)?;
    let run = move || {
        wait_for_topic(&consumer, &topic, &known, &stop);
        if let Err(error) = consumer.assign(&list) {
            tracing::error!(%error, "definitions can't be read: circuits are taken for closed");
            known.set();
            return;
        }
        while !stop.token.is_cancelled() {
            match consumer.poll(POLL_INTERVAL) {
                Some(Ok(record)) => take(&circuits, record.key().unwrap_or_default(), record.payload()),
                Some(Err(KafkaError::PartitionEOF(_))) => known.set(),
                Some(Err(error)) => {
                    tracing::debug!(%error, "definitions are not read");
                    // An error that stays comes at once.
                    thread::sleep(POLL_INTERVAL);
                }
                None => {}
            }
        }
    };
    thread::Builder::new()
        .name("definitions".to_owned())
        .spawn(run)
        .map_err(|source| Error::Thread { thread: "definitions".to_owned(), source })?;
    Ok(())
}

/// Waits until Kafka says whether the topic is there: where it is not, nothing is known of circuits, and a topic that is
/// made later is followed all the same.
fn wait_for_topic(consumer: &BaseConsumer<Quiet>, topic: &str, known: &Known, stop: &Stop) {
    while !stop.token.is_cancelled() {
        match consumer.fetch_metadata(Some(topic), METADATA_TIMEOUT) {
            Ok(metadata) => {
                let is_there = metadata.topics().iter().any(|found| !found.partitions().is_empty());
                if !is_there {
                    known.set();
                }
                return;
            }
            Err(error) => {
                tracing::debug!(%error, "kafka does not tell of the definitions topic");
                thread::sleep(POLL_INTERVAL);
            }
        }
    }
}

/// Takes a record in, if it is about one of the circuits.
pub(super) fn take(circuits: &BTreeMap<String, Arc<Circuit>>, key: &[u8], value: Option<&[u8]>) {
    let Some((kind, name)) = std::str::from_utf8(key).ok().and_then(|key| key.split_once('/')) else { return };
    let Some(circuit) = circuits.get(name).filter(|_| matches!(kind, "provider" | "circuit")) else { return };
    let definition = match value.map(Definition::decode).transpose() {
        Ok(definition) => definition,
        Err(error) => {
            tracing::warn!(kind, name, %error, "definition passed over");
            return;
        }
    };
    match (kind, definition) {
        ("provider", Some(Definition::Provider(provider))) => circuit.set_used(provider.circuit.is_some()),
        ("provider", None) => circuit.set_used(false),
        ("circuit", Some(Definition::Circuit(state))) => circuit.set_state(Some(state)),
        ("circuit", None) => circuit.set_state(None),
        (kind, Some(_)) => tracing::warn!(kind, name, "definition of another kind passed over"),
        (_, None) => {}
    }
}
