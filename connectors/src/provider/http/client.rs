use super::answer::{self, Answer, Failure};
use super::guard::{self, GuardedResolver};
use super::settings::HttpSettings;
use crate::egress::EgressPolicy;
use crate::error::Error;
use crate::metrics::HttpMeters;
use crate::provider::{Call, TraceContext};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
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
/// POST loses its body, and repeats nothing by itself, since each attempt is counted.
#[derive(Clone)]
pub(crate) struct Client {
    inner: reqwest::Client,
    egress: Arc<EgressPolicy>,
    /// Then the proxy resolves names, and what this machine knows of them is only a hint.
    is_proxied: bool,
    meters: Arc<HttpMeters>,
}

impl Client {
    pub(crate) fn new(name: &str, settings: &HttpSettings, egress: &Arc<EgressPolicy>) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("acteon/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .connect_timeout(CONNECT_TIMEOUT);
        let is_proxied = settings.proxy.is_some();
        if !is_proxied {
            builder = builder.dns_resolver(GuardedResolver(Arc::clone(egress)));
        }
        let inner = settings
            .apply(name, builder)?
            .build()
            .map_err(|error| Error::provider(name, "http", format!("makes no client: {}", answer::cause(&error))))?;
        Ok(Self { inner, egress: Arc::clone(egress), is_proxied, meters: Arc::new(HttpMeters::new(name)) })
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
        let answer = match request.headers(trace_headers(call.trace)).header(IDEMPOTENCY_KEY, key).build() {
            Ok(request) => self.exchange(request).await,
            Err(error) => Answer::Failed(Failure::of(error)),
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
        match self.inner.execute(request).await {
            Ok(response) => answer::read(response).await,
            Err(error) => Answer::Failed(Failure::of(error)),
        }
    }

    /// Checks what the resolver does not see: an address in place of a name, and names that a proxy resolves. Those it
    /// may know better than this machine, so only an address that is refused counts.
    async fn check(&self, url: &Url) -> Result<(), Failure> {
        let refused = |why: crate::egress::Refused| Failure::Refused(why.to_string());
        self.egress.check_literal(url).map_err(refused)?;
        if let (true, Some(url::Host::Domain(name))) = (self.is_proxied, url.host())
            && let Ok(addresses) = guard::lookup(name).await
        {
            self.egress.admit(addresses).map_err(refused)?;
        }
        Ok(())
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
