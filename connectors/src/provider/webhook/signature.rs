//! Signatures by which a receiver knows who sends: Standard Webhooks, and the plain HMAC header of other schemes.

use super::settings::{HmacEncoding, HmacSettings};
use crate::error::Error;
use crate::secret::Secret;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderName;

/// Bytes of a signing secret, as Standard Webhooks wants them.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Most secrets at a time; two are enough for a rotation.
const MAX_SECRETS: usize = 8;

/// The keys of Standard Webhooks. The newest is first.
pub(super) struct StandardWebhooks(Vec<Key>);

impl StandardWebhooks {
    /// Reads `whsec_…` secrets; `None` if there are none.
    pub(super) fn new(name: &str, secrets: &[Secret]) -> Result<Option<Self>, Error> {
        let bad = |key: String, problem: &str| Error::provider(name, key, problem);
        if secrets.len() > MAX_SECRETS {
            return Err(bad("signing_secrets".to_owned(), &format!("has more than {MAX_SECRETS} entries")));
        }
        let mut keys = Vec::with_capacity(secrets.len());
        for (index, secret) in secrets.iter().enumerate() {
            let text = secret.expose().strip_prefix("whsec_");
            let bytes =
                text.and_then(|text| STANDARD.decode(text).ok()).filter(|key| SECRET_BYTES.contains(&key.len()));
            let problem = "must be `whsec_` and 24 to 64 bytes in base64; make one with \
                           `echo whsec_$(openssl rand -base64 32)`";
            let bytes = bytes.ok_or_else(|| bad(format!("signing_secrets[{index}]"), problem))?;
            keys.push(Key::new(HMAC_SHA256, &bytes));
        }
        Ok((!keys.is_empty()).then_some(Self(keys)))
    }

    /// The value of `webhook-signature`: one signature a secret, so that a receiver that knows any of them is served.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut content = format!("{id}.{timestamp}.").into_bytes();
        content.extend_from_slice(body);
        let signatures = self.0.iter().map(|key| format!("v1,{}", STANDARD.encode(sign(key, &content))));
        signatures.collect::<Vec<_>>().join(" ")
    }
}

/// An HMAC-SHA256 of the body in a header of its own.
pub(super) struct HmacHeader {
    pub(super) header: HeaderName,
    key: Key,
    prefix: String,
    encoding: HmacEncoding,
}

impl HmacHeader {
    pub(super) fn new(name: &str, settings: &HmacSettings) -> Result<Self, Error> {
        let bad = |key: &str, problem: &str| Error::provider(name, format!("hmac_header.{key}"), problem);
        let header = HeaderName::try_from(&settings.header).map_err(|_| bad("header", "is not a header's name"))?;
        if settings.secret.expose().is_empty() {
            return Err(bad("secret", "is empty"));
        }
        if !settings.prefix.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(bad("prefix", "has characters that HTTP does not allow; use visible ASCII characters"));
        }
        let key = Key::new(HMAC_SHA256, settings.secret.expose().as_bytes());
        Ok(Self { header, key, prefix: settings.prefix.clone(), encoding: settings.encoding })
    }

    /// The header's value for a body.
    pub(super) fn sign(&self, body: &[u8]) -> String {
        let tag = sign(&self.key, body);
        let text = match self.encoding {
            HmacEncoding::Hex => tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
            HmacEncoding::Base64 => STANDARD.encode(tag),
        };
        format!("{}{text}", self.prefix)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's reference libraries.
    #[test]
    fn agrees_with_the_published_example() {
        let secrets = [Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
        let keys = StandardWebhooks::new("hook", &secrets).unwrap().unwrap();
        let signature = keys.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_signs() {
        let secrets = [1, 2].map(|byte| Secret::new(format!("whsec_{}", STANDARD.encode([byte; 32]))));
        let both = StandardWebhooks::new("hook", &secrets).unwrap().unwrap().sign("d-1", 7, b"{}");
        let second = StandardWebhooks::new("hook", &secrets[1..]).unwrap().unwrap().sign("d-1", 7, b"{}");
        assert_eq!(both.split(' ').nth(1), Some(&*second));
        assert!(StandardWebhooks::new("hook", &[]).unwrap().is_none());
    }

    #[test]
    fn an_hmac_header_is_that_of_github() {
        let settings = HmacSettings {
            header: "X-Hub-Signature-256".into(),
            secret: Secret::new("It's a Secret to Everybody"),
            prefix: "sha256=".into(),
            encoding: HmacEncoding::Hex,
        };
        let header = HmacHeader::new("hook", &settings).unwrap();
        let wanted = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(header.sign(b"Hello, World!"), wanted);
        let settings = HmacSettings { encoding: HmacEncoding::Base64, prefix: String::new(), ..settings };
        let text = HmacHeader::new("hook", &settings).unwrap().sign(b"Hello, World!");
        assert_eq!(STANDARD.decode(text).unwrap().len(), 32);
    }

    #[test]
    fn bad_secrets_are_refused_without_being_shown() {
        let short = format!("whsec_{}", STANDARD.encode([1; 23]));
        for secret in ["hunter2", "whsec_hunter2", "whsec_", &short] {
            let error = StandardWebhooks::new("hook", &[Secret::new(secret)]).err().unwrap().to_string();
            assert!(error.contains("`signing_secrets[0]` must be"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
