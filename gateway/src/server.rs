use crate::api::{Api, ApiLimits, Desk};
use crate::intake::Intakes;
use crate::log::{KafkaLog, Waiting};
use crate::view::Tables;
use crate::view::audit::AuditView;
use crate::{DeadLetters, Error, Metrics, Probes, RuleBook, routes};
use acteon_topology::{KafkaConfig, Names};
use axum::serve::ListenerExt as _;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often histogram samples are folded into their buckets.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// What the API works with, beside Kafka itself.
pub struct Sources<'s> {
    /// How Kafka is reached.
    pub kafka: &'s KafkaConfig,
    /// Its topics.
    pub names: &'s Names,
    /// The rules in effect.
    pub rules: Arc<dyn RuleBook>,
    /// Where questions for audit records are answered from.
    pub audit: AuditView,
    /// What is taken in beside actions.
    pub intakes: Intakes,
    /// The dead letters.
    pub dead_letters: Arc<dyn DeadLetters>,
}

/// A running HTTP server. Dropping it stops it at once; [`Gateway::stop`] lets requests finish.
pub struct Gateway {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    upkeep: JoinHandle<()>,
    api: Option<Api>,
}

impl Gateway {
    /// Listens on `host:port` (port 0: any free one) and serves. Without `limits` there is no API, only what operators ask
    /// for. Needs a Tokio runtime.
    ///
    /// # Errors
    /// The port is taken or the address can't be listened on.
    pub async fn start(
        host: &str,
        port: u16,
        probes: Probes,
        metrics: Metrics,
        limits: Option<ApiLimits>,
    ) -> Result<Self, Error> {
        let bind = |source: std::io::Error| match source.kind() {
            ErrorKind::AddrInUse => Error::PortInUse { host: host.to_owned(), port },
            _ => Error::Bind { host: host.to_owned(), port, source },
        };
        let listener = TcpListener::bind((host, port)).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let (stop, mut stopped) = watch::channel(false);
        let api = limits.map(Api::new);
        let router = routes::router(probes, metrics.clone(), api.clone());
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let listener = listener.tap_io(|stream| {
            // An answer must not wait for the acknowledgement of the one before. Without it, it only comes later.
            stream.set_nodelay(true).ok();
        });
        let serving = tokio::spawn(async move {
            let shutdown = async move {
                // An error means that the sender is gone, which is the end as well.
                stopped.wait_for(|stop| *stop).await.ok();
            };
            if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(shutdown).await {
                tracing::error!(%error, "http server failed");
            }
        });
        let upkeep = tokio::spawn(async move {
            let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
            loop {
                interval.tick().await;
                metrics.upkeep();
            }
        });
        tracing::info!(%address, "listening");
        Ok(Self { address, stop, serving, upkeep, api })
    }

    /// Connects the API, where there is one, to a Kafka that has the topics; until then it answers 503. Blocks.
    ///
    /// # Errors
    /// Kafka does not answer, or lacks a topic.
    pub fn open(&self, sources: Sources<'_>) -> Result<(), Error> {
        let Sources { kafka, names, rules, audit, intakes, dead_letters } = sources;
        if let Some(api) = &self.api {
            // First: once the API is open, `/ready` says so unless the view still catches up.
            api.open_audit(audit);
            api.open_tables(Tables::start(kafka, names).map_err(Error::Thread)?);
            api.open_streams(kafka, names.audit());
            api.open_intakes(intakes);
            api.open_dead_letters(dead_letters);
            let waiting = Arc::new(Waiting::new(names.actions(), names.results()));
            let log = KafkaLog::start(kafka, names, &waiting)?;
            api.open(Desk::new(Box::new(log), waiting, rules));
        }
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new connection and waits at most `timeout` for the running requests; what is left is cut off.
    pub async fn stop(mut self, timeout: Duration) {
        self.stop.send_replace(true);
        if let Some(api) = &self.api {
            // They have no end of their own.
            api.close_streams();
        }
        if tokio::time::timeout(timeout, &mut self.serving).await.is_err() {
            tracing::warn!(?timeout, "http requests cut off at shutdown");
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
        self.upkeep.abort();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::metrics::recorder;
    use crate::{Component, Readiness};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    /// A request over a new connection: status line, headers and body as one text.
    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn probes(ready: &Arc<AtomicBool>) -> Probes {
        let ready = Arc::clone(ready);
        Probes {
            readiness: Arc::new(move || {
                let ready = ready.load(Ordering::SeqCst);
                let reason = if ready { "running" } else { "1 of 8 tasks restores" };
                Readiness::of(vec![Component {
                    name: "processor".into(),
                    ready,
                    reason: reason.into(),
                    tasks: Vec::new(),
                }])
            }),
        }
    }

    #[tokio::test]
    async fn each_path_answers() {
        let recorder = recorder().unwrap();
        metrics::with_local_recorder(&recorder, || {
            metrics::counter!("acteon_actions_executed_total").increment(2);
            metrics::histogram!("acteon_commit_seconds").record(0.002);
        });
        let ready = Arc::new(AtomicBool::new(false));
        let gateway = Gateway::start("127.0.0.1", 0, probes(&ready), Metrics::of(&recorder), None).await.unwrap();
        let cases = [
            ("/health", "200 OK", r#""executed":2"#),
            ("/health", "200 OK", r#""status":"ok""#),
            ("/metrics", "200 OK", r#""throttled":0"#),
            ("/metrics/prometheus", "200 OK", "acteon_actions_executed_total 2"),
            ("/metrics/prometheus", "200 OK", r#"acteon_commit_seconds_bucket{le="0.0025"} 1"#),
            ("/ready", "503 Service Unavailable", "1 of 8 tasks restores"),
            ("/nothing", "404 Not Found", r#""code":"NOT_FOUND""#),
        ];
        for (path, status, part) in cases {
            let answer = get(gateway.address(), path).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
            assert!(answer.contains(part), "{path}: {answer}");
        }
        ready.store(true, Ordering::SeqCst);
        let answer = get(gateway.address(), "/ready").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let address = gateway.address();
        gateway.stop(Duration::from_secs(5)).await;
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens after the stop");
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let recorder = recorder().unwrap();
        let ready = Arc::new(AtomicBool::new(true));
        let first = Gateway::start("127.0.0.1", 0, probes(&ready), Metrics::of(&recorder), None).await.unwrap();
        let port = first.address().port();
        let second = Gateway::start("127.0.0.1", port, probes(&ready), Metrics::of(&recorder), None).await;
        let error = second.err().unwrap().to_string();
        assert!(error.starts_with(&format!("port {port} on 127.0.0.1 is in use")), "{error}");
    }
}
