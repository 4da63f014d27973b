//! Tables in memory that are kept by reading a topic from its beginning, or from a time on, to its end and on.

use super::progress::{POLL, Progress, Shared};
use crate::log::{Found, LogReader, ReadError};
use crate::{Component, clock};
use acteon_topology::KafkaConfig;
use rdkafka::message::Message as _;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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

impl<T: Table> TableView<T> {
    /// Starts to read. Kafka need not be there yet.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(kafka: &KafkaConfig, topic: &str, from: ReadFrom) -> std::io::Result<Self> {
        let (table, shared) = (Arc::<Mutex<T>>::default(), Arc::new(Shared::new(T::NAME)));
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
        self.shared.progress()
    }

    /// How it is doing, for `/ready`.
    pub(crate) fn component(&self) -> Component {
        self.progress().component(&format!("{} view", T::NAME))
    }
}

impl<T> Drop for TableView<T> {
    fn drop(&mut self) {
        self.shared.stop();
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
            self.shared.pause(RETRY_WAIT);
        }
    }

    /// Reads until it is stopped.
    fn follow(&self) -> Result<(), ReadError> {
        let reader = LogReader::open(&self.kafka, &self.topic, &[])?;
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
        let (mut ended, mut measured) = (BTreeSet::new(), None);
        while !self.shared.stopped() {
            self.shared.measure(&mut measured, || lag(&reader, &next, &ended));
            match reader.next(POLL)? {
                Found::Nothing | Found::Away(_) => {}
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
                            return Err(reader.went_back(record.partition(), *place, record.offset()));
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
            self.shared.lag(Some(0));
            self.shared.catches_up();
            tracing::info!(topic = self.topic, view = T::NAME, "a view has caught up");
        }
    }
}

/// Offsets between what was read and the log's end; none where Kafka can't tell.
fn lag(reader: &LogReader, next: &[i64], ended: &BTreeSet<i32>) -> Option<i64> {
    let mut lag = 0;
    for (partition, next) in (0..).zip(next).filter(|(partition, _)| !ended.contains(partition)) {
        lag += (reader.ends(partition).ok()?.1 - next).max(0);
    }
    Some(lag)
}

#[cfg(test)]
mod tests;
