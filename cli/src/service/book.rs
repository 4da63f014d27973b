//! The rules in effect, for the gateway: the definitions topic followed, and rule files published on request.

use crate::config::Config;
use crate::definitions::{self, RuleFiles};
use acteon_core::Definitions;
use acteon_gateway::{EditError, ReloadError, Reloaded, RuleBook};
use acteon_runtime::definitions::{Follower, Snapshots};
use acteon_schemas::Definition;
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
                    Ok(Some(found)) => drop(show(&seen, found)),
                    Err(error) => tracing::warn!(%error, "definitions refused; the last good ones are shown"),
                }
            }
        })?;
        Ok(Self { config, latest, stop, thread: Some(thread) })
    }
}

/// What is in effect, by what is known and what has been found: the newer of the two.
fn show(latest: &Mutex<Option<Arc<Definitions>>>, found: Definitions) -> Arc<Definitions> {
    let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
    match &*latest {
        Some(known) if known.version > found.version => Arc::clone(known),
        _ => Arc::clone(latest.insert(Arc::new(found))),
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

    fn edit(&self, key: &str, value: Option<&Definition>) -> Result<Arc<Definitions>, EditError> {
        let Config { kafka, topology, secrets, .. } = &self.config;
        match acteon_runtime::definitions::edit(kafka, &topology.names, secrets, key, value) {
            Ok(found) => {
                tracing::info!(key, set = value.is_some(), "definition of an operator");
                // Whoever asks here next finds it, be it that the follower comes later.
                Ok(show(&self.latest, found))
            }
            Err(error @ acteon_runtime::definitions::EditError::Refused(_)) => {
                Err(EditError::Refused(error.to_string().lines().map(str::to_owned).collect()))
            }
            Err(error) => Err(EditError::Failed(error.to_string())),
        }
    }
}
