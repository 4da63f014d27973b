//! Email through a mail server, by SMTP.

use super::compose::compose;
use super::message::Message;
use super::{EmailBackend, EmailSettings};
use crate::attachment::Attachment;
use crate::clock;
use crate::error::Error;
use crate::provider::{Outcome, code};
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use serde::de::{Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use serde_json::json;
use std::error::Error as _;
use std::fmt;
use std::time::Duration;

/// Longest wait for one answer of the mail server; the call's own limit may be shorter.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The words of `tls`.
const TLS_WORDS: &[&str] = &["starttls", "implicit", "none"];

/// How the connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SmtpTls {
    /// `starttls`, or true: it begins in the clear, and nothing is sent before it is encrypted.
    #[default]
    Starttls,
    /// `implicit`: it begins encrypted.
    Implicit,
    /// `none`, or false: it stays in the clear.
    None,
}

impl SmtpTls {
    fn word(self) -> &'static str {
        match self {
            Self::Starttls => "starttls",
            Self::Implicit => "implicit",
            Self::None => "none",
        }
    }

    /// The port where such servers are.
    fn port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

impl Serialize for SmtpTls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for SmtpTls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TlsVisitor)
    }
}

struct TlsVisitor;

impl Visitor<'_> for TlsVisitor {
    type Value = SmtpTls;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", TLS_WORDS.join(", "))
    }

    fn visit_bool<E: serde::de::Error>(self, is_on: bool) -> Result<SmtpTls, E> {
        Ok(if is_on { SmtpTls::Starttls } else { SmtpTls::None })
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<SmtpTls, E> {
        let all = [SmtpTls::Starttls, SmtpTls::Implicit, SmtpTls::None];
        all.into_iter().find(|tls| tls.word() == word).ok_or_else(|| E::unknown_variant(word, TLS_WORDS))
    }
}

/// Checks the keys that are a mail server's.
///
/// # Errors
/// [`Error::Provider`] with the key at fault.
pub(super) fn check(name: &str, settings: &EmailSettings) -> Result<(), Error> {
    let bad = |key: &str, problem: &str| Err(Error::provider(name, key, problem));
    if settings.backend != EmailBackend::Smtp {
        let given = [
            ("smtp_host", settings.smtp_host.is_some()),
            ("smtp_port", settings.smtp_port.is_some()),
            ("tls", settings.tls.is_some()),
            ("smtp_ca_path", settings.smtp_ca_path.is_some()),
            ("username", settings.username.is_some()),
            ("password", settings.password.is_some()),
        ];
        return match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((key, _)) => bad(key, "has no meaning: it is for `backend = \"smtp\"` alone"),
            None => Ok(()),
        };
    }
    if settings.ses_configuration_set.is_some() {
        return bad("ses_configuration_set", "has no meaning: it is for `backend = \"ses\"` alone");
    }
    let host = settings.smtp_host.as_deref().unwrap_or_default();
    if host.is_empty() || host.contains(|letter: char| letter.is_whitespace() || letter.is_control() || letter == '/') {
        return bad("smtp_host", "must be the mail server's name or address alone, as mail.example.com");
    }
    match (&settings.username, &settings.password) {
        (Some(_), None) => return bad("password", "is missing: `username` needs it"),
        (None, Some(_)) => return bad("username", "is missing: `password` is that user's"),
        (Some(_), Some(_)) if settings.tls == Some(SmtpTls::None) && !is_loopback(host) => {
            return bad("tls", "is `none`, and the password would go over the network in the clear; use `starttls`");
        }
        _ => {}
    }
    from(name, settings).map(drop)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn from(name: &str, settings: &EmailSettings) -> Result<Mailbox, Error> {
    settings.from_address.parse().map_err(|_| {
        let problem = "must be an address, as alerts@example.com or Alerts <alerts@example.com>";
        Error::provider(name, "from_address", problem)
    })
}

