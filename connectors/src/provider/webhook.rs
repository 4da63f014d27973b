use super::http::{Verdict, classify as classify_status, retry_after};
use super::{Call, Outcome, Provider, TraceContext, code};
use crate::clock;
use crate::error::Error;
use acteon_schemas::{Action, Dispatch, ProviderResponse, ResponseStatus, check_depth};
use bytes::Bytes;
use futures::future::BoxFuture;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, redirect, retry};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use url::Url;

/// Longest response body that is kept; of a longer one the result has only the status.
pub const MAX_RESPONSE_BYTES: usize = 256 * 1024;
/// Longest wait for the body once the status is there. The status alone decides, so a body that stalls is done without.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a connection; a call's own limit may be shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Most configured headers.
const MAX_HEADERS: usize = 64;
/// Longest value kept of a response header, in bytes.
const MAX_KEPT_HEADER_BYTES: usize = 256;
/// Response headers that the result keeps.
const KEPT_HEADERS: [&str; 3] = ["content-type", "x-request-id", "location"];
/// Header that carries the dispatch's id.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Headers that are Acteon's or the connection's, so that configuration can't have them.
const OWN_HEADERS: [&str; 6] =
    ["idempotency-key", "content-length", "transfer-encoding", "connection", "traceparent", "tracestate"];

/// Where a webhook sends to. `Debug` shows no header's value and, of the URL, only scheme and host: the rest may be
/// secret.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// `http://` or `https://`.
    pub url: String,
    /// `POST`, `PUT` or `PATCH`.
    pub method: String,
    /// Headers of every request. `Content-Type` is `application/json` where it isn't among them.
    pub headers: BTreeMap<String, String>,
}

impl WebhookSettings {
    /// A `POST` to `url` without further headers.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), method: "POST".to_owned(), headers: BTreeMap::new() }
    }

    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.target(name).map(drop)
    }

    fn target(&self, name: &str) -> Result<Target, Error> {
        let url = Url::parse(&self.url)
            .map_err(|error| Error::provider(name, "url", format!("is not a URL: {error}; use http:// or https://")))?;
        if !matches!(url.scheme(), "http" | "https") {
            let problem = format!("has the scheme `{}`; use http:// or https://", url.scheme());
            return Err(Error::provider(name, "url", problem));
        }
        let method = match self.method.as_str() {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            other => {
                return Err(Error::provider(name, "method", format!("is `{other}`; use POST, PUT or PATCH")));
            }
        };
        Ok(Target { url, method, headers: self.header_map(name)? })
    }

    fn header_map(&self, name: &str) -> Result<HeaderMap, Error> {
        if self.headers.len() > MAX_HEADERS {
            let problem = format!("has {} entries; the limit is {MAX_HEADERS}", self.headers.len());
            return Err(Error::provider(name, "headers", problem));
        }
        let mut map = HeaderMap::new();
        map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (key, value) in &self.headers {
            let bad = |problem: &str| Error::provider(name, format!("headers.{key}"), problem);
            let header = HeaderName::try_from(key).map_err(|_| bad("is not a header's name"))?;
            if OWN_HEADERS.contains(&header.as_str()) {
                return Err(bad("is set by Acteon; leave it out"));
            }
            let mut value = HeaderValue::try_from(value)
                .map_err(|_| bad("has a value that HTTP does not allow; use visible ASCII characters"))?;
            value.set_sensitive(true);
            map.insert(header, value);
        }
        Ok(map)
    }
}

impl fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = Url::parse(&self.url).map_or_else(|_| "?".to_owned(), |url| url.origin().ascii_serialization());
        f.debug_struct("WebhookSettings")
            .field("url", &format_args!("{origin}/…"))
            .field("method", &self.method)
            .field("headers", &self.headers.keys())
            .finish()
    }
}

/// The settings, checked.
struct Target {
    url: Url,
    method: Method,
    headers: HeaderMap,
}

/// Sends the whole action as JSON. Redirects are not followed: a receiver that moves a POST loses its body.
pub(crate) struct Webhook {
    target: Target,
    client: Client,
}

impl Webhook {
    pub(crate) fn new(name: &str, settings: &WebhookSettings) -> Result<Self, Error> {
        let target = settings.target(name)?;
        let client = Client::builder()
            .user_agent(concat!("acteon/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            // Each attempt is counted, so none is made out of sight.
            .retry(retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|error| Error::provider(name, "type", format!("can't make an HTTP client: {}", cause(&error))))?;
        Ok(Self { target, client })
    }

    async fn send(&self, call: Call<'_>) -> Answer {
        let body = match body(call.dispatch) {
            Ok(body) => body,
            Err(error) => return Answer::Unsendable(format!("the action can't be written as JSON: {error}")),
        };
        let Ok(key) = HeaderValue::try_from(&*call.dispatch.dispatch_id) else {
            return Answer::Unsendable("the dispatch's id can't be sent as a header".to_owned());
        };
        let request = self
            .client
            .request(self.target.method.clone(), self.target.url.clone())
            .headers(self.target.headers.clone())
            .headers(trace_headers(call.trace))
            .header(IDEMPOTENCY_KEY, key)
            .body(body);
        match request.send().await {
            Ok(response) => read(response).await,
            Err(error) => Answer::from_error(error),
        }
    }
}

impl Provider for Webhook {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { classify(self.send(call).await) })
    }
}

