//! The thread that publishes what was measured: apart from the calls, so that they never wait for it.

use super::{Measured, Moment, Monitor, Window};
use crate::clock;
use crate::consumer::Status;
use crate::error::Error;
use crate::kafka::{Throttle, lock, log};
use crate::load::Load;
use crate::metrics::Meters;
use acteon_schemas::{MAX_HEALTH_INTERVAL_MS, ProviderHealth, headers};
use acteon_topology::{KafkaConfig, Names};
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// Longest that a record waits for Kafka, in milliseconds; a later one is as good.
const MESSAGE_TIMEOUT_MS: &str = "30000";
/// Most records that wait for Kafka. What finds no place is told of at the next turn.
const MAX_WAITING: &str = "2048";
/// Longest wait at the end for Kafka to take the last records.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// What the end of the thread may take beyond that.
const END_MARGIN: Duration = Duration::from_millis(500);

/// One provider at this member: where its numbers are.
pub(crate) struct Lane {
    pub(crate) provider: String,
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) load: Arc<Load>,
    pub(crate) status: Arc<Status>,
    pub(crate) meters: Arc<Meters>,
}

/// The running thread. Dropped, it ends without a last word, as in a crash.
pub(crate) struct Publisher {
    leave: Sender<Leave>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

/// How the member leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// With everything done: nothing is left to tell of it.
    Clean,
    /// With calls given up: its last record stays until it is too old.
    Unfinished,
}

impl Publisher {
    /// Starts to publish `lanes` every `interval`. Kafka need not be there yet.
    ///
    /// # Errors
    /// librdkafka refuses a property, or there are no more threads.
    pub(crate) fn start(
        kafka: &KafkaConfig,
        names: &Names,
        interval: Duration,
        lanes: Vec<Lane>,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Client { client: "the provider health".to_owned(), source };
        let producer: BaseProducer<Context> =
            producer_properties(kafka).create_with_context(Context::default()).map_err(failed)?;
        let (leave, orders) = mpsc::channel();
        let (running, ended) = mpsc::channel();
        let run = Run {
            topic: names.provider_health().to_owned(),
            member: format!("{:016x}", fastrand::u64(..)),
            lanes: lanes.into_iter().map(|lane| (lane, None)).collect(),
            interval,
            producer,
        };
        thread::Builder::new()
            .name("provider health".to_owned())
            .spawn(move || {
                run.run(&orders);
                drop(running);
            })
            .map_err(|source| Error::Thread { thread: "provider health".to_owned(), source })?;
        Ok(Self { leave, ended })
    }

    /// Publishes the last numbers and ends, within [`FLUSH_TIMEOUT`] or little more.
    pub(crate) fn leave(self, how: Leave) {
        let told = self.leave.send(how).is_ok();
        if told && self.ended.recv_timeout(FLUSH_TIMEOUT + END_MARGIN) == Err(RecvTimeoutError::Timeout) {
            tracing::debug!("provider health not published to the end");
        }
    }
}

/// The producer's properties. Neither transactional nor idempotent: each record is complete in itself and the last one
/// counts, so one that is lost or comes twice is made good by the next, and there is nothing that it must become visible
/// with. A transaction would cost a commit each turn, and one that a dead member left open would hold back all readers.
fn producer_properties(kafka: &KafkaConfig) -> ClientConfig {
    let mut config = kafka.client();
    config
        .set("enable.idempotence", "false")
        // A record that is sent again must not overtake the next one of its key.
        .set("max.in.flight.requests.per.connection", "1")
        .set("partitioner", "murmur2_random")
        .set("compression.type", "lz4")
        .set("linger.ms", "20")
        .set("queue.buffering.max.messages", MAX_WAITING)
        .set("message.timeout.ms", MESSAGE_TIMEOUT_MS);
    config
}

/// The producer's context.
#[derive(Default)]
struct Context {
    throttle: Throttle,
    /// Set when a record was not taken, so that all are published again.
    has_failed: AtomicBool,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log("provider health", level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "provider health waits for kafka");
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, _)) = result else { return };
        self.has_failed.store(true, Ordering::Relaxed);
        if self.throttle.permits(clock::now()) {
            tracing::warn!(%error, "provider health not published");
        }
    }
}

/// What the thread works with.
struct Run {
    topic: String,
    member: String,
    /// Each with what was published of it last.
    lanes: Vec<(Lane, Option<ProviderHealth>)>,
    interval: Duration,
    producer: BaseProducer<Context>,
}

impl Run {
    fn run(mut self, orders: &Receiver<Leave>) {
        loop {
            match orders.recv_timeout(self.interval) {
                Err(RecvTimeoutError::Timeout) => self.turn(Moment::now()),
                Err(RecvTimeoutError::Disconnected) => return,
                Ok(how) => {
                    self.turn(Moment::now());
                    if how == Leave::Clean {
                        self.withdraw();
                    }
                    if let Err(error) = self.producer.flush(FLUSH_TIMEOUT) {
                        tracing::debug!(%error, "last provider health not published");
                    }
                    return;
                }
            }
        }
    }

