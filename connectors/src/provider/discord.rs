use super::api::{Kind, endpoint, json, passed_on, read};
use super::http::{Answer, Client, HttpSettings, Response};
use super::payload::{Invalid, Keys};
use super::text::text;
use super::{Call, Outcome, Provider, Tools, code};
use crate::error::Error;
use crate::secret::Secret;
use acteon_schemas::Dispatch;
use futures::future::BoxFuture;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;
use url::Url;

/// Most characters of `content`, as Discord documents it.
const MAX_CONTENT_CHARS: usize = 2_000;
/// Most embeds of a message, as Discord documents it.
const MAX_EMBEDS: usize = 10;
/// Members of a payload that say what to post.
const MEMBERS: [(&str, Kind); 6] = [
    ("content", Kind::Text),
    ("username", Kind::Text),
    ("avatar_url", Kind::Text),
    ("tts", Kind::Flag),
    ("embeds", Kind::List),
    ("allowed_mentions", Kind::Object),
];

/// Posts to a channel of Discord by its webhook.
///
/// A payload with `content` or `embeds` says what to post; of any other payload the content is made. Made content
/// mentions nobody, whatever the payload says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscordSettings {
    /// The webhook's URL, as Discord shows it.
    pub webhook_url: Secret,
    /// The name that posts are made under where a payload has no `username`.
    #[serde(default, alias = "default_username")]
    pub default_channel: Option<String>,
    /// How connections are made.
    #[serde(default)]
    pub http: HttpSettings,
}

impl DiscordSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.http.validate(name)?;
        self.url(name).map(drop)
    }

    fn url(&self, name: &str) -> Result<Url, Error> {
        let mut url = endpoint(name, "webhook_url", self.webhook_url.expose())?;
        // Else the answer comes before the message is stored, and without its id.
        url.query_pairs_mut().append_pair("wait", "true");
        Ok(url)
    }
}

/// Posts one message for each dispatch.
pub(crate) struct Discord {
    url: Url,
    username: Option<String>,
    client: Client,
}

impl Discord {
    pub(crate) fn new(name: &str, settings: &DiscordSettings, tools: &Tools) -> Result<Self, Error> {
        let url = settings.url(name)?;
        tools.check_target(name, "webhook_url", &url)?;
        Ok(Self { url, username: settings.default_channel.clone(), client: tools.http(name, &settings.http)? })
    }
}

impl Provider for Discord {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let mut body = match message(call.dispatch) {
                Ok(body) => body,
                Err(invalid) => return invalid.outcome(),
            };
            if let Some(username) = &self.username {
                body.entry("username").or_insert_with(|| username.as_str().into());
            }
            let request = self.client.request(Method::POST, self.url.clone()).json(&body);
            classify(self.client.send(call, request).await)
        })
    }
}

/// The message of a dispatch.
fn message(dispatch: &Dispatch<'_>) -> Result<Map<String, Value>, Invalid> {
    let keys = Keys::of(&dispatch.payload).filter(|keys| keys.has("content") || keys.has("embeds"));
    let Some(keys) = keys else {
        let mut body = Map::new();
        body.insert("content".to_owned(), text(dispatch, MAX_CONTENT_CHARS).into());
        body.insert("allowed_mentions".to_owned(), serde_json::json!({"parse": []}));
        return Ok(body);
    };
    let body = passed_on(&keys, &MEMBERS)?;
    let chars = body.get("content").and_then(Value::as_str).map_or(0, |content| content.chars().count());
    if chars > MAX_CONTENT_CHARS {
        return Err(Invalid::new("content", format!("has {chars} characters; the limit is {MAX_CONTENT_CHARS}")));
    }
    let embeds = body.get("embeds").and_then(Value::as_array).map_or(0, Vec::len);
    if embeds > MAX_EMBEDS {
        return Err(Invalid::new("embeds", format!("has {embeds} entries; the limit is {MAX_EMBEDS}")));
    }
    Ok(body)
}

/// Says what an answer means. How long to wait is in the body, in seconds with a fraction.
fn classify(answer: Answer) -> Outcome {
    match answer {
        Answer::Response(response) if response.status == 429 => {
            let seconds = json(&response)["retry_after"].as_f64().filter(|seconds| *seconds >= 0.0);
            let asked = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            Outcome::retry(code::RATE_LIMITED, response.refusal(), asked.or(response.retry_after))
        }
        other => read(other, Response::delivered),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::testing::{answer, told};
    use serde_json::json;

    fn made(payload: &Value) -> Result<Value, Invalid> {
        let record = crate::testing::dispatch(payload).to_string();
        message(&serde_json::from_str(&record).unwrap()).map(Value::Object)
    }

    #[test]
    fn messages_are_passed_on_within_discord_s_limits() {
        let given = json!({"content": "hi", "tts": true, "x": 1});
        assert_eq!(made(&given), Ok(json!({"content": "hi", "tts": true})));
        let wrapped = made(&json!({"message": "@everyone ".repeat(500)})).unwrap();
        assert_eq!(wrapped["content"].as_str().unwrap().chars().count(), MAX_CONTENT_CHARS);
        assert_eq!(wrapped["allowed_mentions"], json!({"parse": []}));
        for bad in [
            json!({"content": "x".repeat(2_001)}),
            json!({"embeds": vec![json!({}); 11]}),
            json!({"content": 1}),
            json!({"content": "x", "tts": "yes"}),
        ] {
            assert!(made(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_wait_comes_from_the_body() {
        let Outcome::Retry { after, error } = classify(answer(429, r#"{"retry_after": 0.65}"#)) else { panic!() };
        assert_eq!((after, &*error.code), (Some(Duration::from_millis(650)), "RATE_LIMITED"));
        let Outcome::Retry { after, .. } = classify(answer(429, r#"{"retry_after": -1}"#)) else { panic!() };
        assert_eq!(after, None);
        assert_eq!(told(&classify(answer(200, r#"{"id": "1"}"#))), "delivered");
        assert_eq!(told(&classify(answer(204, ""))), "delivered");
        assert_eq!(told(&classify(answer(400, "{}"))), "reject VALIDATION");
    }

    #[test]
    fn the_url_asks_for_the_stored_message() {
        let settings: DiscordSettings =
            serde_json::from_value(json!({"webhook_url": "https://discord.com/api/webhooks/1/hunter2"})).unwrap();
        assert_eq!(settings.url("d").unwrap().query(), Some("wait=true"));
        let bad: DiscordSettings = serde_json::from_value(json!({"webhook_url": "hunter2"})).unwrap();
        assert!(!bad.validate("d").unwrap_err().to_string().contains("hunter2"));
    }
}
