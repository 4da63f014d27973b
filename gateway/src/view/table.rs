//! Tables in memory that are kept by reading a topic from its beginning, or from a time on, to its end and on.

use super::audit::Progress;
use crate::log::{Found, LogReader, ReadError};
use crate::{Component, clock};
use acteon_topology::KafkaConfig;
use rdkafka::message::Message as _;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest that one looks for a record before looking whether to stop.
const POLL: Duration = Duration::from_millis(100);
/// How often the lag is measured.
const LAG_INTERVAL: Duration = Duration::from_secs(5);
/// Wait after a failure, before the topic is read anew.
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// What a topic is read into.
pub(crate) trait Table: Default + Send + 'static {
    /// Its name, in metrics and in `/ready`.
    const NAME: &'static str;

    /// Takes in a record. One that can't be read changes nothing.
    ///
    /// # Errors
    /// Why it can't be read.
    fn take(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), String>;
}

/// Where a topic is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFrom {
    /// The oldest record that is kept.
    Beginning,
    /// So many milliseconds before now.
    Ago(i64),
}

/// A table, and the thread that keeps it. Dropping it stops the thread within a moment.
pub(crate) struct TableView<T> {
    table: Arc<Mutex<T>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    caught_up: AtomicBool,
    lag: AtomicI64,
    trouble: Mutex<Option<String>>,
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl<T: Table> TableView<T> {
    /// Starts to read. Kafka need not be there yet.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(kafka: &KafkaConfig, topic: &str, from: ReadFrom) -> std::io::Result<Self> {
        let (table, shared) = (Arc::<Mutex<T>>::default(), Arc::<Shared>::default());
        let keeping = Keeping {
            kafka: kafka.clone(),
            topic: topic.to_owned(),
            from,
            table: Arc::clone(&table),
            shared: Arc::clone(&shared),
        };
        std::thread::Builder::new().name(format!("{} view", T::NAME)).spawn(move || keeping.run())?;
        Ok(Self { table, shared })
    }

    /// The table as it is.
    pub(crate) fn read(&self) -> MutexGuard<'_, T> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            caught_up: self.shared.caught_up.load(Ordering::Relaxed),
            lag: self.shared.lag.load(Ordering::Relaxed),
            trouble: self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// How it is doing, for `/ready`.
    pub(crate) fn component(&self) -> Component {
        self.progress().component(&format!("{} view", T::NAME))
    }
}

impl<T> Drop for TableView<T> {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

struct Keeping<T> {
    kafka: KafkaConfig,
    topic: String,
    from: ReadFrom,
    table: Arc<Mutex<T>>,
    shared: Arc<Shared>,
}

impl<T: Table> Keeping<T> {
    fn run(&self) {
        while !self.shared.stopped() {
            let Err(error) = self.follow() else { return };
            tracing::warn!(%error, topic = self.topic, "a view can't follow the log at the moment");
            self.shared.trouble(Some(error.to_string()));
            let until = clock::now() + RETRY_WAIT;
            while !self.shared.stopped() && clock::now() < until {
                std::thread::sleep(POLL);
            }
        }
    }

    /// Reads until it is stopped.
    fn follow(&self) -> Result<(), ReadError> {
        let reader = LogReader::open(&self.kafka, &self.topic)?;
        let mut next = Vec::new();
        for partition in 0..reader.partitions() {
            let (low, high) = reader.ends(partition)?;
            next.push(match self.from {
                ReadFrom::Beginning => low,
                ReadFrom::Ago(ms) => reader.since(partition, clock::now_ms().saturating_sub(ms))?.unwrap_or(high),
            });
        }
        reader.assign(&(0..).zip(next.iter().copied()).collect())?;
        // What is there stays to be read until the new one is complete.
        let mut building = Some(T::default());
        let (mut ended, mut measured) = (BTreeSet::new(), None::<Instant>);
        while !self.shared.stopped() {
            if measured.is_none_or(|at| clock::now().duration_since(at) >= LAG_INTERVAL) {
                self.measure(&reader, &next, &ended);
                measured = Some(clock::now());
            }
            match reader.next(POLL)? {
                Found::Nothing => {}
                Found::End(partition) => {
                    ended.insert(partition);
                    if ended.len() == next.len() {
                        self.complete(building.take());
                        self.shared.trouble(None);
                    }
                }
                Found::Record(record) => {
                    let place = usize::try_from(record.partition()).ok().and_then(|index| next.get_mut(index));
                    if let Some(place) = place {
                        if record.offset() < *place {
                            return Err(ReadError::MadeAnew(self.topic.clone()));
                        }
                        *place = record.offset() + 1;
                    }
                    ended.remove(&record.partition());
                    self.take(building.as_mut(), record.key().unwrap_or_default(), record.payload());
                }
            }
        }
        Ok(())
    }

    fn take(&self, building: Option<&mut T>, key: &[u8], value: Option<&[u8]>) {
        let taken = match building {
            Some(table) => table.take(key, value),
            None => self.table.lock().unwrap_or_else(PoisonError::into_inner).take(key, value),
        };
        if let Err(error) = taken {
            tracing::warn!(error, topic = self.topic, "a record can't be read and is passed over");
            metrics::counter!("acteon_view_unreadable_total", "view" => T::NAME).increment(1);
        }
    }

    /// The end was reached: from now on it is this table that is read.
    fn complete(&self, table: Option<T>) {
        if let Some(table) = table {
            *self.table.lock().unwrap_or_else(PoisonError::into_inner) = table;
            self.shared.lag.store(0, Ordering::Relaxed);
            self.shared.caught_up.store(true, Ordering::Relaxed);
            tracing::info!(topic = self.topic, view = T::NAME, "a view has caught up");
        }
    }

    fn measure(&self, reader: &LogReader, next: &[i64], ended: &BTreeSet<i32>) {
        let mut lag = 0;
        for (partition, next) in (0..).zip(next).filter(|(partition, _)| !ended.contains(partition)) {
            let Ok((_, high)) = reader.ends(partition) else { return };
            lag += (high - next).max(0);
        }
        self.shared.lag.store(lag, Ordering::Relaxed);
        // A gauge is a float: beyond 2^53 it is not exact, which no one minds.
        #[allow(clippy::cast_precision_loss)]
        metrics::gauge!("acteon_view_lag", "view" => T::NAME).set(lag as f64);
    }
}

#[cfg(test)]
mod tests;
