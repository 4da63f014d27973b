use super::http::{
    Answer, Client, Failure, HttpSettings, OWN_HEADERS, Response, Verdict, classify as classify_status, header_value,
    public_url,
};
use super::{Call, Outcome, Provider, Tools};
use crate::error::Error;
use crate::secret::{REDACTED, Secret};
use acteon_schemas::{Action, Dispatch};
use futures::future::BoxFuture;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use url::Url;

/// Most configured headers.
const MAX_HEADERS: usize = 64;
/// Headers whose values are no secrets; all others may be.
const PLAIN_HEADERS: [&str; 4] = ["accept", "content-type", "user-agent", "idempotency-key"];

/// Where a webhook sends to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// `http://` or `https://`. Only scheme, host and port are ever shown: the rest may be secret.
    #[serde(serialize_with = "show_url")]
    pub url: Secret,
    /// `POST`, `PUT` or `PATCH`.
    #[serde(default = "post")]
    pub method: String,
    /// Headers of every request. `Content-Type` is `application/json` where it isn't among them.
    #[serde(default, serialize_with = "show_headers")]
    pub headers: BTreeMap<String, Secret>,
    /// How connections are made.
    #[serde(default)]
    pub http: HttpSettings,
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

impl WebhookSettings {
    /// A `POST` to `url` without further headers.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: Secret::new(url), method: post(), headers: BTreeMap::new(), http: HttpSettings::default() }
    }

    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.http.validate(name)?;
        self.target(name).map(drop)
    }

    fn target(&self, name: &str) -> Result<Target, Error> {
        let url = Url::parse(self.url.expose())
            .map_err(|error| Error::provider(name, "url", format!("is not a URL: {error}; use http:// or https://")))?;
        if !matches!(url.scheme(), "http" | "https") {
            let problem = format!("has the scheme `{}`; use http:// or https://", url.scheme());
            return Err(Error::provider(name, "url", problem));
        }
        let method = match self.method.as_str() {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            other => {
                return Err(Error::provider(name, "method", format!("is `{other}`; use POST, PUT or PATCH")));
            }
        };
        Ok(Target { url, method, headers: self.header_map(name)? })
    }

    fn header_map(&self, name: &str) -> Result<HeaderMap, Error> {
        if self.headers.len() > MAX_HEADERS {
            let problem = format!("has {} entries; the limit is {MAX_HEADERS}", self.headers.len());
            return Err(Error::provider(name, "headers", problem));
        }
        let mut map = HeaderMap::new();
        map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (header, value) in &self.headers {
            let key = format!("headers.{header}");
            let bad = |problem: &str| Error::provider(name, &key, problem);
            let header = HeaderName::try_from(header).map_err(|_| bad("is not a header's name"))?;
            if OWN_HEADERS.contains(&header.as_str()) {
                return Err(bad("is set by Acteon; leave it out"));
            }
            map.insert(header, header_value(name, &key, value.expose())?);
        }
        Ok(map)
    }
}

/// The settings, checked.
struct Target {
    url: Url,
    method: Method,
    headers: HeaderMap,
}

/// Sends the whole action as JSON.
pub(crate) struct Webhook {
    target: Target,
    client: Client,
}

impl Webhook {
    pub(crate) fn new(name: &str, settings: &WebhookSettings, tools: &Tools) -> Result<Self, Error> {
        Ok(Self { target: settings.target(name)?, client: tools.http(name, &settings.http)? })
    }

    async fn send(&self, call: Call<'_>) -> Answer {
        let body = match body(call.dispatch) {
            Ok(body) => body,
            Err(error) => {
                let cause = format!("the action can't be written as JSON: {error}");
                return Answer::Failed(Failure::Unsendable(cause));
            }
        };
        let Target { url, method, headers } = &self.target;
        let request = self.client.request(method.clone(), url.clone()).headers(headers.clone()).body(body);
        self.client.send(call, request).await
    }
}

impl Provider for Webhook {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { classify(self.send(call).await) })
    }
}

/// The request's body: the action as the rules left it, in the shape in which applications send it.
fn body(dispatch: &Dispatch<'_>) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Action {
        id: Some(Cow::Borrowed(&dispatch.action_id)),
        namespace: Cow::Borrowed(&dispatch.namespace),
        tenant: Cow::Borrowed(&dispatch.tenant),
        provider: Cow::Borrowed(&dispatch.provider),
        action_type: Cow::Borrowed(&dispatch.action_type),
        payload: Cow::Borrowed(&dispatch.payload),
        metadata: dispatch.metadata.clone().into_owned(),
        dedup_key: dispatch.dedup_key.as_deref().map(Cow::Borrowed),
        status: dispatch.status.as_deref().map(Cow::Borrowed),
        fingerprint: dispatch.fingerprint.as_deref().map(Cow::Borrowed),
        created_at: dispatch.created_at.as_deref().map(Cow::Borrowed),
        dispatch_at: None,
        extra: dispatch.extra.clone(),
    })
}

/// Says what an answer means.
fn classify(answer: Answer) -> Outcome {
    let response = match answer {
        Answer::Response(response) => response,
        Answer::Failed(failure) => return failure.outcome(),
    };
    match classify_status(response.status) {
        Verdict::Delivered => response.delivered(),
        Verdict::Retry { code } => Outcome::retry(code, refusal(&response), response.retry_after),
        Verdict::Reject { code } => Outcome::reject(code, refusal(&response)),
    }
}

fn refusal(response: &Response) -> String {
    let hint = match response.status {
        300..=399 => "; redirects are not followed: set `url` to the final address",
        401 | 403 => "; check the credentials in `headers`",
        _ => "",
    };
    response.refusal() + hint
}

#[cfg(test)]
mod tests;
