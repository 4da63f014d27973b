use crate::clock;
use crate::error::Error;
use crate::kafka::{Receipt, ResultProducer, Throttle, result_producer};
use crate::provider::TraceContext;
use crate::record;
use crate::replaceable::Replaceable;
use acteon_schemas::{DeadLetter, DeadLetterReason, ProviderResult, headers, tenant_key};
use acteon_topology::{KafkaConfig, Names};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, Message as _, OwnedHeaders, OwnedMessage};
use rdkafka::producer::BaseRecord;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// Time between two attempts to write a record.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// How long a record waits for others to go with it, in milliseconds.
const LINGER_MS: u32 = 2;
/// The same while [`MANY`] are on their way. Each batch costs its client, which spins through the last millisecond, and
/// the broker as much as several records.
const GATHER_MS: u32 = 10;
/// Results on their way to Kafka from which more wait for each other; fewer shall not, since somebody may wait for them.
/// At [`LINGER_MS`] and a broker in the same network it takes some 4,000 a second to have as many.
const MANY: usize = 16;

/// Writes results and dead letters, each again and again until Kafka has it.
pub(crate) struct Writer {
    results: String,
    dlq: String,
    prompt: Replaceable<ResultProducer>,
    gathering: Replaceable<ResultProducer>,
    /// Results that were handed over and of which nothing was heard yet.
    on_the_way: Arc<AtomicUsize>,
    throttle: Throttle,
}

/// What became of a dispatch, as it is written for the task that waits for it.
pub(crate) struct ResultRecord {
    task: i32,
    key: String,
    value: Vec<u8>,
    trace: TraceContext,
}

impl ResultRecord {
    /// # Errors
    /// It can't be written as JSON.
    pub(crate) fn new(task: i32, result: &ProviderResult<'_>, trace: TraceContext) -> serde_json::Result<Self> {
        let key = tenant_key(&result.namespace, &result.tenant);
        Ok(Self { task, key, value: serde_json::to_vec(result)?, trace })
    }
}

/// A record that Kafka will never take.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(KafkaError);

/// A record to write.
struct Outgoing<'a> {
    topic: &'a str,
    partition: Option<i32>,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: &'a [(&'a str, &'a str)],
}

impl Writer {
    pub(crate) fn new(kafka: &KafkaConfig, names: &Names) -> Result<Self, Error> {
        Ok(Self {
            results: names.results().to_owned(),
            dlq: names.dlq().to_owned(),
            prompt: result_producer(kafka, LINGER_MS)?,
            gathering: result_producer(kafka, GATHER_MS)?,
            on_the_way: Arc::default(),
            throttle: Throttle::default(),
        })
    }

    /// Hands a result to a producer once; `told` learns whether Kafka has it, mostly on the producer's thread.
    pub(crate) fn hand_over(&self, record: &ResultRecord, told: impl FnOnce(KafkaResult<()>) + Send + Sync + 'static) {
        let on_the_way = Arc::clone(&self.on_the_way);
        let are_many = on_the_way.fetch_add(1, Ordering::Relaxed) >= MANY;
        let producer = if are_many { &self.gathering } else { &self.prompt };
        send(&producer.current(), &self.outgoing(record, &headers_of(&record.trace)), move |result| {
            on_the_way.fetch_sub(1, Ordering::Relaxed);
            told(result);
        });
    }

    /// Writes a result to the partition of the task that waits for it; where it was tried before, after `failure`. A
    /// result that Kafka won't take (no such partition, too large) makes a dead letter of the dispatch.
    pub(crate) async fn result(&self, message: &OwnedMessage, record: &ResultRecord, failure: Option<KafkaError>) {
        let headers = headers_of(&record.trace);
        if let Err(error) = self.write(&self.outgoing(record, &headers), failure).await {
            self.unwritable(message, &error).await;
        }
    }

