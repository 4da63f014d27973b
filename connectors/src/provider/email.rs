//! Email: what is written ([`message`]), and one file for each way to send it.

mod message;
mod ses;

use super::aws::aws_settings;
use super::{Call, Outcome, Provider, Tools};
use crate::error::Error;
use futures::future::BoxFuture;
use message::check_address;
use serde::{Deserialize, Serialize};
use ses::Ses;

aws_settings! {
    /// Sends email.
    ///
    /// A payload says what to write: `to`, `cc`, `bcc`, `reply_to`, `subject`, `body`, `html_body`. A subject that is
    /// missing is made of the action's type and scope, a body that is missing is the payload as JSON, and recipients that
    /// are missing are those in the settings. The dispatch's id is the header `X-Acteon-Dispatch-Id`.
    pub struct EmailSettings {
        /// What sends it.
        #[serde(alias = "email_backend")]
        pub backend: EmailBackend,
        /// Whom it is from, as `alerts@example.com` or `Alerts <alerts@example.com>`.
        pub from_address: String,
        /// Recipients of what has none of its own.
        #[serde(default)]
        pub to: Vec<String>,
        /// The configuration set of SES that is used.
        pub ses_configuration_set: Option<String>,
    }
}

/// What sends email.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailBackend {
    /// Amazon SES.
    Ses,
}

impl EmailSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        let bad = |key, problem| Error::provider(name, key, problem);
        check_address(&self.from_address).map_err(|problem| bad("from_address", problem))?;
        for address in &self.to {
            check_address(address).map_err(|problem| bad("to", problem))?;
        }
        self.region(name).map(drop)
    }

    fn region(&self, name: &str) -> Result<String, Error> {
        self.account().check(name, "from_address", None)
    }
}

/// Sends one email for each dispatch.
pub(crate) struct Email {
    settings: EmailSettings,
    ses: Ses,
}

impl Email {
    pub(crate) fn new(name: &str, settings: &EmailSettings, _tools: &Tools) -> Result<Self, Error> {
        settings.validate(name)?;
        let ses = match settings.backend {
            EmailBackend::Ses => Ses::new(settings.account(), settings.region(name)?),
        };
        Ok(Self { settings: settings.clone(), ses })
    }
}

impl Provider for Email {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match message::of(call.dispatch, &self.settings.to) {
                Ok(message) => self.ses.send(&self.settings, message).await,
                Err(invalid) => invalid.outcome(),
            }
        })
    }
}
