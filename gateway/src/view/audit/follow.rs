//! What keeps an audit store up to date: a thread that reads the audit topic from where the store ends.

mod reader;
mod start;

use super::{AuditBatch, AuditStore, StoreError};
use crate::clock;
use crate::log::ReadError;
use crate::view::progress::{POLL, Progress, Shared};
use acteon_topology::KafkaConfig;
use reader::{Read, Reader};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinHandle as TaskHandle;

/// How long records wait for others to be written with.
const GATHER: Duration = Duration::from_millis(20);
/// The same while many come: each page of the store that they share is written once for all of them.
const GATHER_MANY: Duration = Duration::from_millis(100);
/// So many records at once are many: 3,200 a second, and once they gather for longer, 640 a second.
const MANY: usize = 64;
/// The same before the view has caught up, where nobody waits for them.
const GATHER_BEHIND: Duration = Duration::from_millis(200);
/// How long one that stops waits for its thread, which may wait for Kafka. What it still writes is right.
const STOP_WAIT: Duration = Duration::from_secs(2);
/// Wait after the first failure; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A thread that follows the audit topic into a store. Dropping it stops it.
pub struct AuditFollower {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl AuditFollower {
    /// Starts to follow. Kafka need not be there yet. Needs a Tokio runtime, which the store answers on.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(kafka: &KafkaConfig, topic: &str, store: Arc<dyn AuditStore>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::new("audit"));
        let following = Following {
            kafka: kafka.clone(),
            topic: topic.to_owned(),
            store,
            runtime: Handle::current(),
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new().name("audit-view".to_owned()).spawn(move || following.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What it shares with those who want to know how far it is.
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.shared.progress()
    }
}

impl Drop for AuditFollower {
    fn drop(&mut self) {
        self.shared.stop();
        let until = clock::now() + STOP_WAIT;
        let Some(thread) = self.thread.take() else { return };
        while !thread.is_finished() && clock::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !thread.is_finished() {
            tracing::debug!("the audit view's follower waits for Kafka and ends by itself");
        } else if thread.join().is_err() {
            tracing::error!("the audit view's follower panicked");
        }
    }
}

/// Why following has to begin anew.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Log(#[from] ReadError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

struct Following {
    kafka: KafkaConfig,
    topic: String,
    store: Arc<dyn AuditStore>,
    runtime: Handle,
    shared: Arc<Shared>,
}

impl Following {
    fn run(&self) {
        let mut wait = FIRST_WAIT;
        while !self.shared.stopped() {
            let began = clock::now();
            let Err(error) = self.follow() else { return };
            tracing::warn!(%error, "the audit view can't follow the log at the moment");
            self.shared.trouble(Some(error.to_string()));
            if clock::now().duration_since(began) > LONGEST_WAIT {
                wait = FIRST_WAIT;
            }
            self.shared.pause(wait);
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Follows until it is stopped.
    fn follow(&self) -> Result<(), Interrupted> {
        let stored = self.runtime.block_on(self.store.offsets(&self.topic))?;
        let mut reader = Reader::start(&self.kafka, &self.topic, &stored)?;
        for (partition, next) in reader.restarted() {
            self.runtime.block_on(self.store.reset_offset(&self.topic, partition, next))?;
        }
        let mut writing = Writing { following: self, last: None };
        let mut measured = None;
        let mut patience = patience_after(0, self.shared.has_caught_up());
        while !self.shared.stopped() {
            self.shared.measure(&mut measured, || reader.lag());
            let batch = self.gather(&mut reader, patience)?;
            patience = patience_after(batch.len(), self.shared.has_caught_up());
            if !batch.is_empty() {
                writing.write(batch)?;
            }
            if reader.reached_end() && !self.shared.has_caught_up() {
                // What is not written yet is not there for those who ask.
                writing.wait()?;
                tracing::info!(
                    topic = self.topic,
                    "the audit view has read the log; its store is made ready for questions"
                );
                self.runtime.block_on(self.store.filled())?;
                self.shared.lag(reader.lag());
                self.shared.catches_up();
                tracing::info!(topic = self.topic, "the audit view has caught up");
            }
            self.shared.trouble(reader.trouble());
        }
        writing.wait()
    }

    /// What there is to write together, after at most a moment.
    fn gather(&self, reader: &mut Reader, patience: Duration) -> Result<AuditBatch, Interrupted> {
        let mut batch = AuditBatch::new(&self.topic);
        let mut until = None::<Instant>;
        while !batch.is_full() && !self.shared.stopped() {
            let timeout = until.map_or(POLL, |until| until.saturating_duration_since(clock::now()));
            if timeout.is_zero() {
                break;
            }
            match reader
                .read(timeout.min(POLL), |partition, offset, value| push(&mut batch, partition, offset, value))?
            {
                Read::Record => until = until.or_else(|| Some(clock::now() + patience)),
                Read::Other => {}
                Read::Nothing => break,
            }
        }
        Ok(batch)
    }
}

/// How long records gather after so many that came at once.
fn patience_after(records: usize, has_caught_up: bool) -> Duration {
    match has_caught_up {
        false => GATHER_BEHIND,
        true if records < MANY => GATHER,
        true => GATHER_MANY,
    }
}

fn push(batch: &mut AuditBatch, partition: i32, offset: i64, value: &[u8]) {
    if let Err(error) = batch.push(partition, offset, value) {
        tracing::warn!(%error, partition, offset, "an audit record can't be read and is passed over");
        metrics::counter!("acteon_view_unreadable_total", "view" => "audit").increment(1);
    }
}

/// One batch is written while the next one is read.
struct Writing<'f> {
    following: &'f Following,
    last: Option<TaskHandle<Result<super::Appended, StoreError>>>,
}

impl Writing<'_> {
    fn write(&mut self, batch: AuditBatch) -> Result<(), Interrupted> {
        self.wait()?;
        let store = Arc::clone(&self.following.store);
        self.last = Some(self.following.runtime.spawn(async move { store.append(batch).await }));
        Ok(())
    }

    fn wait(&mut self) -> Result<(), Interrupted> {
        let Some(last) = self.last.take() else { return Ok(()) };
        let appended = self.following.runtime.block_on(last).map_err(|_| StoreError::Closed)??;
        metrics::counter!("acteon_view_records_total", "view" => "audit").increment(appended.taken as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
