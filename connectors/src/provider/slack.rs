use super::api::{Kind, below, endpoint, json, passed_on, read, refused};
use super::http::{Answer, Client, HttpSettings, Response, Verdict};
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
use url::Url;

/// Where Slack's Web API is.
const API_URL: &str = "https://slack.com/api";
/// Most characters of a text that is made of a payload. Slack cuts off what is longer than 40,000.
const MAX_TEXT_CHARS: usize = 4_000;
/// Members of a payload that Slack knows (`chat.postMessage`).
const MEMBERS: [(&str, Kind); 9] = [
    ("channel", Kind::Text),
    ("text", Kind::Text),
    ("blocks", Kind::List),
    ("attachments", Kind::List),
    ("thread_ts", Kind::Text),
    ("username", Kind::Text),
    ("icon_emoji", Kind::Text),
    ("mrkdwn", Kind::Flag),
    ("unfurl_links", Kind::Flag),
];
/// Those that make a message.
const CONTENTS: [&str; 3] = ["text", "blocks", "attachments"];

/// Posts messages to Slack, by an incoming webhook or as a bot.
///
/// A payload with `text`, `blocks` or `attachments` says what to post, and with `channel` where; of any other payload
/// the text is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackSettings {
    /// The URL of an incoming webhook, which has its own channel. Either this or `token`.
    #[serde(default)]
    pub webhook_url: Option<Secret>,
    /// A bot's token (`xoxb-…`) with the scope `chat:write`.
    #[serde(default)]
    pub token: Option<Secret>,
    /// The channel of payloads that name none; only with `token`.
    #[serde(default)]
    pub default_channel: Option<String>,
    /// The Web API's address in place of `https://slack.com/api`.
    #[serde(default)]
    pub api_url: Option<String>,
    /// How connections are made.
    #[serde(default)]
    pub http: HttpSettings,
}

impl SlackSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.http.validate(name)?;
        self.target(name).map(drop)
    }

    fn target(&self, name: &str) -> Result<(&'static str, Url), Error> {
        match (&self.webhook_url, &self.token) {
            (Some(url), None) => {
                if self.default_channel.is_some() {
                    let problem = "has no effect with `webhook_url`: the webhook has its own channel; remove it";
                    return Err(Error::provider(name, "default_channel", problem));
                }
                Ok(("webhook_url", endpoint(name, "webhook_url", url.expose())?))
            }
            (None, Some(_)) => {
                let api = self.api_url.as_deref().unwrap_or(API_URL);
                Ok(("api_url", below(name, "api_url", api, &["chat.postMessage"])?))
            }
            (Some(_), Some(_)) => Err(Error::provider(name, "token", "is given beside `webhook_url`; remove one")),
            (None, None) => Err(Error::provider(name, "webhook_url", "is missing: give it or `token`")),
        }
    }
}

/// Posts one message for each dispatch.
pub(crate) struct Slack {
    url: Url,
    token: Option<Secret>,
    default_channel: Option<String>,
    client: Client,
}

impl Slack {
    pub(crate) fn new(name: &str, settings: &SlackSettings, tools: &Tools) -> Result<Self, Error> {
        let (key, url) = settings.target(name)?;
        tools.check_target(name, key, &url)?;
        Ok(Self {
            url,
            token: settings.token.clone(),
            default_channel: settings.default_channel.clone(),
            client: tools.http(name, &settings.http)?,
        })
    }
}

impl Provider for Slack {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let mut body = match message(call.dispatch) {
                Ok(body) => body,
                Err(invalid) => return invalid.outcome(),
            };
            let mut request = self.client.request(Method::POST, self.url.clone());
            if let Some(token) = &self.token {
                request = request.bearer_auth(token.expose());
                if let Some(channel) = &self.default_channel {
                    body.entry("channel").or_insert_with(|| channel.as_str().into());
                }
                if !body.contains_key("channel") {
                    return Invalid::new("channel", "is missing, and there is no `default_channel`").outcome();
                }
            }
            let answer = self.client.send(call, request.json(&body)).await;
            classify(answer, self.token.is_some())
        })
    }
}

/// The message of a dispatch.
fn message(dispatch: &Dispatch<'_>) -> Result<Map<String, Value>, Invalid> {
    let mut body = Map::new();
    if let Some(keys) = Keys::of(&dispatch.payload) {
        let is_written_for_slack = CONTENTS.iter().any(|key| keys.has(key));
        let members: &[_] = if is_written_for_slack { &MEMBERS } else { &MEMBERS[..1] };
        body = passed_on(&keys, members)?;
        if is_written_for_slack {
            return Ok(body);
        }
    }
    body.insert("text".to_owned(), text(dispatch, MAX_TEXT_CHARS).into());
    Ok(body)
}

