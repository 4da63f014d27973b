use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What is asked for: something that a provider shall do, or an event.
#[derive(Debug, Clone, Serialize)]
pub struct Action {
    /// Tells it from all others; the same on every attempt to send it.
    pub id: String,
    /// First half of the scope that all state belongs to.
    pub namespace: String,
    /// Second half of the scope.
    pub tenant: String,
    /// Configured name of the provider that shall perform it.
    pub provider: String,
    /// What kind of action it is.
    pub action_type: String,
    /// Any JSON.
    pub payload: Box<RawValue>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Two actions with the same key are duplicates in the eyes of a `deduplicate` rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dedup_key: Option<String>,
    /// The state that an event shall enter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The event that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// When it shall be performed (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispatch_at: Option<String>,
    /// Name of the profile that makes the payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

impl Action {
    /// An action with a random id. A payload that can't be written as JSON (a map with keys that are no text) is sent as
    /// null.
    #[must_use]
    pub fn new(
        namespace: impl Into<String>,
        tenant: impl Into<String>,
        provider: impl Into<String>,
        action_type: impl Into<String>,
        payload: &impl Serialize,
    ) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            namespace: namespace.into(),
            tenant: tenant.into(),
            provider: provider.into(),
            action_type: action_type.into(),
            payload: to_raw_value(payload).unwrap_or_else(|_| RawValue::NULL.to_owned()),
            metadata: BTreeMap::new(),
            dedup_key: None,
            status: None,
            fingerprint: None,
            dispatch_at: None,
            template: None,
        }
    }

    /// Sets the id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }

    /// Sets the key by which duplicates are known.
    #[must_use]
    pub fn dedup_key(mut self, key: impl Into<String>) -> Self {
        self.dedup_key = Some(key.into());
        self
    }

    /// Makes it an event, or a change of one: its fingerprint and the state that it shall enter.
    #[must_use]
    pub fn event(mut self, fingerprint: impl Into<String>, status: impl Into<String>) -> Self {
        self.fingerprint = Some(fingerprint.into());
        self.status = Some(status.into());
        self
    }

    /// Sets when it shall be performed (RFC 3339).
    #[must_use]
    pub fn dispatch_at(mut self, time: impl Into<String>) -> Self {
        self.dispatch_at = Some(time.into());
        self
    }

    /// Sets the profile that makes the payload.
    #[must_use]
    pub fn template(mut self, profile: impl Into<String>) -> Self {
        self.template = Some(profile.into());
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_is_not_set_is_not_sent() {
        let action = Action::new("n", "t", "p", "a", &json!({"x": 1})).id("1");
        let written = |action: &Action| serde_json::from_str::<Value>(&serde_json::to_string(action).unwrap()).unwrap();
        let mut expected = json!({"id": "1", "namespace": "n", "tenant": "t", "provider": "p", "action_type": "a",
            "payload": {"x": 1}});
        assert_eq!(written(&action), expected);
        let action = action
            .label("k", "v")
            .dedup_key("d")
            .event("f", "firing")
            .dispatch_at("2026-03-02T10:00:00Z")
            .template("x");
        let more = json!({"metadata": {"k": "v"}, "dedup_key": "d", "fingerprint": "f", "status": "firing",
            "dispatch_at": "2026-03-02T10:00:00Z", "template": "x"});
        expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(written(&action), expected);
        assert_ne!(Action::new("n", "t", "p", "a", &1).id, Action::new("n", "t", "p", "a", &1).id);
    }
}
