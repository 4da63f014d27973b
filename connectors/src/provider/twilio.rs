use super::api::{below, json, read, refused};
use super::http::{Answer, Client, HttpSettings, Verdict, classify as classify_status};
use super::payload::{Invalid, Keys};
use super::text::text;
use super::{Call, Outcome, Provider, Tools, code};
use crate::error::Error;
use crate::secret::Secret;
use acteon_schemas::Dispatch;
use futures::future::BoxFuture;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use url::Url;
use url::form_urlencoded::Serializer;

/// Where Twilio's API is.
const API_URL: &str = "https://api.twilio.com";
/// The API's version, a part of its paths.
const API_VERSION: &str = "2010-04-01";
/// Most characters of a message, as Twilio documents it.
const MAX_BODY_CHARS: usize = 1_600;
/// Most media of a message, as Twilio documents it.
const MAX_MEDIA: usize = 10;

/// Sends SMS and MMS by Twilio.
///
/// A payload has `to`, `body`, and where needed `from` and `media_url`; a body that is missing is made of the payload.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwilioSettings {
    /// The account, `AC…`.
    pub account_sid: String,
    /// Its token.
    pub auth_token: Secret,
    /// The sender of payloads that name none: a number as `+15550001111`, or a messaging service `MG…`.
    #[serde(default)]
    pub from_number: Option<String>,
    /// The recipient of payloads that name none.
    #[serde(default)]
    pub to_number: Option<String>,
    /// The API's address in place of `https://api.twilio.com`.
    #[serde(default)]
    pub api_url: Option<String>,
    /// How connections are made.
    #[serde(default)]
    pub http: HttpSettings,
}

impl TwilioSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.http.validate(name)?;
        self.url(name).map(drop)
    }

    fn url(&self, name: &str) -> Result<Url, Error> {
        let sid = &self.account_sid;
        if sid.is_empty() || !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Error::provider(name, "account_sid", "is not an account's id, as AC0123…"));
        }
        let api = self.api_url.as_deref().unwrap_or(API_URL);
        below(name, "api_url", api, &[API_VERSION, "Accounts", sid, "Messages.json"])
    }
}

/// Sends one message for each dispatch.
pub(crate) struct Twilio {
    url: Url,
    settings: TwilioSettings,
    client: Client,
}

impl Twilio {
    pub(crate) fn new(name: &str, settings: &TwilioSettings, tools: &Tools) -> Result<Self, Error> {
        let url = settings.url(name)?;
        tools.check_target(name, "api_url", &url)?;
        Ok(Self { url, settings: settings.clone(), client: tools.http(name, &settings.http)? })
    }
}

impl Provider for Twilio {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let form = match form(call.dispatch, &self.settings) {
                Ok(form) => form,
                Err(invalid) => return invalid.outcome(),
            };
            let request = self
                .client
                .request(Method::POST, self.url.clone())
                .basic_auth(&self.settings.account_sid, Some(self.settings.auth_token.expose()))
                .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form);
            classify(self.client.send(call, request).await)
        })
    }
}

/// The request's form.
fn form(dispatch: &Dispatch<'_>, settings: &TwilioSettings) -> Result<String, Invalid> {
    let keys = Keys::of(&dispatch.payload);
    let member = |name: &str| keys.as_ref().map_or(Ok(None), |keys| keys.text(name));
    let missing = |key: &str, default: &str| Invalid::new(key, format!("is missing, and there is no `{default}`"));
    let to = member("to")?.or_else(|| settings.to_number.clone()).ok_or_else(|| missing("to", "to_number"))?;
    let from =
        member("from")?.or_else(|| settings.from_number.clone()).ok_or_else(|| missing("from", "from_number"))?;
    let body = match member("body")? {
        Some(body) => body,
        None => text(dispatch, MAX_BODY_CHARS),
    };
    let chars = body.chars().count();
    if chars > MAX_BODY_CHARS {
        return Err(Invalid::new("body", format!("has {chars} characters; the limit is {MAX_BODY_CHARS}")));
    }
    let media = keys.as_ref().map_or(Ok(Vec::new()), |keys| keys.list("media_url"))?;
    if media.len() > MAX_MEDIA {
        return Err(Invalid::new("media_url", format!("has {} entries; the limit is {MAX_MEDIA}", media.len())));
    }
    let sender = if from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
    let mut form = Serializer::new(String::new());
    form.append_pair("To", &to).append_pair(sender, &from).append_pair("Body", &body);
    for url in &media {
        form.append_pair("MediaUrl", url);
    }
    Ok(form.finish())
}

