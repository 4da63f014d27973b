//! Events as they happen, over server-sent events.

mod subscribe;
#[cfg(test)]
mod tests;

use super::openapi::Refused;
use super::params::Params;
use super::{Api, ApiError};
use crate::stream::{Begin, Connection, EVENT_TYPES, Filter, Follows, Party, Position, Refusal, Request, TooMany};
use acteon_schemas::Outcome;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use serde::Deserialize;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The header that says where a client was cut off.
const LAST_EVENT_ID: &str = "last-event-id";
/// Seconds after which a client may try again that met a limit.
const RETRY_SECONDS: u64 = 5;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(stream)).merge(subscribe::routes())
}

/// Which events are wanted: those that fit everything that is given.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StreamParams {
    namespace: Option<String>,
    tenant: Option<String>,
    provider: Option<String>,
    action_type: Option<String>,
    /// As in audit records, such as `executed`
    outcome: Option<String>,
    /// Such as `action_dispatched`
    event_type: Option<String>,
    chain_id: Option<String>,
    group_id: Option<String>,
    action_id: Option<String>,
    /// As the header `Last-Event-ID`, which goes before it: the id of the event after which to begin
    last_event_id: Option<String>,
}

impl StreamParams {
    fn filter(self) -> Result<Filter, ApiError> {
        let Self {
            namespace, tenant, provider, action_type, outcome, event_type, chain_id, group_id, action_id, ..
        } = self;
        check("outcome", outcome.as_deref(), &Outcome::ALL.map(Outcome::as_str))?;
        check("event_type", event_type.as_deref(), &EVENT_TYPES)?;
        Ok(Filter { namespace, tenant, provider, action_type, outcome, event_type, chain_id, group_id, action_id })
    }
}

fn check(name: &str, given: Option<&str>, known: &[&str]) -> Result<(), ApiError> {
    match given {
        Some(given) if !known.contains(&given) => {
            let message = format!("`{name}`: there is no `{given}`; it may be {}", known.join(", "));
            Err(ApiError::bad_request("INVALID_QUERY", message))
        }
        _ => Ok(()),
    }
}

/// Who is connected.
pub(super) struct Peer(IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(known.map_or_else(|| Ipv4Addr::UNSPECIFIED.into(), |ConnectInfo(address)| address.ip())))
    }
}

/// Events as they happen
///
/// The id of an event is a position in the log. A client that was cut off sends the last one as `Last-Event-ID`, to this or
/// another gateway, and is sent what came after it, however long ago, as long as the log holds it.
#[utoipa::path(get, path = "/v1/stream", tag = "stream",
    params(StreamParams, ("Last-Event-ID" = Option<String>, Header, description = "The id of the event after which to begin")),
    responses(
        (status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream"),
        Refused<429>,
    ))]
async fn stream(
    State(api): State<Api>,
    Params(params): Params<StreamParams>,
    headers: HeaderMap,
    peer: Peer,
) -> Result<Response, ApiError> {
    let begin = begin(&headers, params.last_event_id.as_deref())?.map_or(Begin::Now, Begin::After);
    let party = params.tenant.clone().map_or(Party::Peer(peer.0), Party::Tenant);
    open(&api, Request { filter: params.filter()?, begin, follows: Follows::Nothing, party }).await
}

/// Where a client was cut off, if it says so.
fn begin(headers: &HeaderMap, given: Option<&str>) -> Result<Option<Position>, ApiError> {
    let header = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?"));
    let Some(id) = header.or(given).filter(|id| !id.is_empty()) else { return Ok(None) };
    id.parse().map(Some).map_err(|_| {
        let message = "the last event id is none that a gateway gives: send the `id` of an event as it was received";
        ApiError::bad_request("INVALID_EVENT_ID", message)
    })
}

async fn open(api: &Api, request: Request) -> Result<Response, ApiError> {
    let connection = api.streams()?.open(request).await.map_err(refused)?;
    Ok(respond(connection))
}

fn respond(connection: Connection) -> Response {
    let body = Body::from_stream(connection.pieces().map(Ok::<_, Infallible>));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // Proxies would hold events back until their buffers are full.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, body).into_response()
}

fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::TooMany(TooMany::InAll(limit)) => {
            let message = format!("{limit} streams are open already, which is all that this gateway may have");
            ApiError::unavailable("TOO_MANY_STREAMS", message).retry_after(RETRY_SECONDS)
        }
        Refusal::TooMany(TooMany::OfParty(party, limit)) => {
            let whose = match party {
                Party::Tenant(tenant) => format!("of tenant `{tenant}`"),
                Party::Peer(address) => format!("from {address} (without a tenant)"),
            };
            let message = format!("{limit} streams {whose} are open already");
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_STREAMS", message).retry_after(RETRY_SECONDS)
        }
        Refusal::OtherTopic(given, partitions) => {
            let message = format!(
                "the last event id has {given} parts, and the events here come from {partitions} partitions: it is of \
                 another installation"
            );
            ApiError::bad_request("INVALID_EVENT_ID", message)
        }
        Refusal::Away(reason) => {
            let message = format!("the log can't be followed at the moment: {reason}");
            ApiError::unavailable("KAFKA_UNAVAILABLE", message).retry_after(1)
        }
    }
}