    fn outgoing<'a>(&'a self, record: &'a ResultRecord, headers: &'a [(&'a str, &'a str)]) -> Outgoing<'a> {
        Outgoing {
            topic: &self.results,
            partition: Some(record.task),
            key: Some(record.key.as_bytes()),
            value: Some(&record.value),
            headers,
        }
    }

    /// Makes a dead letter of a dispatch that was called for, whose result can't be written.
    pub(crate) async fn unwritable(&self, message: &OwnedMessage, error: &(dyn std::error::Error + Sync)) {
        tracing::error!(source = %record::source(message), %error, "result can't be written");
        let text = format!("the provider was called, but the result can't be written: {error}");
        self.dead_letter(message, &DeadLetterReason { code: "RESULT_REFUSED".to_owned(), message: text }).await;
    }

    /// Writes a dispatch record as it came, with the reason and its coordinates, to the dead-letter topic. Where it is
    /// too large for that topic, its coordinates go alone.
    pub(crate) async fn dead_letter(&self, message: &OwnedMessage, reason: &DeadLetterReason) {
        let source = record::source(message);
        let list = DeadLetter::to_headers(&source, reason, clock::unix_ms());
        let headers: Vec<_> = list.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for value in [message.payload(), None] {
            let record = Outgoing { topic: &self.dlq, partition: None, key: message.key(), value, headers: &headers };
            match self.write(&record, None).await {
                Ok(()) => {
                    tracing::warn!(%source, code = reason.code, reason = reason.message, "dispatch dead-lettered");
                    return;
                }
                Err(error) => tracing::error!(%source, %error, "dead letter refused"),
            }
        }
        tracing::error!(%source, code = reason.code, "dispatch given up; it is only in its own topic");
    }

    /// Writes a record, again and again until Kafka has taken it or has said that it never will; after `failure`, where
    /// it was tried before.
    async fn write(&self, record: &Outgoing<'_>, mut failure: Option<KafkaError>) -> Result<(), Refused> {
        loop {
            if let Some(error) = failure {
                if is_permanent(&error) {
                    return Err(Refused(error));
                }
                if self.throttle.permits(clock::now()) {
                    tracing::warn!(topic = record.topic, %error, "record not written yet; trying again");
                }
                self.prompt.replace_failed();
                self.gathering.replace_failed();
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            let (sender, receiver) = oneshot::channel();
            let told = |result| drop(sender.send(result));
            send(&self.prompt.current(), record, told);
            match receiver.await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => failure = Some(error),
                Err(_) => failure = Some(KafkaError::Canceled),
            }
        }
    }
}

/// The headers of a result.
fn headers_of(trace: &TraceContext) -> Vec<(&'static str, &str)> {
    let mut list = vec![(headers::TYPE, "provider_result")];
    list.extend(trace.traceparent.as_deref().map(|value| ("traceparent", value)));
    list.extend(trace.tracestate.as_deref().map(|value| ("tracestate", value)));
    list
}

/// Sends a record once; `told` learns on the producer's thread what became of it, or at once where it was not taken.
fn send(producer: &ResultProducer, record: &Outgoing<'_>, told: impl FnOnce(KafkaResult<()>) + Send + Sync + 'static) {
    let headers =
        record.headers.iter().fold(OwnedHeaders::new_with_capacity(record.headers.len()), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(*value) })
        });
    let mut base =
        BaseRecord::<[u8], [u8], _>::with_opaque_to(record.topic, Box::new(Receipt(Box::new(told)))).headers(headers);
    base.partition = record.partition;
    base.key = record.key;
    base.payload = record.value;
    if let Err((error, base)) = producer.send(base) {
        base.delivery_opaque.0(Err(error));
    }
}

/// Whether the same record would be refused another time.
fn is_permanent(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::InvalidMessageSize
                | RDKafkaErrorCode::InvalidRecord
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wrong_with_the_record_is_permanent() {
        let cases = [
            (RDKafkaErrorCode::MessageSizeTooLarge, true),
            (RDKafkaErrorCode::UnknownPartition, true),
            (RDKafkaErrorCode::InvalidRecord, true),
            (RDKafkaErrorCode::UnknownTopicOrPartition, false),
            (RDKafkaErrorCode::UnknownTopic, false),
            (RDKafkaErrorCode::TopicAuthorizationFailed, false),
            (RDKafkaErrorCode::QueueFull, false),
            (RDKafkaErrorCode::MessageTimedOut, false),
            (RDKafkaErrorCode::AllBrokersDown, false),
            (RDKafkaErrorCode::Fatal, false),
        ];
        for (code, permanent) in cases {
            assert_eq!(is_permanent(&KafkaError::MessageProduction(code)), permanent, "{code}");
        }
        assert!(!is_permanent(&KafkaError::Canceled));
    }
}