/// Says what an answer means. Errors have a number of Twilio's own in the body.
fn classify(answer: Answer) -> Outcome {
    match answer {
        Answer::Response(response) if response.status >= 400 => {
            let number = json(&response)["code"].as_u64();
            let verdict = match number {
                // Wrong recipient, sender or text, as listed in Twilio's error dictionary.
                Some(21_211 | 21_212 | 21_602 | 21_604 | 21_606 | 21_614 | 21_617 | 21_620) => {
                    Verdict::Reject { code: code::VALIDATION }
                }
                Some(20_429) => Verdict::Retry { code: code::RATE_LIMITED },
                _ => classify_status(response.status),
            };
            match number {
                Some(number) => refused(verdict, &response, &format!("error {number}")),
                None => read(Answer::Response(response), super::http::Response::delivered),
            }
        }
        other => read(other, super::http::Response::delivered),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{answer, told};
    use serde_json::{Value, json};

    fn settings(from: Option<&str>) -> TwilioSettings {
        serde_json::from_value(json!({"account_sid": "AC1", "auth_token": "hunter2", "from_number": from})).unwrap()
    }

    fn made(payload: &Value, from: Option<&str>) -> Result<String, Invalid> {
        let record = crate::testing::dispatch(payload).to_string();
        form(&serde_json::from_str(&record).unwrap(), &settings(from))
    }

    #[test]
    fn the_form_has_recipient_sender_and_text() {
        let cases = [
            (json!({"to": "+1", "body": "a&b"}), Some("+2"), "To=%2B1&From=%2B2&Body=a%26b"),
            (json!({"to": "+1", "body": "x", "from": "MG7"}), None, "To=%2B1&MessagingServiceSid=MG7&Body=x"),
            (json!({"to": "+1", "message": "down"}), Some("+2"), "To=%2B1&From=%2B2&Body=down"),
            (
                json!({"to": "+1", "body": "x", "media_url": ["https://h/1", "https://h/2"]}),
                Some("+2"),
                "To=%2B1&From=%2B2&Body=x&MediaUrl=https%3A%2F%2Fh%2F1&MediaUrl=https%3A%2F%2Fh%2F2",
            ),
        ];
        for (payload, from, form) in cases {
            assert_eq!(made(&payload, from).as_deref(), Ok(form), "{payload}");
        }
        for (bad, from) in [
            (json!({"body": "x"}), Some("+2")),
            (json!({"to": "+1", "body": "x"}), None),
            (json!({"to": 1, "body": "x"}), Some("+2")),
            (json!({"to": "+1", "body": "x".repeat(1_601)}), Some("+2")),
            (json!({"to": "+1", "body": "x", "media_url": vec!["u"; 11]}), Some("+2")),
        ] {
            assert!(made(&bad, from).is_err(), "{bad}");
        }
    }

    #[test]
    fn twilio_s_own_numbers_tell_more_than_the_status() {
        let cases = [
            (201, r#"{"sid": "SM1"}"#, "delivered"),
            (400, r#"{"code": 21211, "message": "hunter2"}"#, "reject VALIDATION"),
            (401, r#"{"code": 20003}"#, "reject CREDENTIALS"),
            (429, r#"{"code": 20429}"#, "retry RATE_LIMITED"),
            (400, r#"{"code": 30001}"#, "reject VALIDATION"),
            (503, "", "retry EXECUTION_FAILED"),
        ];
        for (status, body, expected) in cases {
            let outcome = classify(answer(status, body));
            assert_eq!(told(&outcome), expected, "{status} {body}");
            assert!(!format!("{outcome:?}").contains("hunter2"));
        }
    }

    #[test]
    fn the_account_is_a_part_of_the_path() {
        let url = settings(None).url("t").unwrap();
        assert_eq!(url.as_str(), "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json");
        let mut bad = settings(None);
        bad.account_sid = "AC1/../x".to_owned();
        assert!(bad.validate("t").unwrap_err().to_string().contains("`account_sid`"));
    }
}
