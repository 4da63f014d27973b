use super::SettingsError;
use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

/// Longest difference between a request's time and ours that can be allowed.
pub const MAX_TOLERANCE: Duration = Duration::from_secs(24 * 3600);
/// Most signatures in one header that are looked at; a sender that changes its secret sends two.
const MAX_SIGNATURES: usize = 8;

/// How senders show that they know a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// `X-Hub-Signature-256: sha256=<hex>` over the body.
    Github,
    /// `Stripe-Signature: t=<seconds>,v1=<hex>` over `<seconds>.<body>`.
    Stripe,
    /// `webhook-id`, `webhook-timestamp` and `webhook-signature: v1,<base64>` over `<id>.<timestamp>.<body>`.
    StandardWebhooks,
    /// `X-Slack-Request-Timestamp` and `X-Slack-Signature: v0=<hex>` over `v0:<timestamp>:<body>`.
    Slack,
    /// A header of any name that holds the HMAC-SHA256 of the body.
    HmacSha256,
    /// A header of any name that holds the secret itself.
    Token,
}

/// How the bytes of a signature are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Hexadecimal digits.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

/// Checks who sent a request. Shows no secret.
#[derive(Clone)]
pub struct Signature {
    scheme: Scheme,
    key: Vec<u8>,
    /// Of `hmac-sha256` and `token`.
    header: Option<HeaderName>,
    prefix: String,
    encoding: Encoding,
    tolerance: Duration,
}

