//! What every connection and background task of one broker shares.

use crate::catalog::{Catalog, lock};
use crate::cleaner::Cleaner;
use crate::coordinator::{Coordinator, Ground};
use crate::faults::Faults;
use crate::{Config, Error, clock};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use tokio::sync::watch;

/// One broker.
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// The port listened on.
    pub(crate) port: u16,
    pub(crate) catalog: Catalog,
    coordinator: Mutex<Coordinator>,
    pub(crate) faults: Faults,
    pub(crate) cleaner: Cleaner,
    /// Set by a failpoint: nothing more is to be written.
    halted: AtomicBool,
    stop: watch::Sender<bool>,
}

impl Shared {
    /// Reads what the data directory holds, and finishes the transactions that were decided but not completed.
    pub(crate) fn open(config: Config, port: u16) -> Result<Self, Error> {
        let now = clock::wall_ms();
        let mut coordinator = Coordinator::open(&config.data_dir)?;
        let catalog = Catalog::open(&config.data_dir, &coordinator.meta, now)?;
        let faults = Faults::default();
        coordinator.complete_prepared(&Ground { catalog: &catalog, faults: &faults, now })?;
        Ok(Self {
            config,
            port,
            catalog,
            coordinator: Mutex::new(coordinator),
            faults,
            cleaner: Cleaner::default(),
            halted: AtomicBool::new(false),
            stop: watch::Sender::new(false),
        })
    }

    /// Locks the coordinator. No partition may be locked by the caller.
    pub(crate) fn coordinator(&self) -> MutexGuard<'_, Coordinator> {
        lock(&self.coordinator)
    }

    /// What transactions are ended on, now.
    pub(crate) fn ground(&self) -> Ground<'_> {
        Ground { catalog: &self.catalog, faults: &self.faults, now: clock::wall_ms() }
    }

    /// Becomes true when the broker is to stop.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Whether the broker is to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Tells everything to stop.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Stops as a crash would: nothing more is answered or flushed.
    pub(crate) fn halt(&self) {
        self.halted.store(true, Ordering::Release);
        self.stop();
    }

    /// Whether [`Self::halt`] was called.
    pub(crate) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Acquire)
    }

    /// Lets time pass: sessions, rebalances, transaction time-outs.
    pub(crate) fn tick(&self) {
        if self.is_halted() {
            return;
        }
        let ground = self.ground();
        let mut coordinator = self.coordinator();
        coordinator.tick_groups(clock::steady_ms());
        let ended = coordinator.abort_late(&ground).and_then(|()| coordinator.complete_prepared(&ground));
        drop(coordinator);
        match ended {
            Ok(()) => {}
            Err(Error::Halted) => self.halt(),
            Err(error) => tracing::error!(%error, "a transaction can't be completed, trying again"),
        }
    }

    /// Flushes everything to the disk; the last thing a broker does.
    pub(crate) fn finish(&self) {
        if !self.is_halted() {
            self.catalog.finish(clock::wall_ms());
            self.coordinator().finish();
        }
    }
}
