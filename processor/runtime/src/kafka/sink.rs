use super::client::{SETTLE_TIMEOUT, configure, is_fenced, log, sort};
use super::input_topics;
use crate::clock::{Clock, SystemClock};
use crate::log::{ChangelogOffsets, CommitError, InTopic, LogError, OutRecord, OutTopic, SendError, Sink, Tag};
use acteon_topology::{KafkaConfig, Names};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::util::Timeout;
use rdkafka::{Offset, TopicPartitionList};
use rustc_hash::FxHashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// `socket.timeout.ms` of the transactional producer.
const SOCKET_TIMEOUT_MS: u64 = 5_000;
/// How long a killed worker's last transaction can hold up its successor, where nothing else is configured.
const TRANSACTION_TIMEOUT_MS: u64 = 10_000;
/// The property that says so.
const TRANSACTION_TIMEOUT: &str = "transaction.timeout.ms";
/// After a commit that took longer the producer is replaced: librdkafka retries an EndTxn that timed out in silence, and
/// the retry can be taken for the next transaction's.
const WORN_AFTER: Duration = Duration::from_millis(SOCKET_TIMEOUT_MS / 2);
/// One poll for delivery reports in so many sends.
const POLL_EVERY: u32 = 64;
/// Between two looks at what is in flight.
const DRAIN_PAUSE: Duration = Duration::from_micros(250);
/// Longest wait for delivery reports before a commit; the broker's own limit comes first.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Producers that take turns. A coordinator refuses a producer's next transaction while it writes the last one's markers,
/// and librdkafka then waits for 20 ms; by the time that a producer's turn comes again, its markers are written.
const PRODUCERS: usize = 2;

/// Transactional producers, one transaction at a time.
///
/// A transaction that began after another one was committed has the later offsets in each of its partitions, whichever
/// one's markers are written first.
pub(crate) struct KafkaSink {
    producers: [BaseProducer<Reports>; PRODUCERS],
    /// The one whose turn it is.
    turn: usize,
    names: Names,
    inputs: [String; 4],
    dispatch_topics: FxHashMap<String, String>,
    clock: SystemClock,
    /// When the open transaction began.
    open: Option<Moment>,
    /// How long a transaction may last before the coordinator ends it.
    timeout: Duration,
    sends: u32,
    worn: bool,
}

/// A moment on both clocks: while a machine is suspended the monotonic one may stand still.
#[derive(Debug, Clone, Copy)]
struct Moment {
    monotonic: Duration,
    wall: i64,
}

impl Moment {
    fn of(clock: &impl Clock) -> Self {
        Self { monotonic: clock.monotonic(), wall: clock.wall() }
    }

    /// The time to a later moment, by the clock that says more.
    fn until(self, later: Self) -> Duration {
        let wall = u64::try_from(later.wall.saturating_sub(self.wall)).unwrap_or(0);
        later.monotonic.saturating_sub(self.monotonic).max(Duration::from_millis(wall))
    }
}

/// What delivery reports tell about the open transaction.
#[derive(Default)]
struct Reports {
    changelog: String,
    state: Arc<Mutex<Delivered>>,
    /// Set when a connection broke or a request timed out: what was in flight may have been retried.
    disturbed: AtomicBool,
}

#[derive(Default)]
struct Delivered {
    ends: FxHashMap<i32, ChangelogOffsets>,
    refused: Option<(u32, String)>,
}

/// Opaque of a changelog record; others carry their input's number, shifted by one.
const CHANGELOG: usize = 0;

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if matches!(facility, "FAIL" | "REQTMOUT") {
            self.disturbed.store(true, Ordering::Relaxed);
        }
        log(level, facility, message);
    }
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client error");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        match result {
            Ok(message) if opaque == CHANGELOG => {
                let Ok(mut state) = self.state.lock() else { return };
                let ends = state.ends.entry(message.partition()).or_default();
                let end = if message.topic() == self.changelog { &mut ends.compacted } else { &mut ends.expiring };
                *end = (*end).max(message.offset() + 1);
            }
            Ok(_) => {}
            Err((error, _)) => {
                let refused = matches!(
                    error.rdkafka_error_code(),
                    Some(
                        RDKafkaErrorCode::MessageSizeTooLarge
                            | RDKafkaErrorCode::InvalidMessage
                            | RDKafkaErrorCode::InvalidRecord
                            | RDKafkaErrorCode::UnknownTopicOrPartition
                            | RDKafkaErrorCode::UnknownTopic
                    )
                );
                if refused
                    && opaque != CHANGELOG
                    && let Ok(mut state) = self.state.lock()
                    && let Ok(number) = u32::try_from(opaque - 1)
                {
                    state.refused.get_or_insert_with(|| (number, error.to_string()));
                }
            }
        }
    }
}

