use crate::store::StoreError;
use rdkafka::error::KafkaError;

/// What stops a processor, or keeps it from starting.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The local state can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Topics are missing or don't fit together.
    #[error(transparent)]
    Topology(#[from] acteon_topology::Error),
    /// Kafka refused, or could not be reached in time.
    #[error("kafka: {0}")]
    Kafka(String),
    /// Another instance runs under the same id; this one, the older, has stopped.
    #[error(
        "instance `{instance_id}` was fenced: a newer instance runs with the same instance_id; this one has stopped"
    )]
    Fenced {
        /// The id.
        instance_id: String,
    },
    /// Another process uses the state directory.
    #[error("state directory {0} is in use by another process; stop it, or set another [processor] state_dir")]
    StateDirInUse(String),
    /// The state directory can't be made or written.
    #[error(
        "state directory {path}: {problem}; check its permissions and free space, or set another [processor] state_dir"
    )]
    StateDir {
        /// The directory.
        path: String,
        /// What the system said.
        problem: String,
    },
    /// The definitions topic holds a set that can't be compiled, or none.
    #[error("definitions: {0}")]
    Definitions(String),
    /// It had stopped before it was asked to.
    #[error("{0}")]
    Stopped(String),
    /// A worker thread ended by itself.
    #[error("worker {worker} stopped: {problem}")]
    Worker {
        /// Its number.
        worker: usize,
        /// Why.
        problem: String,
    },
}

impl From<KafkaError> for Error {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(error.to_string())
    }
}