/// Sends through a mail server. Each email has a connection of its own: one that a call has left in the middle of an
/// email must not carry another.
pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Smtp {
    pub(super) fn new(name: &str, settings: &EmailSettings) -> Result<Self, Error> {
        check(name, settings)?;
        let host = settings.smtp_host.clone().unwrap_or_default();
        let tls = settings.tls.unwrap_or_default();
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host)
            .port(settings.smtp_port.unwrap_or_else(|| tls.port()))
            .timeout(Some(ANSWER_TIMEOUT));
        builder = match tls {
            SmtpTls::Starttls => builder.tls(Tls::Required(parameters(name, settings, host)?)),
            SmtpTls::Implicit => builder.tls(Tls::Wrapper(parameters(name, settings, host)?)),
            SmtpTls::None => builder.tls(Tls::None),
        };
        if let (Some(username), Some(password)) = (&settings.username, &settings.password) {
            builder = builder.credentials(Credentials::new(username.clone(), password.expose().to_owned()));
        }
        Ok(Self { transport: builder.build(), from: from(name, settings)? })
    }

    pub(super) async fn send(&self, message: &Message, attachments: &[Attachment]) -> Outcome {
        let composed = match compose(message, &self.from, attachments, clock::utc()) {
            Ok(composed) => composed,
            Err(invalid) => return invalid.outcome(),
        };
        let id = composed.headers().get_raw("Message-ID").unwrap_or_default().to_owned();
        match Box::pin(self.transport.send(composed)).await {
            Ok(_) => Outcome::delivered(&json!({"message_id": id, "status": "sent"})),
            Err(error) => classify(Failure::of(&error)),
        }
    }
}

fn parameters(name: &str, settings: &EmailSettings, host: String) -> Result<TlsParameters, Error> {
    let mut builder = TlsParameters::builder(host);
    if let Some(path) = &settings.smtp_ca_path {
        let bad =
            |problem: String| Error::provider(name, "smtp_ca_path", format!("names {}, {problem}", path.display()));
        let pem = std::fs::read(path).map_err(|error| bad(format!("which can't be read: {error}")))?;
        let certificate = Certificate::from_pem(&pem).map_err(|_| bad("which has no PEM certificates".to_owned()))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|error| Error::provider(name, "tls", format!("can't be had: {error}")))
}

/// Why an email was not taken.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// The server's code, and the enhanced one (RFC 3463) where it gave one.
    Answered(u16, Option<String>),
    /// No answer in time.
    TimedOut,
    /// No connection, or one that broke; what the operating system says of it.
    NotConnected(String),
    /// The server lacks what is configured; in the client's words.
    Unable(String),
    /// An answer that is none.
    Garbled,
}

impl Failure {
    fn of(error: &lettre::transport::smtp::Error) -> Self {
        let cause = || error.source().map(ToString::to_string).unwrap_or_default();
        if let Some(code) = error.status().and_then(|code| code.to_string().parse().ok()) {
            return Self::Answered(code, enhanced_code(&cause()));
        }
        if error.is_timeout() {
            Self::TimedOut
        } else if error.is_client() {
            Self::Unable(cause())
        } else if error.is_response() {
            Self::Garbled
        } else {
            Self::NotConnected(cause())
        }
    }
}

/// The code that an answer's text begins with, as `5.1.1`. The rest may echo what was sent.
fn enhanced_code(text: &str) -> Option<String> {
    let first = text.split_whitespace().next()?;
    let parts: Vec<&str> = first.split('.').collect();
    let is_number = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    (parts.len() == 3 && parts.iter().all(is_number)).then(|| first.to_owned())
}

/// What that means.
fn classify(failure: Failure) -> Outcome {
    let (status, enhanced) = match failure {
        Failure::Answered(status, enhanced) => (status, enhanced),
        Failure::TimedOut => return Outcome::retry(code::TIMEOUT, "no answer from the mail server in time", None),
        Failure::NotConnected(cause) => {
            return Outcome::retry(code::CONNECTION, format!("no connection to the mail server: {cause}"), None);
        }
        Failure::Unable(cause) => {
            return Outcome::reject(code::CONFIGURATION, format!("the mail server can't be used: {cause}"));
        }
        Failure::Garbled => {
            return Outcome::retry(code::EXECUTION_FAILED, "the mail server's answer is not SMTP", None);
        }
    };
    let enhanced = enhanced.map_or_else(String::new, |enhanced| format!(" {enhanced}"));
    let message = format!("the mail server answered {status}{enhanced}");
    match status {
        // It is about to close, or has no room: RFC 5321 says that the same may be sent later.
        400..=499 => Outcome::retry(code::EXECUTION_FAILED, message, None),
        530 | 534 | 535 | 538 => {
            Outcome::reject(code::CREDENTIALS, format!("{message}; check `username`, `password` and `tls`"))
        }
        // An address or the message itself is refused.
        501 | 550..=553 | 555 | 556 => Outcome::reject(code::VALIDATION, message),
        _ => Outcome::reject(code::EXECUTION_FAILED, message),
    }
}

#[cfg(test)]
mod tests;
