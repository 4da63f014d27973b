use super::api::{Kind, endpoint, passed_on, read};
use super::http::{Answer, Client, HttpSettings, Response};
use super::payload::{Invalid, Keys};
use super::text::{cut, title};
use super::{Call, Outcome, Provider, Tools, code};
use crate::error::Error;
use crate::secret::Secret;
use acteon_schemas::Dispatch;
use futures::future::BoxFuture;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use url::Url;

/// Where events go (Events API v2).
const API_URL: &str = "https://events.pagerduty.com/v2/enqueue";
/// Most characters of a summary, as PagerDuty documents it.
const MAX_SUMMARY_CHARS: usize = 1_024;
/// Longest deduplication key, as PagerDuty documents it.
const MAX_DEDUP_KEY_CHARS: usize = 255;
/// What an event can be.
const EVENT_ACTIONS: [&str; 3] = ["trigger", "acknowledge", "resolve"];
/// How bad it can be.
const SEVERITIES: [&str; 4] = ["critical", "error", "warning", "info"];
/// Members of a payload that become members of the event's own payload.
const DETAILS: [(&str, Kind); 5] = [
    ("timestamp", Kind::Text),
    ("component", Kind::Text),
    ("group", Kind::Text),
    ("class", Kind::Text),
    ("custom_details", Kind::Object),
];
/// Members that go beside it.
const BESIDE: [(&str, Kind); 4] =
    [("client", Kind::Text), ("client_url", Kind::Text), ("links", Kind::List), ("images", Kind::List)];

/// Raises, acknowledges and resolves alerts of PagerDuty.
///
/// A payload has `event_action`, `summary`, `severity`, `source`, `dedup_key`, `custom_details` and what else the Events
/// API v2 knows; `service_id` chooses one of `services`. What is missing is made: an alert is raised, its summary is the
/// payload's title, its details are the payload, and its key is the action's fingerprint, `dedup_key` or dispatch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagerDutySettings {
    /// The integration key of the service that gets what names none.
    #[serde(default, alias = "integration_key")]
    pub routing_key: Option<Secret>,
    /// Integration keys by the name that a payload gives as `service_id`.
    #[serde(default)]
    pub services: BTreeMap<String, Secret>,
    /// How bad an event is that doesn't say: `critical`, `error`, `warning` or `info`.
    #[serde(default)]
    pub default_severity: Option<String>,
    /// The API's address in place of `https://events.pagerduty.com/v2/enqueue`.
    #[serde(default)]
    pub api_url: Option<String>,
    /// How connections are made.
    #[serde(default)]
    pub http: HttpSettings,
}

impl PagerDutySettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.http.validate(name)?;
        if self.routing_key.is_none() && self.services.is_empty() {
            return Err(Error::provider(name, "routing_key", "is missing: give it or `services`"));
        }
        if let Some(severity) = &self.default_severity
            && !SEVERITIES.contains(&severity.as_str())
        {
            let problem = format!("is `{severity}`; use one of {}", SEVERITIES.join(", "));
            return Err(Error::provider(name, "default_severity", problem));
        }
        self.url(name).map(drop)
    }

    fn url(&self, name: &str) -> Result<Url, Error> {
        endpoint(name, "api_url", self.api_url.as_deref().unwrap_or(API_URL))
    }
}

/// Sends one event for each dispatch.
pub(crate) struct PagerDuty {
    url: Url,
    settings: PagerDutySettings,
    client: Client,
}

impl PagerDuty {
    pub(crate) fn new(name: &str, settings: &PagerDutySettings, tools: &Tools) -> Result<Self, Error> {
        settings.validate(name)?;
        let url = settings.url(name)?;
        tools.check_target(name, "api_url", &url)?;
        Ok(Self { url, settings: settings.clone(), client: tools.http(name, &settings.http)? })
    }
}

impl Provider for PagerDuty {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let event = match event(call.dispatch, &self.settings) {
                Ok(event) => event,
                Err(invalid) => return invalid.outcome(),
            };
            let request = self.client.request(Method::POST, self.url.clone()).json(&event);
            classify(self.client.send(call, request).await)
        })
    }
}

