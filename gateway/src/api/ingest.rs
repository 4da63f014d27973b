//! Requests in the shape of others: webhooks that an intake makes actions of, and alerts of Prometheus and Alertmanager.
//!
//! A request is taken as a whole or not at all: nothing is sent unless an action can be made of each of its parts.

#[cfg(test)]
mod tests;

use super::body::{Body, MAX_BATCH_BODY};
use super::dispatch::{Prepared, trace};
use super::openapi::Refused as RefusedAs;
use super::params::{self, Params, Segments};
use super::send::Came;
use super::{Api, ApiError};
use crate::clock;
use crate::intake::{Intakes, Refused, Request};
use crate::log::{Asks, Topic};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(ingest))
        .routes(routes!(alerts))
        .routes(routes!(alertmanager))
        .routes(routes!(status))
}

/// What was taken in.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Ingested {
    /// `accepted` once all actions are written, `done` with their outcomes.
    status: &'static str,
    /// How many actions were made.
    accepted: usize,
    /// Their ids, in their order.
    action_ids: Vec<String>,
    /// What became of them, where the request waited for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Value>>)]
    outcomes: Option<Vec<Box<RawValue>>>,
}

/// What Alertmanager tells of itself, as far as it is known here.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AlertmanagerStatus {
    cluster: Value,
    version_info: Value,
    config: Value,
    /// When this process began to serve.
    uptime: Option<String>,
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct IngestParams {
    /// How long to wait for the outcomes; senders of webhooks want none, and an answer at once.
    wait: Option<String>,
}

/// Takes a webhook
///
/// What actions are made of it, and who may send it, is configured as an `[[ingest]]` of that name.
#[utoipa::path(post, path = "/v1/ingest/{name}", tag = "intake", params(("name" = String, Path), IngestParams),
    request_body(content = Value, description = "Any JSON"), responses(
        (status = 200, description = "What became of the actions", body = Ingested),
        (status = 202, description = "They are written", body = Ingested),
        RefusedAs<401>, RefusedAs<404>, RefusedAs<409>, RefusedAs<429>,
    )
)]
async fn ingest(
    State(api): State<Api>,
    Segments(name): Segments<String>,
    Params(query): Params<IngestParams>,
    headers: HeaderMap,
    Body(body): Body<MAX_BATCH_BODY>,
) -> Result<(StatusCode, Json<Ingested>), ApiError> {
    let wait = query.wait.as_deref().map_or(Ok(Duration::ZERO), params::wait)?;
    let intake = api.intakes()?.by_name.get(&name).ok_or_else(|| {
        let message = format!("there is no intake `{name}`: it would be an [[ingest]] in this gateway's configuration");
        ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    })?;
    let actions = intake.actions(Request { headers: &headers, body: &body, now: clock::now_ms() })?;
    let came = send(&api, &actions, &headers, wait).await?;
    let accepted = came.len();
    let (action_ids, came): (Vec<String>, Vec<Came>) = came.into_iter().unzip();
    let outcomes: Option<Vec<Box<RawValue>>> = came.iter().map(outcome).collect();
    Ok(match outcomes.filter(|_| !wait.is_zero()) {
        Some(outcomes) => {
            (StatusCode::OK, Json(Ingested { status: "done", accepted, action_ids, outcomes: Some(outcomes) }))
        }
        None => (StatusCode::ACCEPTED, Json(Ingested { status: "accepted", accepted, action_ids, outcomes: None })),
    })
}

/// The outcome, where it has come.
fn outcome(came: &Came) -> Option<Box<RawValue>> {
    match came {
        Came::Outcome(_, detail) => serde_json::from_slice(detail).ok(),
        Came::Accepted => None,
    }
}

/// Takes alerts as Prometheus sends them to an Alertmanager
///
/// Each becomes an action, as `[alertmanager]` says.
#[utoipa::path(post, path = "/api/v2/alerts", tag = "intake", request_body(content = Vec<Value>, description = "Alerts"),
    responses((status = 200, description = "They are written"), RefusedAs<401>, RefusedAs<404>, RefusedAs<409>, RefusedAs<429>)
)]
async fn alerts(
    State(api): State<Api>,
    headers: HeaderMap,
    Body(body): Body<MAX_BATCH_BODY>,
) -> Result<StatusCode, ApiError> {
    take_alerts(&api, &headers, &body).await
}

