use super::http::{Client, HttpSettings};
use crate::egress::EgressPolicy;
use crate::error::Error;
use std::sync::Arc;
use url::Url;

/// What the providers of one process share, for their constructors.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    egress: Arc<EgressPolicy>,
}

impl Tools {
    pub(crate) fn new(egress: EgressPolicy) -> Self {
        Self { egress: Arc::new(egress) }
    }

    /// A client for the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key of `http` at fault.
    pub(crate) fn http(&self, name: &str, settings: &HttpSettings) -> Result<Client, Error> {
        Client::new(name, settings, &self.egress)
    }

    /// Refuses a configured URL with an address that requests may not go to: better told at the start than at each
    /// call.
    ///
    /// # Errors
    /// [`Error::Provider`] with `key`.
    pub(crate) fn check_target(&self, name: &str, key: &str, url: &Url) -> Result<(), Error> {
        self.egress.check_literal(url).map_err(|refused| Error::provider(name, key, format!("is refused: {refused}")))
    }
}
