use crate::provider::http::{HttpSettings, public_url};
use crate::secret::{REDACTED, Secret};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// Headers whose values are no secrets; all others may be.
const PLAIN_HEADERS: [&str; 4] = ["accept", "content-type", "user-agent", "idempotency-key"];

/// Where a webhook sends to, and what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// `http://` or `https://`, perhaps with templates: `https://api.example.com/orders/{{ payload.id }}`. Values are
    /// escaped, and one that is missing refuses the dispatch. Only scheme, host and port are ever shown: the rest may be
    /// secret.
    #[serde(serialize_with = "show_url")]
    pub url: Secret,
    /// Whether templates may stand in the host too. Whoever sends actions then chooses where they go, within
    /// `[egress]`.
    #[serde(default)]
    pub allow_host_template: bool,
    /// `POST`, `PUT`, `PATCH`, or `GET` and `DELETE`, which send no body.
    #[serde(default = "post")]
    pub method: String,
    /// Headers of every request, perhaps with templates. `Content-Type` is `application/json` where it isn't among them.
    #[serde(default, serialize_with = "show_headers")]
    pub headers: BTreeMap<String, Secret>,
    /// The body, as a template; the whole action as JSON where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Secrets of Standard Webhooks, `whsec_…`, the newest first: each signs, so that they can be rotated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signing_secrets: Vec<Secret>,
    /// An HMAC-SHA256 of the body in a header.
    #[serde(default)]
    pub hmac_header: Option<HmacSettings>,
    /// The status codes that mean success; 200 to 299 where absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub success_status: Vec<u16>,
    /// What the response must say for the call to have succeeded.
    #[serde(default)]
    pub expect_json: Option<ExpectedJson>,
    /// How connections are made.
    #[serde(default)]
    pub http: HttpSettings,
}

/// An HMAC-SHA256 of the body in a header, as GitHub and others have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HmacSettings {
    /// The header's name, as `X-Hub-Signature-256`.
    pub header: String,
    /// The key, taken as it is.
    pub secret: Secret,
    /// What stands before the signature, as `sha256=`.
    #[serde(default)]
    pub prefix: String,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: HmacEncoding,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HmacEncoding {
    /// Hexadecimal digits in small letters.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

/// A value that the response must have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedJson {
    /// Names and numbers of list entries with dots between them: `result.0.ok`.
    pub path: String,
    /// The value there.
    pub equals: Value,
}

impl WebhookSettings {
    /// A `POST` to `url` of the whole action, without further headers.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url),
            allow_host_template: false,
            method: post(),
            headers: BTreeMap::new(),
            body: None,
            signing_secrets: Vec::new(),
            hmac_header: None,
            success_status: Vec::new(),
            expect_json: None,
            http: HttpSettings::default(),
        }
    }
}

fn post() -> String {
    "POST".to_owned()
}

fn show_url<S: Serializer>(url: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&public_url(url.expose()))
}

fn show_headers<S: Serializer>(headers: &BTreeMap<String, Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| {
        let plain = PLAIN_HEADERS.contains(&name.to_lowercase().as_str());
        (name, if plain { value.expose() } else { REDACTED })
    }))
}