/// Why a request is not known to come from whom it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// It lacks a header, or the header can't be read.
    #[error("the request has no {0}: it must be signed")]
    NoHeader(String),
    /// It was signed with another secret, or changed since.
    #[error("the signature is not good for this body and secret")]
    Wrong,
    /// It was signed too long ago, or in the future.
    #[error("the request was signed more than {} s before or after this gateway's time", .0.as_secs())]
    Stale(Duration),
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Signature {
    /// A check by a secret, with the times of a request at most five minutes away from ours.
    ///
    /// # Errors
    /// The secret is empty, or not in the form that the scheme has.
    pub fn new(scheme: Scheme, secret: &str) -> Result<Self, SettingsError> {
        let refuse = |problem: &str| SettingsError::new("signature.secret", problem);
        if secret.is_empty() {
            return Err(refuse("is empty"));
        }
        let key = match scheme {
            Scheme::StandardWebhooks => {
                let text = secret.strip_prefix("whsec_").unwrap_or(secret);
                STANDARD.decode(text).map_err(|_| refuse("must be base64, with or without `whsec_` before it"))?
            }
            _ => secret.as_bytes().to_vec(),
        };
        let header = (scheme == Scheme::Token).then_some(axum::http::header::AUTHORIZATION);
        let prefix = if scheme == Scheme::Token { "Bearer " } else { "" };
        let tolerance = Duration::from_secs(300);
        Ok(Self { scheme, key, header, prefix: prefix.to_owned(), encoding: Encoding::Hex, tolerance })
    }

    /// Sets which header holds the signature or token, and what stands before it there.
    ///
    /// # Errors
    /// The scheme has a header of its own, lacks one, or the name can't be one's.
    pub fn with_header(mut self, header: Option<&str>, prefix: Option<&str>) -> Result<Self, SettingsError> {
        let is_free = matches!(self.scheme, Scheme::HmacSha256 | Scheme::Token);
        for (key, given) in [("signature.header", header), ("signature.prefix", prefix)] {
            if given.is_some() && !is_free {
                return Err(SettingsError::new(
                    key,
                    "is a key of the schemes hmac-sha256 and token: this one has its own",
                ));
            }
        }
        if let Some(name) = header {
            let name = HeaderName::from_str(name).map_err(|_| {
                SettingsError::new("signature.header", format!("is {name:?}, which can't be a header's name"))
            })?;
            // What stands before a token by default belongs to the default header.
            self.prefix = String::new();
            self.header = Some(name);
        }
        if is_free && self.header.is_none() {
            return Err(SettingsError::new("signature.header", "is missing: the header that holds the signature"));
        }
        if let Some(prefix) = prefix {
            prefix.clone_into(&mut self.prefix);
        }
        Ok(self)
    }

    /// Sets how the signature is written.
    ///
    /// # Errors
    /// The scheme has its own way.
    pub fn with_encoding(mut self, encoding: Encoding) -> Result<Self, SettingsError> {
        if self.scheme != Scheme::HmacSha256 {
            return Err(SettingsError::new(
                "signature.encoding",
                "is a key of the scheme hmac-sha256: this one has its own",
            ));
        }
        self.encoding = encoding;
        Ok(self)
    }

    /// Sets how far a request's time may be away from ours.
    ///
    /// # Errors
    /// The scheme signs no time, or it is more than [`MAX_TOLERANCE`].
    pub fn with_tolerance(mut self, tolerance: Duration) -> Result<Self, SettingsError> {
        let key = "signature.tolerance_seconds";
        if !matches!(self.scheme, Scheme::Stripe | Scheme::StandardWebhooks | Scheme::Slack) {
            return Err(SettingsError::new(
                key,
                "is a key of the schemes stripe, standard-webhooks and slack: others sign no time",
            ));
        }
        if tolerance.is_zero() || tolerance > MAX_TOLERANCE {
            let problem = format!("is {}; it may be 1 to {}", tolerance.as_secs(), MAX_TOLERANCE.as_secs());
            return Err(SettingsError::new(key, problem));
        }
        self.tolerance = tolerance;
        Ok(self)
    }

    /// Checks a request; `now` is in milliseconds since 1970.
    pub(crate) fn check(&self, headers: &HeaderMap, body: &[u8], now: i64) -> Result<(), Unsigned> {
        match self.scheme {
            Scheme::Github => {
                let given = text(headers, "x-hub-signature-256")?;
                self.verify(&[body], given.strip_prefix("sha256=").and_then(unhex))
            }
            Scheme::Stripe => {
                let given = text(headers, "stripe-signature")?;
                let fields = || given.split(',').filter_map(|field| field.trim().split_once('='));
                let time = fields().find(|(name, _)| *name == "t").map_or("", |(_, time)| time);
                self.in_time(time, now)?;
                let signatures = fields().filter(|(name, _)| *name == "v1").map(|(_, signature)| signature);
                self.verify_any(&[time.as_bytes(), b".", body], signatures.map(unhex))
            }
            Scheme::StandardWebhooks => {
                let (id, time) = (text(headers, "webhook-id")?, text(headers, "webhook-timestamp")?);
                let given = text(headers, "webhook-signature")?;
                self.in_time(time, now)?;
                let signatures = given.split(' ').filter_map(|one| one.strip_prefix("v1,"));
                let signed = [id.as_bytes(), b".", time.as_bytes(), b".", body];
                self.verify_any(&signed, signatures.map(|one| STANDARD.decode(one).ok()))
            }
            Scheme::Slack => {
                let (time, given) = (text(headers, "x-slack-request-timestamp")?, text(headers, "x-slack-signature")?);
                self.in_time(time, now)?;
                self.verify(&[b"v0:", time.as_bytes(), b":", body], given.strip_prefix("v0=").and_then(unhex))
            }
            Scheme::HmacSha256 => {
                let given = self.own_header(headers)?;
                let decoded = match self.encoding {
                    Encoding::Hex => unhex(given),
                    Encoding::Base64 => STANDARD.decode(given).ok(),
                };
                self.verify(&[body], decoded)
            }
            // Both are hashed with the key: how long the comparison takes tells nothing about it.
            Scheme::Token => {
                let expected = self.mac(&[&self.key]).map(|mac| mac.finalize().into_bytes().to_vec());
                self.verify(&[self.own_header(headers)?.as_bytes()], expected)
            }
        }
    }

    /// What the configured header holds behind its prefix.
    fn own_header<'h>(&self, headers: &'h HeaderMap) -> Result<&'h str, Unsigned> {
        let name = self.header.as_ref().map_or("", HeaderName::as_str);
        text(headers, name)?.strip_prefix(&self.prefix).ok_or(Unsigned::Wrong)
    }

    fn mac(&self, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        for part in parts {
            mac.update(part);
        }
        Some(mac)
    }

    /// Takes as long for a signature that is nearly right as for any other.
    fn verify(&self, parts: &[&[u8]], given: Option<Vec<u8>>) -> Result<(), Unsigned> {
        match (self.mac(parts), given) {
            (Some(mac), Some(given)) => mac.verify_slice(&given).map_err(|_| Unsigned::Wrong),
            _ => Err(Unsigned::Wrong),
        }
    }

    fn verify_any(&self, parts: &[&[u8]], given: impl Iterator<Item = Option<Vec<u8>>>) -> Result<(), Unsigned> {
        let is_good = given.take(MAX_SIGNATURES).any(|given| self.verify(parts, given).is_ok());
        if is_good { Ok(()) } else { Err(Unsigned::Wrong) }
    }

    /// Whether a time in seconds since 1970 is near enough to `now`.
    fn in_time(&self, seconds: &str, now: i64) -> Result<(), Unsigned> {
        let seconds: i64 = seconds.parse().map_err(|_| Unsigned::Wrong)?;
        let apart = Duration::from_secs(seconds.abs_diff(now.div_euclid(1000)));
        if apart > self.tolerance { Err(Unsigned::Stale(self.tolerance)) } else { Ok(()) }
    }
}

/// A header's text.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Unsigned> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.ok_or_else(|| Unsigned::NoHeader(name.to_owned()))
}

/// The bytes of hexadecimal digits.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests;
