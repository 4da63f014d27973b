//! Actions over HTTP: each becomes a record of the actions topic, and its outcome is the answer.

mod action;
mod batch;
mod shape;
#[cfg(test)]
mod tests;

use super::body::{Body, MAX_BODY};
use super::params::{self, Params};
use super::send::Came;
use super::{Api, ApiError, rules};
use crate::api::openapi::Refused;
use crate::log::{Asks, Topic, Trace};
pub(super) use action::Prepared;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use shape::{AcceptedAction, ActionOutcome, ActionRequest};
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The action's id, which is made here where the request has none.
const ACTION_ID: HeaderName = HeaderName::from_static("acteon-action-id");
/// Longest value of a trace header that is passed on.
const MAX_TRACE_BYTES: usize = 512;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(dispatch)).routes(routes!(batch::dispatch))
}

/// What may follow the `?`.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DispatchParams {
    /// How long to wait for the outcome, as `500ms` or `10s`, at most 60s; then the answer is 202 with the id.
    wait: Option<String>,
    /// Only tell what the rules would decide.
    #[serde(default)]
    dry_run: bool,
}

impl DispatchParams {
    /// How long to wait.
    fn wait(&self, api: &Api) -> Result<Duration, ApiError> {
        self.wait.as_deref().map_or(Ok(api.0.limits.wait), params::wait)
    }
}

/// The headers that travel with an action.
pub(super) fn trace(headers: &HeaderMap) -> Trace {
    let text = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        (value.len() <= MAX_TRACE_BYTES).then(|| value.to_owned())
    };
    Trace { parent: text("traceparent"), state: text("tracestate") }
}

/// Sends an action, and waits for its outcome
#[utoipa::path(post, path = "/v1/dispatch", tag = "actions", params(DispatchParams), request_body = ActionRequest, responses(
    (status = 200, description = "What became of it", body = ActionOutcome),
    (status = 202, description = "It is written; its outcome is still to come", body = AcceptedAction),
    Refused<409>, Refused<429>,
))]
async fn dispatch(
    State(api): State<Api>,
    Params(query): Params<DispatchParams>,
    headers: HeaderMap,
    Body(body): Body<MAX_BODY>,
) -> Result<Response, ApiError> {
    let wait = query.wait(&api)?;
    let trace = trace(&headers);
    let action = Prepared::of(&body, &trace)?;
    if query.dry_run {
        return Ok(axum::Json(rules::dry_run(&api, &action.value)?).into_response());
    }
    let sent = api.desk()?.send(Topic::Actions, action.identity(), &action.value, &trace, Asks::Outcome)?;
    let id = [(ACTION_ID, action.id.clone())];
    Ok(match sent.within(wait).await? {
        Came::Outcome(_, detail) => {
            (StatusCode::OK, id, [(header::CONTENT_TYPE, "application/json")], detail).into_response()
        }
        Came::Accepted => (StatusCode::ACCEPTED, id, axum::Json(accepted(&action.id))).into_response(),
    })
}

/// What is said of an action whose outcome is still to come.
fn accepted(id: &str) -> AcceptedAction {
    AcceptedAction { action_id: id.to_owned(), status: "accepted" }
}
