use super::client::{REQUEST_TIMEOUT, configure, log, quiet, sort};
use super::{Member, client::QuietContext, input_topics};
use crate::clock::{Clock, SystemClock};
use crate::log::{HeaderList, InRecord, InTopic, LogError, Polled, Positions, Source};
use acteon_topology::{KafkaConfig, Names};
use rdkafka::bindings::rd_kafka_resp_err_t as RespErr;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Most headers of a record that are looked at.
const MAX_HEADERS: usize = 64;

/// A group's consumer of the actions topic, and a consumer that follows its assignment on the other three.
///
/// Stock assignors don't put the same partition numbers of several topics together, hence the second one.
pub(crate) struct KafkaSource {
    actions: BaseConsumer<GroupContext>,
    followers: BaseConsumer<QuietContext>,
    /// Asks where logs begin and end. It fetches nothing: a broker answers a connection's requests in order, and a
    /// question behind a fetch waits until that has data or times out.
    prober: BaseConsumer<QuietContext>,
    clock: SystemClock,
    /// Partitions that are read, by the follower too, and where the actions of each began.
    started: FxHashMap<i32, i64>,
    /// How often a partition was sought once more.
    again: u32,
    topics: [String; 4],
}

/// Keeps the group's calls until the worker asks: it, not a callback, decides when partitions change hands.
#[derive(Default)]
struct GroupContext {
    events: Mutex<VecDeque<Call>>,
    closing: AtomicBool,
}

enum Call {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
    Lost(Vec<i32>),
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client error");
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, call: RespErr, list: &mut TopicPartitionList) {
        // Values are copied out: a list that outlives this call keeps the consumer from ever closing.
        let partitions: Vec<i32> =
            list.elements().iter().map(rdkafka::topic_partition_list::TopicPartitionListElem::partition).collect();
        let event = match call {
            RespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Call::Assigned(partitions),
            _ if self.closing.load(Ordering::Relaxed) => {
                if let Err(error) = consumer.incremental_unassign(list) {
                    tracing::debug!(%error, "not unassigned while closing");
                }
                return;
            }
            _ if consumer.assignment_lost() => Call::Lost(partitions),
            _ => Call::Revoked(partitions),
        };
        if let Ok(mut events) = self.events.lock() {
            events.push_back(event);
        }
    }
}

impl KafkaSource {
    pub(crate) fn new(kafka: &KafkaConfig, names: &Names, group_id: &str) -> Result<Self, LogError> {
        let defaults = [
            ("fetch.queue.backoff.ms", "20"),
            ("queued.max.messages.kbytes", "16384"),
            ("session.timeout.ms", "10000"),
            ("heartbeat.interval.ms", "2000"),
            ("reconnect.backoff.max.ms", "1000"),
            ("fetch.wait.max.ms", "100"),
        ];
        let required = [
            ("group.id", group_id),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("partition.assignment.strategy", "cooperative-sticky"),
        ];
        let failed = |error: KafkaError| LogError::Fatal(format!("consumer not made: {error}"));
        let actions: BaseConsumer<GroupContext> =
            configure(kafka, &defaults, &required).create_with_context(GroupContext::default()).map_err(failed)?;
        let topics = input_topics(names);
        actions.subscribe(&[&topics[0]]).map_err(failed)?;
        let followers = quiet(
            kafka,
            &[("isolation.level", "read_committed"), ("auto.offset.reset", "error"), ("fetch.wait.max.ms", "100")],
        )?;
        let prober = quiet(kafka, &[("isolation.level", "read_committed")])?;
        let (clock, started) = (SystemClock::default(), FxHashMap::default());
        Ok(Self { actions, followers, prober, clock, started, again: 0, topics })
    }

    fn list(&self, topics: &[InTopic], partitions: &[i32]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for topic in topics {
            for partition in partitions {
                list.add_partition(&self.topics[*topic as usize], *partition);
            }
        }
        list
    }

    fn event(&self) -> Option<Polled> {
        let call = self.actions.context().events.lock().ok()?.pop_front()?;
        Some(match call {
            Call::Assigned(partitions) => Polled::Assigned(partitions),
            Call::Revoked(partitions) => Polled::Revoked(partitions),
            Call::Lost(partitions) => Polled::Lost(partitions),
        })
    }

    /// An offset as committed, or the first one of the log where nothing has been: checked against what the log holds.
    fn check(&self, topic: InTopic, partition: i32, committed: Offset) -> Result<i64, LogError> {
        let name = &self.topics[topic as usize];
        let (low, high) =
            self.prober.fetch_watermarks(name, partition, REQUEST_TIMEOUT).map_err(|error| sort(&error))?;
        let Offset::Offset(committed) = committed else { return Ok(low) };
        if committed < low {
            let lost = low - committed;
            tracing::error!(topic = %name, partition, committed, low, lost, "records were deleted before they were processed");
            return Ok(low);
        }
        if committed > high {
            return Err(LogError::Fatal(format!(
                "group offset {committed} of {name}/{partition} is beyond the log's end {high}: the topic was made anew or \
                 lost data; reset the group's offsets with kafka-consumer-groups, or use another application_id"
            )));
        }
        Ok(committed)
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        // Closing polls the consumer until it has left the group; nobody answers its calls any more.
        self.actions.context().closing.store(true, Ordering::Relaxed);
        if let Ok(list) = self.actions.assignment()
            && let Err(error) = self.actions.incremental_unassign(&list)
        {
            tracing::debug!(%error, "not unassigned before closing");
        }
    }
}