/// Says what an answer means. The Web API's says so in its body; a webhook's body is the word `ok`.
fn classify(answer: Answer, is_web_api: bool) -> Outcome {
    read(answer, |response| if is_web_api { accepted(response) } else { response.delivered() })
}

/// Errors as listed for `chat.postMessage` in Slack's documentation.
fn accepted(response: Response) -> Outcome {
    let body = json(&response);
    if body["ok"] == true {
        return response.delivered();
    }
    let Some(word) = body["error"].as_str() else {
        return Outcome::reject(code::EXECUTION_FAILED, "the receiver answered 200, but not as Slack's API does");
    };
    let verdict = match word {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => Verdict::Retry { code: code::RATE_LIMITED },
        "internal_error" | "fatal_error" | "service_unavailable" | "team_added_to_org" => {
            Verdict::Retry { code: code::EXECUTION_FAILED }
        }
        "request_timeout" => Verdict::Retry { code: code::TIMEOUT },
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "missing_scope"
        | "no_permission"
        | "not_allowed_token_type"
        | "ekm_access_denied"
        | "access_denied" => Verdict::Reject { code: code::CREDENTIALS },
        "channel_not_found" | "not_in_channel" | "is_archived" | "restricted_action" => {
            Verdict::Reject { code: code::CONFIGURATION }
        }
        "msg_too_long"
        | "no_text"
        | "invalid_blocks"
        | "invalid_blocks_format"
        | "too_many_attachments"
        | "invalid_arguments"
        | "invalid_json"
        | "json_not_object" => Verdict::Reject { code: code::VALIDATION },
        _ => Verdict::Reject { code: code::EXECUTION_FAILED },
    };
    refused(verdict, &response, word)
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
    fn a_message_is_passed_on_and_anything_else_is_told() {
        let cases = [
            (json!({"text": "hi", "channel": "#ops", "x": 1}), json!({"text": "hi", "channel": "#ops"})),
            (json!({"blocks": [{"type": "divider"}]}), json!({"blocks": [{"type": "divider"}]})),
            (json!({"channel": "#ops", "message": "down"}), json!({"channel": "#ops", "text": "down"})),
            (json!({"value": 92}), json!({"text": "notify (shop/acme)\n{\"value\":92}"})),
            (json!(7), json!({"text": "notify (shop/acme)\n7"})),
        ];
        for (payload, body) in cases {
            assert_eq!(made(&payload), Ok(body), "{payload}");
        }
        for bad in [json!({"text": 1}), json!({"text": "x", "blocks": {}}), json!({"channel": 1, "a": 2})] {
            assert!(made(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_web_api_says_in_the_body_what_happened() {
        let cases = [
            (r#"{"ok": true, "ts": "1"}"#, "delivered"),
            (r#"{"ok": false, "error": "ratelimited"}"#, "retry RATE_LIMITED"),
            (r#"{"ok": false, "error": "internal_error"}"#, "retry EXECUTION_FAILED"),
            (r#"{"ok": false, "error": "invalid_auth"}"#, "reject CREDENTIALS"),
            (r#"{"ok": false, "error": "channel_not_found"}"#, "reject CONFIGURATION"),
            (r#"{"ok": false, "error": "msg_too_long"}"#, "reject VALIDATION"),
            (r#"{"ok": false, "error": "something_new"}"#, "reject EXECUTION_FAILED"),
            ("ok", "reject EXECUTION_FAILED"),
        ];
        for (body, expected) in cases {
            assert_eq!(told(&classify(answer(200, body), true)), expected, "{body}");
        }
        assert_eq!(told(&classify(answer(200, "ok"), false)), "delivered");
        assert_eq!(told(&classify(answer(403, "action_prohibited"), false)), "reject CREDENTIALS");
        assert_eq!(told(&classify(answer(503, ""), true)), "retry EXECUTION_FAILED");
    }

    #[test]
    fn one_way_to_post_is_needed() {
        let settings = |keys: Value| serde_json::from_value::<SlackSettings>(keys).unwrap();
        settings(json!({"webhook_url": "https://hooks.slack.com/services/T/B/hunter2"})).validate("s").unwrap();
        settings(json!({"token": "xoxb-hunter2", "default_channel": "#ops"})).validate("s").unwrap();
        for (keys, key) in [
            (json!({}), "webhook_url"),
            (json!({"webhook_url": "hunter2"}), "webhook_url"),
            (json!({"webhook_url": "https://h/x", "token": "hunter2"}), "token"),
            (json!({"webhook_url": "https://h/x", "default_channel": "#ops"}), "default_channel"),
            (json!({"token": "hunter2", "api_url": "nowhere"}), "api_url"),
        ] {
            let error = settings(keys).validate("s").unwrap_err().to_string();
            assert!(error.contains(&format!("`{key}`")) && !error.contains("hunter2"), "{error}");
        }
    }
}
