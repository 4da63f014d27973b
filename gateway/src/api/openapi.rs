//! The OpenAPI document: what the routes say of themselves, and what holds for all of them.

#[cfg(test)]
mod tests;

use super::error::ErrorBody;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Response, ResponseBuilder, Schema,
};
use utoipa::{IntoResponses, PartialSchema as _, ToSchema};

/// Where the document is served.
pub(crate) const DOCUMENT_PATH: &str = "/api-doc/openapi.json";
/// Where people read it.
pub(crate) const UI_PATH: &str = "/swagger-ui";
/// Media type of all bodies that are told of here.
const JSON: &str = "application/json";

/// An answer that refuses the request, with a status: for the `responses(…)` of a route.
pub(crate) struct Refused<const STATUS: u16>;

impl<const STATUS: u16> IntoResponses for Refused<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals(&[STATUS])
    }
}

/// What may come of a question to the processor, beside its answer: for the `responses(…)` of a route.
pub(crate) struct Question;

impl IntoResponses for Question {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals(&[422, 429])
    }
}

/// What may come of a change that the processor is asked for, beside its answer: for the `responses(…)` of a route.
pub(crate) struct Change;

impl IntoResponses for Change {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = refusals(&[422, 429]);
        let accepted = response("It is written and will be carried out; nobody has answered yet", Accepted::schema());
        responses.insert("202".to_owned(), accepted);
        responses
    }
}

/// The answer to a change that nobody has answered yet.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accepted {
    /// The command's id, which its audit record has.
    pub(crate) command_id: String,
    /// Always `accepted`.
    pub(crate) status: &'static str,
}

/// Labels of an action, flat or under `labels`. Numbers and booleans are taken as their text.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Labels {
    Flat(BTreeMap<String, String>),
    Nested { labels: BTreeMap<String, String> },
}

fn response(description: &str, schema: RefOr<Schema>) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    RefOr::T(ResponseBuilder::new().description(description).content(JSON, content).build())
}

fn refusals(statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    let error = || RefOr::Ref(Ref::from_schema_name(ErrorBody::name()));
    statuses.iter().map(|status| (status.to_string(), response(meaning(*status), error()))).collect()
}

/// What a status of an error says.
fn meaning(status: u16) -> &'static str {
    match status {
        400 => "A parameter or the body can't be read",
        401 => "Nobody knows who sent it",
        403 => "The signature is missing or wrong",
        404 => "There is none such",
        408 => "The body took too long to come",
        409 => "It can't be done as things stand",
        410 => "It is over",
        413 => "The body is too large",
        422 => "It was read, and asks for what can't be",
        429 => "A limit is reached: try again later",
        503 => "Not now: try again later",
        _ => StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("An error"),
    }
}

/// The document of all routes: those of the API, where there are any, and those for operators.
pub(crate) fn document(api: Option<OpenApi>, watched: OpenApi) -> OpenApi {
    let info = InfoBuilder::new().title("Acteon").version(env!("CARGO_PKG_VERSION")).build();
    let mut whole = OpenApiBuilder::new().info(info).paths(Paths::new()).build();
    if let Some(mut api) = api {
        operations(&mut api).for_each(|(_, operation)| complete(operation));
        whole.merge(api);
    }
    whole.merge(watched);
    operations(&mut whole).for_each(|(id, operation)| operation.operation_id = Some(id));
    let schemas = &mut whole.components.get_or_insert_default().schemas;
    schemas.insert(ErrorBody::name().into_owned(), ErrorBody::schema());
    whole
}

/// Adds what may come of any request of the API, before its own code runs.
fn complete(operation: &mut Operation) {
    let mut statuses = vec![500, 503];
    if operation.parameters.is_some() {
        statuses.push(400);
    }
    if operation.request_body.is_some() {
        statuses.extend([400, 408, 413, 422]);
    }
    for (status, response) in refusals(&statuses) {
        operation.responses.responses.entry(status).or_insert(response);
    }
}

/// All operations, each with an id made from its method and path.
fn operations(document: &mut OpenApi) -> impl Iterator<Item = (String, &mut Operation)> {
    document.paths.paths.iter_mut().flat_map(|(path, item)| {
        let PathItem { get, put, post, delete, .. } = item;
        let methods = [("get", get), ("put", put), ("post", post), ("delete", delete)];
        let id = move |method: &str| {
            let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
            std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
        };
        methods.into_iter().filter_map(move |(method, operation)| Some((id(method), operation.as_mut()?)))
    })
}
