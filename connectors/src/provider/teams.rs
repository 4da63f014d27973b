use super::api::{Kind, endpoint, passed_on, read};
use super::http::{Client, HttpSettings};
use super::payload::{Invalid, Keys};
use super::text::{text, title};
use super::{Call, Outcome, Provider, Tools, code};
use crate::error::Error;
use crate::secret::Secret;
use acteon_schemas::Dispatch;
use futures::future::BoxFuture;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

/// Most bytes of a message, as Microsoft documents it for webhooks (28 KB).
const MAX_MESSAGE_BYTES: usize = 28 * 1024;
/// Most characters of a text that is made of a payload; in UTF-8 and JSON it stays below [`MAX_MESSAGE_BYTES`].
const MAX_TEXT_CHARS: usize = 4_000;
/// Most characters of a title that is made of a payload.
const MAX_TITLE_CHARS: usize = 200;
/// Members of a payload that say what to post.
const MEMBERS: [(&str, Kind); 5] = [
    ("text", Kind::Text),
    ("title", Kind::Text),
    ("summary", Kind::Text),
    ("theme_color", Kind::Text),
    ("adaptive_card", Kind::Object),
];

/// Posts to a channel of Microsoft Teams by an incoming webhook.
///
/// A payload with `text` or `adaptive_card` says what to post, with `title`, `summary` and `theme_color` beside it; of
/// any other payload title and text are made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeamsSettings {
    /// The webhook's URL, as Teams shows it.
    #[serde(alias = "url")]
    pub webhook_url: Secret,
    /// In which form text goes out.
    #[serde(default)]
    pub format: TeamsFormat,
    /// How connections are made.
    #[serde(default)]
    pub http: HttpSettings,
}

/// The form of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TeamsFormat {
    /// As the webhooks of Workflows take it.
    #[default]
    AdaptiveCard,
    /// As the older connectors took it; the only one with `theme_color`.
    MessageCard,
}

impl TeamsSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.http.validate(name)?;
        endpoint(name, "webhook_url", self.webhook_url.expose()).map(drop)
    }
}

/// Posts one message for each dispatch.
pub(crate) struct Teams {
    url: Url,
    format: TeamsFormat,
    client: Client,
}

impl Teams {
    pub(crate) fn new(name: &str, settings: &TeamsSettings, tools: &Tools) -> Result<Self, Error> {
        let url = endpoint(name, "webhook_url", settings.webhook_url.expose())?;
        tools.check_target(name, "webhook_url", &url)?;
        Ok(Self { url, format: settings.format, client: tools.http(name, &settings.http)? })
    }
}

impl Provider for Teams {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let body = match message(call.dispatch, self.format) {
                Ok(body) => body.to_string(),
                Err(invalid) => return invalid.outcome(),
            };
            if body.len() > MAX_MESSAGE_BYTES {
                let message = format!("the message has {} bytes; Teams takes {MAX_MESSAGE_BYTES}", body.len());
                return Outcome::reject(code::VALIDATION, message);
            }
            let request = self.client.request(Method::POST, self.url.clone());
            let request = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body);
            read(self.client.send(call, request).await, super::http::Response::delivered)
        })
    }
}

/// The message of a dispatch.
fn message(dispatch: &Dispatch<'_>, format: TeamsFormat) -> Result<Value, Invalid> {
    let keys = Keys::of(&dispatch.payload).filter(|keys| keys.has("text") || keys.has("adaptive_card"));
    let Some(keys) = keys else {
        let (title, text) = (title(dispatch, MAX_TITLE_CHARS), text(dispatch, MAX_TEXT_CHARS));
        return Ok(written(format, &json!({"title": title, "text": text})));
    };
    let members = passed_on(&keys, &MEMBERS)?;
    Ok(match members.get("adaptive_card") {
        Some(card) => in_envelope(card, members.get("summary")),
        None => written(format, &Value::Object(members)),
    })
}

/// A text in its form.
fn written(format: TeamsFormat, members: &Value) -> Value {
    let (title, text) = (&members["title"], &members["text"]);
    match format {
        TeamsFormat::AdaptiveCard => {
            let mut body = Vec::new();
            if title.is_string() {
                body.push(
                    json!({"type": "TextBlock", "text": title, "weight": "Bolder", "size": "Medium", "wrap": true}),
                );
            }
            body.push(json!({"type": "TextBlock", "text": text, "wrap": true}));
            let card = json!({
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard", "version": "1.4", "body": body,
            });
            in_envelope(&card, members.get("summary"))
        }
        TeamsFormat::MessageCard => {
            let summary = [&members["summary"], title, text].into_iter().find(|member| member.is_string());
            let mut card = json!({
                "@type": "MessageCard", "@context": "https://schema.org/extensions", "text": text, "summary": summary,
            });
            for (name, member) in [("title", title), ("themeColor", &members["theme_color"])] {
                if member.is_string() {
                    card[name] = member.clone();
                }
            }
            card
        }
    }
}

/// A card as a webhook takes it.
fn in_envelope(card: &Value, summary: Option<&Value>) -> Value {
    let attachment = json!({"contentType": "application/vnd.microsoft.card.adaptive", "content": card});
    let mut message = json!({"type": "message", "attachments": [attachment]});
    if let Some(summary) = summary {
        message["summary"] = summary.clone();
    }
    message
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn made(payload: &Value, format: TeamsFormat) -> Result<Value, Invalid> {
        let record = crate::testing::dispatch(payload).to_string();
        message(&serde_json::from_str(&record).unwrap(), format)
    }

    fn blocks(message: &Value) -> Vec<&str> {
        let body = message["attachments"][0]["content"]["body"].as_array().unwrap();
        body.iter().map(|block| block["text"].as_str().unwrap()).collect()
    }

    #[test]
    fn text_becomes_a_card() {
        let given = json!({"text": "down", "title": "db-1", "theme_color": "FF0000"});
        let card = made(&given, TeamsFormat::AdaptiveCard).unwrap();
        assert_eq!(blocks(&card), ["db-1", "down"]);
        let card = made(&given, TeamsFormat::MessageCard).unwrap();
        assert_eq!(
            (&card["themeColor"], &card["text"], &card["summary"]),
            (&json!("FF0000"), &json!("down"), &json!("db-1"))
        );
        let wrapped = made(&json!({"value": 92}), TeamsFormat::AdaptiveCard).unwrap();
        assert_eq!(blocks(&wrapped), ["notify (shop/acme)", "notify (shop/acme)\n{\"value\":92}"]);
    }

    #[test]
    fn a_card_goes_out_as_it_is() {
        let card = json!({"type": "AdaptiveCard", "body": []});
        let message = made(&json!({"adaptive_card": card, "summary": "s"}), TeamsFormat::MessageCard).unwrap();
        assert_eq!((&message["attachments"][0]["content"], &message["summary"]), (&card, &json!("s")));
        for bad in [json!({"adaptive_card": "x"}), json!({"text": 1}), json!({"text": "x", "title": 1})] {
            assert!(made(&bad, TeamsFormat::AdaptiveCard).is_err(), "{bad}");
        }
    }
}
