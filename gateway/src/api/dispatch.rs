//! Actions over HTTP: each becomes a record of the actions topic, and its outcome is the answer.

mod action;
mod batch;
#[cfg(test)]
mod tests;

use super::body::{Body, MAX_BODY};
use super::params::{self, Params};
use super::send::Came;
use super::{Api, ApiError, rules};
use crate::log::{Asks, Topic, Trace};
use action::Prepared;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;

/// The action's id, which is made here where the request has none.
const ACTION_ID: HeaderName = HeaderName::from_static("acteon-action-id");
/// Longest value of a trace header that is passed on.
const MAX_TRACE_BYTES: usize = 512;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().route("/v1/dispatch", post(dispatch)).route("/v1/dispatch/batch", post(batch::dispatch))
}

/// What may follow the `?`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DispatchParams {
    /// How long to wait for the outcome; then the answer is 202 with the id.
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
fn trace(headers: &HeaderMap) -> Trace {
    let text = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        (value.len() <= MAX_TRACE_BYTES).then(|| value.to_owned())
    };
    Trace { parent: text("traceparent"), state: text("tracestate") }
}

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
fn accepted(id: &str) -> Value {
    json!({ "action_id": id, "status": "accepted" })
}
