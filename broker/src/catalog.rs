//! The topics that are open, and their partitions.

use crate::Error;
use crate::log::Log;
use crate::log::batch::Header;
use crate::log::producers::Check;
use crate::meta::{Meta, TopicMeta};
use crate::topic_config::TopicConfig;
use kafka_protocol::error::ResponseError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use tokio::sync::Notify;

/// Locks a mutex; a panic of another holder is no reason to stop serving.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One partition.
pub(crate) struct Partition {
    pub(crate) log: Mutex<Log>,
    /// Fetches that wait for something to read. Dead ones are removed when the next one comes.
    waiters: Mutex<Vec<Waiter>>,
}

/// A fetch that waits.
struct Waiter {
    notify: Weak<Notify>,
    /// It reads committed records only.
    committed: bool,
}

/// Who has something to read after an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    All,
    /// The records are part of an open transaction: readers of committed ones wait for its marker.
    ReadUncommitted,
}

impl Partition {
    fn new(log: Log) -> Self {
        Self { log: Mutex::new(log), waiters: Mutex::new(Vec::new()) }
    }

    /// Wakes `waiter` at the next append that gives it something to read.
    pub(crate) fn wait(&self, waiter: &Arc<Notify>, committed: bool) {
        let mut waiters = lock(&self.waiters);
        waiters.retain(|w| w.notify.strong_count() > 0);
        if !waiters.iter().any(|w| std::ptr::eq(w.notify.as_ptr(), Arc::as_ptr(waiter))) {
            waiters.push(Waiter { notify: Arc::downgrade(waiter), committed });
        }
    }

    /// Wakes the fetches that have something to read now.
    pub(crate) fn wake(&self, whom: Wake) {
        let mut waiters = lock(&self.waiters);
        let woken = waiters.extract_if(.., |w| whom == Wake::All || !w.committed);
        for notify in woken.filter_map(|w| w.notify.upgrade()) {
            notify.notify_one();
        }
    }
}

/// Appends a producer's batch to a locked log, unless its sequence forbids; returns its first offset.
pub(crate) fn append(log: &mut Log, header: &Header, batch: &[u8], now: i64) -> Result<i64, ResponseError> {
    if header.producer_id >= 0 {
        match log.producers.check(header) {
            Check::Append => {}
            Check::Duplicate(offset) => return Ok(offset),
            Check::Refuse(error) => return Err(error),
        }
    }
    log.append(header, batch, None, now).map_err(|error| {
        tracing::error!(%error, "append failed");
        ResponseError::KafkaStorageError
    })
}

/// One topic.
pub(crate) struct Topic {
    id: u64,
    config: RwLock<Arc<TopicConfig>>,
    partitions: RwLock<Arc<[Arc<Partition>]>>,
}

impl Topic {
    /// The topic's settings.
    pub(crate) fn config(&self) -> Arc<TopicConfig> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All partitions, by number.
    pub(crate) fn partitions(&self) -> Arc<[Arc<Partition>]> {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the settings.
    pub(crate) fn configure(&self, config: TopicConfig) {
        let config = Arc::new(config);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config.clone();
        for partition in self.partitions().iter() {
            lock(&partition.log).config = config.clone();
        }
    }
}

/// All topics that are open.
pub(crate) struct Catalog {
    dir: PathBuf,
    topics: RwLock<BTreeMap<String, Arc<Topic>>>,
}

fn topic_dir(dir: &Path, name: &str, id: u64) -> PathBuf {
    dir.join(format!("{name}-{id}"))
}

impl Catalog {
    /// Opens every topic of `meta`, and removes the directories of topics that are no more.
    pub(crate) fn open(dir: &Path, meta: &Meta, now: i64) -> Result<Self, Error> {
        let dir = dir.join("topics");
        std::fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        let live: Vec<PathBuf> = meta.topics.iter().map(|(name, t)| topic_dir(&dir, name, t.id)).collect();
        for entry in std::fs::read_dir(&dir).map_err(Error::io("list", &dir))? {
            let path = entry.map_err(Error::io("list", &dir))?.path();
            if !live.contains(&path) {
                std::fs::remove_dir_all(&path).map_err(Error::io("delete", &path))?;
            }
        }
        let catalog = Self { dir, topics: RwLock::default() };
        for (name, topic) in &meta.topics {
            catalog.add(name, topic, now)?;
        }
        Ok(catalog)
    }

