//! Profiles of a tenant: what is made of the payload of actions that name one in `template`.

use super::ask::{Answer, ask};
use super::{ListParams, Scope};
use crate::api::body::Json;
use crate::api::openapi::{Change, Question, Refused};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::{CommandKind, ProfileDefinition};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, update, remove))
}

/// The fields that are set in the payload of actions whose `template` it is.
#[derive(Serialize, Deserialize, ToSchema)]
struct Profile {
    /// What its path ends with.
    id: String,
    namespace: String,
    tenant: String,
    name: String,
    #[schema(value_type = BTreeMap<String, Value>)]
    fields: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    labels: BTreeMap<String, String>,
    created_at: String,
    updated_at: String,
}

/// A part of a tenant's profiles.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProfileList {
    count: usize,
    profiles: Vec<Profile>,
    /// What the next part begins after, where there is one.
    next: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateProfile)]
struct Create {
    namespace: String,
    tenant: String,
    /// What an action's `template` calls it by.
    name: String,
    /// Values with templates at any depth, or `{"$ref": name}` for a template of the tenant. `{"inline": value}` is read
    /// as the value.
    #[schema(value_type = BTreeMap<String, Value>)]
    fields: Map<String, Value>,
    description: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// What is to be otherwise; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProfileChange)]
struct Update {
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    fields: Option<Map<String, Value>>,
    description: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

/// Fields, of which those that are `{"inline": value}` become the value.
fn inlined(fields: Map<String, Value>) -> Map<String, Value> {
    let inline = |value: Value| match value {
        Value::Object(mut map) if map.len() == 1 => match map.remove("inline") {
            Some(value) => value,
            None => Value::Object(map),
        },
        other => other,
    };
    fields.into_iter().map(|(name, value)| (name, inline(value))).collect()
}

/// A tenant's profiles
///
/// Those of the configuration are not among them.
#[utoipa::path(get, path = "/v1/templates/profiles", tag = "templates", params(ListParams), responses(
    (status = 200, description = "In the order of their names", body = ProfileList),
    Question,
))]
async fn list(State(api): State<Api>, Params(params): Params<ListParams>) -> Result<Answer, ApiError> {
    let (scope, _, page) = params.split();
    ask(&api, scope, CommandKind::ListProfiles { page }).await
}

/// Defines a profile of a tenant
///
/// An action that names it in `template` is dispatched with a payload in which its fields are set. It takes the place of
/// one of the configuration that has its name, for this tenant.
#[utoipa::path(post, path = "/v1/templates/profiles", tag = "templates", request_body = Create, responses(
    (status = 201, description = "It counts from now on", body = Profile),
    Change, Refused<409>,
))]
async fn create(State(api): State<Api>, Json(body): Json<Create>) -> Result<Response, ApiError> {
    let Create { namespace, tenant, name, fields, description, labels } = body;
    let profile = ProfileDefinition { name, fields: inlined(fields), description, labels };
    let made = ask(&api, Scope { namespace, tenant }, CommandKind::CreateProfile { profile }).await?;
    Ok(made.with(StatusCode::CREATED))
}

type Name = Segments<(String, String, String)>;

/// One profile of a tenant
#[utoipa::path(get, path = "/v1/templates/profiles/{namespace}/{tenant}/{name}", tag = "templates", params(
    ("namespace" = String, Path), ("tenant" = String, Path), ("name" = String, Path),
), responses((status = 200, description = "As it is now", body = Profile), Question, Refused<404>))]
async fn show(State(api): State<Api>, Segments((namespace, tenant, name)): Name) -> Result<Answer, ApiError> {
    ask(&api, Scope { namespace, tenant }, CommandKind::ShowProfile { name }).await
}

/// Changes a profile of a tenant
#[utoipa::path(put, path = "/v1/templates/profiles/{namespace}/{tenant}/{name}", tag = "templates", params(
    ("namespace" = String, Path), ("tenant" = String, Path), ("name" = String, Path),
), request_body = Update, responses((status = 200, description = "As it is now", body = Profile), Change, Refused<404>))]
async fn update(
    State(api): State<Api>,
    Segments((namespace, tenant, name)): Name,
    Json(change): Json<Update>,
) -> Result<Answer, ApiError> {
    let scope = Scope { namespace, tenant };
    let known: Profile = ask(&api, scope.clone(), CommandKind::ShowProfile { name }).await?.read()?;
    let profile = ProfileDefinition {
        name: known.name,
        fields: change.fields.map_or(known.fields, inlined),
        description: change.description.or(known.description),
        labels: change.labels.unwrap_or(known.labels),
    };
    ask(&api, scope, CommandKind::UpdateProfile { profile }).await
}