impl Source for KafkaSource {
    type Group = Member;

    fn poll_actions(&mut self, wait: Duration, take: &mut dyn FnMut(&InRecord<'_>)) -> Result<Polled, LogError> {
        if let Some(event) = self.event() {
            return Ok(event);
        }
        match self.actions.poll(wait) {
            Some(Ok(message)) => {
                let began = self.started.get(&message.partition()).copied().unwrap_or_default();
                if message.offset() < began {
                    return self.go_on(message.partition(), began);
                }
                take(&record(InTopic::Actions, &message));
                Ok(Polled::Record)
            }
            Some(Err(error)) => passing(&error),
            None => Ok(self.event().unwrap_or(Polled::Idle)),
        }
    }

    fn poll_followers(&mut self, wait: Duration, take: &mut dyn FnMut(&InRecord<'_>)) -> Result<Polled, LogError> {
        match self.followers.poll(wait) {
            Some(Ok(message)) => {
                let topic =
                    InTopic::FOLLOWERS.into_iter().find(|topic| self.topics[*topic as usize] == message.topic());
                if let Some(topic) = topic {
                    take(&record(topic, &message));
                }
                Ok(Polled::Record)
            }
            Some(Err(error)) => passing(&error),
            None => Ok(Polled::Idle),
        }
    }

    fn assign(&mut self, partitions: &[i32]) -> Result<(), LogError> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            // Where to begin is told by `start`; until then nothing is to be fetched. librdkafka asks the broker where the
            // beginning is, and an answer that comes after the seek of `start` takes it back: it is sought once more then,
            // and what is fetched twice is passed over. With the end in its place, what stands between would be lost.
            list.add_partition_offset(&self.topics[0], *partition, Offset::Beginning).map_err(|error| sort(&error))?;
        }
        self.actions.incremental_assign(&list).map_err(|error| sort(&error))?;
        self.actions.pause(&list).map_err(|error| sort(&error))
    }

    fn unassign(&mut self, partitions: &[i32]) -> Result<(), LogError> {
        for partition in partitions {
            self.stop_followers(*partition);
        }
        self.actions.incremental_unassign(&self.list(&[InTopic::Actions], partitions)).map_err(|error| sort(&error))
    }

    fn committed(&mut self, partition: i32) -> Result<Positions, LogError> {
        let list = self.list(&InTopic::ALL, &[partition]);
        let committed = self.actions.committed_offsets(list, REQUEST_TIMEOUT).map_err(|error| sort(&error))?;
        let mut positions = Positions::default();
        for topic in InTopic::ALL {
            let found = committed.find_partition(&self.topics[topic as usize], partition);
            let offset = found.map_or(Offset::Invalid, |element| element.offset());
            positions[topic as usize] = self.check(topic, partition, offset)?;
        }
        Ok(positions)
    }

    fn start(&mut self, partition: i32, positions: Positions) -> Result<(), LogError> {
        let error = |error: KafkaError| sort(&error);
        let began = self.clock.monotonic();
        let from = positions[InTopic::Actions as usize];
        let actions = self.seek(partition, from)?;
        self.actions.resume(&actions).map_err(error)?;
        let sought_at = self.clock.monotonic();
        self.stop_followers(partition);
        let mut followers = TopicPartitionList::new();
        for topic in InTopic::FOLLOWERS {
            let offset = Offset::Offset(positions[topic as usize]);
            followers.add_partition_offset(&self.topics[topic as usize], partition, offset).map_err(error)?;
        }
        self.followers.incremental_assign(&followers).map_err(error)?;
        self.started.insert(partition, from);
        tracing::trace!(partition, seek = ?sought_at - began, assign = ?self.clock.monotonic() - sought_at, "started");
        Ok(())
    }

    fn pause(&mut self, partition: i32) -> Result<(), LogError> {
        self.stop_followers(partition);
        self.actions.pause(&self.list(&[InTopic::Actions], &[partition])).map_err(|error| sort(&error))
    }

    fn group(&mut self) -> Result<Member, LogError> {
        if self.actions.assignment_lost() {
            return Err(LogError::Retriable("the assignment was lost".to_owned()));
        }
        Member::of(&self.actions).ok_or_else(|| LogError::Retriable("not a member of the group".to_owned()))
    }
}

impl KafkaSource {
    /// Moves to an offset of a partition's actions, and returns that place.
    fn seek(&self, partition: i32, offset: i64) -> Result<TopicPartitionList, LogError> {
        let error = |error: KafkaError| sort(&error);
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(&self.topics[0], partition, Offset::Offset(offset)).map_err(error)?;
        let sought = self.actions.seek_partitions(place.clone(), REQUEST_TIMEOUT).map_err(error)?;
        for element in sought.elements() {
            element.error().map_err(error)?;
        }
        Ok(place)
    }

