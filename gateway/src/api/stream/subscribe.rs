//! The events of one action, chain or group.

use super::{Peer, begin, open};
use crate::api::commands;
use crate::api::openapi::Refused;
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use crate::stream::{Begin, Filter, Follows, Party, Request};
use crate::view::audit::ActionKey;
use acteon_schemas::CommandKind;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::DateTime;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Events of a thing are looked for from so long before it began, in milliseconds: the log's clock may be another.
const CLOCK_SKEW_MS: i64 = 60_000;
/// How often the audit view is asked for an action that may just have been sent.
const TRIES: usize = 10;
/// How long is waited between.
const TRY_INTERVAL: Duration = Duration::from_millis(100);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(subscribe))
}

/// What is subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Entity {
    Chain,
    Group,
    Action,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SubscribeParams {
    namespace: String,
    tenant: String,
    /// Whether what has happened so far comes first; true where it is not given
    include_history: Option<bool>,
    /// As the header `Last-Event-ID`, which goes before it: the id of the event after which to begin
    last_event_id: Option<String>,
}

/// What happens to one action, chain or group
///
/// The stream of a chain and of an action ends with its end.
#[utoipa::path(get, path = "/v1/subscribe/{entity}/{id}", tag = "stream",
    params(("entity" = inline(Entity), Path), ("id" = String, Path), SubscribeParams,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the event after which to begin")),
    responses(
        (status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream"),
        Refused<404>, Refused<409>, Refused<422>, Refused<429>,
    ))]
async fn subscribe(
    State(api): State<Api>,
    Segments((entity, id)): Segments<(Entity, String)>,
    Params(params): Params<SubscribeParams>,
    headers: HeaderMap,
    Peer(_): Peer,
) -> Result<Response, ApiError> {
    let after = begin(&headers, params.last_event_id.as_deref())?;
    let SubscribeParams { namespace, tenant, include_history, .. } = params;
    let found = find(&api, entity, (&namespace, &tenant), id).await?;
    let begin = match after {
        Some(position) => Begin::After(position),
        None if include_history.unwrap_or(true) => Begin::Since(found.began.saturating_sub(CLOCK_SKEW_MS)),
        None => Begin::Now,
    };
    let party = Party::Tenant(tenant.clone());
    let mut filter = Filter { namespace: Some(namespace), tenant: Some(tenant), ..Filter::default() };
    let follows = match entity {
        Entity::Chain => {
            filter.chain_id = Some(found.id);
            Follows::Chain
        }
        Entity::Group => {
            filter.group_id = Some(found.id);
            Follows::Nothing
        }
        Entity::Action => {
            filter.action_id = Some(found.id);
            Follows::Action
        }
    };
    open(&api, Request { filter, begin, follows, party }).await
}

/// A thing that there is.
struct Found {
    id: String,
    /// When it began, in milliseconds since 1970.
    began: i64,
}

async fn find(api: &Api, entity: Entity, (namespace, tenant): (&str, &str), id: String) -> Result<Found, ApiError> {
    match entity {
        Entity::Action => action(api, namespace, tenant, id).await,
        Entity::Chain => {
            let kind = CommandKind::ShowChain { chain_id: id.clone(), with_definition: false };
            let shown = commands::ask_for(api, namespace, tenant, kind).await?;
            Ok(Found { id, began: time(&shown["started_at"]) })
        }
        Entity::Group => {
            let shown = commands::ask_for(api, namespace, tenant, CommandKind::ShowGroup { group: id.clone() }).await?;
            let group = &shown["group"];
            let id = group["group_id"].as_str().map_or(id, str::to_owned);
            Ok(Found { id, began: time(&group["created_at"]) })
        }
    }
}

async fn action(api: &Api, namespace: &str, tenant: &str, id: String) -> Result<Found, ApiError> {
    for _ in 0..TRIES {
        let (namespace, tenant) = (Some(namespace.to_owned()), Some(tenant.to_owned()));
        let key = ActionKey { action_id: id.clone(), namespace, tenant };
        if let Some(entry) = api.audit()?.store().get(key).await? {
            return Ok(Found { id, began: entry.dispatched_at });
        }
        tokio::time::sleep(TRY_INTERVAL).await;
    }
    let message = format!("there is no audit record of action `{id}` in {namespace}/{tenant}");
    Err(ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message))
}

/// A time as the processor tells it, in milliseconds since 1970; 0, which is before everything, where it tells none.
fn time(value: &Value) -> i64 {
    let time = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    time.map_or(0, |time| time.timestamp_millis())
}
