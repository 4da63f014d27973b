//! The thread that reads one provider's dispatch topic: assignment, back-pressure, commits, lag.

use crate::clock;
use crate::error::Error;
use crate::kafka::{Throttle, lock, log};
use crate::metrics::Meters;
use crate::partitions::Partitions;
use crate::worker::Worker;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Longest wait for a record; commits are due in between.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The same while partitions are paused or the work is being finished, so that the change is seen soon.
const BUSY_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How long reading just waits when too much is on the way, before it pauses the partitions. A pause throws away what
/// was fetched ahead and costs a round trip to undo, but lets the member answer rebalances meanwhile.
const HOLD_TIME: Duration = Duration::from_secs(1);
/// Time between two looks at what is on the way, while reading waits.
const HOLD_INTERVAL: Duration = Duration::from_millis(2);
/// Time between two looks at the topic's end.
const LAG_INTERVAL: Duration = Duration::from_secs(2);
/// Longest wait for an answer about it; reading stands still meanwhile.
const LAG_TIMEOUT: Duration = Duration::from_millis(500);
/// Time before a consumer that has failed for good is replaced.
const RECREATE_INTERVAL: Duration = Duration::from_secs(1);

/// The request to stop, shared by all threads.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    /// Cancelled when no new call shall begin.
    pub(crate) token: CancellationToken,
    /// When the calls under way are no longer waited for.
    pub(crate) deadline: OnceLock<Instant>,
}

impl Stop {
    /// Asks all to stop; calls under way have until `deadline`. The first request counts.
    pub(crate) fn request(&self, deadline: Instant) {
        self.deadline.get_or_init(|| deadline);
        self.token.cancel();
    }

    fn is_over(&self, now: Instant) -> bool {
        self.deadline.get().is_none_or(|deadline| now >= *deadline)
    }
}

/// What the thread and its callers both see.
#[derive(Debug, Default)]
pub(crate) struct Status {
    /// The last trouble with Kafka, until it answers again.
    pub(crate) trouble: Mutex<Option<String>>,
    /// Offsets that are not complete, as last seen.
    pub(crate) lag: Mutex<Option<i64>>,
}

impl Status {
    /// Takes a measurement of the lag. An answer ends any trouble; returns the error where it is one. No answer within
    /// [`LAG_TIMEOUT`] says nothing: the broker may just be busy, and when it is gone, polling tells.
    fn measured(&self, lag: KafkaResult<i64>) -> Option<KafkaError> {
        match lag {
            Ok(lag) => {
                *lock(&self.lag) = Some(lag);
                *lock(&self.trouble) = None;
                None
            }
            Err(error) if is_late(&error) => None,
            Err(error) => Some(error),
        }
    }
}

/// Whether an error says only that no answer came in time.
fn is_late(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::TimedOutQueue
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::WaitingForCoordinator
        )
    )
}

/// Reads one provider's dispatches.
pub(crate) struct Reader {
    pub(crate) provider: String,
    pub(crate) topic: String,
    pub(crate) properties: ClientConfig,
    pub(crate) worker: Arc<Worker>,
    pub(crate) status: Arc<Status>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) max_uncommitted: usize,
    pub(crate) commit_interval: Duration,
    pub(crate) throttle: Arc<Throttle>,
}

/// A consumer of one dispatch topic.
pub(crate) type DispatchConsumer = BaseConsumer<Context>;

/// Follows the consumer's assignment.
pub(crate) struct Context {
    provider: String,
    partitions: Arc<Mutex<Partitions>>,
    stop: Arc<Stop>,
    throttle: Arc<Throttle>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(&self.provider, level, facility, text);
    }

    fn error(&self, _error: KafkaError, _reason: &str) {
        // Comes out of `poll` as well.
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let provider = &self.provider;
        let partitions: Vec<i32> = list.elements().iter().map(|element| element.partition()).collect();
        let done = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                tracing::info!(provider, ?partitions, "partitions assigned");
                let mut all = lock(&self.partitions);
                partitions.iter().for_each(|partition| all.assign(*partition, &self.stop.token));
                drop(all);
                consumer.incremental_assign(list)
            }
            _ => {
                let is_lost = consumer.assignment_lost();
                tracing::info!(provider, ?partitions, is_lost, "partitions revoked");
                self.revoke(consumer, list, is_lost);
                consumer.incremental_unassign(list)
            }
        };
        if let Err(error) = done {
            tracing::warn!(provider, %error, "assignment not changed");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let Err(error) = result else { return };
        let mut partitions = lock(&self.partitions);
        offsets.elements().iter().for_each(|element| partitions.commit_failed(element.partition()));
        drop(partitions);
        if self.throttle.permits(clock::now()) {
            tracing::warn!(provider = self.provider, %error, "offsets not committed yet; trying again");
        }
    }
}