impl KafkaSink {
    /// Makes the producers, which ends what older ones with the same ids left open, and fences them.
    pub(crate) fn connect(kafka: &KafkaConfig, names: &Names, transactional_id: &str) -> Result<Self, LogError> {
        let producer = |number: usize| producer(kafka, names, &format!("{transactional_id}-{number}"));
        Ok(Self {
            producers: [producer(0)?, producer(1)?],
            turn: 0,
            names: names.clone(),
            inputs: input_topics(names),
            dispatch_topics: FxHashMap::default(),
            clock: SystemClock::default(),
            open: None,
            timeout: transaction_timeout(kafka),
            sends: 0,
            worn: false,
        })
    }

    fn producer(&self) -> &BaseProducer<Reports> {
        &self.producers[self.turn]
    }

    /// Waits for all delivery reports. A flush waits for 100 ms at a time, and a poll with a time spins through its last
    /// millisecond, so the time between two polls is slept. A poll takes the reports of one request, which is one
    /// partition's, so it is slept only where there were none.
    fn drain(&self) {
        let deadline = self.clock.monotonic() + DRAIN_TIMEOUT;
        let mut left = self.producer().in_flight_count();
        while left > 0 && self.clock.monotonic() < deadline {
            self.producer().poll(Duration::ZERO);
            let before = std::mem::replace(&mut left, self.producer().in_flight_count());
            if left == before {
                std::thread::sleep(DRAIN_PAUSE);
            }
        }
    }

    fn failed(&self, error: &KafkaError) -> CommitError {
        let refused_input = self.producer().context().state.lock().ok().and_then(|mut state| state.refused.take());
        CommitError { error: self.sort(error), refused_input }
    }

    /// The coordinator fences a producer whose transaction lasts for too long, as after a suspension of the process or while
    /// the broker was away: that is no reason to stop. An instance that was replaced meanwhile takes its id back, and the
    /// other one stops in its place.
    fn sort(&self, error: &KafkaError) -> LogError {
        let now = Moment::of(&self.clock);
        let is_over_time = |began: Moment| began.until(now) >= self.timeout;
        match sort_transaction(error, self.producer()) {
            LogError::Fenced(reason) if self.open.is_some_and(is_over_time) => {
                LogError::Retriable(format!("the transaction has lasted for too long: {reason}"))
            }
            other => other,
        }
    }

    fn offsets(&self, offsets: &[(i32, InTopic, i64)]) -> Result<TopicPartitionList, CommitError> {
        let mut list = TopicPartitionList::new();
        for (partition, topic, offset) in offsets {
            list.add_partition_offset(&self.inputs[*topic as usize], *partition, Offset::Offset(*offset))
                .map_err(|error| self.failed(&error))?;
        }
        Ok(list)
    }
}

fn transaction_timeout(kafka: &KafkaConfig) -> Duration {
    let configured = kafka.properties().get(TRANSACTION_TIMEOUT).and_then(|value| value.parse().ok());
    Duration::from_millis(configured.unwrap_or(TRANSACTION_TIMEOUT_MS))
}

/// Makes one producer.
fn producer(kafka: &KafkaConfig, names: &Names, transactional_id: &str) -> Result<BaseProducer<Reports>, LogError> {
    let timeout = TRANSACTION_TIMEOUT_MS.to_string();
    let defaults = [
        ("compression.type", "lz4"),
        ("linger.ms", "1"),
        ("batch.size", "524288"),
        ("reconnect.backoff.max.ms", "1000"),
        // A coordinator that still writes the last transaction's markers asks to come again: 100 ms, the default,
        // is ten times what it needs.
        ("retry.backoff.ms", "5"),
        ("retry.backoff.max.ms", "1000"),
        (TRANSACTION_TIMEOUT, timeout.as_str()),
        ("queue.buffering.max.messages", "200000"),
        ("queue.buffering.max.kbytes", "65536"),
    ];
    let socket_timeout = SOCKET_TIMEOUT_MS.to_string();
    let required = [
        ("transactional.id", transactional_id),
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("partitioner", "murmur2_random"),
        ("socket.timeout.ms", socket_timeout.as_str()),
        ("message.max.bytes", "2097152"),
    ];
    let reports = Reports { changelog: names.changelog().to_owned(), ..Reports::default() };
    let producer: BaseProducer<Reports> = configure(kafka, &defaults, &required)
        .create_with_context(reports)
        .map_err(|error| LogError::Fatal(format!("producer not made: {error}")))?;
    producer.init_transactions(SETTLE_TIMEOUT).map_err(|error| sort_transaction(&error, &producer))?;
    Ok(producer)
}

