//! The cleaner: retention and compaction of every partition, in the background.

use crate::catalog::{Catalog, Partition, lock};
use crate::compaction::Pass;
use crate::{Error, retention};
use std::sync::Mutex;

/// Cleans one partition at a time, one caller at a time.
#[derive(Debug, Default)]
pub(crate) struct Cleaner(Mutex<()>);

impl Cleaner {
    /// Cleans every partition once. A partition that can't be cleaned is reported and left as it is. `go_on` is asked
    /// before each one.
    pub(crate) fn run(&self, catalog: &Catalog, now: i64, go_on: impl Fn() -> bool) {
        let _one_at_a_time = lock(&self.0);
        for (topic, t) in catalog.all() {
            for (number, partition) in t.partitions().iter().enumerate() {
                if !go_on() {
                    return;
                }
                if let Err(error) = clean(partition, now) {
                    tracing::error!(topic, partition = number, %error, "partition can't be cleaned");
                }
            }
        }
    }
}

fn clean(partition: &Partition, now: i64) -> Result<(), Error> {
    let pass = {
        let mut log = lock(&partition.log);
        log.roll_if_old(now)?;
        let active_is_stale =
            log.segments().last().is_some_and(|s| !s.is_empty() && retention::is_stale(s, &log.config, now));
        if active_is_stale && log.stable_end() == log.end() {
            log.roll(now)?;
        }
        let expired = retention::expired(log.segments(), &log.config, log.stable_end(), now);
        log.drop_first(expired)?;
        if log.config.compact { Pass::plan(&log, now) } else { None }
    };
    let Some(pass) = pass else { return Ok(()) };
    let latest = pass.latest()?;
    pass.run(&latest, now, |done| lock(&partition.log).replace_closed(&done.replaced, done.by, &done.scratch))?;
    lock(&partition.log).note_compacted(latest.upto())
}
