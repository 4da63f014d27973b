//! How long an action takes at a moderate rate: from being produced to its committed outcome being received.

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use acteon_testkit::clock;
use acteon_testkit::kafka::Kafka;
use anyhow::{Context as _, Result, ensure};
use rdkafka::Message as _;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde::Serialize;
use tempfile::TempDir;

use crate::contender::Contender;
use crate::drain::Outcome;
use crate::kafka::{self, Reader};
use crate::load::{Action, Actions, number_of};
use crate::{Options, report};

/// Seconds at the same rate before those that count.
const WARM_UP_SECONDS: u32 = 3;
/// Longest wait for the first outcome: the product is starting.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for an outcome after that.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(20);

/// The figures of a latency run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Latency {
    /// Actions a second.
    pub(crate) rate: u32,
    /// The median.
    pub(crate) p50_ms: f64,
    /// 99 % took no longer.
    pub(crate) p99_ms: f64,
    /// The longest.
    pub(crate) max_ms: f64,
}

/// When each action was produced, by number.
type Sent = Vec<OnceLock<Instant>>;

/// Measures Acteon on topics of its own.
pub(crate) fn run(broker: &Kafka, options: &Options) -> Result<Latency> {
    report::progress(&format!("latency at {} actions/s", options.rate));
    let dir = TempDir::with_prefix("acteon-bench-")?;
    let prefix = "latency";
    let contender = Contender::Acteon;
    contender.prepare(broker, prefix, dir.path(), options)?;
    let reader = Reader::new(broker.bootstrap(), &format!("{prefix}.outcomes"))?;
    let consumer = reader.start()?;
    let process = contender.start(broker, prefix, dir.path(), options)?;
    let pace = Pace {
        producer: kafka::client(broker.bootstrap())
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "0")
            .create()?,
        topic: format!("{prefix}.actions"),
        rate: options.rate,
    };
    let warm_up = options.rate * WARM_UP_SECONDS;
    let total = warm_up + options.rate * options.latency_seconds;
    // The first action wakes everything up and is waited for, so that the start is not measured.
    let sent: Sent = (0..=total).map(|_| OnceLock::new()).collect();
    let mut actions = Actions::new();
    pace.send(&mut actions, &sent, 1)?;
    let mut all = collect(consumer, &sent, 1, START_TIMEOUT)
        .with_context(|| format!("its last output was:\n{}", process.tail()))?;
    all = thread::scope(|scope| {
        let producing = scope.spawn(|| pace.send(&mut actions, &sent, total));
        let collected = collect(consumer, &sent, total, OUTCOME_TIMEOUT);
        producing.join().map_err(|_| anyhow::anyhow!("the producer panicked"))??;
        collected
    })
    .with_context(|| format!("after {all:?}; its last output was:\n{}", process.tail()))?;
    all.retain(|(number, _)| *number > warm_up);
    summarise(options.rate, all.into_iter().map(|(_, took)| took).collect())
}

/// Produces at an even rate.
struct Pace {
    producer: BaseProducer,
    topic: String,
    rate: u32,
}

impl Pace {
    /// Produces the next `count` actions.
    fn send(&self, actions: &mut Actions, sent: &Sent, count: u32) -> Result<()> {
        let start = clock::now();
        for number in 0..count {
            let due = start + Duration::from_secs(1) * number / self.rate;
            loop {
                let left = due.saturating_duration_since(clock::now());
                if left.is_zero() {
                    break;
                }
                // Sleeps too, and serves delivery reports meanwhile.
                self.producer.poll(Duration::ZERO);
                thread::sleep(left.min(Duration::from_millis(1)));
            }
            let Action { number, key, json } = actions.advance()?;
            let slot = sent.get(usize::try_from(number)?);
            let record = BaseRecord::to(&self.topic).key(key).payload(json);
            slot.context("an action beyond the last")?.get_or_init(clock::now);
            self.producer.send(record).map_err(|(error, _)| error)?;
        }
        self.producer.flush(OUTCOME_TIMEOUT)?;
        Ok(())
    }
}

/// Receives `count` outcomes: the number of each action, and how long it took.
fn collect(consumer: &BaseConsumer, sent: &Sent, count: u32, patience: Duration) -> Result<Vec<(u32, Duration)>> {
    let mut all = Vec::new();
    let mut heard = clock::now();
    while all.len() < usize::try_from(count)? {
        let Some(record) = consumer.poll(Duration::from_millis(50)) else {
            let got = all.len();
            ensure!(heard.elapsed() < patience, "no outcome for {patience:?}, after {got} of {count}");
            continue;
        };
        let record = record?;
        heard = clock::now();
        let outcome: Outcome<'_> = serde_json::from_slice(record.payload().unwrap_or_default())?;
        let id = &outcome.action_id;
        let number = number_of(id).with_context(|| format!("action {id} is not ours"))?;
        let slot = sent.get(usize::try_from(number)?).and_then(OnceLock::get);
        let at = slot.with_context(|| format!("action {id} was never produced"))?;
        all.push((number, heard.duration_since(*at)));
    }
    Ok(all)
}

/// The percentiles of what each action took.
fn summarise(rate: u32, took: Vec<Duration>) -> Result<Latency> {
    let [p50_ms, p99_ms, max_ms] = percentiles(took)?;
    Ok(Latency { rate, p50_ms, p99_ms, max_ms })
}

/// The median, the time that 99 % do not exceed, and the longest, in milliseconds.
pub(crate) fn percentiles(mut took: Vec<Duration>) -> Result<[f64; 3]> {
    took.sort_unstable();
    // The smallest that at least this share does not exceed.
    let percentile = |percent: usize| {
        let rank = (took.len() * percent).div_ceil(100).max(1);
        took.get(rank - 1).map(|took| took.as_secs_f64() * 1e3)
    };
    let of = |percent| percentile(percent).context("nothing was measured");
    Ok([of(50)?, of(99)?, of(100)?])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let took = (1..=200).rev().map(Duration::from_millis).collect();
        let latency = summarise(7, took).unwrap();
        assert_eq!(latency, Latency { rate: 7, p50_ms: 100.0, p99_ms: 198.0, max_ms: 200.0 });
        assert!(summarise(7, Vec::new()).is_err());
    }
}
