use super::api::{Kind, below, passed_on, read};
use super::http::{Client, HttpSettings, Response};
use super::pagerduty::alert_key;
use super::payload::{Invalid, Keys};
use super::text::{cut, text, title};
use super::{Call, Outcome, Provider, Tools};
use crate::error::Error;
use crate::secret::Secret;
use acteon_schemas::Dispatch;
use futures::future::BoxFuture;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

/// Where the API of each region is.
const US_URL: &str = "https://api.opsgenie.com";
const EU_URL: &str = "https://api.eu.opsgenie.com";
/// Most characters of a message, an alias and a description, as Opsgenie documents them.
const MAX_MESSAGE_CHARS: usize = 130;
const MAX_ALIAS_CHARS: usize = 512;
const MAX_DESCRIPTION_CHARS: usize = 15_000;
/// What can be done with an alert.
const EVENT_ACTIONS: [&str; 3] = ["create", "acknowledge", "close"];
/// How urgent it can be.
const PRIORITIES: [&str; 5] = ["P1", "P2", "P3", "P4", "P5"];
/// Members of a payload that a new alert takes as they are.
const MEMBERS: [(&str, Kind); 8] = [
    ("responders", Kind::List),
    ("visibleTo", Kind::List),
    ("actions", Kind::List),
    ("tags", Kind::List),
    ("details", Kind::Object),
    ("entity", Kind::Text),
    ("user", Kind::Text),
    ("note", Kind::Text),
];
/// Those that the other actions take.
const LATER_MEMBERS: [(&str, Kind); 2] = [("user", Kind::Text), ("note", Kind::Text)];

/// Creates, acknowledges and closes alerts of Opsgenie.
///
/// A payload has `event_action`, `message`, `alias`, `description`, `priority`, `source`, `responders`, `tags` and
/// `details`. What is missing is made: an alert is created, its message is the payload's title, its description the
/// payload, and its alias the action's fingerprint, `dedup_key` or dispatch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpsgenieSettings {
    /// `[providers.opsgenie]`.
    pub opsgenie: OpsgenieApi,
    /// How connections are made.
    #[serde(default)]
    pub http: HttpSettings,
}

/// The account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpsgenieApi {
    /// The key of an API integration.
    pub api_key: Secret,
    /// `us` or `eu`.
    #[serde(default)]
    pub region: OpsgenieRegion,
    /// The priority of alerts that have none, `P1` to `P5`; Opsgenie's own default is `P3`.
    #[serde(default)]
    pub default_priority: Option<String>,
    /// The API's address in place of the region's.
    #[serde(default)]
    pub api_url: Option<String>,
}

/// Where an account lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpsgenieRegion {
    /// `https://api.opsgenie.com`.
    #[default]
    Us,
    /// `https://api.eu.opsgenie.com`.
    Eu,
}

impl OpsgenieSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.http.validate(name)?;
        if let Some(priority) = &self.opsgenie.default_priority
            && !PRIORITIES.contains(&priority.as_str())
        {
            let problem = format!("is `{priority}`; use one of {}", PRIORITIES.join(", "));
            return Err(Error::provider(name, "opsgenie.default_priority", problem));
        }
        self.url(name, &[]).map(drop)
    }

    fn url(&self, name: &str, parts: &[&str]) -> Result<Url, Error> {
        let of_region = match self.opsgenie.region {
            OpsgenieRegion::Us => US_URL,
            OpsgenieRegion::Eu => EU_URL,
        };
        below(name, "opsgenie.api_url", self.opsgenie.api_url.as_deref().unwrap_or(of_region), parts)
    }
}

/// Makes one request for each dispatch.
pub(crate) struct Opsgenie {
    alerts: Url,
    settings: OpsgenieApi,
    client: Client,
}

impl Opsgenie {
    pub(crate) fn new(name: &str, settings: &OpsgenieSettings, tools: &Tools) -> Result<Self, Error> {
        settings.validate(name)?;
        let alerts = settings.url(name, &["v2", "alerts"])?;
        tools.check_target(name, "opsgenie.api_url", &alerts)?;
        Ok(Self { alerts, settings: settings.opsgenie.clone(), client: tools.http(name, &settings.http)? })
    }
}

impl Provider for Opsgenie {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Change { action, alias, body } = match change(call.dispatch, self.settings.default_priority.as_deref())
            {
                Ok(change) => change,
                Err(invalid) => return invalid.outcome(),
            };
            let request = self
                .client
                .request(Method::POST, address(&self.alerts, action, &alias))
                .header(AUTHORIZATION, format!("GenieKey {}", self.settings.api_key.expose()))
                .json(&body);
            read(self.client.send(call, request).await, Response::delivered)
        })
    }
}

/// Where an action goes: to all alerts for a new one, to the one with its alias for the others.
fn address(alerts: &Url, action: &str, alias: &str) -> Url {
    let mut url = alerts.clone();
    if action != EVENT_ACTIONS[0] {
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend([alias, action]);
        }
        url.query_pairs_mut().append_pair("identifierType", "alias");
    }
    url
}