impl Context {
    /// Ends the assignment of the partitions in `list`. What is complete is committed, unless another member has them
    /// already.
    fn revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList, is_lost: bool) {
        let mut commit = TopicPartitionList::new();
        let mut partitions = lock(&self.partitions);
        for element in list.elements() {
            if let Some(position) = partitions.revoke(element.partition()) {
                add(&mut commit, element.topic(), element.partition(), Offset::Offset(position));
            }
        }
        drop(partitions);
        if is_lost || commit.count() == 0 {
            return;
        }
        if let Err(error) = consumer.commit(&commit, CommitMode::Sync) {
            let provider = &self.provider;
            tracing::warn!(provider, %error, "last commit failed; the dispatches since the one before come again");
        }
    }
}

/// Adds a partition to a list; an offset that doesn't exist is left out.
fn add(list: &mut TopicPartitionList, topic: &str, partition: i32, offset: Offset) {
    if let Err(error) = list.add_partition_offset(topic, partition, offset) {
        tracing::error!(topic, partition, ?offset, %error, "no such offset");
    }
}

/// When things that happen at intervals are due next.
struct Schedule {
    commit: Instant,
    lag: Instant,
    /// The number of partitions that the share of the rate was measured for.
    share_of: Option<usize>,
}

/// Whether the next record is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intake {
    /// It is.
    Open,
    /// Too much is on the way, since that time; what was fetched ahead is kept.
    Held(Instant),
    /// The same for so long that the partitions are paused.
    Paused,
}

impl Intake {
    fn next(self, is_over: bool, now: Instant) -> Self {
        match self {
            _ if !is_over => Self::Open,
            Self::Open => Self::Held(now),
            Self::Held(since) if now.saturating_duration_since(since) >= HOLD_TIME => Self::Paused,
            Self::Held(_) | Self::Paused => self,
        }
    }
}

impl Reader {
    /// Makes a consumer that will join the group at its first poll.
    pub(crate) fn consumer(&self) -> Result<DispatchConsumer, Error> {
        let context = Context {
            provider: self.provider.clone(),
            partitions: Arc::clone(&self.worker.partitions),
            stop: Arc::clone(&self.stop),
            throttle: Arc::clone(&self.throttle),
        };
        let failed = |source| Error::Client { client: format!("provider `{}`", self.provider), source };
        let consumer: DispatchConsumer = self.properties.create_with_context(context).map_err(failed)?;
        consumer.subscribe(&[&self.topic]).map_err(failed)?;
        Ok(consumer)
    }

    /// Reads until asked to stop; a consumer that fails for good is replaced.
    pub(crate) fn run(&self, first: DispatchConsumer) {
        let mut consumer = Some(first);
        while let Some(current) = consumer.take() {
            let Err(error) = self.read(&current) else { break };
            self.note(&error.to_string());
            tracing::warn!(provider = self.provider, %error, "consumer has failed for good; making another");
            drop(current);
            while consumer.is_none() && !self.stop.token.is_cancelled() {
                std::thread::sleep(RECREATE_INTERVAL);
                match self.consumer() {
                    Ok(next) => consumer = Some(next),
                    Err(error) => self.note(&error.to_string()),
                }
            }
        }
    }

