use super::mapping::{Refused, Request};
use super::template::{Filling, Template};
use super::{SettingsError, Signature};
use acteon_schemas::{Action, Metadata};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Most alerts of one request. Prometheus sends at most 64 at a time, Alertmanager a group.
pub const MAX_ALERTS: usize = 1_000;
/// The year of times that are not set.
const NO_YEAR: &str = "0001-";
/// The body of Prometheus's requests is a list, that of Alertmanager's webhooks an object with one.
const WEBHOOK_LIST: &str = "alerts";

/// What alerts become, as Prometheus and Alertmanager send them: an action each, with the alert as its payload, the alert's
/// labels as its own, Alertmanager's fingerprint of them, and the status `firing` or `resolved`.
#[derive(Debug, Clone)]
pub struct AlertReceiver {
    namespace: Template,
    tenant: Template,
    provider: Template,
    action_type: Template,
    signature: Option<Signature>,
}

/// An alert of either kind of request; what it is not told by is left as it is.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends_at: Option<String>,
    #[serde(rename = "generatorURL", default, skip_serializing_if = "Option::is_none")]
    generator_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
}

impl AlertReceiver {
    /// A receiver that fills these templates from each alert (`{{/labels/team}}`).
    ///
    /// # Errors
    /// A template is none.
    pub fn new(
        namespace: &str,
        tenant: &str,
        provider: &str,
        action_type: &str,
        signature: Option<Signature>,
    ) -> Result<Self, SettingsError> {
        Ok(Self {
            namespace: Template::parse("namespace", namespace)?,
            tenant: Template::parse("tenant", tenant)?,
            provider: Template::parse("provider", provider)?,
            action_type: Template::parse("action_type", action_type)?,
            signature,
        })
    }

    /// The actions of a request, as JSON.
    pub(crate) fn actions(&self, request: Request<'_>) -> Result<Vec<Vec<u8>>, Refused> {
        if let Some(signature) = &self.signature {
            signature.check(request.headers, request.body, request.now)?;
        }
        let body: Value = serde_json::from_slice(request.body).map_err(|error| Refused::NoJson(error.to_string()))?;
        let list = body.as_array().or_else(|| body.get(WEBHOOK_LIST)?.as_array());
        let list = list.ok_or_else(|| {
            let problem = "the body is neither a list of alerts, as Prometheus sends it, nor an object with `alerts`";
            Refused::Shape(problem.to_owned())
        })?;
        if list.len() > MAX_ALERTS {
            return Err(Refused::Shape(format!("there are {} alerts; the limit is {MAX_ALERTS}", list.len())));
        }
        let action = |(index, alert): (usize, &Value)| {
            let made = self.action(alert, &body, request);
            made.map_err(|problem| Refused::Shape(format!("alert {index}: {problem}")))
        };
        list.iter().enumerate().map(action).collect()
    }

    fn action(&self, given: &Value, body: &Value, request: Request<'_>) -> Result<Vec<u8>, String> {
        let mut alert = Alert::deserialize(given).map_err(|error| error.to_string())?;
        alert.labels.retain(|_, value| !value.is_empty());
        if alert.labels.is_empty() {
            return Err("has no labels".to_owned());
        }
        let starts_at = time("startsAt", &mut alert.starts_at)?;
        let ends_at = time("endsAt", &mut alert.ends_at)?;
        if starts_at.zip(ends_at).is_some_and(|(starts_at, ends_at)| ends_at < starts_at) {
            return Err("`endsAt` is before `startsAt`".to_owned());
        }
        let status = status(alert.status.as_deref(), ends_at, request.now)?;
        let fingerprint = fingerprint(&alert.labels);
        alert.status = Some(status.to_owned());
        alert.fingerprint = Some(fingerprint.clone());
        let filling = Filling { item: given, body, headers: request.headers };
        let fill = |key: &str, template: &Template| {
            template.fill(filling).map(Cow::Owned).map_err(|problem| format!("field `{key}`: {problem}"))
        };
        let payload = serde_json::value::to_raw_value(&alert).map_err(|error| error.to_string())?;
        let mut action = Action {
            id: None,
            namespace: fill("namespace", &self.namespace)?,
            tenant: fill("tenant", &self.tenant)?,
            provider: fill("provider", &self.provider)?,
            action_type: fill("action_type", &self.action_type)?,
            payload: Cow::Owned(payload),
            // What is sent again says nothing new.
            dedup_key: Some(Cow::Owned(format!(
                "{fingerprint}:{status}:{}",
                alert.starts_at.as_deref().unwrap_or_default()
            ))),
            status: Some(Cow::Borrowed(status)),
            fingerprint: Some(Cow::Owned(fingerprint)),
            metadata: Metadata(alert.labels),
            created_at: None,
            dispatch_at: None,
            extra: serde_json::Map::new(),
        };
        for (field, moment) in [("starts_at", alert.starts_at), ("ends_at", alert.ends_at)] {
            if let Some(moment) = moment {
                action.extra.insert(field.to_owned(), json!(moment));
            }
        }
        serde_json::to_vec(&action).map_err(|error| error.to_string())
    }
}

/// Reads a time; one that is not set becomes none.
fn time(field: &str, text: &mut Option<String>) -> Result<Option<DateTime<Utc>>, String> {
    let is_none = text.as_deref().is_none_or(|text| text.is_empty() || text.starts_with(NO_YEAR));
    if is_none {
        *text = None;
    }
    let Some(text) = text else { return Ok(None) };
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(Some(time.to_utc())),
        Err(_) => Err(format!("`{field}`: `{text}` is not a time such as 2026-03-02T10:00:00Z")),
    }
}

/// Alertmanager tells it. Prometheus gives a firing alert an end that has not come yet, and a resolved one the time at which
/// it ended.
fn status(given: Option<&str>, ends_at: Option<DateTime<Utc>>, now: i64) -> Result<&'static str, String> {
    match given {
        Some("firing") => Ok("firing"),
        Some("resolved") => Ok("resolved"),
        Some(other) => Err(format!("`status`: `{other}` is neither `firing` nor `resolved`")),
        None if ends_at.is_some_and(|end| end.timestamp_millis() <= now) => Ok("resolved"),
        None => Ok("firing"),
    }
}

/// Prometheus's and Alertmanager's fingerprint of labels: FNV-1a (64 bits) over names and values in the order of the names,
/// each followed by a byte 255, as 16 hexadecimal digits.
#[must_use]
pub fn fingerprint(labels: &BTreeMap<String, String>) -> String {
    const OFFSET: u64 = 14_695_981_039_346_656_037;
    const PRIME: u64 = 1_099_511_628_211;
    let texts = labels.iter().flat_map(|(name, value)| [name, value]);
    let bytes = texts.flat_map(|text| text.bytes().chain([255]));
    format!("{:016x}", bytes.fold(OFFSET, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(PRIME)))
}

#[cfg(test)]
mod tests;