/// What is done with which alert.
#[derive(Debug, PartialEq)]
struct Change {
    action: &'static str,
    alias: String,
    body: Map<String, Value>,
}

/// The change that a dispatch asks for.
fn change(dispatch: &Dispatch<'_>, default_priority: Option<&str>) -> Result<Change, Invalid> {
    let keys = Keys::of(&dispatch.payload);
    let member = |name: &str| keys.as_ref().map_or(Ok(None), |keys| keys.text(name));
    let limited = |name: &str, max: usize| {
        let value = member(name)?;
        let chars = value.as_ref().map_or(0, |value| value.chars().count());
        if chars <= max {
            Ok(value)
        } else {
            Err(Invalid::new(name, format!("has {chars} characters; the limit is {max}")))
        }
    };
    let asked = member("event_action")?;
    let asked = asked.as_deref().unwrap_or(EVENT_ACTIONS[0]);
    let action = EVENT_ACTIONS.into_iter().find(|action| *action == asked);
    let action =
        action.ok_or_else(|| Invalid::new("event_action", format!("must be one of {}", EVENT_ACTIONS.join(", "))))?;
    let alias = limited("alias", MAX_ALIAS_CHARS)?.unwrap_or_else(|| cut(alert_key(dispatch), MAX_ALIAS_CHARS));
    let members: &[_] = if action == EVENT_ACTIONS[0] { &MEMBERS } else { &LATER_MEMBERS };
    let mut body = keys.as_ref().map(|keys| passed_on(keys, members)).transpose()?.unwrap_or_default();
    let source = member("source")?.unwrap_or_else(|| format!("{}/{}", dispatch.namespace, dispatch.tenant));
    body.insert("source".to_owned(), source.into());
    if action == EVENT_ACTIONS[0] {
        let message = limited("message", MAX_MESSAGE_CHARS)?.unwrap_or_else(|| title(dispatch, MAX_MESSAGE_CHARS));
        let description = limited("description", MAX_DESCRIPTION_CHARS)?;
        let description = description.unwrap_or_else(|| text(dispatch, MAX_DESCRIPTION_CHARS));
        body.insert("message".to_owned(), message.into());
        body.insert("alias".to_owned(), alias.as_str().into());
        body.insert("description".to_owned(), description.into());
        if let Some(priority) = member("priority")?.or_else(|| default_priority.map(str::to_owned)) {
            if !PRIORITIES.contains(&priority.as_str()) {
                return Err(Invalid::new("priority", format!("must be one of {}", PRIORITIES.join(", "))));
            }
            body.insert("priority".to_owned(), priority.into());
        }
    }
    Ok(Change { action, alias, body })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn made(payload: &Value) -> Result<Change, Invalid> {
        let record = crate::testing::dispatch(payload).to_string();
        change(&serde_json::from_str(&record).unwrap(), Some("P4"))
    }

    #[test]
    fn a_new_alert_is_complete_whatever_the_payload_has() {
        let Change { action, alias, body } = made(&json!({"value": 92})).unwrap();
        assert_eq!((action, alias.as_str()), ("create", "d-1"));
        assert_eq!(
            Value::Object(body),
            json!({
                "message": "notify (shop/acme)", "alias": "d-1", "source": "shop/acme", "priority": "P4",
                "description": "notify (shop/acme)\n{\"value\":92}"
            })
        );
        let given = json!({
            "message": "down", "alias": "a", "description": "d", "priority": "P1", "source": "s", "tags": ["x"],
            "details": {"k": "v"}
        });
        assert_eq!(Value::Object(made(&given).unwrap().body), given);
    }

    #[test]
    fn later_actions_go_to_the_alert() {
        let alerts = Url::parse("https://api.opsgenie.com/v2/alerts").unwrap();
        let closed = made(&json!({"event_action": "close", "alias": "a/b", "note": "n", "tags": 1})).unwrap();
        assert_eq!(Value::Object(closed.body), json!({"note": "n", "source": "shop/acme"}));
        assert_eq!(
            address(&alerts, closed.action, &closed.alias).as_str(),
            "https://api.opsgenie.com/v2/alerts/a%2Fb/close?identifierType=alias"
        );
        assert_eq!(address(&alerts, "create", "a"), alerts);
    }

    #[test]
    fn what_opsgenie_would_not_take_is_refused_before() {
        for bad in [
            json!({"event_action": "explode"}),
            json!({"priority": "P9"}),
            json!({"message": "x".repeat(131)}),
            json!({"alias": 1}),
            json!({"tags": "x"}),
        ] {
            assert!(made(&bad).is_err(), "{bad}");
        }
        let settings: OpsgenieSettings = serde_json::from_value(
            json!({"opsgenie": {"api_key": "hunter2", "region": "eu", "default_priority": "high"}}),
        )
        .unwrap();
        let error = settings.validate("o").unwrap_err().to_string();
        assert!(error.contains("`opsgenie.default_priority`") && !error.contains("hunter2"), "{error}");
        assert_eq!(settings.url("o", &["v2"]).unwrap().as_str(), "https://api.eu.opsgenie.com/v2");
    }
}
