use super::http::{Client, HttpSettings};
use crate::error::Error;

/// What the providers of one process share, for their constructors.
#[derive(Debug, Default)]
pub(crate) struct Tools {}

impl Tools {
    /// A client for the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key of `http` at fault.
    pub(crate) fn http(&self, name: &str, settings: &HttpSettings) -> Result<Client, Error> {
        Client::new(name, settings)
    }
}
