//! Templates of a tenant, which its profiles refer to, and what they make of a payload.

use super::ask::{Answer, ask};
use super::{ListParams, Scope};
use crate::api::body::Json;
use crate::api::openapi::{Change, Labels, Question, Refused};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::{CommandKind, Metadata, RenderRequest, TemplateDefinition};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, update, remove)).routes(routes!(render))
}

/// A text with a name, which profiles share.
#[derive(Serialize, Deserialize, ToSchema)]
struct Template {
    /// What its path ends with.
    id: String,
    namespace: String,
    tenant: String,
    name: String,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    labels: BTreeMap<String, String>,
    created_at: String,
    updated_at: String,
}

/// A part of a tenant's templates.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TemplateList {
    count: usize,
    templates: Vec<Template>,
    /// What the next part begins after, where there is one.
    next: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateTemplate)]
struct Create {
    namespace: String,
    tenant: String,
    /// What `{"$ref": name}` in a profile calls it by.
    name: String,
    /// A MiniJinja template over the payload's fields, `payload`, `action`, `metadata` and `time`, without `set`, `with`
    /// and `*`. `body` is read as well.
    #[serde(alias = "body")]
    content: String,
    description: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// What is to be otherwise; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TemplateChange)]
struct Update {
    /// `body` is read as well.
    #[serde(alias = "body")]
    content: Option<String>,
    description: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RenderTemplate)]
struct Render {
    namespace: String,
    tenant: String,
    /// The name of a profile or else of a template, or a text with templates. `template` is read as well.
    #[serde(alias = "template")]
    profile: String,
    /// `data` is read as well.
    #[serde(alias = "data", default)]
    payload: Value,
    #[serde(default)]
    #[schema(value_type = Labels)]
    metadata: Metadata,
}

/// What came of it: the fields of a profile, or `content` alone.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rendered {
    rendered: BTreeMap<String, Value>,
}

/// A tenant's templates
#[utoipa::path(get, path = "/v1/templates", tag = "templates", params(ListParams), responses(
    (status = 200, description = "In the order of their names", body = TemplateList),
    Question,
))]
async fn list(State(api): State<Api>, Params(params): Params<ListParams>) -> Result<Answer, ApiError> {
    let (scope, _, page) = params.split();
    ask(&api, scope, CommandKind::ListTemplates { page }).await
}

/// Defines a template of a tenant
#[utoipa::path(post, path = "/v1/templates", tag = "templates", request_body = Create, responses(
    (status = 201, description = "It can be referred to from now on", body = Template),
    Change, Refused<409>,
))]
async fn create(State(api): State<Api>, Json(body): Json<Create>) -> Result<Response, ApiError> {
    let Create { namespace, tenant, name, content, description, labels } = body;
    let template = TemplateDefinition { name, content, description, labels };
    let made = ask(&api, Scope { namespace, tenant }, CommandKind::CreateTemplate { template }).await?;
    Ok(made.with(StatusCode::CREATED))
}

type Name = Segments<(String, String, String)>;

/// One template of a tenant
#[utoipa::path(get, path = "/v1/templates/{namespace}/{tenant}/{name}", tag = "templates", params(
    ("namespace" = String, Path), ("tenant" = String, Path), ("name" = String, Path),
), responses((status = 200, description = "As it is now", body = Template), Question, Refused<404>))]
async fn show(State(api): State<Api>, Segments((namespace, tenant, name)): Name) -> Result<Answer, ApiError> {
    ask(&api, Scope { namespace, tenant }, CommandKind::ShowTemplate { name }).await
}

/// Changes a template of a tenant
#[utoipa::path(put, path = "/v1/templates/{namespace}/{tenant}/{name}", tag = "templates", params(
    ("namespace" = String, Path), ("tenant" = String, Path), ("name" = String, Path),
), request_body = Update, responses((status = 200, description = "As it is now", body = Template), Change, Refused<404>))]
async fn update(
    State(api): State<Api>,
    Segments((namespace, tenant, name)): Name,
    Json(change): Json<Update>,
) -> Result<Answer, ApiError> {
    let scope = Scope { namespace, tenant };
    let known: Template = ask(&api, scope.clone(), CommandKind::ShowTemplate { name }).await?.read()?;
    let template = TemplateDefinition {
        name: known.name,
        content: change.content.unwrap_or(known.content),
        description: change.description.or(known.description),
        labels: change.labels.unwrap_or(known.labels),
    };
    ask(&api, scope, CommandKind::UpdateTemplate { template }).await
}

/// Removes a template of a tenant
///
/// One that a profile refers to stays.
#[utoipa::path(delete, path = "/v1/templates/{namespace}/{tenant}/{name}", tag = "templates", params(
    ("namespace" = String, Path), ("tenant" = String, Path), ("name" = String, Path),
), responses((status = 200, description = "As it was", body = Template), Change, Refused<404>, Refused<409>))]
async fn remove(State(api): State<Api>, Segments((namespace, tenant, name)): Name) -> Result<Answer, ApiError> {
    ask(&api, Scope { namespace, tenant }, CommandKind::DeleteTemplate { name }).await
}

