//! How a command ends: its exit code and its last line.

use std::io::ErrorKind;
use std::process::ExitCode;

/// Ends `acteon --help` and `acteon COMMAND --help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  failed, or a check found errors, or an action got no outcome in time
  2  wrong arguments or configuration
  3  the processor stopped for good (another instance with the same id took over, …)
  4  Kafka, or the gateway that a command asks, can't be reached";

/// The codes of [`HELP`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Refused = 2,
    Stopped = 3,
    Unreachable = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that knows its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn error(exit: Exit, message: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Self { exit, message: message.into() })
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit code of an error.
pub(crate) fn of(error: &anyhow::Error) -> Exit {
    use acteon_topology::Error as Topology;
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.exit;
    }
    match error.downcast_ref::<acteon_client::Error>() {
        Some(acteon_client::Error::Transport { .. }) => return Exit::Unreachable,
        Some(acteon_client::Error::Endpoint { .. }) => return Exit::Refused,
        _ => {}
    }
    if let Some(unfit) = error.downcast_ref::<crate::command::dlq::Unfit>() {
        return unfit.exit();
    }
    let topology = match error.downcast_ref::<acteon_runtime::Error>() {
        Some(acteon_runtime::Error::Topology(inner)) => Some(inner),
        Some(acteon_runtime::Error::Fenced { .. }) => return Exit::Stopped,
        _ => match error.downcast_ref::<acteon_gateway::Error>() {
            Some(acteon_gateway::Error::Topology(inner)) => Some(inner),
            _ => error.downcast_ref::<Topology>(),
        },
    };
    match topology {
        Some(Topology::Unreachable { .. } | Topology::WaitedTooLong { .. }) => return Exit::Unreachable,
        Some(Topology::Invalid(_) | Topology::Properties { .. }) => return Exit::Refused,
        _ => {}
    }
    match error.downcast_ref::<std::io::Error>() {
        // The reader of our output has seen enough (`acteon tail … | head`).
        Some(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Done,
        _ => Exit::Failed,
    }
}
