use super::api::{Kind, below, json, passed_on, read};
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

/// Where Telegram's Bot API is.
const API_URL: &str = "https://api.telegram.org";
/// Most characters of a message, as Telegram documents it.
const MAX_TEXT_CHARS: usize = 4_096;
/// Members of a payload that say what to send (`sendMessage`).
const MEMBERS: [(&str, Kind); 7] = [
    ("chat_id", Kind::TextOrNumber),
    ("text", Kind::Text),
    ("parse_mode", Kind::Text),
    ("disable_notification", Kind::Flag),
    ("message_thread_id", Kind::TextOrNumber),
    ("link_preview_options", Kind::Object),
    ("reply_markup", Kind::Object),
];

/// Sends messages as a bot of Telegram.
///
/// A payload with `text` says what to send, and with `chat_id` to whom; of any other payload the text is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelegramSettings {
    /// `[providers.telegram]`.
    pub telegram: TelegramBot,
    /// How connections are made.
    #[serde(default)]
    pub http: HttpSettings,
}

/// The bot that sends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelegramBot {
    /// Its token, `123456:ABC…`.
    pub bot_token: Secret,
    /// The chat of payloads that name none: its number, or `@channel`.
    #[serde(default)]
    pub default_chat_id: Option<String>,
    /// The Bot API's address in place of `https://api.telegram.org`.
    #[serde(default)]
    pub api_url: Option<String>,
}

impl TelegramSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.http.validate(name)?;
        self.url(name).map(drop)
    }

    fn url(&self, name: &str) -> Result<Url, Error> {
        let token = self.telegram.bot_token.expose();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":_-".contains(&byte)) {
            let problem = "is not a bot's token, as 123456:ABC…";
            return Err(Error::provider(name, "telegram.bot_token", problem));
        }
        let api = self.telegram.api_url.as_deref().unwrap_or(API_URL);
        below(name, "telegram.api_url", api, &[&format!("bot{token}"), "sendMessage"])
    }
}

/// Sends one message for each dispatch.
pub(crate) struct Telegram {
    url: Url,
    default_chat_id: Option<String>,
    client: Client,
}

impl Telegram {
    pub(crate) fn new(name: &str, settings: &TelegramSettings, tools: &Tools) -> Result<Self, Error> {
        let url = settings.url(name)?;
        tools.check_target(name, "telegram.api_url", &url)?;
        let default_chat_id = settings.telegram.default_chat_id.clone();
        Ok(Self { url, default_chat_id, client: tools.http(name, &settings.http)? })
    }
}

impl Provider for Telegram {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let body = match message(call.dispatch, self.default_chat_id.as_deref()) {
                Ok(body) => body,
                Err(invalid) => return invalid.outcome(),
            };
            let request = self.client.request(Method::POST, self.url.clone()).json(&body);
            classify(self.client.send(call, request).await)
        })
    }
}

/// The message of a dispatch.
fn message(dispatch: &Dispatch<'_>, default_chat_id: Option<&str>) -> Result<Map<String, Value>, Invalid> {
    let keys = Keys::of(&dispatch.payload);
    let has_text = keys.as_ref().is_some_and(|keys| keys.has("text"));
    let members: &[_] = if has_text { &MEMBERS } else { &MEMBERS[..1] };
    let mut body = keys.map(|keys| passed_on(&keys, members)).transpose()?.unwrap_or_default();
    if !has_text {
        body.insert("text".to_owned(), text(dispatch, MAX_TEXT_CHARS).into());
    }
    let chars = body.get("text").and_then(Value::as_str).map_or(0, |text| text.chars().count());
    if chars > MAX_TEXT_CHARS {
        return Err(Invalid::new("text", format!("has {chars} characters; the limit is {MAX_TEXT_CHARS}")));
    }
    if !body.contains_key("chat_id") {
        let chat =
            default_chat_id.ok_or_else(|| Invalid::new("chat_id", "is missing, and there is no `default_chat_id`"))?;
        body.insert("chat_id".to_owned(), chat.into());
    }
    Ok(body)
}

/// Says what an answer means. How long to wait is in the body, in seconds.
fn classify(answer: Answer) -> Outcome {
    match answer {
        Answer::Response(response) if response.status == 429 => {
            let seconds = json(&response)["parameters"]["retry_after"].as_u64();
            let asked = seconds.map(Duration::from_secs).or(response.retry_after);
            Outcome::retry(code::RATE_LIMITED, response.refusal(), asked)
        }
        // It answers so where there is no bot with such a token.
        Answer::Response(response) if response.status == 404 => Outcome::reject(code::CREDENTIALS, response.refusal()),
        other => read(other, Response::delivered),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::testing::{answer, told};
    use serde_json::json;

    fn made(payload: &Value, chat: Option<&str>) -> Result<Value, Invalid> {
        let record = crate::testing::dispatch(payload).to_string();
        message(&serde_json::from_str(&record).unwrap(), chat).map(Value::Object)
    }

    #[test]
    fn messages_have_a_text_and_a_chat() {
        let given = json!({"text": "hi", "chat_id": -100, "x": 1});
        assert_eq!(made(&given, Some("@ops")), Ok(json!({"text": "hi", "chat_id": -100})));
        assert_eq!(made(&json!({"message": "down"}), Some("@ops")), Ok(json!({"text": "down", "chat_id": "@ops"})));
        for (bad, chat) in [
            (json!({"text": "hi"}), None),
            (json!({"text": "x".repeat(4_097)}), Some("1")),
            (json!({"text": 1}), Some("1")),
            (json!({"text": "hi", "chat_id": true}), Some("1")),
        ] {
            assert!(made(&bad, chat).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_wait_comes_from_the_body() {
        let throttled = r#"{"ok": false, "error_code": 429, "parameters": {"retry_after": 7}}"#;
        let Outcome::Retry { after, .. } = classify(answer(429, throttled)) else { panic!() };
        assert_eq!(after, Some(Duration::from_secs(7)));
        assert_eq!(told(&classify(answer(200, r#"{"ok": true}"#))), "delivered");
        assert_eq!(told(&classify(answer(404, "{}"))), "reject CREDENTIALS");
        assert_eq!(told(&classify(answer(502, ""))), "retry EXECUTION_FAILED");
    }

    #[test]
    fn a_token_that_is_none_is_refused_and_not_shown() {
        let settings = |token: &str| -> TelegramSettings {
            serde_json::from_value(json!({"telegram": {"bot_token": token}})).unwrap()
        };
        let url = settings("1:hunter2").url("t").unwrap();
        assert_eq!(url.as_str(), "https://api.telegram.org/bot1:hunter2/sendMessage");
        for token in ["", "hunter2/../x", "hunter2 "] {
            let error = settings(token).validate("t").unwrap_err().to_string();
            assert!(error.contains("`telegram.bot_token`") && !error.contains("hunter2"), "{error}");
        }
    }
}