    fn topics_mut(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Arc<Topic>>> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A topic by name.
    pub(crate) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// A partition by topic name and number.
    pub(crate) fn partition(&self, topic: &str, partition: i32) -> Option<Arc<Partition>> {
        let at = usize::try_from(partition).ok()?;
        self.topic(topic)?.partitions().get(at).cloned()
    }

    /// All topics with their names.
    pub(crate) fn all(&self) -> Vec<(String, Arc<Topic>)> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.iter().map(|(name, topic)| (name.clone(), topic.clone())).collect()
    }

    /// Partitions of all topics together.
    pub(crate) fn partition_count(&self) -> usize {
        self.all().iter().map(|(_, t)| t.partitions().len()).sum()
    }

    /// Opens (and so creates) the logs of a topic.
    pub(crate) fn add(&self, name: &str, meta: &TopicMeta, now: i64) -> Result<(), Error> {
        let config = TopicConfig::new(meta.config.clone())
            .map_err(|reason| Error::Damaged { path: topic_dir(&self.dir, name, meta.id), reason })?;
        let config = Arc::new(config);
        let partitions = self.open_logs(name, meta, 0, &config, now)?;
        let topic = Topic { id: meta.id, config: RwLock::new(config), partitions: RwLock::new(partitions.into()) };
        self.topics_mut().insert(name.to_string(), Arc::new(topic));
        Ok(())
    }

    fn open_logs(
        &self,
        name: &str,
        meta: &TopicMeta,
        from: i32,
        config: &Arc<TopicConfig>,
        now: i64,
    ) -> Result<Vec<Arc<Partition>>, Error> {
        let dir = topic_dir(&self.dir, name, meta.id);
        let open = |n: i32| {
            let start = meta.log_starts.get(&n).copied().unwrap_or(0);
            Log::open(&dir.join(n.to_string()), start, config.clone(), now).map(|log| Arc::new(Partition::new(log)))
        };
        (from..meta.partitions).map(open).collect()
    }

    /// Adds the partitions that `meta` has and the open topic has not.
    pub(crate) fn grow(&self, name: &str, meta: &TopicMeta, now: i64) -> Result<(), Error> {
        let Some(topic) = self.topic(name) else { return Ok(()) };
        let old = topic.partitions();
        let from = i32::try_from(old.len()).unwrap_or(i32::MAX);
        let new = self.open_logs(name, meta, from, &topic.config(), now)?;
        let all: Vec<_> = old.iter().cloned().chain(new).collect();
        *topic.partitions.write().unwrap_or_else(PoisonError::into_inner) = all.into();
        Ok(())
    }

    /// Closes a topic and deletes its files.
    pub(crate) fn remove(&self, name: &str) {
        let Some(topic) = self.topics_mut().remove(name) else { return };
        let dir = topic_dir(&self.dir, name, topic.id);
        if let Err(error) = std::fs::remove_dir_all(&dir) {
            // The journal no longer knows the topic, so the next start tries again.
            tracing::warn!(dir = %dir.display(), %error, "files of a deleted topic stay");
        }
        for partition in topic.partitions().iter() {
            partition.wake(Wake::All);
        }
    }

    /// Flushes every log to the disk.
    pub(crate) fn finish(&self, now: i64) {
        for (topic, t) in self.all() {
            for (partition, p) in t.partitions().iter().enumerate() {
                if let Err(error) = lock(&p.log).finish(now) {
                    tracing::error!(topic, partition, %error, "log can't be flushed");
                }
            }
        }
    }
}