    /// Reads with one consumer. Returns when the work is finished after a request to stop, or with a fatal error.
    fn read(&self, consumer: &DispatchConsumer) -> KafkaResult<()> {
        let mut intake = Intake::Open;
        let now = clock::now();
        let mut due = Schedule { commit: now + self.commit_interval, lag: now, share_of: None };
        loop {
            let now = clock::now();
            let is_stopping = self.stop.token.is_cancelled();
            if is_stopping && (self.worker.load.records() == 0 || self.stop.is_over(now)) {
                // Dropping the consumer revokes the partitions, which commits what is complete.
                return Ok(());
            }
            intake = if is_stopping {
                Intake::Paused
            } else {
                intake.next(self.worker.load.is_over(intake == Intake::Paused), now)
            };
            let is_paused = self.update_pauses(consumer, intake == Intake::Paused);
            if now >= due.commit {
                due.commit = now + self.commit_interval;
                self.commit(consumer);
            }
            if now >= due.lag {
                due.lag = now + LAG_INTERVAL;
                self.report_lag(consumer);
                due.share_of = None;
            }
            self.update_share(consumer, &mut due.share_of);
            if matches!(intake, Intake::Held(_)) {
                std::thread::sleep(HOLD_INTERVAL);
                continue;
            }
            match consumer.poll(if is_paused { BUSY_POLL_INTERVAL } else { POLL_INTERVAL }) {
                // Not taken, hence not committed: it comes again after the start.
                Some(Ok(_)) if is_stopping => {}
                Some(Ok(message)) => self.worker.take(message.detach()),
                Some(Err(KafkaError::PartitionEOF(partition))) => lock(&self.worker.partitions).reach_end(partition),
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error),
                Some(Err(error)) => self.note(&error.to_string()),
                None => {}
            }
        }
    }

    /// Pauses and resumes partitions. Returns whether any is paused.
    fn update_pauses(&self, consumer: &DispatchConsumer, is_over: bool) -> bool {
        let (change, is_paused) = {
            let mut partitions = lock(&self.worker.partitions);
            (partitions.update_pauses(is_over, self.max_uncommitted), partitions.paused() > 0)
        };
        if !change.pause.is_empty()
            && let Err(error) = consumer.pause(&self.list(&change.pause))
        {
            tracing::warn!(provider = self.provider, %error, "partitions not paused");
        }
        if !change.resume.is_empty()
            && let Err(error) = consumer.resume(&self.list(&change.resume))
        {
            tracing::warn!(provider = self.provider, %error, "partitions not resumed");
        }
        is_paused
    }

    /// These partitions of the topic as librdkafka takes them.
    fn list(&self, partitions: &[i32]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, *partition);
        }
        list
    }

    /// Commits what is complete since the last commit. The answer comes to `commit_callback`.
    fn commit(&self, consumer: &DispatchConsumer) {
        let due = lock(&self.worker.partitions).send_commits();
        if due.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        for (partition, position) in &due {
            add(&mut list, &self.topic, *partition, Offset::Offset(*position));
        }
        if let Err(error) = consumer.commit(&list, CommitMode::Async) {
            self.note(&error.to_string());
            let mut partitions = lock(&self.worker.partitions);
            due.iter().for_each(|(partition, _)| partitions.commit_failed(*partition));
        }
    }

    /// Tells the calls this member's share of the rate, where there is one: whenever its partitions have changed, and
    /// from time to time, since the topic may have got more.
    fn update_share(&self, consumer: &DispatchConsumer, share_of: &mut Option<usize>) {
        if !self.worker.caller.has_rate() {
            return;
        }
        let own = lock(&self.worker.partitions).len();
        if *share_of == Some(own) {
            return;
        }
        *share_of = Some(own);
        match consumer.fetch_metadata(Some(&self.topic), LAG_TIMEOUT) {
            Ok(metadata) => {
                let all = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
                self.worker.caller.set_share(own, all);
            }
            Err(error) => tracing::debug!(provider = self.provider, %error, "share of the rate not measured"),
        }
    }

    /// Reports how far the partitions are behind; their answer also tells that Kafka is there.
    fn report_lag(&self, consumer: &DispatchConsumer) {
        let lag = self.lag(consumer);
        match &lag {
            // Exact up to 2^53, as a gauge takes it.
            Ok(lag) => self.meters.lag.set(*lag as f64),
            Err(error) => tracing::debug!(provider = self.provider, %error, "lag not measured"),
        }
        if let Some(error) = self.status.measured(lag) {
            self.note(&error.to_string());
        }
    }

    fn lag(&self, consumer: &DispatchConsumer) -> KafkaResult<i64> {
        let progress = lock(&self.worker.partitions).progress();
        if progress.is_empty() {
            // No partitions, nothing behind; still ask, to see whether Kafka is there.
            consumer.fetch_metadata(Some(&self.topic), LAG_TIMEOUT)?;
            return Ok(0);
        }
        let unknown: Vec<i32> = progress.iter().filter(|(_, at)| at.is_none()).map(|(number, _)| *number).collect();
        let starts = self.starts(consumer, &unknown)?;
        let ends = self.ask(consumer, progress.iter().map(|(number, _)| *number), Offset::End)?;
        let mut partitions = lock(&self.worker.partitions);
        starts.iter().for_each(|(number, start)| partitions.set_start(*number, *start));
        Ok(ends.iter().map(|(number, end)| partitions.behind(*number, *end)).sum())
    }

    /// Where reading of these partitions began: at the committed offset, or at the beginning where there is none.
    fn starts(&self, consumer: &DispatchConsumer, partitions: &[i32]) -> KafkaResult<Vec<(i32, i64)>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let mut starts = offsets(&consumer.committed_offsets(self.list(partitions), LAG_TIMEOUT)?);
        let is_known = |partition: &&i32| starts.iter().any(|(number, _)| number == *partition);
        let fresh: Vec<i32> = partitions.iter().filter(|partition| !is_known(partition)).copied().collect();
        if !fresh.is_empty() {
            starts.extend(self.ask(consumer, fresh.into_iter(), Offset::Beginning)?);
        }
        Ok(starts)
    }

    /// Asks Kafka for the first or last offset of partitions.
    fn ask(
        &self,
        consumer: &DispatchConsumer,
        partitions: impl Iterator<Item = i32>,
        which: Offset,
    ) -> KafkaResult<Vec<(i32, i64)>> {
        let mut list = TopicPartitionList::new();
        partitions.for_each(|partition| add(&mut list, &self.topic, partition, which));
        Ok(offsets(&consumer.offsets_for_times(list, LAG_TIMEOUT)?))
    }

    /// Remembers trouble with Kafka and logs it, though not each time.
    fn note(&self, trouble: &str) {
        *lock(&self.status.trouble) = Some(trouble.to_owned());
        if self.throttle.permits(clock::now()) {
            tracing::warn!(provider = self.provider, trouble, "kafka is in trouble; dispatches wait");
        }
    }
}

