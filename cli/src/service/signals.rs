//! SIGTERM and SIGINT.

use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Time between two looks at whether a role has failed.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What shells report for a process that an interrupt has ended.
const INTERRUPTED: i32 = 130;

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
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
pub(super) async fn wait(failed: impl Fn() -> Option<String>) -> io::Result<Option<String>> {
    let mut signals = Signals::listen()?;
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = signals.next() => return Ok(None),
            _ = looks.tick() => if let Some(reason) = failed() {
                return Ok(Some(reason));
            }
        }
    }
}

/// Ends the process at the next signal, whatever it is doing: nothing is lost that is not restored at the next start.
pub(super) async fn exit_at_next() {
    if let Ok(mut signals) = Signals::listen() {
        signals.next().await;
        std::process::exit(INTERRUPTED);
    }
}
