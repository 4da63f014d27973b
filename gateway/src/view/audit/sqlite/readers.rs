use super::schema;
use crate::view::audit::StoreError;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Questions that are answered at the same time, each on a connection of its own.
const READERS: usize = 4;
/// Questions that wait for a connection; more are refused.
pub(super) const MAX_WAITING: usize = 256;
/// Instructions of SQLite between two looks at what a question may still use.
const STRIDE: i32 = 10_000;
/// Strides that a question may take: 100 million instructions, some seconds, of which a row that is looked at takes about
/// 20.
pub(super) const QUESTION_STRIDES: i64 = 10_000;
/// Strides to count with, which the page can do without: about 300,000 rows.
pub(super) const COUNT_STRIDES: i64 = 500;

/// A connection that reads, and how long it may.
pub(super) struct Reader {
    pub(super) connection: Connection,
    strides: Arc<AtomicI64>,
}

impl Reader {
    fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = schema::open_to_read(path)?;
        let strides = Arc::new(AtomicI64::new(QUESTION_STRIDES));
        let left = Arc::clone(&strides);
        connection.progress_handler(STRIDE, Some(move || left.fetch_sub(1, Ordering::Relaxed) <= 0))?;
        Ok(Self { connection, strides })
    }

    /// Lets what comes next take so many strides.
    pub(super) fn allow(&self, strides: i64) {
        self.strides.store(strides, Ordering::Relaxed);
    }
}

/// The connections that read, made when they are first needed.
pub(super) struct Readers {
    path: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Reader>>>,
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Readers {
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: Arc::new(path.to_owned()),
            idle: Arc::default(),
            free: Arc::new(Semaphore::new(READERS)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Answers a question on a thread that may block, when a connection is free.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let waiting = Waiting::begin(&self.waiting)?;
        let free = Arc::clone(&self.free).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        drop(waiting);
        let (path, idle) = (Arc::clone(&self.path), Arc::clone(&self.idle));
        let answered = tokio::task::spawn_blocking(move || {
            let reader = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let reader = reader.map_or_else(|| Reader::open(&path), Ok)?;
            reader.allow(QUESTION_STRIDES);
            let answer = question(&reader);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
            drop(free);
            answer
        });
        answered.await.map_err(|error| StoreError::Failed(error.to_string()))?
    }
}

/// A place among those that wait, given back when it is dropped: whoever asked may not stay until the answer.
struct Waiting<'w>(&'w AtomicUsize);

impl<'w> Waiting<'w> {
    fn begin(count: &'w AtomicUsize) -> Result<Self, StoreError> {
        let place = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            return Err(StoreError::Busy { limit: MAX_WAITING });
        }
        Ok(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
