//! `webhook`: one HTTP request a dispatch.

mod request;
mod settings;
mod signature;

pub(super) use request::whole_action;
pub use settings::{ExpectedJson, HmacEncoding, HmacSettings, WebhookSettings};

use super::http::{Answer, Client, Response, Verdict, classify as classify_status};
use super::{Call, Outcome, Provider, Tools, code};
use crate::clock;
use crate::error::Error;
use acteon_schemas::check_depth;
use futures::future::BoxFuture;
use request::{Builder, Unsendable};
use serde_json::Value;

/// Milliseconds of a second.
const SECOND_MS: i64 = 1_000;

impl WebhookSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.http.validate(name)?;
        Check::new(name, self)?;
        Builder::new(name, self).map(drop)
    }
}

/// Sends a request for each dispatch: the whole action as JSON, or what templates make of it.
pub(crate) struct Webhook {
    builder: Builder,
    check: Check,
    client: Client,
}

impl Webhook {
    pub(crate) fn new(name: &str, settings: &WebhookSettings, tools: &Tools) -> Result<Self, Error> {
        let builder = Builder::new(name, settings)?;
        if let Some(url) = builder.fixed_url() {
            tools.check_target(name, "url", url)?;
        }
        Ok(Self { builder, check: Check::new(name, settings)?, client: tools.http(name, &settings.http)? })
    }

    async fn send(&self, call: Call<'_>) -> Outcome {
        let prepared = match self.builder.prepare(call.dispatch, clock::unix_ms() / SECOND_MS) {
            Ok(prepared) => prepared,
            Err(Unsendable(code, message)) => return Outcome::reject(code, message),
        };
        let request = self.client.request(prepared.method, prepared.url).headers(prepared.headers).body(prepared.body);
        classify(&self.check, self.client.send(call, request).await)
    }
}

impl Provider for Webhook {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.send(call))
    }
}

/// What a response must be for the call to have succeeded.
#[derive(Debug, Default)]
struct Check {
    /// Empty: 200 to 299.
    success_status: Vec<u16>,
    expect_json: Option<ExpectedJson>,
}

impl Check {
    fn new(name: &str, settings: &WebhookSettings) -> Result<Self, Error> {
        if let Some(status) = settings.success_status.iter().find(|status| !(200..600).contains(*status)) {
            let problem = format!("has {status}; status codes are from 200 to 599");
            return Err(Error::provider(name, "success_status", problem));
        }
        if settings.expect_json.as_ref().is_some_and(|expected| expected.path.split('.').any(str::is_empty)) {
            let problem = "is not names with dots between them, as `result.status`";
            return Err(Error::provider(name, "expect_json.path", problem));
        }
        Ok(Self { success_status: settings.success_status.clone(), expect_json: settings.expect_json.clone() })
    }

    fn verdict(&self, status: u16) -> Verdict {
        match classify_status(status) {
            _ if self.success_status.contains(&status) => Verdict::Delivered,
            Verdict::Delivered if !self.success_status.is_empty() => Verdict::Reject { code: code::EXECUTION_FAILED },
            verdict => verdict,
        }
    }

    /// Says what is wrong with a response that has a good status; never with a part of it.
    fn objection(&self, response: &Response) -> Option<String> {
        let ExpectedJson { path, equals } = self.expect_json.as_ref()?;
        let Some(body) = &response.body else {
            return Some(format!("the receiver answered {}, but its body can't be read", response.status));
        };
        let json: Option<Value> = check_depth(body).ok().and_then(|()| serde_json::from_slice(body).ok());
        let Some(json) = json else {
            return Some(format!("the receiver answered {}, but with a body that is not JSON", response.status));
        };
        let found = path.split('.').try_fold(&json, |value, name| match value {
            Value::Array(list) => list.get(name.parse::<usize>().ok()?),
            other => other.get(name),
        });
        (found != Some(equals)).then(|| {
            let what = if found.is_some() { "is not what `expect_json` wants" } else { "is missing" };
            format!("the receiver answered {}, but `{path}` {what}", response.status)
        })
    }
}

/// Says what an answer means.
fn classify(check: &Check, answer: Answer) -> Outcome {
    let response = match answer {
        Answer::Response(response) => response,
        Answer::Failed(failure) => return failure.outcome(),
    };
    match check.verdict(response.status) {
        Verdict::Delivered => match check.objection(&response) {
            Some(objection) => Outcome::reject(code::EXECUTION_FAILED, objection),
            None => response.delivered(),
        },
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
