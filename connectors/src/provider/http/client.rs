use super::answer::{self, Answer, Failure};
use super::direct::Direct;
use super::guard;
use super::settings::HttpSettings;
use crate::egress::EgressPolicy;
use crate::error::{Error, innermost};
use crate::metrics::HttpMeters;
use crate::provider::{Call, TraceContext};
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Method, Request, RequestBuilder, redirect, retry};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Longest wait for a connection; a call's own limit may be shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Header that carries the dispatch's id.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Headers that are Acteon's or the connection's, so that configuration can't have them.
pub(crate) const OWN_HEADERS: [&str; 6] =
    ["idempotency-key", "content-length", "transfer-encoding", "connection", "traceparent", "tracestate"];

/// An HTTP client that reaches only what the egress policy admits, follows no redirects, since a receiver that moves a
/// POST loses its body, and repeats nothing by itself that was begun, since each attempt is counted.
#[derive(Clone)]
pub(crate) struct Client {
    /// Makes requests, and sends those that go through a proxy.
    inner: reqwest::Client,
    /// Sends all others. `None` where all go through a proxy, which resolves names: then what this machine knows of them
    /// is only a hint.
    direct: Option<Direct>,
    egress: Arc<EgressPolicy>,
    meters: Arc<HttpMeters>,
}

impl Client {
    pub(crate) fn new(name: &str, settings: &HttpSettings, egress: &Arc<EgressPolicy>) -> Result<Self, Error> {
        let builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .connect_timeout(CONNECT_TIMEOUT);
        let (builder, direct) = match settings.proxy {
            Some(_) => (settings.apply(name, builder)?, None),
            None => (builder.no_proxy(), Some(Direct::new(settings.tls(name)?, egress, CONNECT_TIMEOUT))),
        };
        let inner = builder
            .build()
            .map_err(|error| Error::provider(name, "http", format!("makes no client: {}", innermost(&error))))?;
        Ok(Self { inner, direct, egress: Arc::clone(egress), meters: Arc::new(HttpMeters::new(name)) })
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
        let answer = match request.build() {
            Ok(mut request) => {
                let headers = request.headers_mut();
                headers.insert(IDEMPOTENCY_KEY, key);
                add_trace(headers, call.trace);
                add_own(headers);
                self.exchange(request).await
            }
            Err(error) => Answer::Failed(Failure::unsendable(error)),
        };
        match &answer {
            Answer::Failed(Failure::Refused(_)) => self.meters.refused.increment(1),
            Answer::Response(response) if response.is_cut => self.meters.cut.increment(1),
            _ => {}
        }
        answer
    }

    async fn exchange(&self, request: Request) -> Answer {
        if let Err(failure) = self.check(request.url()).await {
            return Answer::Failed(failure);
        }
        match &self.direct {
            Some(direct) => direct.exchange(request).await,
            None => match self.inner.execute(request).await {
                Ok(response) => answer::read(http::Response::from(response)).await,
                Err(error) if error.is_builder() => Answer::Failed(Failure::unsendable(error)),
                Err(error) => {
                    let is_connect = error.is_connect();
                    Answer::Failed(Failure::of(&error.without_url(), is_connect))
                }
            },
        }
    }

    /// Checks what the resolver does not see: an address in place of a name, and names that a proxy resolves. Those it
    /// may know better than this machine, so only an address that is refused counts.
    async fn check(&self, url: &Url) -> Result<(), Failure> {
        let refused = |why: crate::egress::Refused| Failure::Refused(why.to_string());
        self.egress.check_literal(url).map_err(refused)?;
        if let (None, Some(url::Host::Domain(name))) = (&self.direct, url.host())
            && let Ok(addresses) = guard::lookup(name).await
        {
            self.egress.admit(addresses).map_err(refused)?;
        }
        Ok(())
    }
}

/// Adds the trace context; a value that HTTP does not allow is left out.
fn add_trace(headers: &mut HeaderMap, trace: &TraceContext) {
    for (name, value) in [("traceparent", &trace.traceparent), ("tracestate", &trace.tracestate)] {
        if let Some(Ok(value)) = value.as_ref().map(HeaderValue::try_from) {
            headers.insert(name, value);
        }
    }
}

/// Adds what every request says of its sender, where it doesn't yet.
fn add_own(headers: &mut HeaderMap) {
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("acteon/", env!("CARGO_PKG_VERSION"))));
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_trace_context_is_left_out() {
        let trace = TraceContext { traceparent: Some("00-ab-cd-01".into()), tracestate: Some("a\nb".into()) };
        let mut headers = HeaderMap::new();
        add_trace(&mut headers, &TraceContext::default());
        assert!(headers.is_empty());
        add_trace(&mut headers, &trace);
        assert_eq!((headers.len(), &headers["traceparent"]), (1, &HeaderValue::from_static("00-ab-cd-01")));
    }
}
