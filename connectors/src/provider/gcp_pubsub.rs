//! `gcp-pubsub`: one request a dispatch, with one message or several, under a token that a service account signs itself.

mod message;
mod token;

use super::api::endpoint;
use super::http::{Answer, Client, HttpSettings, Verdict, classify as classify_status};
use super::{Call, Outcome, Provider, Tools, code};
use crate::clock;
use crate::error::Error;
use crate::secret::Secret;
use futures::future::BoxFuture;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use token::{Account, Signer};
use url::Url;

/// Where Pub/Sub is, and for whom its tokens are.
const SERVICE: &str = "https://pubsub.googleapis.com/";
/// Milliseconds of a second.
const SECOND_MS: i64 = 1_000;

/// A topic of Google Cloud Pub/Sub.
///
/// A payload is a message's data. One that has `data` and beside it at most `attributes` and `ordering_key` says all of
/// that itself; one with `messages` alone, a list of such objects, publishes all of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GcpPubsubSettings {
    /// The topic's name, without its project.
    pub gcp_topic: String,
    /// The key of a service account that may publish, as the console gives it: JSON, best as `file:/path/key.json`.
    pub gcp_service_account_key: Secret,
    /// The topic's project; that of the service account where absent.
    #[serde(default)]
    pub gcp_project_id: Option<String>,
    /// Where Pub/Sub is, instead of `https://pubsub.googleapis.com`: a regional endpoint, which keeps messages with one
    /// ordering key in order.
    #[serde(default)]
    pub gcp_endpoint_url: Option<String>,
    /// How connections are made.
    #[serde(default)]
    pub http: HttpSettings,
}

impl GcpPubsubSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.http.validate(name)?;
        let account = self.account(name)?;
        Signer::new(&account).map_err(|problem| Error::provider(name, "gcp_service_account_key", problem))?;
        self.publish_url(name, &account).map(drop)
    }

    fn account(&self, name: &str) -> Result<Account, Error> {
        // What serde says of it could show a part of it.
        serde_json::from_str(self.gcp_service_account_key.expose()).map_err(|_| {
            let problem =
                "is not a service account's key: JSON with `client_email`, `private_key` and `private_key_id`";
            Error::provider(name, "gcp_service_account_key", problem)
        })
    }

    /// The topic's name with its project.
    fn topic(&self, name: &str, account: &Account) -> Result<String, Error> {
        let is_name = |text: &str| {
            text.starts_with(|first: char| first.is_ascii_alphabetic())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte))
        };
        let Some(project) = self.gcp_project_id.as_ref().or(account.project_id.as_ref()) else {
            return Err(Error::provider(name, "gcp_project_id", "is missing, and the service account's key has none"));
        };
        for (key, text) in [("gcp_project_id", project), ("gcp_topic", &self.gcp_topic)] {
            if !is_name(text) {
                return Err(Error::provider(name, key, format!("is {text:?}, which is no name alone, as `orders`")));
            }
        }
        Ok(format!("projects/{project}/topics/{}", self.gcp_topic))
    }

    fn publish_url(&self, name: &str, account: &Account) -> Result<Url, Error> {
        let service = self.gcp_endpoint_url.as_deref().unwrap_or(SERVICE).trim_end_matches('/');
        endpoint(name, "gcp_endpoint_url", &format!("{service}/v1/{}:publish", self.topic(name, account)?))
    }
}

/// Publishes messages.
pub(crate) struct GcpPubsub {
    topic: String,
    url: Url,
    signer: Signer,
    client: Client,
}

impl GcpPubsub {
    pub(crate) fn new(name: &str, settings: &GcpPubsubSettings, tools: &Tools) -> Result<Self, Error> {
        settings.validate(name)?;
        let account = settings.account(name)?;
        let signer =
            Signer::new(&account).map_err(|problem| Error::provider(name, "gcp_service_account_key", problem))?;
        let url = settings.publish_url(name, &account)?;
        tools.check_target(name, "gcp_endpoint_url", &url)?;
        let client = tools.http(name, &settings.http)?;
        Ok(Self { topic: settings.topic(name, &account)?, url, signer, client })
    }

    async fn publish(&self, call: Call<'_>) -> Outcome {
        let messages = match message::messages(call.dispatch) {
            Ok(messages) => messages,
            Err(invalid) => return invalid.outcome(),
        };
        let token = match self.signer.token(clock::unix_ms() / SECOND_MS) {
            Ok(token) => token,
            Err(problem) => return Outcome::reject(code::CREDENTIALS, problem),
        };
        let request = self.client.request(Method::POST, self.url.clone()).bearer_auth(token);
        let request = request.json(&json!({"messages": messages}));
        classify(&self.topic, self.client.send(call, request).await)
    }
}

impl Provider for GcpPubsub {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.publish(call))
    }
}

/// What an answer means.
fn classify(topic: &str, answer: Answer) -> Outcome {
    let response = match answer {
        Answer::Response(response) => response,
        Answer::Failed(failure) => return failure.outcome(),
    };
    match classify_status(response.status) {
        Verdict::Delivered => {
            let body: Option<Value> = response.body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
            let ids =
                body.and_then(|mut body| body.get_mut("messageIds").map(Value::take)).unwrap_or_else(|| json!([]));
            Outcome::delivered(&json!({"message_ids": ids, "topic": topic, "status": "published"}))
        }
        Verdict::Retry { code } => Outcome::retry(code, response.refusal(), response.retry_after),
        Verdict::Reject { .. } if response.status == 404 => {
            Outcome::reject(code::CONFIGURATION, format!("{}; is there a topic {topic}?", response.refusal()))
        }
        Verdict::Reject { code } => Outcome::reject(code, response.refusal()),
    }
}

#[cfg(test)]
mod tests;