/// Tells what a profile or a template makes of a payload
///
/// Nothing is dispatched.
#[utoipa::path(post, path = "/v1/templates/render", tag = "templates", request_body = Render, responses(
    (status = 200, description = "The fields that the profile sets, or the template's text as `content`", body = Rendered),
    Question, Refused<404>,
))]
async fn render(State(api): State<Api>, Json(body): Json<Render>) -> Result<Answer, ApiError> {
    let Render { namespace, tenant, profile, payload, metadata } = body;
    let request = RenderRequest { template: profile, payload, metadata: metadata.0 };
    ask(&api, Scope { namespace, tenant }, CommandKind::RenderTemplate { request }).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::api::testing::{Fate, Seen, Server};
    use serde_json::{Value, json};

    fn greeting() -> Value {
        json!({
            "id": "n/t/greeting", "namespace": "n", "tenant": "t", "name": "greeting", "content": "Hello {{ name }}",
            "description": "d", "labels": {"team": "sre"},
            "created_at": "2026-03-02T15:00:00Z", "updated_at": "2026-03-02T15:00:00Z",
        })
    }

    fn fate(seen: &Seen) -> Fate {
        let done = |result: Value| Fate::Outcome("command_done", json!({"CommandDone": {"result": result}}));
        let refused =
            |code: &str| Fate::Outcome("command_refused", json!({"CommandRefused": {"code": code, "message": "none"}}));
        let command = seen.value["command"].as_object().unwrap();
        let (name, asked) = command.iter().next().unwrap();
        match (name.as_str(), asked["name"].as_str()) {
            ("list_templates", _) => done(json!({"count": 1, "templates": [greeting()]})),
            ("render_template", _) => done(json!({"rendered": {"subject": "Hi"}})),
            ("delete_template", Some("used")) => refused("CONFLICT"),
            (_, Some("other")) => refused("NOT_FOUND"),
            _ => done(greeting()),
        }
    }

    #[tokio::test]
    async fn templates_are_commands_and_their_answers() {
        let server = Server::start(fate).await;
        for spelling in ["content", "body"] {
            let body = json!({"namespace": "n", "tenant": "t", "name": "greeting", spelling: "Hello {{ name }}"});
            let made = server.post("/v1/templates", &body.to_string()).await;
            assert_eq!((made.status, &made.body["name"]), (201, &json!("greeting")), "{spelling}");
            let sent = server.seen().pop().unwrap();
            assert_eq!(sent.key, "n:t");
            let expected = json!({"name": "greeting", "content": "Hello {{ name }}"});
            assert_eq!(sent.value["command"]["create_template"]["template"], expected);
        }
        assert_eq!(server.get("/v1/templates?namespace=n&tenant=t&limit=1&after=x").await.body["count"], 1);
        let page = server.seen().pop().unwrap().value["command"]["list_templates"]["page"].clone();
        assert_eq!(page, json!({"limit": 1, "after": "x"}));
        let path = "/v1/templates/n/t/greeting";
        assert_eq!(server.get(path).await.body, greeting());
        assert_eq!(server.request("PUT", path, "", r#"{"body": "Hi"}"#).await.status, 200);
        let sent = server.seen().pop().unwrap().value["command"]["update_template"]["template"].clone();
        let expected = json!({"name": "greeting", "content": "Hi", "description": "d", "labels": {"team": "sre"}});
        assert_eq!(sent, expected, "what is absent stays");
        assert_eq!(server.request("DELETE", path, "", "").await.status, 200);
    }

    #[tokio::test]
    async fn rendering_is_asked_of_the_processor() {
        let server = Server::start(fate).await;
        for (name, payload) in [("profile", "payload"), ("template", "data")] {
            let body = json!({
                "namespace": "n", "tenant": "t", name: "mail", payload: {"a": 1}, "metadata": {"labels": {"k": "v"}},
            });
            let answer = server.post("/v1/templates/render", &body.to_string()).await;
            assert_eq!((answer.status, &answer.body), (200, &json!({"rendered": {"subject": "Hi"}})), "{name}");
            let sent = server.seen().pop().unwrap().value["command"]["render_template"]["request"].clone();
            assert_eq!(sent, json!({"template": "mail", "payload": {"a": 1}, "metadata": {"k": "v"}}));
        }
    }

    #[tokio::test]
    async fn bad_requests_are_refused() {
        let server = Server::start(fate).await;
        for (method, path, body, status) in [
            ("POST", "/v1/templates", r#"{"namespace":"n","tenant":"t","name":"x"}"#, 422),
            ("POST", "/v1/templates", r#"{"namespace":"n","tenant":"t","name":"x","content":"","body":""}"#, 422),
            ("POST", "/v1/templates", r#"{"namespace":"n","tenant":"t","name":"x","content":"","id":"x"}"#, 422),
            ("POST", "/v1/templates", r#"{"namespace":"n","tenant":"t","name":"","content":""}"#, 422),
            ("POST", "/v1/templates", r#"{"namespace":"n","tenant":"t","name":"x","content":7}"#, 422),
            ("PUT", "/v1/templates/n/t/greeting", r#"{"name": "other"}"#, 422),
            ("PUT", "/v1/templates/n/t/other", "{}", 404),
            ("GET", "/v1/templates/n/t/other", "", 404),
            ("DELETE", "/v1/templates/n/t/other", "", 404),
            ("DELETE", "/v1/templates/n/t/used", "", 409),
            ("GET", "/v1/templates?namespace=n", "", 400),
            ("GET", "/v1/templates?namespace=n&tenant=t&offset=1", "", 400),
            ("POST", "/v1/templates/render", r#"{"namespace":"n","tenant":"t"}"#, 422),
            ("POST", "/v1/templates/render", r#"{"namespace":"n","tenant":"t","profile":"p","template":"p"}"#, 422),
        ] {
            assert_eq!(server.request(method, path, "", body).await.status, status, "{method} {path} {body}");
        }
    }
}
