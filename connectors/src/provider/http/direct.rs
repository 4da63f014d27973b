//! Requests without a proxy, by the client that reqwest itself is built on. Its layers, for redirects, retries and
//! proxies, are not wanted here and cost a third of a request's processor time.

use super::answer::{self, Answer, Failure};
use super::guard::GuardedResolver;
use crate::egress::EgressPolicy;
use futures::future::BoxFuture;
use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use reqwest::{Body, Request};
use rustls::ClientConfig;
use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower_service::Service;

/// How long a connection is kept that nothing uses.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// Time between two signs of life on one, so that a firewall in between does not forget it, or it is found to be dead.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Signs of life without an answer after which a connection is dead.
const KEEPALIVE_RETRIES: u32 = 3;
/// The same for what was sent and is not acknowledged.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(30);

/// A pool of connections to any number of receivers.
#[derive(Clone)]
pub(super) struct Direct(Client<Connector, Body>);

impl Direct {
    /// A connection, TLS included, is waited for at most `connect_timeout`.
    pub(super) fn new(tls: ClientConfig, egress: &Arc<EgressPolicy>, connect_timeout: Duration) -> Self {
        let mut http = HttpConnector::new_with_resolver(GuardedResolver(Arc::clone(egress)));
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(KEEPALIVE_INTERVAL));
        http.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        http.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        #[cfg(target_os = "linux")]
        http.set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIMEOUT));
        // Shared out among a name's addresses, so that one that is silent leaves time for the next.
        http.set_connect_timeout(Some(connect_timeout));
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(Connector { https, timeout: connect_timeout });
        Self(client)
    }

    /// Sends a request and reads what comes back.
    pub(super) async fn exchange(&self, request: Request) -> Answer {
        let request = match request.try_into() {
            Ok(request) => request,
            Err(error) => return Answer::Failed(Failure::unsendable(error)),
        };
        match self.0.request(request).await {
            Ok(response) => answer::read(response).await,
            Err(error) => Answer::Failed(Failure::of(&error, error.is_connect())),
        }
    }
}

/// Makes connections within a time.
#[derive(Clone)]
struct Connector {
    https: HttpsConnector<HttpConnector<GuardedResolver>>,
    timeout: Duration,
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connection, timeout) = (self.https.call(uri), self.timeout);
        Box::pin(async move { tokio::time::timeout(timeout, connection).await.map_err(std::io::Error::from)? })
    }
}
