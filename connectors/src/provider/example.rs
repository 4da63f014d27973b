use super::http::{Answer, Client, HttpSettings, Verdict, classify as classify_status};
use super::{Call, Outcome, Provider, Tools, code};
use crate::error::Error;
use crate::secret::Secret;
use acteon_schemas::Dispatch;
use futures::future::BoxFuture;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

/// Where a pager is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagerSettings {
    /// The API's address.
    pub url: String,
    /// The API's token: `env:NAME`, `file:/path`, `ENC[…]` or the token itself.
    pub token: Secret,
    /// How connections are made.
    #[serde(default)]
    pub http: HttpSettings,
}

impl PagerSettings {
    /// Checks the settings of the provider `name`.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.http.validate(name)?;
        Url::parse(&self.url).map(drop).map_err(|error| Error::provider(name, "url", format!("is not a URL: {error}")))
    }
}

/// Pages someone with the payload's `text`.
pub(crate) struct Pager(PagerSettings, Url, Client);

impl Pager {
    pub(crate) fn new(name: &str, settings: &PagerSettings, tools: &Tools) -> Result<Self, Error> {
        settings.validate(name)?;
        let url = Url::parse(&settings.url).map_err(|error| Error::provider(name, "url", error.to_string()))?;
        tools.check_target(name, "url", &url)?;
        Ok(Self(settings.clone(), url, tools.http(name, &settings.http)?))
    }
}

impl Provider for Pager {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Self(settings, url, client) = self;
            let page = match page(call.dispatch) {
                Ok(page) => page,
                Err(problem) => return Outcome::reject(code::VALIDATION, problem),
            };
            let request = client.request(Method::POST, url.clone()).bearer_auth(settings.token.expose()).json(&page);
            classify(client.send(call, request).await)
        })
    }
}

/// What is sent: pure. A payload without the provider's own keys is wrapped, one with a wrong type is refused.
fn page(dispatch: &Dispatch<'_>) -> Result<Value, String> {
    let payload: Value = serde_json::from_str(dispatch.payload.get()).map_err(|error| error.to_string())?;
    match payload.get("text") {
        Some(Value::String(text)) => Ok(json!({"text": text, "key": dispatch.dispatch_id})),
        Some(_) => Err("`text` is not a string".to_owned()),
        None => Ok(json!({"text": payload.to_string(), "key": dispatch.dispatch_id})),
    }
}

/// What an answer means: pure too.
fn classify(answer: Answer) -> Outcome {
    match answer {
        Answer::Failed(failure) => failure.outcome(),
        Answer::Response(response) => match classify_status(response.status) {
            Verdict::Delivered => response.delivered(),
            Verdict::Retry { code } => Outcome::retry(code, response.refusal(), response.retry_after),
            Verdict::Reject { code } => Outcome::reject(code, response.refusal()),
        },
    }
}
