//! Connections for administration: bounded, and with librdkafka's own words when nobody answers.

use crate::clock::Deadline;
use crate::{Error, KafkaConfig};
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{FromClientConfig as _, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Longest wait for one answer of an administrative call.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for one list of topics.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest single try while Kafka is being waited for.
const WAIT_TRY: Duration = Duration::from_secs(1);
/// Time between two messages while Kafka is being waited for.
const WAIT_MESSAGE_EVERY: Duration = Duration::from_secs(5);
/// Most log lines taken at a time while looking for the reason of a failure.
const MAX_LOG_LINES: usize = 100;

/// A connection that asks for topics and remembers why it failed. It never creates a topic by asking for it.
pub(crate) struct Prober {
    client: BaseProducer<Reasons>,
    bootstrap: String,
}

impl Prober {
    pub(crate) fn new(kafka: &KafkaConfig) -> Result<Self, Error> {
        let mut config = kafka.client();
        // The default of 10 s would find a broker long after it came up.
        if config.get("reconnect.backoff.max.ms").is_none() {
            config.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "500");
        }
        let client = config.create_with_context(Reasons::default()).map_err(|error| properties(&error))?;
        Ok(Self { client, bootstrap: kafka.bootstrap().to_owned() })
    }

    /// The list of all topics.
    pub(crate) fn metadata(&self) -> Result<Metadata, Error> {
        self.metadata_within(METADATA_TIMEOUT)
    }

    fn metadata_within(&self, limit: Duration) -> Result<Metadata, Error> {
        // Asking for all topics, not for ours: asking for one by name can create it.
        self.client.client().fetch_metadata(None, limit).map_err(|error| Error::Unreachable {
            bootstrap: self.bootstrap.clone(),
            reason: self.reason().unwrap_or_else(|| words(&error)),
        })
    }

    /// The last thing that went wrong with a connection.
    fn reason(&self) -> Option<String> {
        for _ in 0..MAX_LOG_LINES {
            let before = self.client.context().seen();
            self.client.poll(Duration::ZERO);
            if self.client.context().seen() == before {
                break;
            }
        }
        self.client.context().last()
    }
}

/// Waits until Kafka answers, for at most `limit`. `on_wait` is told why it does not answer, at once and then every five
/// seconds.
///
/// # Errors
/// [`Error::WaitedTooLong`] after `limit`, with the last reason; [`Error::Properties`] at once.
pub fn wait_for_kafka(kafka: &KafkaConfig, limit: Duration, mut on_wait: impl FnMut(&str)) -> Result<(), Error> {
    let prober = Prober::new(kafka)?;
    let deadline = Deadline::after(limit);
    let mut next_message = Deadline::after(Duration::ZERO);
    loop {
        let reason = match prober.metadata_within(WAIT_TRY.min(deadline.left()).max(Duration::from_millis(10))) {
            Ok(_) => return Ok(()),
            Err(Error::Unreachable { reason, .. }) => reason,
            Err(error) => return Err(error),
        };
        if deadline.left().is_zero() {
            return Err(Error::WaitedTooLong { bootstrap: kafka.bootstrap().to_owned(), reason, limit });
        }
        if next_message.left().is_zero() {
            let left = deadline.left().as_secs();
            on_wait(&format!("Kafka at {} does not answer ({reason}); waiting up to {left} s more", kafka.bootstrap()));
            next_message = Deadline::after(WAIT_MESSAGE_EVERY);
        }
        // A refused connection fails at once: don't spin.
        std::thread::sleep(Duration::from_millis(100).min(deadline.left()));
    }
}

pub(crate) fn admin(kafka: &KafkaConfig) -> Result<AdminClient<DefaultClientContext>, Error> {
    AdminClient::from_config(&kafka.client()).map_err(|error| properties(&error))
}

pub(crate) fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
}

/// A request that failed as a whole.
pub(crate) fn refused(kafka: &KafkaConfig, what: &str, error: &KafkaError) -> Error {
    Error::Refused { bootstrap: kafka.bootstrap().to_owned(), what: what.to_owned(), reason: words(error) }
}

pub(crate) fn properties(error: &KafkaError) -> Error {
    let reason = match error {
        // Its description names the property; the rest holds the value, which may be a secret.
        KafkaError::ClientConfig(_, description, ..) => description.clone(),
        other => other.to_string(),
    };
    Error::Properties { reason }
}

pub(crate) fn words(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::OperationTimedOut) => {
            "no answer in time".to_owned()
        }
        Some(code) => code.to_string(),
        None => error.to_string(),
    }
}

/// Keeps what librdkafka logs about failing connections.
#[derive(Default)]
struct Reasons {
    state: Mutex<(usize, Option<String>)>,
}

impl Reasons {
    fn seen(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn last(&self) -> Option<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    fn note(&self, reason: Option<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        if reason.is_some() {
            state.1 = reason;
        }
    }
}

impl ClientContext for Reasons {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "librdkafka");
        let serious = matches!(
            level,
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error
        );
        self.note(serious.then(|| plain(message).to_owned()));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
        // "All brokers are down" follows the line that says why.
        let all_down = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        self.note((!all_down).then(|| plain(reason).to_owned()));
    }
}

impl ProducerContext for Reasons {
    type DeliveryOpaque = ();
    fn delivery(&self, _: &rdkafka::message::DeliveryResult<'_>, (): ()) {}
}

/// A log line without thread, broker URL and counters: `[thrd:…]: host:port/bootstrap: Connect to … failed: Connection
/// refused (after 0ms in state CONNECT, 3 identical error(s) suppressed)`.
fn plain(line: &str) -> &str {
    let line = line.split_once("]: ").filter(|_| line.starts_with("[thrd:")).map_or(line, |(_, rest)| rest);
    let line = line.split_once(": ").filter(|(url, _)| !url.contains(' ')).map_or(line, |(_, rest)| rest);
    line.split_once(" (after ").map_or(line, |(text, _)| text).trim()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_cut_to_what_they_say() {
        let cases = [
            (
                "[thrd:127.0.0.1:1/bootstrap]: 127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection \
                 refused (after 0ms in state CONNECT, 2 identical error(s) suppressed)",
                "Connect to ipv4#127.0.0.1:1 failed: Connection refused",
            ),
            ("SASL authentication error: no", "SASL authentication error: no"),
            ("plain", "plain"),
        ];
        for (line, wanted) in cases {
            assert_eq!(plain(line), wanted);
        }
    }

    #[test]
    fn nobody_there_is_told_with_the_address_and_the_reason() {
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let kafka = KafkaConfig::new(&format!("127.0.0.1:{port}"));
        let mut told = Vec::new();
        let limit = Duration::from_millis(300);
        let error = wait_for_kafka(&kafka, limit, |message| told.push(message.to_owned())).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("gave up after 300ms: Kafka at 127.0.0.1:{port} does not answer")), "{text}");
        assert!(text.contains("Connection refused"), "{text}");
        assert!(told.len() <= 1, "{told:?}");
    }

    #[test]
    fn an_unknown_property_is_named_and_its_value_is_not_shown() {
        let kafka = KafkaConfig::new("a:1").with("sasl.pasword", "hunter2");
        let text = wait_for_kafka(&kafka, Duration::ZERO, |_| {}).unwrap_err().to_string();
        assert!(text.contains("sasl.pasword") && !text.contains("hunter2"), "{text}");
    }
}
