use std::io;

/// What can go wrong when the gateway starts. Every message is one line that names the thing to change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process listens on the port.
    #[error(
        "port {port} on {host} is in use by another process: stop it, or choose another port with [server] port or --port (0 takes any free one)"
    )]
    PortInUse {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
    },
    /// The address can't be listened on for another reason.
    #[error("can't listen on {host}:{port}: {source}; check [server] host")]
    Bind {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// What the operating system said.
        source: io::Error,
    },
    /// Kafka does not answer, or lacks a topic.
    #[error(transparent)]
    Topology(#[from] acteon_topology::Error),
    /// No producer can be made.
    #[error("the Kafka properties are refused: {0}")]
    Producer(String),
    /// The operating system gives no thread.
    #[error("no thread to follow the log: {0}")]
    Thread(io::Error),
    /// The process already has a metrics recorder, or its buckets are wrong.
    #[error("can't set up metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}
