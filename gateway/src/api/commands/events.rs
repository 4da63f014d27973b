//! Events of state machines.

use super::ask::{Answer, ask};
use super::{ListParams, Scope};
use crate::api::body::Json;
use crate::api::openapi::{Change, Question, Refused};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::CommandKind;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(transition))
}

/// An event in a list.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EventSummary {
    fingerprint: String,
    state: String,
    previous_state: Option<String>,
    action_type: String,
    state_machine: String,
    /// Actions that were taken for it.
    count: u64,
    created_at: String,
    updated_at: String,
}

/// A part of the events.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EventList {
    count: usize,
    events: Vec<EventSummary>,
    /// What the next part begins `after`; absent where there is none.
    next: Option<String>,
}

/// An event.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EventDetail {
    fingerprint: String,
    state: String,
    previous_state: Option<String>,
    action_type: String,
    state_machine: String,
    /// Actions that were taken for it.
    count: u64,
    created_at: String,
    updated_at: String,
    labels: BTreeMap<String, String>,
    provider: String,
    /// The newest action's id.
    action_id: String,
    /// Whether others are held back while it lasts.
    active: bool,
    changed_at: String,
    notified_at: Option<String>,
    /// When its state changes by itself, or is told of again.
    next_due_at: Option<String>,
}

/// A change of state.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Transitioned {
    fingerprint: String,
    previous_state: Option<String>,
    new_state: String,
    /// Whether somebody is told.
    notify: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Transition {
    namespace: String,
    tenant: String,
    /// The state to enter; `to_state` is read as well.
    #[serde(alias = "to_state")]
    to: String,
}

/// Events
#[utoipa::path(get, path = "/v1/events", tag = "events", params(ListParams), responses(
    (status = 200, description = "In the order of their fingerprints", body = EventList),
    Question,
))]
async fn list(State(api): State<Api>, Params(query): Params<ListParams>) -> Result<Answer, ApiError> {
    let (scope, state, page) = query.split();
    ask(&api, scope, CommandKind::ListEvents { state, page }).await
}

/// One event
#[utoipa::path(get, path = "/v1/events/{fingerprint}", tag = "events", params(("fingerprint" = String, Path), Scope), responses(
    (status = 200, description = "As it is now", body = EventDetail),
    Question, Refused<404>,
))]
async fn show(
    State(api): State<Api>,
    Segments(fingerprint): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ShowEvent { fingerprint }).await
}

/// Changes an event's state
#[utoipa::path(put, path = "/v1/events/{fingerprint}/transition", tag = "events", params(("fingerprint" = String, Path)),
    request_body = Transition, responses(
        (status = 200, description = "The change, or that it is so already", body = Transitioned),
        Change, Refused<404>, Refused<409>,
    )
)]
async fn transition(
    State(api): State<Api>,
    Segments(fingerprint): Segments<String>,
    Json(body): Json<Transition>,
) -> Result<Answer, ApiError> {
    let scope = Scope { namespace: body.namespace, tenant: body.tenant };
    ask(&api, scope, CommandKind::Transition { fingerprint, to: body.to }).await
}
