use crate::{Component, clock};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest that one looks for a record before looking whether to stop.
pub(super) const POLL: Duration = Duration::from_millis(100);
/// How often the lag is measured.
const LAG_INTERVAL: Duration = Duration::from_secs(5);

/// How far a view is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether it has reached what was the end of the log when it began. Once it has, it stays so.
    pub caught_up: bool,
    /// Offsets between it and the log's end, as last measured. Markers of transactions count.
    pub lag: i64,
    /// Why nothing is read at the moment, if that is so.
    pub trouble: Option<String>,
}

impl Progress {
    /// The same for `/ready`.
    pub(crate) fn component(self, name: &str) -> Component {
        let lag = format!("{} offsets behind the log", self.lag);
        let reason = self.trouble.map_or_else(|| lag.clone(), |trouble| format!("{lag}; {trouble}"));
        Component { name: name.to_owned(), ready: self.caught_up, reason, tasks: Vec::new() }
    }

    /// Why nothing can be answered, if that is so.
    pub(crate) fn unready(self, name: &str) -> Option<String> {
        let why = self.trouble.map(|trouble| format!(": {trouble}")).unwrap_or_default();
        let message = || format!("the {name} still reads what is in the log; {} offsets are left{why}", self.lag);
        (!self.caught_up).then(message)
    }
}

/// What the thread that keeps a view shares with those who have the view.
pub(super) struct Shared {
    /// The view's name, in metrics.
    view: &'static str,
    stop: AtomicBool,
    caught_up: AtomicBool,
    lag: AtomicI64,
    trouble: Mutex<Option<String>>,
}

impl Shared {
    pub(super) fn new(view: &'static str) -> Self {
        Self {
            view,
            stop: AtomicBool::default(),
            caught_up: AtomicBool::default(),
            lag: AtomicI64::default(),
            trouble: Mutex::default(),
        }
    }

    /// Lets the thread end, within a moment unless it waits for Kafka.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits, or until it is stopped.
    pub(super) fn pause(&self, wait: Duration) {
        let until = clock::now() + wait;
        while !self.stopped() && clock::now() < until {
            std::thread::sleep(POLL.min(wait));
        }
    }

    pub(super) fn has_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Relaxed)
    }

    /// The end was reached that the log had at the beginning.
    pub(super) fn catches_up(&self) {
        self.caught_up.store(true, Ordering::Relaxed);
    }

    /// Takes a measurement, if there is one.
    pub(super) fn lag(&self, lag: Option<i64>) {
        let Some(lag) = lag else { return };
        self.lag.store(lag, Ordering::Relaxed);
        // A gauge is a float: beyond 2^53 it is not exact, which no one minds.
        #[allow(clippy::cast_precision_loss)]
        metrics::gauge!("acteon_view_lag", "view" => self.view).set(lag as f64);
    }

    /// Measures if the last time is some seconds ago, and notes the time.
    pub(super) fn measure(&self, last: &mut Option<Instant>, lag: impl FnOnce() -> Option<i64>) {
        let now = clock::now();
        if last.is_none_or(|last| now.duration_since(last) >= LAG_INTERVAL) {
            self.lag(lag());
            *last = Some(clock::now());
        }
    }

    pub(super) fn trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    pub(super) fn progress(&self) -> Progress {
        Progress {
            caught_up: self.has_caught_up(),
            lag: self.lag.load(Ordering::Relaxed),
            trouble: self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
