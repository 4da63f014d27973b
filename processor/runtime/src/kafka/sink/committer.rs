//! The thread that commits transactions, while the worker decides what goes into the next one.

use super::{BaseProducer, KafkaError, Reports, SETTLE_TIMEOUT};
use crate::clock::{Clock, SystemClock};
use crate::log::LogError;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::producer::Producer;
use rdkafka::util::Timeout;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Between two looks at what is in flight.
pub(super) const DRAIN_PAUSE: Duration = Duration::from_micros(250);
/// Longest wait for delivery reports before a commit; the broker's own limit comes first.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// What is to be committed.
struct Order {
    producer: Arc<BaseProducer<Reports>>,
    offsets: TopicPartitionList,
    group: ConsumerGroupMetadata,
}

/// How a commit ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) result: Result<(), KafkaError>,
    pub(super) took: Duration,
}

/// What is new of the commit under way.
#[derive(Debug)]
pub(super) enum News {
    /// Nothing, within the time given.
    None,
    /// All its records are in the log.
    Settled,
    Ended(Ended),
    /// There is nobody who could tell.
    Gone,
}

/// A thread that makes one commit at a time. It is not waited for: a commit that does not return
/// (<https://github.com/confluentinc/librdkafka/issues/5456>) would hold up its successor.
#[derive(Debug)]
pub(super) struct Committer {
    orders: Sender<Order>,
    news: Receiver<News>,
}

impl Committer {
    pub(super) fn start() -> Result<Self, LogError> {
        // At most one order is under way, and two news come of it.
        let ((orders, taken), (told, news)) = (channel(), channel());
        std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || work(&taken, &told))
            .map_err(|error| LogError::Fatal(format!("thread committer not started: {error}")))?;
        Ok(Self { orders, news })
    }

    pub(super) fn start_commit(
        &self,
        producer: Arc<BaseProducer<Reports>>,
        offsets: TopicPartitionList,
        group: ConsumerGroupMetadata,
    ) -> Result<(), LogError> {
        let gone = |_| LogError::Retriable("the commit's thread has ended".to_owned());
        self.orders.send(Order { producer, offsets, group }).map_err(gone)
    }

    /// Waits for news, for at most `wait`.
    pub(super) fn news(&self, wait: Duration) -> News {
        self.news.recv_timeout(wait).unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => News::None,
            RecvTimeoutError::Disconnected => News::Gone,
        })
    }
}

fn work(orders: &Receiver<Order>, news: &Sender<News>) {
    let clock = SystemClock::default();
    while let Ok(order) = orders.recv() {
        let began = clock.monotonic();
        let result = commit(&order, &clock, || _ = news.send(News::Settled));
        let ended = Ended { result, took: clock.monotonic().saturating_sub(began) };
        // Given back before the end is told: whoever drops the sink then, drops the producer.
        drop(order);
        if news.send(News::Ended(ended)).is_err() {
            return;
        }
    }
}

fn commit(order: &Order, clock: &SystemClock, settled: impl FnOnce()) -> Result<(), KafkaError> {
    let Order { producer, offsets, group } = order;
    let began = clock.monotonic();
    producer.send_offsets_to_transaction(offsets, group, SETTLE_TIMEOUT)?;
    let offsets_sent = clock.monotonic();
    settle(producer, clock, settled);
    let drained = clock.monotonic();
    producer.commit_transaction(Timeout::Never)?;
    let done = clock.monotonic();
    tracing::trace!(offsets = ?offsets_sent - began, drain = ?drained - offsets_sent, end = ?done - drained, "committed");
    Ok(())
}

/// Waits until all records are in the log, and tells that. Where some are still on their way after the longest wait, the
/// next transaction's wait until this one has ended.
fn settle(producer: &BaseProducer<Reports>, clock: &impl Clock, settled: impl FnOnce()) {
    if drain(producer, clock) {
        settled();
    }
}

/// Waits for all delivery reports. A flush waits for 100 ms at a time, and a poll with a time spins through its last
/// millisecond, so the time between two polls is slept. A poll takes the reports of one request, which is one partition's,
/// so it is slept only where there were none. Returns whether all have come in time.
pub(super) fn drain(producer: &BaseProducer<Reports>, clock: &impl Clock) -> bool {
    let deadline = clock.monotonic() + DRAIN_TIMEOUT;
    let mut left = producer.in_flight_count();
    while left > 0 && clock.monotonic() < deadline {
        producer.poll(Duration::ZERO);
        let before = std::mem::replace(&mut left, producer.in_flight_count());
        if left == before {
            std::thread::sleep(DRAIN_PAUSE);
        }
    }
    left == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rdkafka::ClientConfig;
    use rdkafka::config::FromClientConfigAndContext as _;
    use rdkafka::producer::BaseRecord;
    use std::cell::Cell;

    /// A clock on which each look takes ten seconds.
    #[derive(Default)]
    struct Hasty(Cell<u64>);

    impl Clock for Hasty {
        fn wall(&self) -> i64 {
            0
        }
        fn monotonic(&self) -> Duration {
            self.0.set(self.0.get() + 10);
            Duration::from_secs(self.0.get())
        }
    }

    #[test]
    fn records_that_are_still_on_their_way_are_not_said_to_be_in_the_log() {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", "127.0.0.1:1").set("message.timeout.ms", "60000");
        let producer = BaseProducer::from_config_and_context(&config, Reports::default()).unwrap();
        let told = Cell::new(false);
        settle(&producer, &Hasty::default(), || told.set(true));
        assert!(told.take(), "with nothing on its way");
        producer.send(BaseRecord::<[u8], [u8], usize>::with_opaque_to("t", 0).payload(b"v")).map_err(|e| e.0).unwrap();
        settle(&producer, &Hasty::default(), || told.set(true));
        assert!(!told.get(), "a record that no broker has taken");
    }
}
