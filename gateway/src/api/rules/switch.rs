//! Rules enabled and disabled by hand.

use crate::api::body::Json;
use crate::api::openapi::Refused;
use crate::api::params::Segments;
use crate::api::{Api, ApiError};
use acteon_schemas::{Definition, RuleSwitch};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RuleSwitch)]
pub(super) struct Switch {
    /// What the rule is to be, whatever its file says; null: what its file says.
    #[serde(deserialize_with = "given")]
    #[schema(required)]
    enabled: Option<bool>,
}

/// Null counts as given, and nothing does not.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Option::deserialize(deserializer)
}

/// Whether a rule is enabled now.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Switched {
    name: String,
    enabled: bool,
    /// `enabled` or `disabled`.
    status: &'static str,
    /// Whether that was set here; else it is what the rule's file says.
    switched: bool,
}

/// Enables or disables a rule
///
/// It stays so whatever its file says, until that is taken back by null.
#[utoipa::path(put, path = "/v1/rules/{name}/enabled", tag = "rules", params(("name" = String, Path)), request_body = Switch,
responses((status = 200, description = "Whether it is enabled now", body = Switched), Refused<404>))]
pub(super) async fn set(
    State(api): State<Api>,
    Segments(name): Segments<String>,
    Json(body): Json<Switch>,
) -> Result<axum::Json<Switched>, ApiError> {
    if api.definitions()?.rules.rule(&name).is_none() {
        return Err(ApiError::refused("NOT_FOUND", &format!("there is no rule `{name}`: see GET /v1/rules")));
    }
    let switch = RuleSwitch { name: name.clone(), enabled: body.enabled.unwrap_or_default() };
    let switch = Definition::RuleSwitch(switch);
    let definitions = api.edit(switch.key(), body.enabled.map(|_| switch)).await?;
    // A reload may have taken the rule away meanwhile.
    let enabled = definitions.rules.rule(&name).is_some_and(|rule| rule.enabled);
    let status = if enabled { "enabled" } else { "disabled" };
    let switched = definitions.switches.contains_key(&name);
    Ok(axum::Json(Switched { name, enabled, status, switched }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::api::testing::{Fate, Server};
    use serde_json::{Value, json};

    async fn enabled(server: &Server, name: &str) -> (Value, Value) {
        let rules = server.get("/v1/rules").await.body;
        let rule = rules.as_array().unwrap().iter().find(|rule| rule["name"] == name).unwrap().clone();
        (rule["enabled"].clone(), rule["switched"].clone())
    }

    #[tokio::test]
    async fn a_switch_holds_until_it_is_taken_back() {
        let server = Server::start(|_| Fate::Silent).await;
        let put = |body: &'static str| server.request("PUT", "/v1/rules/mark/enabled", "", body);
        assert_eq!(enabled(&server, "mark").await, (json!(false), json!(false)));
        let answer = put(r#"{"enabled": true}"#).await;
        let expected = json!({"name": "mark", "enabled": true, "status": "enabled", "switched": true});
        assert_eq!((answer.status, answer.body), (200, expected));
        assert_eq!(enabled(&server, "mark").await, (json!(true), json!(true)));

        // The playground goes by it as well.
        let body = json!({"namespace": "n", "tenant": "t", "provider": "email", "action_type": "a", "payload": {}});
        let traced = server.post("/v1/rules/evaluate", &body.to_string()).await.body;
        assert_eq!(
            (&traced["modified_payload"], &traced["trace"][2]["enabled"]),
            (&json!({"seen": true}), &json!(true))
        );

        assert_eq!(put(r#"{"enabled": false}"#).await.body["status"], "disabled");
        assert_eq!(enabled(&server, "mark").await, (json!(false), json!(true)));
        assert_eq!(put(r#"{"enabled": null}"#).await.body["switched"], false);
        assert_eq!(enabled(&server, "mark").await, (json!(false), json!(false)));
        assert!(server.seen().is_empty(), "no action and no command");
    }

    #[tokio::test]
    async fn bad_switches_are_refused() {
        let server = Server::start(|_| Fate::Silent).await;
        let cases = [
            ("/v1/rules/nobody/enabled", r#"{"enabled": true}"#, 404, "NOT_FOUND"),
            ("/v1/rules/mark/enabled", "", 422, "INVALID_BODY"),
            ("/v1/rules/mark/enabled", r#"{"enabled": "yes"}"#, 422, "INVALID_BODY"),
            ("/v1/rules/mark/enabled", r#"{"enabled": true, "for": 1}"#, 422, "INVALID_BODY"),
        ];
        for (path, body, status, code) in cases {
            let answer = server.request("PUT", path, "", body).await;
            assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{path} {body}: {answer:?}");
        }
        let starting = Server::starting().await.request("PUT", "/v1/rules/r/enabled", "", r#"{"enabled": true}"#).await;
        assert_eq!((starting.status, &starting.body["code"]), (503, &json!("STARTING")));
    }
}