/// The offsets in a list, copied out; partitions without one are left out.
fn offsets(list: &TopicPartitionList) -> Vec<(i32, i64)> {
    let offset = |offset| if let Offset::Offset(offset) = offset { Some(offset) } else { None };
    list.elements().iter().filter_map(|element| Some((element.partition(), offset(element.offset())?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_answer_is_no_trouble_and_ends_none() {
        let error = |code| Err(KafkaError::OffsetFetch(code));
        let status = Status::default();
        assert!(status.measured(Ok(7)).is_none());
        let late = [
            RDKafkaErrorCode::OperationTimedOut,
            RDKafkaErrorCode::TimedOutQueue,
            RDKafkaErrorCode::RequestTimedOut,
            RDKafkaErrorCode::WaitingForCoordinator,
        ];
        for code in late {
            assert!(status.measured(error(code)).is_none(), "{code}");
        }
        for code in [RDKafkaErrorCode::BrokerTransportFailure, RDKafkaErrorCode::TopicAuthorizationFailed] {
            assert!(status.measured(error(code)).is_some(), "{code}");
        }
        assert!(status.measured(Err(KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut))).is_none());

        *lock(&status.trouble) = Some("gone".to_owned());
        assert!(status.measured(error(RDKafkaErrorCode::OperationTimedOut)).is_none());
        assert_eq!((lock(&status.trouble).as_deref(), *lock(&status.lag)), (Some("gone"), Some(7)));
        assert!(status.measured(Ok(3)).is_none());
        assert_eq!((lock(&status.trouble).as_deref(), *lock(&status.lag)), (None, Some(3)));
    }

    #[test]
    fn reading_waits_first_and_pauses_when_that_takes_long() {
        let start = clock::now();
        let mut intake = Intake::Open;
        let held = Intake::Held(start + Duration::from_millis(10));
        let cases = [
            (0, false, Intake::Open),
            (10, true, held),
            (1_009, true, held),
            (1_010, true, Intake::Paused),
            (9_000, true, Intake::Paused),
            (9_001, false, Intake::Open),
            (9_002, true, Intake::Held(start + Duration::from_millis(9_002))),
            (9_003, false, Intake::Open),
        ];
        for (ms, is_over, wanted) in cases {
            intake = intake.next(is_over, start + Duration::from_millis(ms));
            assert_eq!(intake, wanted, "after {ms} ms");
        }
    }
}