/// The event of a dispatch.
fn event(dispatch: &Dispatch<'_>, settings: &PagerDutySettings) -> Result<Value, Invalid> {
    let keys = Keys::of(&dispatch.payload);
    let member = |name: &str| keys.as_ref().map_or(Ok(None), |keys| keys.text(name));
    let one_of = |name: &str, default: &str, allowed: &[&str]| {
        let value = member(name)?.unwrap_or_else(|| default.to_owned());
        if allowed.contains(&value.as_str()) {
            return Ok(value);
        }
        Err(Invalid::new(name, format!("must be one of {}", allowed.join(", "))))
    };
    let routing_key = match member("service_id")? {
        Some(service) => {
            let known = settings.services.get(&service);
            known.ok_or_else(|| Invalid::new("service_id", "is none of the configured `services`"))?
        }
        None => settings.routing_key.as_ref().ok_or_else(|| Invalid::new("service_id", "is missing"))?,
    };
    let event_action = one_of("event_action", "trigger", &EVENT_ACTIONS)?;
    let dedup_key = match member("dedup_key")? {
        Some(key) => key,
        None => alert_key(dispatch),
    };
    let chars = dedup_key.chars().count();
    if chars > MAX_DEDUP_KEY_CHARS {
        return Err(Invalid::new("dedup_key", format!("has {chars} characters; the limit is {MAX_DEDUP_KEY_CHARS}")));
    }
    let mut event = keys.as_ref().map(|keys| passed_on(keys, &BESIDE)).transpose()?.unwrap_or_default();
    event.insert("routing_key".to_owned(), routing_key.expose().into());
    event.insert("event_action".to_owned(), event_action.as_str().into());
    event.insert("dedup_key".to_owned(), dedup_key.into());
    if event_action == "trigger" {
        let severity = settings.default_severity.as_deref().unwrap_or("error");
        let mut payload = keys.as_ref().map(|keys| passed_on(keys, &DETAILS)).transpose()?.unwrap_or_default();
        let summary = member("summary")?.unwrap_or_else(|| title(dispatch, MAX_SUMMARY_CHARS));
        payload.insert("summary".to_owned(), cut(summary, MAX_SUMMARY_CHARS).into());
        payload.insert("severity".to_owned(), one_of("severity", severity, &SEVERITIES)?.into());
        let source = member("source")?.unwrap_or_else(|| format!("{}/{}", dispatch.namespace, dispatch.tenant));
        payload.insert("source".to_owned(), source.into());
        if !payload.contains_key("custom_details") {
            let details: Value = serde_json::from_str(dispatch.payload.get()).unwrap_or_default();
            payload.insert("custom_details".to_owned(), details);
        }
        event.insert("payload".to_owned(), Value::Object(payload));
    }
    Ok(Value::Object(event))
}

/// What tells one alert from another: repeated events of one thing shall meet the alert that is there.
pub(crate) fn alert_key(dispatch: &Dispatch<'_>) -> String {
    let own = dispatch.fingerprint.as_deref().or(dispatch.dedup_key.as_deref());
    own.unwrap_or(&dispatch.dispatch_id).to_owned()
}

/// Says what an answer means. 400 is a wrong event, a wrong key included; 429 has no wait.
fn classify(answer: Answer) -> Outcome {
    match answer {
        Answer::Response(response) if response.status == 404 => {
            Outcome::reject(code::CONFIGURATION, response.refusal())
        }
        other => read(other, Response::delivered),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{answer, told};
    use serde_json::json;

    fn settings(keys: Value) -> PagerDutySettings {
        serde_json::from_value(keys).unwrap()
    }

    fn made(payload: &Value, extra: &Value) -> Result<Value, Invalid> {
        let mut record = crate::testing::dispatch(payload);
        record.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let text = record.to_string();
        let settings = settings(json!({"routing_key": "k0", "services": {"db": "k1"}}));
        event(&serde_json::from_str(&text).unwrap(), &settings)
    }

    #[test]
    fn an_event_is_complete_whatever_the_payload_has() {
        let event = made(&json!({"value": 92}), &json!({})).unwrap();
        assert_eq!(
            event,
            json!({
                "routing_key": "k0", "event_action": "trigger", "dedup_key": "d-1",
                "payload": {
                    "summary": "notify (shop/acme)", "severity": "error", "source": "shop/acme",
                    "custom_details": {"value": 92}
                }
            })
        );
        let given = json!({
            "event_action": "trigger", "summary": "down", "severity": "critical", "source": "db-1", "dedup_key": "x",
            "service_id": "db", "custom_details": {"a": 1}, "component": "c", "client": "acteon"
        });
        assert_eq!(
            made(&given, &json!({})).unwrap(),
            json!({
                "routing_key": "k1", "event_action": "trigger", "dedup_key": "x", "client": "acteon",
                "payload": {
                    "summary": "down", "severity": "critical", "source": "db-1", "component": "c",
                    "custom_details": {"a": 1}
                }
            })
        );
    }

    #[test]
    fn later_events_of_one_thing_meet_its_alert() {
        let resolved = made(&json!({"event_action": "resolve"}), &json!({"fingerprint": "f-1"})).unwrap();
        assert_eq!(resolved, json!({"routing_key": "k0", "event_action": "resolve", "dedup_key": "f-1"}));
        let keyed = made(&json!({}), &json!({"dedup_key": "k"})).unwrap();
        assert_eq!(keyed["dedup_key"], "k");
    }

    #[test]
    fn what_pagerduty_would_not_take_is_refused_before() {
        for bad in [
            json!({"event_action": "explode"}),
            json!({"severity": "bad"}),
            json!({"service_id": "unknown"}),
            json!({"summary": 1}),
            json!({"dedup_key": "x".repeat(256)}),
            json!({"custom_details": "x"}),
            json!({"links": {}}),
        ] {
            assert!(made(&bad, &json!({})).is_err(), "{bad}");
        }
        assert!(settings(json!({})).validate("p").unwrap_err().to_string().contains("`routing_key`"));
        let bad = settings(json!({"routing_key": "hunter2", "default_severity": "bad"})).validate("p").unwrap_err();
        assert!(bad.to_string().contains("critical, error") && !bad.to_string().contains("hunter2"), "{bad}");
    }

    #[test]
    fn answers() {
        for (status, expected) in [
            (202, "delivered"),
            (400, "reject VALIDATION"),
            (404, "reject CONFIGURATION"),
            (429, "retry RATE_LIMITED"),
            (500, "retry EXECUTION_FAILED"),
        ] {
            assert_eq!(told(&classify(answer(status, r#"{"status": "success"}"#))), expected, "{status}");
        }
    }
}
