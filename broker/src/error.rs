//! What can go wrong when a broker starts, and inside it.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the embedded broker. Every message is one line that names the thing to change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host of the configuration is not a loopback address.
    #[error(
        "the embedded broker is for development and listens on loopback only, not on {host:?}: use 127.0.0.1, or set bootstrap.servers to an Apache Kafka"
    )]
    NotLoopback {
        /// The host asked for.
        host: String,
    },
    /// Another process listens on the port.
    #[error(
        "port {port} on {host} is in use by another process: stop it, or choose another port (0 takes any free one)"
    )]
    PortInUse {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
    },
    /// The address can't be listened on for another reason.
    #[error("can't listen on {host}:{port}: {source}")]
    Bind {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another broker holds the data directory.
    #[error("data directory {} is in use by another process: stop it, or choose another directory", dir.display())]
    DirectoryInUse {
        /// The data directory.
        dir: PathBuf,
    },
    /// The data directory can't be created or written.
    #[error("data directory {} can't be written: {source}", dir.display())]
    DirectoryUnwritable {
        /// The data directory.
        dir: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file operation failed.
    #[error("can't {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file holds something this broker did not write.
    #[error("{} is damaged: {reason}: restore it, or start with an empty data directory", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A client sent bytes that are not the Kafka protocol, or a request that is not advertised.
    #[error("bad request: {0}")]
    Protocol(String),
    /// The broker has been halted by a failpoint.
    #[error("the broker was halted by a failpoint")]
    Halted,
}

impl Error {
    /// For `map_err`: names the action and the file.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
