//! SIGTERM and SIGINT.

use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Time between two looks at whether a role has failed.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What shells report for a process that an interrupt has ended.
const INTERRUPTED: i32 = 130;

/// Listens from its making on: a signal that comes before it is asked for is not lost.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen; inside a runtime only.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits for a signal, or until `failed` gives a reason to stop, which is returned.
pub(super) async fn wait(mut signals: Signals, failed: impl Fn() -> Option<String>) -> Option<String> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = signals.next() => return None,
            _ = looks.tick() => if let Some(reason) = failed() {
                return Some(reason);
            }
        }
    }
}

/// Ends the process at a signal that comes while it is still starting, when there is nothing to finish.
pub(super) async fn exit_while_starting(mut signals: Signals) {
    signals.next().await;
    tracing::info!("stopped before the start was complete");
    std::process::exit(0);
}

/// Ends the process at the next signal, whatever it is doing: nothing is lost that is not restored at the next start.
pub(super) async fn exit_at_next() {
    if let Ok(mut signals) = Signals::listen() {
        signals.next().await;
        std::process::exit(INTERRUPTED);
    }
}