/// Removes a profile of a tenant
///
/// One of the configuration that has its name counts again.
#[utoipa::path(delete, path = "/v1/templates/profiles/{namespace}/{tenant}/{name}", tag = "templates", params(
    ("namespace" = String, Path), ("tenant" = String, Path), ("name" = String, Path),
), responses((status = 200, description = "As it was", body = Profile), Change, Refused<404>))]
async fn remove(State(api): State<Api>, Segments((namespace, tenant, name)): Name) -> Result<Answer, ApiError> {
    ask(&api, Scope { namespace, tenant }, CommandKind::DeleteProfile { name }).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::api::testing::{Fate, Seen, Server};
    use serde_json::{Value, json};

    fn mail() -> Value {
        json!({
            "id": "n/t/mail", "namespace": "n", "tenant": "t", "name": "mail",
            "fields": {"subject": "Order {{ id }}", "body": {"$ref": "greeting"}}, "description": "d",
            "created_at": "2026-03-02T15:00:00Z", "updated_at": "2026-03-02T15:00:00Z",
        })
    }

    fn fate(seen: &Seen) -> Fate {
        let done = |result: Value| Fate::Outcome("command_done", json!({"CommandDone": {"result": result}}));
        let command = seen.value["command"].as_object().unwrap();
        let (name, asked) = command.iter().next().unwrap();
        match (name.as_str(), asked["name"].as_str()) {
            ("list_profiles", _) => done(json!({"count": 1, "profiles": [mail()]})),
            (_, Some("other")) => {
                let refused = json!({"CommandRefused": {"code": "NOT_FOUND", "message": "none"}});
                Fate::Outcome("command_refused", refused)
            }
            _ => done(mail()),
        }
    }

    #[tokio::test]
    async fn profiles_are_commands_and_their_answers() {
        let server = Server::start(fate).await;
        let fields = json!({
            "subject": {"inline": "Order {{ id }}"}, "body": {"$ref": "greeting"}, "n": 7,
            "deep": {"inline": "kept", "more": {"inline": "kept"}},
        });
        let body = json!({"namespace": "n", "tenant": "t", "name": "mail", "fields": fields});
        let made = server.post("/v1/templates/profiles", &body.to_string()).await;
        assert_eq!((made.status, &made.body), (201, &mail()));
        let sent = server.seen().pop().unwrap().value["command"]["create_profile"]["profile"].clone();
        let mut expected = fields.clone();
        expected["subject"] = json!("Order {{ id }}");
        assert_eq!(sent, json!({"name": "mail", "fields": expected}));
        assert_eq!(server.get("/v1/templates/profiles?namespace=n&tenant=t").await.body["count"], 1);
        let path = "/v1/templates/profiles/n/t/mail";
        assert_eq!(server.get(path).await.body, mail());
        let change = r#"{"fields": {"text": {"inline": "x"}}}"#;
        assert_eq!(server.request("PUT", path, "", change).await.status, 200);
        let sent = server.seen().pop().unwrap().value["command"]["update_profile"]["profile"].clone();
        assert_eq!(sent, json!({"name": "mail", "fields": {"text": "x"}, "description": "d"}));
        assert_eq!(server.request("PUT", path, "", r#"{"description": "e"}"#).await.status, 200);
        let sent = server.seen().pop().unwrap().value["command"]["update_profile"]["profile"].clone();
        assert_eq!((&sent["description"], &sent["fields"]), (&json!("e"), &mail()["fields"]));
        assert_eq!(server.request("DELETE", path, "", "").await.status, 200);
    }

    #[tokio::test]
    async fn bad_requests_are_refused() {
        let server = Server::start(fate).await;
        for (method, path, body, status) in [
            ("POST", "/v1/templates/profiles", r#"{"namespace":"n","tenant":"t","name":"x"}"#, 422),
            ("POST", "/v1/templates/profiles", r#"{"namespace":"n","tenant":"t","name":"x","fields":[]}"#, 422),
            ("POST", "/v1/templates/profiles", r#"{"namespace":"n","tenant":"t","name":"x","fields":{},"a":1}"#, 422),
            ("PUT", "/v1/templates/profiles/n/t/mail", r#"{"name": "other"}"#, 422),
            ("PUT", "/v1/templates/profiles/n/t/other", "{}", 404),
            ("GET", "/v1/templates/profiles/n/t/other", "", 404),
            ("DELETE", "/v1/templates/profiles/n/t/other", "", 404),
            ("GET", "/v1/templates/profiles?tenant=t", "", 400),
        ] {
            assert_eq!(server.request(method, path, "", body).await.status, status, "{method} {path} {body}");
        }
    }
}
