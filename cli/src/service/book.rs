//! The rules in effect, for the gateway: the definitions topic followed, and rule files published on request.

use crate::config::Config;
use crate::definitions::{self, RuleFiles};
use acteon_core::Definitions;
use acteon_gateway::{ReloadError, Reloaded, RuleBook};
use acteon_runtime::definitions::{Follower, Snapshots};
use anyhow::Result;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Longest that one looks for a change before looking whether to stop.
const POLL: Duration = Duration::from_millis(200);

/// The thread that follows the definitions, and what it has seen last. Dropping it stops it.
pub(super) struct Book {
    config: Config,
    latest: Arc<Mutex<Option<Arc<Definitions>>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Book {
    /// Begins to follow a Kafka that is there.
    ///
    /// # Errors
    /// The topic can't be read.
    pub(super) fn start(config: Config) -> Result<Self> {
        let mut follower = Follower::new(&config.kafka, &config.topology.names)?;
        let mut snapshots = Snapshots::new(config.secrets.clone());
        let (latest, stop) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let (seen, stopped) = (Arc::clone(&latest), Arc::clone(&stop));
        let thread = thread::Builder::new().name("definitions".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Some(table) = follower.poll(POLL) else { continue };
                match snapshots.take(table) {
                    Ok(None) => {}
                    Ok(Some(found)) => *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(found)),
                    Err(error) => tracing::warn!(%error, "definitions refused; the last good ones are shown"),
                }
            }
        })?;
        Ok(Self { config, latest, stop, thread: Some(thread) })
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the follower of definitions had panicked");
        }
    }
}

impl RuleBook for Book {
    fn definitions(&self) -> Option<Arc<Definitions>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reload(&self, directory: Option<&Path>) -> Result<Reloaded, ReloadError> {
        let directory = directory.unwrap_or(&self.config.rules.directory);
        let refused = |error: anyhow::Error| ReloadError::Refused(vec![format!("{error:#}")]);
        let files = RuleFiles::read(directory).map_err(refused)?;
        let checked = files.check(&self.config, true);
        if checked.has_errors() {
            return Err(ReloadError::Refused(checked.errors()));
        }
        let wanted = definitions::of(&self.config, &files).map_err(refused)?;
        let published = acteon_runtime::definitions::publish(&self.config.kafka, &self.config.topology.names, &wanted);
        let changed = published.map_err(|error| ReloadError::Failed(error.to_string()))?;
        let rules = checked.rule_count().unwrap_or(0);
        tracing::info!(rules, changed, directory = %directory.display(), "rules published over http");
        Ok(Reloaded { rules, directory: directory.to_owned() })
    }
}