/// A transaction's error, by its flags: with none of them set it is fatal, which a new producer mends unless another
/// instance has taken the id.
fn sort_transaction(error: &KafkaError, producer: &BaseProducer<Reports>) -> LogError {
    // A producer that has failed for good says only so, whatever it is asked for.
    let first = producer.client().fatal_error();
    match first.map(|(code, _)| code).or_else(|| error.rdkafka_error_code()) {
        Some(code) if is_fenced(code) => LogError::Fenced(error.to_string()),
        _ => match sort(error) {
            LogError::Fatal(text) => LogError::Fatal(text),
            other => LogError::Retriable(other.to_string()),
        },
    }
}

impl Sink<ConsumerGroupMetadata> for KafkaSink {
    fn begin(&mut self) -> Result<(), LogError> {
        self.producer().begin_transaction().map_err(|error| self.sort(&error))?;
        self.open = Some(Moment::of(&self.clock));
        Ok(())
    }

    fn send(&mut self, record: &OutRecord<'_>, tag: Tag) -> Result<(), SendError> {
        let topic = match record.topic {
            OutTopic::Outcomes => self.names.outcomes(),
            OutTopic::Audit => self.names.audit(),
            OutTopic::Dlq => self.names.dlq(),
            OutTopic::Repartition => self.names.repartition(),
            OutTopic::Changelog => self.names.changelog(),
            OutTopic::ChangelogExpiring => self.names.changelog_expiring(),
            OutTopic::Commands => self.names.commands(),
            OutTopic::Definitions => self.names.definitions(),
            OutTopic::Dispatch(provider) => {
                if !self.dispatch_topics.contains_key(provider) {
                    self.dispatch_topics.insert(provider.to_owned(), self.names.dispatch(provider));
                }
                &self.dispatch_topics[provider]
            }
        };
        let opaque = match tag {
            Tag::Changelog => CHANGELOG,
            Tag::Input(number) => number as usize + 1,
        };
        let mut message: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(topic, opaque);
        message.key = record.key;
        message.payload = record.value;
        message.partition = record.partition;
        if !record.headers.is_empty() {
            let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
            for (key, value) in record.headers {
                headers = headers.insert(Header { key, value: Some(*value) });
            }
            message.headers = Some(headers);
        }
        self.sends = self.sends.wrapping_add(1);
        if self.sends.is_multiple_of(POLL_EVERY) {
            self.producer().poll(Duration::ZERO);
        }
        loop {
            let Err((error, back)) = self.producer().send(message) else { return Ok(()) };
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => {
                    self.producer().poll(Duration::ZERO);
                    std::thread::sleep(DRAIN_PAUSE);
                    message = back;
                }
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => return Err(SendError::TooLarge(error.to_string())),
                _ => return Err(self.sort(&error).into()),
            }
        }
    }

    fn commit(
        &mut self,
        offsets: &[(i32, InTopic, i64)],
        group: &ConsumerGroupMetadata,
    ) -> Result<Vec<(i32, ChangelogOffsets)>, CommitError> {
        let list = self.offsets(offsets)?;
        let began = self.clock.monotonic();
        self.producer()
            .send_offsets_to_transaction(&list, group, SETTLE_TIMEOUT)
            .map_err(|error| self.failed(&error))?;
        let offsets_sent = self.clock.monotonic();
        self.drain();
        let drained = self.clock.monotonic();
        self.producer().commit_transaction(Timeout::Never).map_err(|error| self.failed(&error))?;
        self.open = None;
        let done = self.clock.monotonic();
        tracing::trace!(offsets = ?offsets_sent - began, drain = ?drained - offsets_sent, end = ?done - drained, "committed");
        let slow = done.saturating_sub(began) > WORN_AFTER;
        self.worn = slow || self.producer().context().disturbed.swap(false, Ordering::Relaxed);
        let ends = match self.producer().context().state.lock() {
            Ok(mut state) => state.ends.drain().collect(),
            Err(_) => Vec::new(),
        };
        self.turn = (self.turn + 1) % PRODUCERS;
        Ok(ends)
    }

    fn abort(&mut self) -> Result<(), LogError> {
        if self.open.is_some() {
            self.drain();
            self.producer().abort_transaction(SETTLE_TIMEOUT).map_err(|error| self.sort(&error))?;
            self.open = None;
        }
        Ok(())
    }

    fn is_worn(&self) -> bool {
        self.worn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspended_machine_counts_as_time_that_has_passed() {
        let moment = |seconds, wall| Moment { monotonic: Duration::from_secs(seconds), wall };
        for (later, seconds) in [(moment(3, 3_000), 2), (moment(2, 60_000), 59), (moment(9, -5_000), 8)] {
            assert_eq!(moment(1, 1_000).until(later), Duration::from_secs(seconds));
        }
    }
}
