//! Groups of events that are told of as one.

use super::ask::{Answer, ask};
use super::{ListParams, Scope};
use crate::api::openapi::{Change, Question, Refused};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::CommandKind;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, flush))
}

/// A group in a list.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Group {
    group_id: String,
    /// The values that its events have in common.
    group_key: String,
    rule: String,
    provider: String,
    event_count: u32,
    /// `pending` or `notified`.
    state: String,
    /// When it is told of next.
    notify_at: Option<String>,
    created_at: String,
}

/// A part of the groups.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GroupList {
    count: usize,
    /// As `count`.
    total: usize,
    groups: Vec<Group>,
    /// What the next part begins `after`; absent where there is none.
    next: Option<String>,
}

/// A group with its events.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GroupDetail {
    group: Group,
    labels: BTreeMap<String, Value>,
    /// Fingerprints; the action's id where an event has none.
    events: Vec<String>,
    event_details: Vec<GroupEvent>,
}

/// An event of a group.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GroupEvent {
    action_id: String,
    action_type: String,
    fingerprint: Option<String>,
    status: Option<String>,
    ends_at: Option<String>,
    received_at: String,
    /// Whether a notification has told of it.
    notified: bool,
}

/// A group that is told of now.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Flushed {
    group_id: String,
    event_count: u32,
    notified: bool,
    /// Always `flushed`.
    status: String,
}

/// Groups
///
/// `total` is what clients read; it is the number of groups in this part of the list.
#[utoipa::path(get, path = "/v1/groups", tag = "groups", params(ListParams), responses(
    (status = 200, description = "In the order of their keys", body = GroupList),
    Question,
))]
async fn list(State(api): State<Api>, Params(query): Params<ListParams>) -> Result<Json<Value>, ApiError> {
    let (scope, _, page) = query.split();
    let mut groups = ask(&api, scope, CommandKind::ListGroups { page }).await?.value()?;
    groups["total"] = groups["count"].clone();
    Ok(Json(groups))
}

/// One group with its events
#[utoipa::path(get, path = "/v1/groups/{key}", tag = "groups", params(("key" = String, Path, description = "Its key or its id"), Scope), responses(
    (status = 200, description = "As it is now", body = GroupDetail),
    Question, Refused<404>, Refused<409>,
))]
async fn show(
    State(api): State<Api>,
    Segments(group): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ShowGroup { group }).await
}

/// Tells of a group at once
#[utoipa::path(delete, path = "/v1/groups/{key}", tag = "groups", params(("key" = String, Path, description = "Its key or its id"), Scope), responses(
    (status = 200, description = "Its notification goes out", body = Flushed),
    Change, Refused<404>, Refused<409>,
))]
async fn flush(
    State(api): State<Api>,
    Segments(group): Segments<String>,
    Params(scope): Params<Scope>,
) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::FlushGroup { group }).await
}
