//! Starting and stopping a broker.

use crate::lock::DirLock;
use crate::shared::Shared;
use crate::{Error, Faults, clock, net};
use std::io;
use std::net::{IpAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How often sessions, rebalances and transaction time-outs are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long connections get to end when the broker stops.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// How a broker is to run. [`Config::new`] gives the defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything is kept; created if need be, locked while the broker runs.
    pub data_dir: PathBuf,
    /// The address to listen on; must be a loopback address.
    pub host: String,
    /// The port to listen on; 0 takes any free one.
    pub port: u16,
    /// Partitions of a topic that a producer creates by writing to it; `None` refuses unknown topics.
    pub auto_create_partitions: Option<i32>,
    /// Open connections; further ones are closed at once.
    pub max_connections: usize,
    /// Bytes of one request.
    pub max_request_bytes: usize,
    /// Partitions of all topics together.
    pub max_partitions: usize,
    /// How often retention and compaction run.
    pub cleaner_interval: Duration,
    /// Threads that serve requests.
    pub worker_threads: usize,
}

impl Config {
    /// A broker on any free port of 127.0.0.1 that keeps its data in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            host: "127.0.0.1".into(),
            port: 0,
            auto_create_partitions: Some(1),
            max_connections: 1_000,
            max_request_bytes: 100 * 1024 * 1024,
            max_partitions: 4_000,
            cleaner_interval: Duration::from_secs(15),
            worker_threads: 2,
        }
    }
}

/// A running broker. Dropping it stops it gracefully; its data directory is free again afterwards.
#[derive(Debug)]
pub struct Broker {
    shared: Arc<Shared>,
    main: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Broker {
    /// Starts a broker on threads of its own; it answers requests when this returns. May be called from synchronous
    /// and from asynchronous code; blocks while it reads the data directory.
    ///
    /// # Errors
    /// The host is not loopback, the port or the directory is in use, or the directory can't be written or is
    /// damaged.
    pub fn start(config: Config) -> Result<Self, Error> {
        let lock = DirLock::acquire(&config.data_dir)?;
        let listener = bind(&config.host, config.port)?;
        let bound = |source| Error::Bind { host: config.host.clone(), port: config.port, source };
        let port = listener.local_addr().map_err(bound)?.port();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.worker_threads.max(1))
            .thread_name("broker")
            .enable_all()
            .build()
            .map_err(bound)?;
        let listener = {
            let _entered = runtime.enter();
            listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener)).map_err(bound)?
        };
        let shared = Arc::new(Shared::open(config, port)?);
        tracing::info!(bootstrap = %bootstrap(&shared), dir = %shared.config.data_dir.display(), "embedded broker listens");
        let served = shared.clone();
        let main = std::thread::Builder::new().name("broker-main".into()).spawn(move || {
            runtime.block_on(run(&served, listener));
            runtime.shutdown_timeout(STOP_GRACE);
            served.finish();
            drop(lock);
        });
        let main = main.map_err(|source| Error::Bind { host: shared.config.host.clone(), port, source })?;
        Ok(Self { shared, main: Some(main) })
    }

    /// The address to give to Kafka clients: `host:port`.
    pub fn bootstrap(&self) -> String {
        bootstrap(&self.shared)
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// The handle that makes this broker misbehave, for tests.
    pub fn faults(&self) -> Faults {
        self.shared.faults.clone()
    }

    /// Whether a failpoint has stopped the broker.
    pub fn is_halted(&self) -> bool {
        self.shared.is_halted()
    }

    /// Runs retention and compaction once over all partitions, and returns when they are done.
    pub fn clean_now(&self) {
        self.shared.cleaner.run(&self.shared.catalog, clock::wall_ms(), || true);
    }

    /// Closes the active segment of a partition that has records, so that the cleaner may work on it.
    ///
    /// # Errors
    /// The file can't be flushed or the new one can't be created.
    pub fn roll(&self, topic: &str, partition: i32) -> Result<(), Error> {
        let Some(partition) = self.shared.catalog.partition(topic, partition) else { return Ok(()) };
        let mut log = crate::catalog::lock(&partition.log);
        if log.segments().last().is_some_and(|s| s.is_empty()) { Ok(()) } else { log.roll(clock::wall_ms()) }
    }

    /// Stops the broker and waits until everything is flushed to the disk.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.shared.stop();
        if let Some(main) = self.main.take()
            && main.join().is_err()
        {
            tracing::error!("the broker's main thread panicked");
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

fn bootstrap(shared: &Shared) -> String {
    let host = &shared.config.host;
    if host.contains(':') { format!("[{host}]:{}", shared.port) } else { format!("{host}:{}", shared.port) }
}

fn bind(host: &str, port: u16) -> Result<TcpListener, Error> {
    let error = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => Error::PortInUse { host: host.into(), port },
        _ => Error::Bind { host: host.into(), port, source },
    };
    let addresses: Vec<_> = match host.parse::<IpAddr>() {
        Ok(ip) => vec![(ip, port).into()],
        // Only the one name that is loopback by definition is looked up.
        Err(_) if host == "localhost" => (host, port).to_socket_addrs().map_err(error)?.collect(),
        Err(_) => return Err(Error::NotLoopback { host: host.into() }),
    };
    if !addresses.iter().all(|a| a.ip().is_loopback()) {
        return Err(Error::NotLoopback { host: host.into() });
    }
    TcpListener::bind(addresses.as_slice()).map_err(error)
}

/// Serves until the broker is told to stop.
async fn run(shared: &Arc<Shared>, listener: tokio::net::TcpListener) {
    let mut stopping = shared.stopping();
    let cleaning = tokio::spawn(clean_regularly(shared.clone()));
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => match accepted {
                Ok(_) if connections.len() >= shared.config.max_connections => {
                    tracing::warn!(limit = shared.config.max_connections, "too many connections, closed the newest");
                }
                Ok((stream, _)) => drop(connections.spawn(net::serve(shared.clone(), stream))),
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(TICK).await; // out of file descriptors: do not spin
                }
            },
            _ = tick.tick() => {
                shared.tick();
                while connections.try_join_next().is_some() {}
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_GRACE, ended).await.is_err() {
        tracing::debug!("connections were cut");
    }
    let _ = cleaning.await;
}

async fn clean_regularly(shared: Arc<Shared>) {
    let mut stopping = shared.stopping();
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(shared.config.cleaner_interval) => {}
        }
        let shared = shared.clone();
        let run = move || {
            let stop = shared.stopping();
            shared.cleaner.run(&shared.catalog, clock::wall_ms(), || !*stop.borrow());
        };
        if tokio::task::spawn_blocking(run).await.is_err() {
            tracing::error!("the cleaner panicked");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on() {
        for host in ["0.0.0.0", "192.0.2.1", "::", "example.org", ""] {
            assert!(matches!(bind(host, 0), Err(Error::NotLoopback { .. })), "{host}");
        }
        for host in ["127.0.0.1", "localhost"] {
            bind(host, 0).unwrap();
        }
    }

    #[test]
    fn a_port_in_use_is_named() {
        let first = bind("127.0.0.1", 0).unwrap();
        let port = first.local_addr().unwrap().port();
        let error = bind("127.0.0.1", port).unwrap_err().to_string();
        assert!(error.contains(&format!("port {port}")) && error.contains("in use"), "{error}");
    }
}
