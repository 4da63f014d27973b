//! A recurring action as it is sent: flat, or with the action in `action` or `action_template`.

use super::Scope;
use crate::api::ApiError;
use crate::api::openapi::Labels;
use acteon_schemas::{Metadata, OverlapPolicy, RecurringAction, RecurringDefinition};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a change can name.
pub(super) const FIELDS: [&str; 14] = [
    "provider",
    "action_type",
    "payload",
    "metadata",
    "cron_expression",
    "name",
    "timezone",
    "end_date",
    "max_executions",
    "description",
    "dedup_key",
    "overlap_policy",
    "enabled",
    "labels",
];

/// When an action is to be sent, again and again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateRecurring)]
pub(super) struct Body {
    namespace: String,
    tenant: String,
    id: Option<String>,
    name: Option<String>,
    /// Five fields: minute, hour, day of month, month, day of week. `cron_expr` is read as well.
    #[serde(alias = "cron_expr")]
    cron_expression: String,
    timezone: Option<String>,
    end_date: Option<String>,
    max_executions: Option<u64>,
    description: Option<String>,
    #[schema(value_type = Option<Overlap>)]
    overlap_policy: Option<OverlapPolicy>,
    enabled: Option<bool>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// `action_template` is read as well.
    #[serde(alias = "action_template")]
    action: Option<Nested>,
    provider: Option<String>,
    action_type: Option<String>,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    #[schema(value_type = Labels)]
    metadata: Metadata,
    dedup_key: Option<String>,
}

/// The action, where it is an object of its own. It may name the scope once more.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RecurringAction)]
pub(super) struct Nested {
    namespace: Option<String>,
    tenant: Option<String>,
    provider: String,
    action_type: String,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    #[schema(value_type = Labels)]
    metadata: Metadata,
    dedup_key: Option<String>,
}

/// What happens to an occurrence that comes before the one before it is over.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OverlapPolicy)]
pub(super) enum Overlap {
    AllowAll,
    Skip,
    CancelOther,
}

impl Body {
    /// # Errors
    /// 422: the action is missing or named twice, or belongs to another tenant.
    pub(super) fn split(self) -> Result<(Scope, RecurringDefinition), ApiError> {
        let invalid = |message: &str| Err(ApiError::unprocessable("INVALID_FIELD", message));
        let is_flat = self.provider.is_some() || self.action_type.is_some();
        let action = match (self.action, self.provider, self.action_type) {
            (Some(_), ..) if is_flat => return invalid("field `action`: the action is in the body already"),
            (Some(nested), ..) => {
                let other = |own: &Option<String>, scope: &str| own.as_deref().is_some_and(|own| own != scope);
                if other(&nested.namespace, &self.namespace) || other(&nested.tenant, &self.tenant) {
                    return invalid("field `action`: belongs to another namespace or tenant");
                }
                RecurringAction {
                    provider: nested.provider,
                    action_type: nested.action_type,
                    payload: nested.payload,
                    metadata: nested.metadata,
                    dedup_key: nested.dedup_key,
                }
            }
            (None, Some(provider), Some(action_type)) => RecurringAction {
                provider,
                action_type,
                payload: self.payload,
                metadata: self.metadata,
                dedup_key: self.dedup_key,
            },
            (None, None, _) => return invalid("field `provider`: is missing"),
            (None, _, None) => return invalid("field `action_type`: is missing"),
        };
        let recurring = RecurringDefinition {
            id: self.id,
            name: self.name,
            cron_expression: self.cron_expression,
            timezone: self.timezone,
            action,
            enabled: self.enabled,
            end_date: self.end_date,
            max_executions: self.max_executions,
            overlap_policy: self.overlap_policy,
            description: self.description,
            labels: self.labels,
        };
        Ok((Scope { namespace: self.namespace, tenant: self.tenant }, recurring))
    }
}

/// What is shown of a recurring action, with the names that it is sent with.
pub(super) fn as_sent(mut shown: Value) -> Value {
    shown["cron_expression"] = shown["cron_expr"].take();
    shown
}

/// A change with one name a field.
pub(super) fn renamed(mut change: Map<String, Value>) -> Map<String, Value> {
    if let Some(text) = change.remove("cron_expr") {
        change.insert("cron_expression".to_owned(), text);
    }
    let nested = ["action", "action_template"].into_iter().find_map(|name| change.remove(name));
    if let Some(Value::Object(action)) = nested {
        change.extend(action.into_iter().filter(|(name, _)| name != "namespace" && name != "tenant"));
    }
    change
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn split(more: &Value) -> Result<RecurringDefinition, String> {
        let mut body = json!({"namespace": "n", "tenant": "t", "cron_expression": "* * * * *"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body: Body = serde_json::from_value(body).map_err(|error| error.to_string())?;
        body.split().map(|(_, recurring)| recurring).map_err(|error| error.message)
    }

    #[test]
    fn the_action_is_flat_or_an_object() {
        let flat = split(&json!({"provider": "p", "action_type": "a", "payload": {"x": 1}, "labels": {}})).unwrap();
        for name in ["action", "action_template"] {
            let action = json!({"provider": "p", "action_type": "a", "payload": {"x": 1}, "namespace": "n"});
            assert_eq!(split(&json!({ name: action })).unwrap(), flat, "{name}");
        }
        for (body, part) in [
            (json!({"provider": "p"}), "`action_type`"),
            (json!({"action_type": "a"}), "`provider`"),
            (json!({"action": {"provider": "p", "action_type": "a"}, "provider": "q"}), "already"),
            (json!({"action": {"provider": "p", "action_type": "a", "tenant": "u"}}), "another namespace"),
            (json!({"provider": "p", "action_type": "a", "labels": {"k": 1}}), "expected a string"),
            (json!({"provider": "p", "action_type": "a", "cron": 1}), "unknown field `cron`"),
        ] {
            assert!(split(&body).unwrap_err().contains(part), "{body}");
        }
    }
}
