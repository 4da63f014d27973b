//! The counterpart of both: an HTTP server that answers at once, or never.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use acteon_testkit::clock;
use anyhow::{Context as _, Result, ensure};
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use axum::{Router, response::IntoResponse};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The path of calls that are answered.
pub(super) const ANSWER: &str = "/answer";
/// The path of those that are answered after [`DISTANCE`].
pub(super) const DISTANT: &str = "/distant";
/// What a receiver somewhere near takes to answer, as it is for one in a network and not in this machine.
pub(super) const DISTANCE: Duration = Duration::from_millis(5);
/// The path of those that are not.
pub(super) const HANG: &str = "/hang";

/// Runs until it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
    _runtime: Runtime,
}

/// The answered requests.
struct Seen {
    origin: Instant,
    count: AtomicU32,
    /// When the first and the last one came, in microseconds since `origin`.
    first: AtomicU64,
    last: AtomicU64,
}

impl Seen {
    fn count(&self) {
        let now = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.first.fetch_min(now, Ordering::Relaxed);
        self.last.fetch_max(now, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Server {
    pub(super) fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let seen = Arc::new(Seen {
            origin: clock::now(),
            count: AtomicU32::new(0),
            first: AtomicU64::new(u64::MAX),
            last: AtomicU64::new(0),
        });
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let counted = Arc::clone(&seen);
        let reply = move || {
            counted.count();
            ([(CONTENT_TYPE, "application/json")], r#"{"ok":true}"#).into_response()
        };
        let late = reply.clone();
        let router = Router::new()
            .route(ANSWER, post(move |_body: Bytes| std::future::ready(reply())))
            .route(
                DISTANT,
                post(async move |_body: Bytes| {
                    tokio::time::sleep(DISTANCE).await;
                    late()
                }),
            )
            .route(HANG, post(|_body: Bytes| std::future::pending::<&'static str>()));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, seen, _runtime: runtime })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Forgets what has come.
    pub(super) fn reset(&self) {
        self.seen.count.store(0, Ordering::Relaxed);
        self.seen.first.store(u64::MAX, Ordering::Relaxed);
        self.seen.last.store(0, Ordering::Relaxed);
    }

    /// Requests that were answered.
    pub(super) fn answered(&self) -> u32 {
        self.seen.count.load(Ordering::Relaxed)
    }

    /// Those divided by the time from the first to the last one.
    pub(super) fn per_second(&self) -> Result<f64> {
        let (first, last) = (self.seen.first.load(Ordering::Relaxed), self.seen.last.load(Ordering::Relaxed));
        let span = Duration::from_micros(last.checked_sub(first).context("no request came")?).as_secs_f64();
        ensure!(span > 0.0, "all requests came at once: there are too few to measure");
        Ok(f64::from(self.answered()) / span)
    }
}