    /// Goes back to where a partition began, from the log's beginning, to which a late answer took it.
    fn go_on(&mut self, partition: i32, offset: i64) -> Result<Polled, LogError> {
        self.again += 1;
        tracing::debug!(partition, offset, times = self.again, "sought once more where a partition begins");
        self.seek(partition, offset)?;
        Ok(Polled::Idle)
    }

    fn stop_followers(&mut self, partition: i32) {
        if self.started.remove(&partition).is_some()
            && let Err(error) = self.followers.incremental_unassign(&self.list(&InTopic::FOLLOWERS, &[partition]))
        {
            tracing::debug!(partition, %error, "followers not unassigned");
        }
    }
}

fn record<'m>(topic: InTopic, message: &'m BorrowedMessage<'_>) -> InRecord<'m> {
    let mut headers = HeaderList::new();
    if let Some(all) = message.headers() {
        for header in all.iter().take(MAX_HEADERS) {
            headers.push((header.key, header.value.unwrap_or_default()));
        }
    }
    InRecord {
        topic,
        partition: message.partition(),
        offset: message.offset(),
        key: message.key(),
        value: message.payload(),
        headers,
    }
}

/// librdkafka reports as errors much that it mends itself; what it can't is told apart here.
fn passing(error: &KafkaError) -> Result<Polled, LogError> {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
            Err(LogError::Retriable(format!("{error}: the position is outside the log")))
        }
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::Fatal,
        ) => match sort(error) {
            LogError::Retriable(text) => Err(LogError::Fatal(text)),
            other => Err(other),
        },
        Some(RDKafkaErrorCode::PollExceeded) => {
            tracing::warn!(%error, "the worker was away for too long");
            Ok(Polled::Idle)
        }
        _ => {
            tracing::debug!(%error, "consumer error");
            Ok(Polled::Idle)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use acteon_broker::{ApiKey, Broker, Config};
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

    const LIMIT: Duration = Duration::from_secs(30);
    const RECORDS: i64 = 300;
    const FROM: i64 = 50;
    const ATTEMPTS: usize = 10;

    /// What the source gives until it gives a call of its group.
    fn assigned(source: &mut KafkaSource) -> Vec<i32> {
        let clock = SystemClock::default();
        let until = clock.monotonic() + LIMIT;
        while clock.monotonic() < until {
            if let Polled::Assigned(partitions) =
                source.poll_actions(Duration::from_millis(50), &mut |_| panic!("nothing is assigned")).unwrap()
            {
                return partitions;
            }
        }
        panic!("nothing assigned after {LIMIT:?}");
    }

    /// Reads all actions from one on, where the broker's first answer about the partition is lost. Returns whether the
    /// second one came when it was being read already.
    fn read(broker: &Broker, names: &Names, group: &str) -> bool {
        let mut source = KafkaSource::new(&KafkaConfig::new(&broker.bootstrap()), names, group).unwrap();
        assert_eq!(assigned(&mut source), [0]);
        // It is lost only after the seek: one that was given up before is not asked again.
        broker.faults().delay_responses(ApiKey::ListOffsets, Duration::from_millis(500), 1);
        broker.faults().drop_responses(ApiKey::ListOffsets, 1);
        source.assign(&[0]).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        source.start(0, [FROM, 0, 0, 0]).unwrap();
        // Slower than librdkafka fetches, for longer than it takes to ask again.
        let (clock, mut next) = (SystemClock::default(), FROM);
        let until = clock.monotonic() + LIMIT;
        while next < RECORDS {
            assert!(clock.monotonic() < until, "{next} of {RECORDS} after {LIMIT:?}");
            let mut take = |record: &InRecord<'_>| {
                // As a task does it.
                assert!(record.offset >= FROM, "the log is read again from {}", record.offset);
                assert!(record.offset <= next, "{next} to {} were passed over", record.offset);
                next += i64::from(record.offset == next);
            };
            source.poll_actions(Duration::from_millis(50), &mut take).unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        source.again == 1
    }

    /// librdkafka asks again, half a second later, where an assigned partition stands: by then it is being read.
    #[test]
    fn a_late_answer_about_where_a_partition_stands_passes_over_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { auto_create_partitions: Some(1), port: 0, ..Config::new(directory.path()) };
        let broker = Broker::start(config).unwrap();
        let (kafka, names) = (KafkaConfig::new(&broker.bootstrap()), Names::new("late").unwrap());
        let producer: BaseProducer = kafka.client().create().unwrap();
        for topic in input_topics(&names) {
            producer.client().fetch_metadata(Some(&topic), LIMIT).unwrap();
        }
        for number in 0..RECORDS {
            let payload = number.to_string();
            producer.send(BaseRecord::<(), str>::to(names.actions()).payload(&payload)).unwrap();
        }
        producer.flush(LIMIT).unwrap();
        // On a busy machine the question may come too late, and is then not asked any more.
        let is_late = (0..ATTEMPTS).any(|attempt| read(&broker, &names, &format!("late-{attempt}")));
        assert!(is_late, "no answer came late: the test shows nothing");
    }
}
