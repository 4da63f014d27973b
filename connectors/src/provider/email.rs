//! Email: what is written ([`message`]), and one file for each way to send it.

mod compose;
mod message;
#[cfg(feature = "aws")]
mod ses;
mod smtp;

pub use smtp::SmtpTls;

#[cfg(feature = "aws")]
use super::aws::aws_settings as settings;
use super::{Call, Outcome, Provider, Tools};
use crate::attachment;
use crate::error::Error;
use crate::secret::Secret;
use futures::future::BoxFuture;
use message::check_address;
use serde::{Deserialize, Serialize};
#[cfg(feature = "aws")]
use ses::Ses;
use smtp::Smtp;
use std::path::PathBuf;

/// Declares the settings where there are no keys of AWS.
#[cfg(not(feature = "aws"))]
macro_rules! settings {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    };
}

settings! {
    /// Sends email.
    ///
    /// A payload says what to write: `to`, `cc`, `bcc`, `reply_to`, `subject`, `body`, `html_body`. A subject that is
    /// missing is made of the action's type and scope, a body that is missing is the payload as JSON, and recipients that
    /// are missing are those in the settings. The files in the action's `attachments` go with it. The dispatch's id is the
    /// header `X-Acteon-Dispatch-Id`, and by SMTP the `Message-ID` too. The mail server is that of whoever runs Acteon,
    /// and not subject to `[egress]`.
    pub struct EmailSettings {
        /// What sends it.
        #[serde(alias = "email_backend")]
        pub backend: EmailBackend,
        /// Whom it is from, as `alerts@example.com` or `Alerts <alerts@example.com>`.
        pub from_address: String,
        /// Recipients of what has none of its own.
        #[serde(default)]
        pub to: Vec<String>,
        /// The mail server, with `backend = "smtp"`.
        pub smtp_host: Option<String>,
        /// Its port; 587, 465 or 25 by `tls`, where absent.
        pub smtp_port: Option<u16>,
        /// How the connection is encrypted: `starttls` where absent, `implicit` or `none`.
        pub tls: Option<SmtpTls>,
        /// A PEM file of certificate authorities that are trusted beside the system's.
        pub smtp_ca_path: Option<PathBuf>,
        /// The user that the mail server knows.
        pub username: Option<String>,
        /// The user's password.
        pub password: Option<Secret>,
        /// The configuration set of SES that is used.
        pub ses_configuration_set: Option<String>,
    }
}

/// What sends email.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailBackend {
    /// A mail server, by SMTP.
    Smtp,
    /// Amazon SES.
    #[cfg(feature = "aws")]
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
        smtp::check(name, self)?;
        #[cfg(feature = "aws")]
        if self.backend == EmailBackend::Ses {
            self.region(name)?;
        }
        Ok(())
    }

    #[cfg(feature = "aws")]
    fn region(&self, name: &str) -> Result<String, Error> {
        self.account().check(name, "from_address", None)
    }
}

/// Sends one email for each dispatch.
pub(crate) struct Email {
    settings: EmailSettings,
    sender: Sender,
}

enum Sender {
    Smtp(Box<Smtp>),
    #[cfg(feature = "aws")]
    Ses(Box<Ses>),
}

impl Email {
    pub(crate) fn new(name: &str, settings: &EmailSettings, _tools: &Tools) -> Result<Self, Error> {
        settings.validate(name)?;
        let sender = match settings.backend {
            EmailBackend::Smtp => Sender::Smtp(Box::new(Smtp::new(name, settings)?)),
            #[cfg(feature = "aws")]
            EmailBackend::Ses => Sender::Ses(Box::new(Ses::new(settings.account(), settings.region(name)?))),
        };
        Ok(Self { settings: settings.clone(), sender })
    }
}

impl Provider for Email {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let message = match message::of(call.dispatch, &self.settings.to) {
                Ok(message) => message,
                Err(invalid) => return invalid.outcome(),
            };
            let attachments = match attachment::of(call.dispatch) {
                Ok(attachments) => attachments,
                Err(error) => return Outcome::Reject(error),
            };
            match &self.sender {
                Sender::Smtp(smtp) => smtp.send(&message, &attachments).await,
                #[cfg(feature = "aws")]
                Sender::Ses(ses) => ses.send(&self.settings, message, &attachments).await,
            }
        })
    }
}
