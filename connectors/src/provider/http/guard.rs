//! The egress policy at the place where names become addresses, so that no other answer of the DNS comes between the
//! check and the connection.

use crate::egress::{EgressPolicy, Refused};
use crate::error::causes;
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// A resolver that gives only addresses that the policy admits.
#[derive(Debug, Clone)]
pub(super) struct GuardedResolver(pub(super) Arc<EgressPolicy>);

impl Service<Name> for GuardedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let policy = Arc::clone(&self.0);
        Box::pin(async move {
            let admitted = policy.admit(lookup(name.as_str()).await?)?;
            let addresses: Vec<_> = admitted.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(addresses.into_iter())
        })
    }
}

/// The addresses of a name, as the system knows them.
pub(super) async fn lookup(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
}

/// The refusal among an error's causes.
pub(super) fn refusal(error: &(dyn Error + 'static)) -> Option<Refused> {
    causes(error).find_map(|error| error.downcast_ref().copied())
}
