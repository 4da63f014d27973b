//! Groups of events that are told of as one.

use super::ask::{Answer, ask};
use super::{MaybeScope, Scope};
use crate::api::openapi::{Change, Question, Refused};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use crate::view::groups::Groups;
use acteon_core::GroupSummary;
use acteon_schemas::{CommandKind, Page};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::MutexGuard;
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
    /// Where the list is not of one tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    /// As `namespace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
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
    /// As `count`; where the list is not of one tenant, that of all parts.
    total: usize,
    groups: Vec<Group>,
    /// What the next part begins `after`; absent where there is none.
    next: Option<String>,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
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

/// Which groups are asked for.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct GroupParams {
    namespace: Option<String>,
    tenant: Option<String>,
    /// Most entries.
    limit: Option<u32>,
    /// The `next` of the part before.
    after: Option<String>,
}

/// Most groups of a part of the list where the question does not say.
const DEFAULT_LIMIT: u32 = 100;
/// Most groups of a part of the list.
const MAX_LIMIT: u32 = 1_000;

/// Groups
///
/// Those of one tenant are told as they are now; those of all, or of a namespace, as they were a moment ago. `total` is what
/// clients read.
#[utoipa::path(get, path = "/v1/groups", tag = "groups", params(GroupParams), responses(
    (status = 200, description = "In the order of their keys", body = GroupList),
    Question,
))]
async fn list(State(api): State<Api>, Params(query): Params<GroupParams>) -> Result<Json<Value>, ApiError> {
    let GroupParams { namespace, tenant, limit, after } = query;
    if let (Some(namespace), Some(tenant)) = (&namespace, &tenant) {
        let scope = Scope { namespace: namespace.clone(), tenant: tenant.clone() };
        let page = Page { limit, after };
        let mut groups = ask(&api, scope, CommandKind::ListGroups { page }).await?.value()?;
        groups["total"] = groups["count"].clone();
        return Ok(Json(groups));
    }
    let limit = limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let groups = view(&api)?;
    let page = groups.page((namespace.as_deref(), tenant.as_deref()), after.as_deref(), limit as usize);
    let page =
        page.ok_or_else(|| ApiError::bad_request("INVALID_QUERY", "`after` is not the `next` of a part of this list"))?;
    let shown: Vec<Value> = page.groups.iter().map(|group| shown(group)).collect();
    let mut list = json!({"groups": shown, "count": page.groups.len(), "total": page.total});
    if let Some(next) = page.next {
        list["next"] = json!(next);
    }
    if groups.is_cut() {
        list["note"] = json!("there are more groups than a gateway keeps: name namespace and tenant to see them all");
    }
    Ok(Json(list))
}

fn shown(group: &GroupSummary) -> Value {
    // It was made as JSON.
    let mut shown: Value = serde_json::from_str(group.shown.get()).unwrap_or_default();
    shown["namespace"] = json!(group.namespace);
    shown["tenant"] = json!(group.tenant);
    shown
}

fn view(api: &Api) -> Result<MutexGuard<'_, Groups>, ApiError> {
    let groups = &api.tables()?.groups;
    match groups.progress().unready("view of groups") {
        Some(message) => Err(ApiError::catching_up(message)),
        None => Ok(groups.read()),
    }
}

/// Whose group is meant, and its id: what the request names, or what the view finds.
fn find(api: &Api, group: String, scope: &MaybeScope) -> Result<(Scope, String), ApiError> {
    if let (Some(namespace), Some(tenant)) = (&scope.namespace, &scope.tenant) {
        return Ok((Scope { namespace: namespace.clone(), tenant: tenant.clone() }, group));
    }
    let groups = view(api)?;
    let fits = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    let mut found = groups.find(&group);
    found.retain(|found| fits(&scope.namespace, &found.namespace) && fits(&scope.tenant, &found.tenant));
    match found.as_slice() {
        [] => Err(ApiError::refused("NOT_FOUND", &format!("no group `{group}`; one that is new may take a moment"))),
        [one] => {
            let scope = Scope { namespace: one.namespace.clone(), tenant: one.tenant.clone() };
            Ok((scope, one.group_id.clone()))
        }
        [one, other, ..] => {
            let message = format!(
                "`{group}` is the key of several groups, {} of {}/{} and {} of {}/{}: give an id, or namespace and tenant",
                one.group_id, one.namespace, one.tenant, other.group_id, other.namespace, other.tenant
            );
            Err(ApiError::refused("CONFLICT", &message))
        }
    }
}

/// One group with its events
#[utoipa::path(get, path = "/v1/groups/{key}", tag = "groups", params(("key" = String, Path, description = "Its key or its id"), MaybeScope), responses(
    (status = 200, description = "As it is now", body = GroupDetail),
    Question, Refused<404>, Refused<409>,
))]
async fn show(
    State(api): State<Api>,
    Segments(group): Segments<String>,
    Params(scope): Params<MaybeScope>,
) -> Result<Answer, ApiError> {
    let (scope, group) = find(&api, group, &scope)?;
    ask(&api, scope, CommandKind::ShowGroup { group }).await
}

/// Tells of a group at once
#[utoipa::path(delete, path = "/v1/groups/{key}", tag = "groups", params(("key" = String, Path, description = "Its key or its id"), MaybeScope), responses(
    (status = 200, description = "Its notification goes out", body = Flushed),
    Change, Refused<404>, Refused<409>,
))]
async fn flush(
    State(api): State<Api>,
    Segments(group): Segments<String>,
    Params(scope): Params<MaybeScope>,
) -> Result<Answer, ApiError> {
    let (scope, group) = find(&api, group, &scope)?;
    ask(&api, scope, CommandKind::FlushGroup { group }).await
}