    /// Shows what was measured, and publishes what has something new.
    fn turn(&mut self, now: Moment) {
        self.producer.poll(Duration::ZERO);
        let anew = self.producer.context().has_failed.swap(false, Ordering::Relaxed);
        for (lane, published) in &mut self.lanes {
            let measured = lane.monitor.measured(now.instant);
            lane.meters.show(&measured);
            let health = record(lane, &self.member, measured, now.unix_ms);
            if !anew && !is_due(published.as_ref(), &health, self.interval) {
                continue;
            }
            match serde_json::to_vec(&health) {
                Ok(value) if send(&self.producer, &self.topic, &health.key(), Some(&value)) => {
                    *published = Some(health);
                }
                Ok(_) => {}
                Err(error) => tracing::error!(provider = lane.provider, %error, "provider health can't be written"),
            }
        }
    }

    /// Takes back what this member has published.
    fn withdraw(&self) {
        for key in self.lanes.iter().filter_map(|(_, published)| published.as_ref()).map(ProviderHealth::key) {
            send(&self.producer, &self.topic, &key, None);
        }
    }
}

/// Hands a record to the producer. Returns whether it had room; it never waits.
fn send(producer: &BaseProducer<Context>, topic: &str, key: &str, value: Option<&[u8]>) -> bool {
    let kind = Header { key: headers::TYPE, value: Some("provider_health") };
    let mut record = BaseRecord::<str, [u8]>::to(topic).key(key).headers(OwnedHeaders::new().insert(kind));
    record.payload = value;
    match producer.send(record) {
        Ok(()) => true,
        Err((error, _)) => {
            tracing::debug!(key, %error, "provider health not published");
            false
        }
    }
}

fn record(lane: &Lane, member: &str, measured: Measured, now_ms: i64) -> ProviderHealth {
    ProviderHealth {
        provider: lane.provider.clone(),
        member: member.to_owned(),
        measured_at: now_ms,
        window_seconds: Window::SECONDS,
        successes: measured.successes,
        failures: measured.failures,
        latency: measured.latency,
        consecutive_failures: measured.consecutive_failures,
        last_request_at: measured.last_request_at,
        last_error: measured.last_error,
        in_flight: u64::try_from(lane.load.records()).unwrap_or(u64::MAX),
        lag: lock(&lane.status.lag).and_then(|lag| u64::try_from(lag).ok()),
    }
}

/// Whether a record is to be published: where it has something new, and where the last one would be too old before the
/// next turn.
fn is_due(published: Option<&ProviderHealth>, health: &ProviderHealth, interval: Duration) -> bool {
    let Some(published) = published else { return true };
    let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
    let next = health.measured_at.saturating_add(interval_ms);
    // A clock that was set back would put it off for as long.
    let is_old = next.abs_diff(published.measured_at) > MAX_HEALTH_INTERVAL_MS.unsigned_abs();
    is_old || ProviderHealth { measured_at: published.measured_at, ..health.clone() } != *published
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DeliveryLimits;

    fn lane() -> Lane {
        let meters = Arc::new(Meters::new("p"));
        Lane {
            provider: "p".to_owned(),
            monitor: Arc::new(Monitor::new(clock::now())),
            load: Arc::new(Load::new(&DeliveryLimits::default(), Arc::clone(&meters))),
            status: Arc::default(),
            meters,
        }
    }

    fn health(lane: &Lane, now_ms: i64) -> ProviderHealth {
        record(lane, "m", lane.monitor.measured(clock::now()), now_ms)
    }

    #[test]
    fn only_news_and_signs_of_life_are_published() {
        let lane = lane();
        let first = health(&lane, 1_000_000);
        assert_eq!((first.key().as_str(), first.window_seconds, first.lag), ("p/m", 900, None));
        let interval = Duration::from_secs(5);
        assert!(is_due(None, &first, interval));
        // Milliseconds later, whether the same is due then.
        for (later, due) in [(5_000, false), (55_000, false), (55_001, true), (60_000, true), (-65_001, true)] {
            assert_eq!(is_due(Some(&first), &health(&lane, 1_000_000 + later), interval), due, "{later} ms later");
        }
        assert!(is_due(Some(&first), &health(&lane, 1_000_000 + 5_000), Duration::from_secs(60)), "long intervals");

        let soon = || is_due(Some(&first), &health(&lane, 1_005_000), interval);
        *lock(&lane.status.lag) = Some(3);
        assert!(soon());
        *lock(&lane.status.lag) = None;
        assert!(!soon());
        lane.monitor.record(Moment::now(), Duration::from_millis(1), None);
        assert!(soon());
    }

    #[test]
    fn what_keeps_the_order_can_t_be_configured_away() {
        let kafka = KafkaConfig::new("127.0.0.1:1").with("max.in.flight.requests.per.connection", "5");
        let producer = producer_properties(&kafka.with("client.id", "mine"));
        assert_eq!(producer.get("max.in.flight.requests.per.connection"), Some("1"));
        assert_eq!(producer.get("client.id"), Some("mine"));
    }

    #[test]
    fn a_kafka_that_is_away_holds_up_nobody() {
        let kafka = KafkaConfig::new("127.0.0.1:1");
        let names = Names::new("acteon").unwrap();
        let lane = lane();
        let monitor = Arc::clone(&lane.monitor);
        let publisher = Publisher::start(&kafka, &names, Duration::from_millis(1), vec![lane]).unwrap();
        let begun = clock::now();
        for _ in 0..1_000 {
            monitor.record(Moment::now(), Duration::from_millis(1), None);
            monitor.measured(clock::now());
        }
        assert!(clock::now() - begun < Duration::from_secs(5));
        publisher.leave(Leave::Clean);
        assert!(clock::now() - begun < Duration::from_secs(15));
    }
}
