mod committer;

use super::client::{SETTLE_TIMEOUT, configure, is_fenced, log, sort};
use super::{Member, input_topics};
use crate::clock::{Clock, SystemClock};
use crate::log::{ChangelogOffsets, CommitError, Committing, InTopic, LogError, OutRecord, SendError, Sink, Tag};
use crate::producers::OutTopicNames;
use acteon_topology::{KafkaConfig, Names};
use committer::{Committer, DRAIN_PAUSE, Ended, News, drain};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
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

/// Producers that take turns. A coordinator refuses a producer's next transaction while it writes the last one's markers,
/// and librdkafka then waits for 20 ms; by the time that a producer's turn comes again, its markers are written.
const PRODUCERS: usize = 2;

/// Transactional producers: one with the open transaction, while another one's is being committed.
///
/// A commit's offsets are sent when the last commit is over, so that they stand behind its offsets, whichever one's
/// markers are written first; its records are when all of the last one's are in the log, so that they stand behind those.
pub(crate) struct KafkaSink {
    producers: [Transactional; PRODUCERS],
    /// The one whose turn it is.
    turn: usize,
    committer: Committer,
    /// The one whose commit is under way.
    committing: Option<usize>,
    topics: OutTopicNames,
    inputs: [String; 4],
    clock: SystemClock,
    /// How long a transaction may last before the coordinator ends it.
    timeout: Duration,
    sends: u32,
    worn: bool,
}

/// A producer, and when its transaction began, where it has one that is not over.
struct Transactional {
    producer: Arc<BaseProducer<Reports>>,
    open: Option<Moment>,
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
        let producer = |number: usize| {
            let producer = producer(kafka, names, &format!("{transactional_id}-{number}"))?;
            Ok::<_, LogError>(Transactional { producer: Arc::new(producer), open: None })
        };
        Ok(Self {
            producers: [producer(0)?, producer(1)?],
            turn: 0,
            committer: Committer::start()?,
            committing: None,
            topics: OutTopicNames::new(names),
            inputs: input_topics(names),
            clock: SystemClock::default(),
            timeout: transaction_timeout(kafka),
            sends: 0,
            worn: false,
        })
    }

    fn producer(&self) -> &BaseProducer<Reports> {
        &self.producers[self.turn].producer
    }

    /// The coordinator fences a producer whose transaction lasts for too long, as after a suspension of the process or while
    /// the broker was away: that is no reason to stop. An instance that was replaced meanwhile takes its id back, and the
    /// other one stops in its place.
    fn sort(&self, error: &KafkaError, of: usize) -> LogError {
        let Transactional { producer, open } = &self.producers[of];
        let now = Moment::of(&self.clock);
        let is_over_time = |began: Moment| began.until(now) >= self.timeout;
        match sort_transaction(error, producer) {
            LogError::Fenced(reason) if open.is_some_and(is_over_time) => {
                LogError::Retriable(format!("the transaction has lasted for too long: {reason}"))
            }
            other => other,
        }
    }

    /// Takes note of the end of a producer's commit.
    fn ended(&mut self, of: usize, ended: Ended) -> Committing {
        self.committing = None;
        let reports = self.producers[of].producer.context();
        if let Err(error) = ended.result {
            let refused_input = reports.state.lock().ok().and_then(|mut state| state.refused.take());
            return Committing::Done(Err(CommitError { error: self.sort(&error, of), refused_input }));
        }
        self.worn |= ended.took > WORN_AFTER || reports.disturbed.swap(false, Ordering::Relaxed);
        let ends = match reports.state.lock() {
            Ok(mut state) => state.ends.drain().collect(),
            Err(_) => Vec::new(),
        };
        self.producers[of].open = None;
        Committing::Done(Ok(ends))
    }

    fn offsets(&self, offsets: &[(i32, InTopic, i64)]) -> Result<TopicPartitionList, LogError> {
        let mut list = TopicPartitionList::new();
        for (partition, topic, offset) in offsets {
            list.add_partition_offset(&self.inputs[*topic as usize], *partition, Offset::Offset(*offset))
                .map_err(|error| self.sort(&error, self.turn))?;
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
        ("linger.ms", "0"),
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

impl Sink<Member> for KafkaSink {
    fn begin(&mut self) -> Result<(), LogError> {
        self.producer().begin_transaction().map_err(|error| self.sort(&error, self.turn))?;
        self.producers[self.turn].open = Some(Moment::of(&self.clock));
        Ok(())
    }

    fn send(&mut self, record: &OutRecord<'_>, tag: Tag) -> Result<(), SendError> {
        let opaque = match tag {
            Tag::Changelog => CHANGELOG,
            Tag::Input(number) => number as usize + 1,
        };
        let producer = &self.producers[self.turn].producer;
        let topic = self.topics.of(record.topic);
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
            producer.poll(Duration::ZERO);
        }
        loop {
            let Err((error, back)) = producer.send(message) else { return Ok(()) };
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => {
                    producer.poll(Duration::ZERO);
                    std::thread::sleep(DRAIN_PAUSE);
                    message = back;
                }
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => return Err(SendError::TooLarge(error.to_string())),
                _ => return Err(self.sort(&error, self.turn).into()),
            }
        }
    }

    fn start_commit(&mut self, offsets: &[(i32, InTopic, i64)], group: Member) -> Result<(), LogError> {
        let offsets = self.offsets(offsets)?;
        self.committer.start_commit(Arc::clone(&self.producers[self.turn].producer), offsets, group.metadata)?;
        self.committing = Some(self.turn);
        self.turn = (self.turn + 1) % PRODUCERS;
        Ok(())
    }

    fn poll_commit(&mut self, wait: Duration) -> Committing {
        let Some(of) = self.committing else {
            let error = LogError::Retriable("no commit is under way".to_owned());
            return Committing::Done(Err(CommitError { error, refused_input: None }));
        };
        match self.committer.news(wait) {
            News::None => Committing::Unchanged,
            News::Settled => Committing::Settled,
            News::Ended(ended) => self.ended(of, ended),
            News::Gone => {
                let error = LogError::Retriable("the commit's thread has ended".to_owned());
                Committing::Done(Err(CommitError { error, refused_input: None }))
            }
        }
    }

    fn abort(&mut self) -> Result<(), LogError> {
        for of in (0..PRODUCERS).filter(|of| self.committing != Some(*of)) {
            if self.producers[of].open.is_some() {
                let producer = &self.producers[of].producer;
                _ = drain(producer, &self.clock);
                producer.abort_transaction(SETTLE_TIMEOUT).map_err(|error| self.sort(&error, of))?;
                self.producers[of].open = None;
            }
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
