//! `azure-eventhubs`: one signed request a dispatch, with one event or several.

mod event;

use super::api::endpoint;
use super::http::{Answer, Client, HttpSettings, Verdict, classify as classify_status};
use super::{Call, Outcome, Provider, Tools, code};
use crate::clock;
use crate::error::Error;
use crate::secret::Secret;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::Batch;
use futures::future::BoxFuture;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;
use url::form_urlencoded::byte_serialize;

/// How long a signature holds, in seconds. Each request has its own.
const SIGNATURE_SECONDS: i64 = 300;
/// The version of the REST API.
const API_VERSION: &str = "2014-01";
/// The content type of a list of events.
const BATCH: &str = "application/vnd.microsoft.servicebus.json";
/// Header with what is the broker's to know of the events.
const BROKER_PROPERTIES: HeaderName = HeaderName::from_static("brokerproperties");
/// Milliseconds of a second.
const SECOND_MS: i64 = 1_000;

/// An event hub.
///
/// A payload is the body of an event. One that has `body` and beside it at most `partition_key` and `properties` says all
/// of that itself; one with `events`, a list of `body` and `properties`, and at most `partition_key`, is a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AzureEventHubsSettings {
    /// The namespace: `acteon` for `acteon.servicebus.windows.net`.
    pub azure_namespace: String,
    /// The event hub's name.
    pub azure_event_hub: String,
    /// The name of a shared access policy that may send.
    pub azure_shared_access_key_name: String,
    /// The policy's key.
    pub azure_shared_access_key: Secret,
    /// Where the namespace is, instead of `https://<azure_namespace>.servicebus.windows.net`.
    #[serde(default)]
    pub azure_endpoint_url: Option<String>,
    /// How connections are made.
    #[serde(default)]
    pub http: HttpSettings,
}

impl AzureEventHubsSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.http.validate(name)?;
        let is_name = |text: &str, more: &[u8]| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        let bad = |key: &str, problem: &str| Err(Error::provider(name, key, problem));
        if !is_name(&self.azure_namespace, b"-") {
            return bad("azure_namespace", "must be the name alone, without its domain: letters, digits and `-`");
        }
        if !is_name(&self.azure_event_hub, b"-._") {
            return bad("azure_event_hub", "must be a name of letters, digits, `.`, `_` and `-`");
        }
        if !is_name(&self.azure_shared_access_key_name, b"-._") {
            return bad("azure_shared_access_key_name", "must be a name of letters, digits, `.`, `_` and `-`");
        }
        if self.azure_shared_access_key.expose().is_empty() {
            return bad("azure_shared_access_key", "is empty");
        }
        self.hub(name).map(drop)
    }

    /// The event hub's own URL, which is what signatures are for.
    fn hub(&self, name: &str) -> Result<Url, Error> {
        let service = match &self.azure_endpoint_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("https://{}.servicebus.windows.net", self.azure_namespace),
        };
        endpoint(name, "azure_endpoint_url", &format!("{service}/{}", self.azure_event_hub))
    }
}

/// Sends events.
pub(crate) struct AzureEventHubs {
    settings: AzureEventHubsSettings,
    hub: Url,
    messages: Url,
    client: Client,
}

impl AzureEventHubs {
    pub(crate) fn new(name: &str, settings: &AzureEventHubsSettings, tools: &Tools) -> Result<Self, Error> {
        settings.validate(name)?;
        let hub = settings.hub(name)?;
        tools.check_target(name, "azure_endpoint_url", &hub)?;
        let mut messages = hub.clone();
        messages.set_path(&format!("{}/messages", hub.path()));
        messages.query_pairs_mut().append_pair("api-version", API_VERSION);
        Ok(Self { settings: settings.clone(), hub, messages, client: tools.http(name, &settings.http)? })
    }

    async fn send(&self, call: Call<'_>) -> Outcome {
        let batch = match event::batch(call.dispatch) {
            Ok(batch) => batch,
            Err(invalid) => return invalid.outcome(),
        };
        let AzureEventHubsSettings { azure_shared_access_key_name: policy, azure_shared_access_key: key, .. } =
            &self.settings;
        let expiry = clock::unix_ms() / SECOND_MS + SIGNATURE_SECONDS;
        let mut request = self
            .client
            .request(Method::POST, self.messages.clone())
            .header(AUTHORIZATION, signature(&self.hub, policy, key, expiry))
            .header(CONTENT_TYPE, BATCH);
        if let Some(partition_key) = &batch.partition_key {
            request = request.header(BROKER_PROPERTIES, json!({"PartitionKey": partition_key}).to_string());
        }
        let request = request.body(batch.body());
        classify(&self.settings.azure_event_hub, &batch, self.client.send(call, request).await)
    }
}

impl Provider for AzureEventHubs {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.send(call))
    }
}

/// A shared access signature for a resource, valid until `expiry` in seconds since 1970.
fn signature(resource: &Url, policy: &str, key: &Secret, expiry: i64) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let resource = encode(resource.as_str());
    let tag = sign(&Key::new(HMAC_SHA256, key.expose().as_bytes()), format!("{resource}\n{expiry}").as_bytes());
    let signature = encode(&STANDARD.encode(tag));
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={policy}")
}

/// What an answer means.
fn classify(hub: &str, batch: &Batch, answer: Answer) -> Outcome {
    let response = match answer {
        Answer::Response(response) => response,
        Answer::Failed(failure) => return failure.outcome(),
    };
    match classify_status(response.status) {
        Verdict::Delivered => {
            Outcome::delivered(&json!({"event_hub": hub, "events": batch.events.len(), "status": "sent"}))
        }
        Verdict::Retry { code } => Outcome::retry(code, response.refusal(), response.retry_after),
        // No such hub, or one that is gone.
        Verdict::Reject { .. } if matches!(response.status, 404 | 410) => {
            Outcome::reject(code::CONFIGURATION, response.refusal())
        }
        Verdict::Reject { code } => Outcome::reject(code, response.refusal()),
    }
}

#[cfg(test)]
mod tests;
