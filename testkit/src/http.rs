//! An HTTP server that records what it is sent and answers as told: the receiver of webhooks.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{self, HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::runtime::Runtime;

use crate::{clock, wait_until};

/// The largest request body that is recorded; a larger one is answered 413.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method, in capitals.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query without its `?`, empty if there is none.
    pub query: String,
    /// The headers; names are in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// When the whole request had arrived.
    pub at: Instant,
}

impl Request {
    /// The first header of this name, in whatever case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| {
            let body = String::from_utf8_lossy(&self.body);
            format!("the body of {} {} is not JSON: {body}", self.method, self.path)
        })
    }
}

/// What the receiver answers.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
    hang: bool,
}

impl Reply {
    /// An answer with this status and an empty body, at once.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO, hang: false }
    }

    /// No answer at all: the request stays open until the client gives up.
    #[must_use]
    pub fn hang() -> Self {
        Self { hang: true, ..Self::status(200) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Answers that much later.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// The answers to one path, or to all.
#[derive(Debug, Default)]
struct Script {
    /// Answers to the next requests, with how many of each are left.
    first: Vec<(usize, Reply)>,
    /// The answer after those.
    then: Option<Reply>,
}

impl Script {
    fn next(&mut self) -> Option<Reply> {
        self.first.retain(|(left, _)| *left > 0);
        match self.first.first_mut() {
            Some((left, reply)) => {
                *left -= 1;
                Some(reply.clone())
            }
            None => self.then.clone(),
        }
    }
}

/// What is answered to a request by what is in it.
type Rule = Box<dyn Fn(&Request) -> Option<Reply> + Send>;

#[derive(Default)]
struct Shared {
    requests: Vec<Request>,
    /// Before all scripts.
    rule: Option<Rule>,
    paths: HashMap<String, Script>,
    any: Script,
}

/// A running receiver. Dropping it closes its port and its connections.
///
/// It answers 200 with an empty body until told otherwise. Scripts of a path go before those of
/// all paths, and a rule before both.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Receiver {
    /// Starts a receiver on a free loopback port.
    ///
    /// # Errors
    /// No port can be bound.
    pub fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("receiver")
            .enable_all()
            .build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let router = Router::new().fallback(receive).with_state(Arc::clone(&shared));
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, shared, runtime: Some(runtime) })
    }

    /// The receiver's address, as `http://127.0.0.1:PORT` without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers every request so from now on.
    pub fn respond(&self, reply: Reply) {
        self.lock().any.then = Some(reply);
    }

    /// Answers every request to `path` so from now on.
    pub fn respond_at(&self, path: &str, reply: Reply) {
        self.lock().paths.entry(path.to_owned()).or_default().then = Some(reply);
    }

    /// Answers the next `count` requests so, after those already given an answer this way.
    pub fn respond_first(&self, count: usize, reply: Reply) {
        self.lock().any.first.push((count, reply));
    }

    /// Answers the next `count` requests to `path` so, after those already given an answer this way.
    pub fn respond_first_at(&self, path: &str, count: usize, reply: Reply) {
        let mut shared = self.lock();
        let script = shared.paths.entry(path.to_owned()).or_default();
        script.first.push((count, reply));
    }

    /// Answers requests as `rule` says from now on; those that it says nothing to, as the scripts do.
    pub fn respond_by(&self, rule: impl Fn(&Request) -> Option<Reply> + Send + 'static) {
        self.lock().rule = Some(Box::new(rule));
    }

    /// All requests so far, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// The requests to `path` so far, in order of arrival.
    #[must_use]
    pub fn requests_to(&self, path: &str) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.path == path);
        requests
    }

    /// The number of requests so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().requests.len()
    }

    /// Waits until `count` requests have arrived and returns all there are.
    ///
    /// # Errors
    /// Fewer arrived within `timeout`.
    pub fn wait_for(&self, count: usize, timeout: Duration) -> Result<Vec<Request>> {
        let enough = wait_until(timeout, || self.count() >= count);
        let requests = self.requests();
        ensure!(enough, "{} of {count} requests came in {timeout:?}", requests.len());
        Ok(requests)
    }

    /// Forgets the requests so far; the scripts stay.
    pub fn clear(&self) {
        self.lock().requests.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Not a plain drop, which waits, and panics inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Records one request and answers it by the scripts.
async fn receive(State(shared): State<Arc<Mutex<Shared>>>, request: http::Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: header_texts(&parts.headers),
        body: body.to_vec(),
        at: clock::now(),
    };
    let reply = {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let by_rule = shared.rule.as_ref().and_then(|rule| rule(&request));
        let by_path = || shared.paths.get_mut(&request.path).and_then(Script::next);
        let by_path = by_rule.or_else(by_path);
        shared.requests.push(request);
        by_path.or_else(|| shared.any.next())
    };
    let reply = reply.unwrap_or_else(|| Reply::status(200));
    if reply.hang {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(reply.delay).await;
    respond(reply)
}

/// The headers as text, bytes that are not UTF-8 replaced.
fn header_texts(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.to_string(), value.into_owned())
        })
        .collect()
}

/// The reply as a response; one that HTTP does not allow becomes a 500 that says so.
fn respond(reply: Reply) -> Response {
    let Ok(status) = StatusCode::from_u16(reply.status) else {
        return bad_script(&format!("{} is no HTTP status", reply.status));
    };
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = status;
    for (name, value) in reply.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str())) else {
            return bad_script(&format!("`{name}: {value}` is no HTTP header"));
        };
        response.headers_mut().append(name, value);
    }
    response
}

fn bad_script(what: &str) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, what.to_owned()).into_response()
}
