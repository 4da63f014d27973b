use crate::clock;
use crate::error::Error;
use crate::kafka::{ResultProducer, Throttle, lock, producer, producer_properties};
use crate::provider::TraceContext;
use crate::record;
use acteon_schemas::{DeadLetter, DeadLetterReason, Dispatch, ProviderResult, headers, tenant_key};
use acteon_topology::{KafkaConfig, Names};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message as _, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureRecord, Producer as _};
use std::sync::Mutex;
use std::time::Duration;

/// Time between two attempts to write a record.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Writes results and dead letters. A write returns when Kafka has acknowledged the record, however long that takes.
pub(crate) struct Writer {
    results: String,
    dlq: String,
    properties: ClientConfig,
    producer: Mutex<Current>,
    throttle: Throttle,
}

/// The producer in use; a fatal error ends it and another one takes its place.
struct Current {
    number: u64,
    producer: ResultProducer,
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
    headers: OwnedHeaders,
}

impl Writer {
    pub(crate) fn new(kafka: &KafkaConfig, names: &Names) -> Result<Self, Error> {
        let properties = producer_properties(kafka);
        let producer = producer(&properties)?;
        Ok(Self {
            results: names.results().to_owned(),
            dlq: names.dlq().to_owned(),
            properties,
            producer: Mutex::new(Current { number: 0, producer }),
            throttle: Throttle::default(),
        })
    }

    /// Writes a result to the partition of the task that waits for it. A result that Kafka won't take (no such
    /// partition, too large) makes a dead letter of the dispatch.
    pub(crate) async fn result(
        &self,
        message: &OwnedMessage,
        dispatch: &Dispatch<'_>,
        result: &ProviderResult<'_>,
        trace: &TraceContext,
    ) {
        let value = match serde_json::to_vec(result) {
            Ok(value) => value,
            Err(error) => return self.unwritable(message, &error).await,
        };
        let key = tenant_key(&result.namespace, &result.tenant);
        let mut list = vec![(headers::TYPE, "provider_result")];
        list.extend(trace.traceparent.as_deref().map(|value| ("traceparent", value)));
        list.extend(trace.tracestate.as_deref().map(|value| ("tracestate", value)));
        let record = Outgoing {
            topic: &self.results,
            partition: Some(dispatch.task),
            key: Some(key.as_bytes()),
            value: Some(&value),
            headers: to_headers(list),
        };
        if let Err(error) = self.write(record).await {
            self.unwritable(message, &error).await;
        }
    }

    async fn unwritable(&self, message: &OwnedMessage, error: &(dyn std::error::Error + Sync)) {
        tracing::error!(source = %record::source(message), %error, "result can't be written");
        let text = format!("the provider was called, but the result can't be written: {error}");
        self.dead_letter(message, &DeadLetterReason { code: "RESULT_REFUSED".to_owned(), message: text }).await;
    }

    /// Writes a dispatch record as it came, with the reason and its coordinates, to the dead-letter topic. Where it is
    /// too large for that topic, its coordinates go alone.
    pub(crate) async fn dead_letter(&self, message: &OwnedMessage, reason: &DeadLetterReason) {
        let source = record::source(message);
        let list = DeadLetter::to_headers(&source, reason, clock::unix_ms());
        for value in [message.payload(), None] {
            let record = Outgoing {
                topic: &self.dlq,
                partition: None,
                key: message.key(),
                value,
                headers: to_headers(list.iter().map(|(name, value)| (*name, value.as_str()))),
            };
            match self.write(record).await {
                Ok(()) => {
                    tracing::warn!(%source, code = reason.code, reason = reason.message, "dispatch dead-lettered");
                    return;
                }
                Err(error) => tracing::error!(%source, %error, "dead letter refused"),
            }
        }
        tracing::error!(%source, code = reason.code, "dispatch given up; it is only in its own topic");
    }

    /// Writes a record, again and again until Kafka has taken it or has said that it never will.
    async fn write(&self, record: Outgoing<'_>) -> Result<(), Refused> {
        loop {
            let (number, producer) = {
                let current = lock(&self.producer);
                (current.number, current.producer.clone())
            };
            let error = match send(&producer, &record).await {
                Ok(()) => return Ok(()),
                Err(error) if is_permanent(&error) => return Err(Refused(error)),
                Err(error) => error,
            };
            if self.throttle.permits(clock::now()) {
                tracing::warn!(topic = record.topic, %error, "record not written yet; trying again");
            }
            if let Some((code, reason)) = producer.client().fatal_error() {
                tracing::warn!(%code, reason, "producer has failed for good; making another");
                self.replace(number);
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// Makes a new producer in place of number `failed`, unless that was done already.
    fn replace(&self, failed: u64) {
        let mut current = lock(&self.producer);
        if current.number != failed {
            return;
        }
        match producer(&self.properties) {
            Ok(producer) => *current = Current { number: failed + 1, producer },
            // The next attempt to write comes here again.
            Err(error) => tracing::warn!(%error, "no producer yet"),
        }
    }
}

fn to_headers<'v>(list: impl IntoIterator<Item = (&'static str, &'v str)>) -> OwnedHeaders {
    list.into_iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}

/// Sends a record once and waits for the acknowledgement.
async fn send(producer: &ResultProducer, record: &Outgoing<'_>) -> Result<(), KafkaError> {
    let mut future_record = FutureRecord::<[u8], [u8]>::to(record.topic).headers(record.headers.clone());
    future_record.partition = record.partition;
    future_record.key = record.key;
    future_record.payload = record.value;
    let delivery = producer.send_result(future_record).map_err(|(error, _)| error)?;
    match delivery.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err((error, _))) => Err(error),
        Err(_) => Err(KafkaError::Canceled),
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
