//! Hot reload: a change of the rule files is checked, and published if it is good. The running set stays if it isn't.

use crate::config::Config;
use crate::definitions::{self, RuleFiles};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

/// Time between two looks at the directory.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The thread that watches the directory.
pub(super) struct Reloader {
    /// Dropped to end the thread.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Reloader {
    /// Watches the configured directory; `published` is what is published already.
    pub(super) fn start(config: Config, published: RuleFiles) -> Result<Self> {
        let (stop, stopped) = channel::<()>();
        let mut watch = Watch { looked: None, seen: published, config };
        let thread = thread::Builder::new().name("rules".to_owned()).spawn(move || {
            while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                watch.look();
            }
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread, after what it is doing.
    pub(super) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::warn!("the rules' watcher had panicked");
        }
    }
}

struct Watch {
    config: Config,
    /// What the directory looked like the last time; `None`: to be read again.
    looked: Option<Look>,
    /// The files that were published or refused last.
    seen: RuleFiles,
}

/// Names, times and sizes: cheap to compare with the next look.
type Look = Vec<(PathBuf, Option<SystemTime>, u64)>;

impl Watch {
    fn look(&mut self) {
        let look = look(&self.config.rules.directory);
        if self.looked.as_ref() == Some(&look) {
            return;
        }
        match RuleFiles::configured(&self.config) {
            Ok(files) if files == self.seen => self.looked = Some(look),
            Ok(files) => {
                if self.take(&files) {
                    self.looked = Some(look);
                    self.seen = files;
                }
            }
            Err(error) => {
                // A file may be half written: said once, and looked at again when it changes.
                tracing::error!(%error, "rules can't be read; the running set stays");
                self.looked = Some(look);
            }
        }
    }

    /// Publishes good files and reports bad ones. Returns false if it is to be tried again.
    fn take(&self, files: &RuleFiles) -> bool {
        let checked = files.check(&self.config, true);
        if checked.has_errors() {
            for diagnostic in checked.diagnostics() {
                tracing::error!(%diagnostic, "rules refused; the running set stays");
            }
            return true;
        }
        for diagnostic in checked.diagnostics() {
            tracing::warn!(%diagnostic, "rules doubtful");
        }
        let names = &self.config.topology.names;
        let published = definitions::of(&self.config, files)
            .and_then(|definitions| Ok(acteon_runtime::definitions::publish(&self.config.kafka, names, &definitions)?));
        match published {
            Ok(changed) => {
                tracing::info!(rules = checked.rule_count(), changed, "rules published");
                true
            }
            Err(error) => {
                tracing::warn!(%error, "rules can't be published; trying again");
                false
            }
        }
    }
}

fn look(directory: &Path) -> Look {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut look: Look = entries
        .filter_map(|entry| {
            // What the path leads to: a mounted configuration is often a symbolic link.
            let metadata = std::fs::metadata(entry.path()).ok()?;
            Some((entry.path(), metadata.modified().ok(), metadata.len()))
        })
        .collect();
    look.sort();
    look
}
