//! Circuits as connectors see them: which calls are not made although a dispatch asks for them.
//!
//! Whether a circuit opens or closes is decided by the processor. What was dispatched before it opened is answered here
//! without a call, and of the dispatches that may try it one at a time is let through.

mod follower;

pub(crate) use follower::follow;

use crate::clock;
use crate::kafka::lock;
use crate::provider::code;
use acteon_schemas::{CircuitState, ResultStatus};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a trial is remembered after its end. The circuit moves on long before; where it does not, another call may
/// try it after this time.
const TRIAL_MEMORY: Duration = Duration::from_secs(30);

/// Longest that dispatches are kept waiting at the start until it is known how circuits stand.
const KNOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// Time between two looks at that.
const KNOWN_INTERVAL: Duration = Duration::from_millis(5);

/// Whether it is known how circuits stand.
#[derive(Debug, Default)]
pub(crate) struct Known(OnceLock<()>);

impl Known {
    fn set(&self) {
        self.0.get_or_init(|| ());
    }

    /// Blocks until it is known, or `stop` is cancelled, or it takes too long: without Kafka nothing is dispatched either.
    pub(crate) fn wait(&self, stop: &CancellationToken) {
        let start = clock::now();
        while self.0.get().is_none()
            && !stop.is_cancelled()
            && clock::now().saturating_duration_since(start) < KNOWN_TIMEOUT
        {
            std::thread::sleep(KNOWN_INTERVAL);
        }
    }
}

/// The circuit of one provider.
#[derive(Debug)]
pub(crate) struct Circuit {
    inner: Mutex<Inner>,
    /// Whether calls other than one that tries it are not made: wakes those that wait to be made again.
    open: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Whether the provider has one.
    is_used: bool,
    /// How it stands; closed where nothing is known.
    state: Option<CircuitState>,
    trial: Option<Trial>,
}

/// A call that tries an open circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trial {
    epoch: u64,
    /// When it ended; absent while it is under way.
    ended: Option<Instant>,
}

/// Whether a call may be made.
#[derive(Debug)]
pub(crate) enum Leave {
    /// It may.
    Call,
    /// It may be made once, to try the circuit.
    Try(Permit),
    /// It may not.
    Refused,
}

/// Leave to try a circuit. Dropped without an end, it goes to the next one that asks.
#[derive(Debug)]
pub(crate) struct Permit {
    circuit: Arc<Circuit>,
    epoch: u64,
}

impl Permit {
    /// Notes what came of the call. A failure that says nothing about the provider leaves it to another one to try.
    pub(crate) fn end(self, result: &ResultStatus<'_>) {
        let counts = match result {
            ResultStatus::Delivered(_) => true,
            ResultStatus::Failed(error) => code::counts_for_circuit(&error.code),
        };
        if counts {
            self.circuit.set_trial(self.epoch, Some(Trial { epoch: self.epoch, ended: Some(clock::now()) }));
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut inner = lock(&self.circuit.inner);
        if inner.trial == Some(Trial { epoch: self.epoch, ended: None }) {
            inner.trial = None;
        }
    }
}

impl Default for Circuit {
    fn default() -> Self {
        Self { inner: Mutex::default(), open: watch::Sender::new(false) }
    }
}

impl Circuit {
    /// Asks for leave to make a call; `probe` is the epoch that it may try.
    pub(crate) fn ask(self: &Arc<Self>, probe: Option<u64>, now: Instant) -> Leave {
        let mut inner = lock(&self.inner);
        if !inner.is_used {
            return Leave::Call;
        }
        let is_open = inner.is_open();
        let known = inner.state.as_ref().map_or(0, |state| state.epoch);
        // The dispatch can be ahead of what is known here, and behind it.
        let epoch = match probe {
            Some(epoch) if epoch > known || epoch == known && is_open => epoch,
            _ if is_open => return Leave::Refused,
            _ => return Leave::Call,
        };
        let is_free = inner.trial.is_none_or(|trial| {
            let forgotten = |ended| now.saturating_duration_since(ended) >= TRIAL_MEMORY;
            trial.epoch < epoch || trial.epoch == epoch && trial.ended.is_some_and(forgotten)
        });
        if !is_free {
            return Leave::Refused;
        }
        inner.trial = Some(Trial { epoch, ended: None });
        Leave::Try(Permit { circuit: Arc::clone(self), epoch })
    }

    /// Whether a call that is not to try it would be refused.
    pub(crate) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Returns once it is open.
    pub(crate) async fn opened(&self) {
        // The sender lives as long as this.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }

    /// Takes in whether the provider has one.
    fn set_used(&self, is_used: bool) {
        self.change(|inner| inner.is_used = is_used);
    }

    /// Takes in how it stands.
    fn set_state(&self, state: Option<CircuitState>) {
        self.change(|inner| inner.state = state);
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = lock(&self.inner);
        change(&mut inner);
        let is_open = inner.is_open();
        drop(inner);
        self.open.send_if_modified(|open| std::mem::replace(open, is_open) != is_open);
    }

    fn set_trial(&self, epoch: u64, trial: Option<Trial>) {
        let mut inner = lock(&self.inner);
        if inner.trial.is_some_and(|current| current.epoch == epoch) {
            inner.trial = trial;
        }
    }
}

impl Inner {
    fn is_open(&self) -> bool {
        self.is_used && self.state.as_ref().is_some_and(|state| state.opened_at.is_some())
    }
}

#[cfg(test)]
impl Circuit {
    /// Opens it.
    pub(crate) fn open_for_test(&self) {
        self.open.send_replace(true);
    }
}

#[cfg(test)]
mod tests;
