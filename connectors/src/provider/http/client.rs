use super::answer::{self, Answer, Failure};
use super::settings::HttpSettings;
use crate::error::Error;
use crate::provider::{Call, TraceContext};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, redirect, retry};
use std::time::Duration;
use url::Url;

/// Longest wait for a connection; a call's own limit may be shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Header that carries the dispatch's id.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Headers that are Acteon's or the connection's, so that configuration can't have them.
pub(crate) const OWN_HEADERS: [&str; 6] =
    ["idempotency-key", "content-length", "transfer-encoding", "connection", "traceparent", "tracestate"];

/// An HTTP client that follows no redirects, since a receiver that moves a POST loses its body, and repeats nothing by
/// itself, since each attempt is counted.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    inner: reqwest::Client,
}

impl Client {
    pub(crate) fn new(name: &str, settings: &HttpSettings) -> Result<Self, Error> {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("acteon/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .connect_timeout(CONNECT_TIMEOUT);
        let inner = settings
            .apply(name, builder)?
            .build()
            .map_err(|error| Error::provider(name, "http", format!("makes no client: {}", answer::cause(&error))))?;
        Ok(Self { inner })
    }

    /// The beginning of a request.
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.inner.request(method, url)
    }

    /// Sends a request that makes `call`: the idempotency key and the trace context go with it as headers.
    pub(crate) async fn send(&self, call: Call<'_>, request: RequestBuilder) -> Answer {
        let Ok(key) = HeaderValue::try_from(&*call.dispatch.dispatch_id) else {
            return Answer::Failed(Failure::Unsendable("the dispatch's id can't be sent as a header".to_owned()));
        };
        let request = request.headers(trace_headers(call.trace)).header(IDEMPOTENCY_KEY, key);
        match request.send().await {
            Ok(response) => answer::read(response).await,
            Err(error) => Answer::Failed(Failure::of(error)),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_trace_context_is_left_out() {
        let trace = TraceContext { traceparent: Some("00-ab-cd-01".into()), tracestate: Some("a\nb".into()) };
        let headers = trace_headers(&trace);
        assert_eq!((headers.len(), &headers["traceparent"]), (1, &HeaderValue::from_static("00-ab-cd-01")));
        assert!(trace_headers(&TraceContext::default()).is_empty());
    }
}