/// The request's body: the action as the rules left it, in the shape in which applications send it.
fn body(dispatch: &Dispatch<'_>) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Action {
        id: Some(Cow::Borrowed(&dispatch.action_id)),
        namespace: Cow::Borrowed(&dispatch.namespace),
        tenant: Cow::Borrowed(&dispatch.tenant),
        provider: Cow::Borrowed(&dispatch.provider),
        action_type: Cow::Borrowed(&dispatch.action_type),
        payload: Cow::Borrowed(&dispatch.payload),
        metadata: dispatch.metadata.clone().into_owned(),
        dedup_key: dispatch.dedup_key.as_deref().map(Cow::Borrowed),
        status: dispatch.status.as_deref().map(Cow::Borrowed),
        fingerprint: dispatch.fingerprint.as_deref().map(Cow::Borrowed),
        created_at: dispatch.created_at.as_deref().map(Cow::Borrowed),
        dispatch_at: None,
        extra: dispatch.extra.clone(),
    })
}

/// The trace context as headers; a value that HTTP does not allow is left out.
fn trace_headers(trace: &TraceContext) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [("traceparent", &trace.traceparent), ("tracestate", &trace.tracestate)] {
        if let Some(Ok(value)) = value.as_ref().map(HeaderValue::try_from) {
            headers.insert(name, value);
        }
    }
    headers
}

/// What became of a request.
#[derive(Debug)]
enum Answer {
    /// A status, with the body where it came whole and within its limit.
    Response { status: u16, retry_after: Option<Duration>, headers: BTreeMap<String, String>, body: Option<Bytes> },
    /// No answer in time.
    TimedOut,
    /// No connection, or none that is trusted.
    NotConnected(String),
    /// The connection broke before the status came.
    Broken(String),
    /// There was nothing to send.
    Unsendable(String),
}

impl Answer {
    fn from_error(error: reqwest::Error) -> Self {
        // The URL may hold a secret.
        let error = error.without_url();
        let cause = cause(&error);
        if error.is_timeout() {
            Self::TimedOut
        } else if error.is_connect() {
            Self::NotConnected(cause)
        } else if error.is_builder() {
            Self::Unsendable(cause)
        } else {
            Self::Broken(cause)
        }
    }
}

/// The innermost cause, which says what happened; those around it say where in the client.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

async fn read(mut response: Response) -> Answer {
    let status = response.status().as_u16();
    let header = |name: &HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = header(&RETRY_AFTER).and_then(|value| retry_after(value, clock::utc()));
    let headers = KEPT_HEADERS
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), header(&HeaderName::from_static(name))?.to_owned())))
        .filter(|(_, value)| value.len() <= MAX_KEPT_HEADER_BYTES)
        .collect();
    // Only a delivered call's body is reported: that of an error may echo what was sent, secrets included.
    let body = if response.status().is_success() {
        tokio::time::timeout(BODY_TIMEOUT, read_body(&mut response)).await.ok().flatten()
    } else {
        None
    };
    Answer::Response { status, retry_after, headers, body }
}

/// The body, or `None` where it is too long or breaks off.
async fn read_body(response: &mut Response) -> Option<Bytes> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body.into())
}

/// Says what an answer means.
fn classify(answer: Answer) -> Outcome {
    match answer {
        Answer::Response { status, retry_after, headers, body } => match classify_status(status) {
            Verdict::Delivered => delivered(status, headers, body.as_deref()),
            Verdict::Retry { code } => Outcome::retry(code, refusal(status), retry_after),
            Verdict::Reject { code } => Outcome::reject(code, refusal(status)),
        },
        Answer::TimedOut => Outcome::retry(code::TIMEOUT, "no connection in time", None),
        Answer::NotConnected(cause) => Outcome::retry(code::CONNECTION, format!("no connection: {cause}"), None),
        Answer::Broken(cause) => Outcome::retry(code::CONNECTION, format!("the connection broke: {cause}"), None),
        Answer::Unsendable(cause) => Outcome::reject(code::SERIALIZATION, cause),
    }
}

fn refusal(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("unknown");
    let hint = match status {
        300..=399 => "; redirects are not followed: set `url` to the final address",
        401 | 403 => "; check the credentials in `headers`",
        _ => "",
    };
    format!("the receiver answered {status} {reason}{hint}")
}

/// The response: its body where that is JSON, and the status in its place otherwise.
fn delivered(status: u16, headers: BTreeMap<String, String>, body: Option<&[u8]>) -> Outcome {
    let json = body
        .filter(|body| check_depth(body).is_ok())
        .and_then(|body| serde_json::from_slice::<Box<RawValue>>(body).ok());
    let body = match json {
        Some(body) => body,
        None => match to_raw_value(&serde_json::json!({"status_code": status})) {
            Ok(body) => body,
            Err(error) => return Outcome::reject(code::SERIALIZATION, error.to_string()),
        },
    };
    Outcome::Delivered(ProviderResponse { status: ResponseStatus::Success, body: Cow::Owned(body), headers })
}

#[cfg(test)]
mod tests;