/// Takes alerts as an Alertmanager sends them on to a webhook
#[utoipa::path(post, path = "/v1/dispatch/alertmanager", tag = "intake",
    request_body(content = Value, description = "A notification of version 4"),
    responses((status = 200, description = "They are written"), RefusedAs<401>, RefusedAs<404>, RefusedAs<409>, RefusedAs<429>)
)]
async fn alertmanager(
    State(api): State<Api>,
    headers: HeaderMap,
    Body(body): Body<MAX_BATCH_BODY>,
) -> Result<StatusCode, ApiError> {
    take_alerts(&api, &headers, &body).await
}

/// Answers as Alertmanager does: 200 without a body, once everything is written.
async fn take_alerts(api: &Api, headers: &HeaderMap, body: &[u8]) -> Result<StatusCode, ApiError> {
    let actions = receiver(api)?.actions(Request { headers, body, now: clock::now_ms() })?;
    send(api, &actions, headers, Duration::ZERO).await?;
    Ok(StatusCode::OK)
}

/// What Alertmanager's tools ask first
#[utoipa::path(get, path = "/api/v2/status", tag = "intake", responses(
    (status = 200, description = "As an Alertmanager without peers", body = AlertmanagerStatus), RefusedAs<404>,
))]
async fn status(State(api): State<Api>) -> Result<Json<AlertmanagerStatus>, ApiError> {
    receiver(&api)?;
    let unknown = "";
    Ok(Json(AlertmanagerStatus {
        cluster: json!({ "status": "disabled", "peers": [] }),
        version_info: json!({
            "version": env!("CARGO_PKG_VERSION"), "revision": unknown, "branch": unknown, "buildUser": unknown,
            "buildDate": unknown, "goVersion": unknown,
        }),
        config: json!({ "original": unknown }),
        uptime: api.started_at(),
    }))
}

fn receiver(api: &Api) -> Result<&crate::intake::AlertReceiver, ApiError> {
    api.intakes()?.alerts.as_ref().ok_or_else(|| {
        let message = "alerts are not taken here: that needs an [alertmanager] section in this gateway's configuration";
        ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    })
}

/// Sends actions, and waits until all are written, or for their outcomes.
async fn send(
    api: &Api,
    actions: &[Vec<u8>],
    headers: &HeaderMap,
    wait: Duration,
) -> Result<Vec<(String, Came)>, ApiError> {
    let trace = trace(headers);
    let prepare = |(index, action): (usize, &Vec<u8>)| {
        Prepared::of(action, &trace).map_err(|mut error| {
            if actions.len() > 1 {
                error.message = format!("action {index}: {}", error.message);
            }
            error
        })
    };
    let prepared: Vec<Prepared> = actions.iter().enumerate().map(prepare).collect::<Result<_, _>>()?;
    let desk = api.desk()?;
    // All are sent before the first is waited for.
    let sent: Vec<_> = prepared
        .into_iter()
        .map(|action| {
            let sent = desk.send(Topic::Actions, action.identity(), &action.value, &trace, Asks::Outcome);
            sent.map(|sent| (action.id, sent))
        })
        .collect();
    let came = join_all(sent.into_iter().map(|sent| async {
        let (id, sent) = sent?;
        Ok((id, sent.within(wait).await?))
    }));
    came.await.into_iter().collect()
}

impl Api {
    /// What is taken in beside actions.
    ///
    /// # Errors
    /// The process is still starting.
    fn intakes(&self) -> Result<&Intakes, ApiError> {
        self.0.intakes.get().ok_or_else(|| {
            ApiError::unavailable("STARTING", "this gateway is still starting: see /ready").retry_after(1)
        })
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match &refused {
            Refused::Unsigned(_) => Self::new(StatusCode::UNAUTHORIZED, "UNSIGNED", refused.to_string()),
            Refused::NoJson(_) => Self::bad_request("INVALID_JSON", refused.to_string()),
            Refused::Shape(_) => Self::unprocessable("INVALID_BODY", refused.to_string()),
        }
    }
}
