use super::{AuditFollower, AuditStore};
use crate::view::Progress;
use crate::view::progress::Shared;
use crate::{Component, clock};
use acteon_topology::KafkaConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The audit view as a gateway has it: a store, what keeps it up to date, and what deletes from it what has expired. Dropping
/// it stops both.
pub struct AuditView {
    store: Arc<dyn AuditStore>,
    follower: Option<AuditFollower>,
    sweeper: Option<JoinHandle<()>>,
}

impl AuditView {
    /// Starts to follow the audit topic into the store, and to delete what has expired each time that `sweep` has passed.
    /// Kafka need not be there yet. Needs a Tokio runtime.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        kafka: &KafkaConfig,
        topic: &str,
        store: Arc<dyn AuditStore>,
        sweep: Duration,
    ) -> std::io::Result<Self> {
        let follower = AuditFollower::start(kafka, topic, Arc::clone(&store))?;
        let sweeper = tokio::spawn(keep_swept(Arc::clone(&store), follower.shared(), sweep));
        Ok(Self { store, follower: Some(follower), sweeper: Some(sweeper) })
    }

    /// One that nothing keeps up to date.
    #[cfg(test)]
    pub(crate) fn still(store: Arc<dyn AuditStore>) -> Self {
        Self { store, follower: None, sweeper: None }
    }

    /// What the questions go to.
    #[must_use]
    pub fn store(&self) -> &dyn AuditStore {
        &*self.store
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let still = || Progress { caught_up: true, ..Progress::default() };
        self.follower.as_ref().map_or_else(still, AuditFollower::progress)
    }
}

impl AuditView {
    /// How it is doing, for `/ready`. Being away from Kafka for a while is no reason to answer nothing.
    pub(crate) fn component(&self) -> Component {
        self.progress().component("audit view")
    }
}

impl Drop for AuditView {
    fn drop(&mut self) {
        if let Some(sweeper) = &self.sweeper {
            sweeper.abort();
        }
    }
}

async fn keep_swept(store: Arc<dyn AuditStore>, following: Arc<Shared>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        // Before, nobody is told of what has expired, and what it is found by may be missing.
        if !following.has_caught_up() {
            continue;
        }
        let mut deleted = 0;
        loop {
            match store.expire(clock::now_ms()).await {
                Ok(0) => break,
                Ok(count) => deleted += count,
                Err(error) => {
                    tracing::warn!(%error, "expired audit records can't be deleted at the moment");
                    break;
                }
            }
        }
        if deleted > 0 {
            tracing::info!(deleted, "expired audit records are deleted");
            metrics::counter!("acteon_view_expired_total", "view" => "audit").increment(deleted);
        }
    }
}
