//! The log on Kafka: one producer, and one follower of all outcomes.

use super::{Log, Outgoing, SendError, Topic, Waiting};
use crate::Error;
use acteon_topology::{Follower, From, KafkaConfig, Names, Next, partitions};
use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a record may take to be written, tries included: after it, the request is answered that Kafka is away.
const DELIVERY_TIMEOUT_MS: &str = "10000";
/// How long records wait for others to share a request with. librdkafka waits in whole milliseconds, which would be a sixth
/// of what a decision takes; under load, those that come while a request is on its way share the next one.
const LINGER_MS: &str = "0";
/// Most that is queued to be sent, in kilobytes.
const QUEUE_KB: &str = "65536";
/// Longest that the follower looks for a record before it looks whether it shall stop.
const POLL: Duration = Duration::from_millis(100);

/// A connection to Kafka for the whole gateway.
pub(crate) struct KafkaLog {
    producer: ThreadedProducer<Reports>,
    actions: String,
    commands: String,
    follower: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    /// Why the follower has ended by itself.
    failed: Arc<OnceLock<String>>,
}

/// Hands delivery reports to those who wait.
struct Reports(Arc<Waiting>);

impl ClientContext for Reports {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "kafka client");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // What matters comes back in a delivery report.
        tracing::debug!(%error, reason, "kafka client");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<u64>) {
        let place = match result {
            Ok(record) => Ok((record.partition(), record.offset())),
            Err((error, _)) => Err(words(error)),
        };
        self.0.delivered(*ticket, place);
    }
}

/// What librdkafka calls a failure.
fn words(error: &KafkaError) -> String {
    error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string())
}

impl KafkaLog {
    /// Connects, and begins to follow the outcomes from their end: those of records sent after the return are heard.
    ///
    /// # Errors
    /// Kafka does not answer, or lacks a topic.
    pub(crate) fn start(kafka: &KafkaConfig, names: &Names, waiting: &Arc<Waiting>) -> Result<Self, Error> {
        let mut config = kafka.producer();
        config
            .set("linger.ms", LINGER_MS)
            .set("message.timeout.ms", DELIVERY_TIMEOUT_MS)
            .set("queue.buffering.max.kbytes", QUEUE_KB);
        let producer = ThreadedProducer::from_config_and_context(&config, Reports(Arc::clone(waiting)))
            .map_err(|error| Error::Producer(words(&error)))?;
        for topic in [names.actions(), names.commands()] {
            partitions(producer.client(), kafka, topic)?;
        }
        let follower = Follower::start(kafka, names.outcomes(), From::End)?;
        let (stop, failed) = (Arc::default(), Arc::default());
        let listening =
            Listening { waiting: Arc::clone(waiting), stop: Arc::clone(&stop), failed: Arc::clone(&failed) };
        let thread = thread::Builder::new().name("outcomes".to_owned()).spawn(move || listening.run(follower));
        Ok(Self {
            producer,
            actions: names.actions().to_owned(),
            commands: names.commands().to_owned(),
            follower: Some(thread.map_err(Error::Thread)?),
            stop,
            failed,
        })
    }
}

impl Log for KafkaLog {
    fn send(&self, record: Outgoing<'_>) -> Result<(), SendError> {
        let topic = match record.topic {
            Topic::Actions => &self.actions,
            Topic::Commands => &self.commands,
        };
        let mut message =
            BaseRecord::with_opaque_to(topic, Box::new(record.ticket)).key(record.key).payload(record.value);
        if let Some(parent) = &record.trace.parent {
            let mut headers = OwnedHeaders::new().insert(Header { key: "traceparent", value: Some(parent) });
            if let Some(state) = &record.trace.state {
                headers = headers.insert(Header { key: "tracestate", value: Some(state) });
            }
            message = message.headers(headers);
        }
        self.producer.send(message).map_err(|(error, _)| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => SendError::Full,
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => SendError::TooLarge,
            _ => SendError::Failed(words(&error)),
        })
    }

    fn failed(&self) -> Option<String> {
        self.failed.get().cloned()
    }
}

impl Drop for KafkaLog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if self.follower.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the follower of outcomes had panicked");
        }
    }
}

/// The thread that follows the outcomes.
struct Listening {
    waiting: Arc<Waiting>,
    stop: Arc<AtomicBool>,
    failed: Arc<OnceLock<String>>,
}

impl Listening {
    fn run(self, mut follower: Follower) {
        while !self.stop.load(Ordering::SeqCst) {
            match follower.next(POLL) {
                Ok(Next::Record(record)) => self.waiting.heard(record.payload().unwrap_or_default()),
                Ok(Next::Nothing | Next::End) => {}
                Err(error) => {
                    tracing::error!(%error, "outcomes can't be followed any more; the process has to be restarted");
                    // Nobody else sets it.
                    self.failed.set(error.to_string()).ok();
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
