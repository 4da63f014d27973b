use super::shape::{ActionRequest, BatchItem};
use super::{DispatchParams, accepted, trace};
use crate::api::body::{Body, MAX_BATCH_BODY};
use crate::api::dispatch::action::Prepared;
use crate::api::params::Params;
use crate::api::send::Came;
use crate::api::{Api, ApiError, rules};
use crate::log::{Asks, Topic, Trace};
use acteon_schemas::{MAX_DEPTH, check_depth_of};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::future::join_all;
use serde_json::json;
use serde_json::value::RawValue;
use std::time::Duration;

/// Most actions of a batch.
pub(super) const MAX_BATCH: usize = 1_000;

/// The answer to one action of a batch.
enum Item {
    Outcome(Bytes),
    Accepted(String),
    Failed(ApiError),
}

/// Sends actions, and waits for all of their outcomes
///
/// Actions as an array. The answer is an array in the same order; what is wrong with one action leaves the others be.
#[utoipa::path(post, path = "/v1/dispatch/batch", tag = "actions", params(DispatchParams), request_body = Vec<ActionRequest>, responses(
    (status = 200, description = "What became of each, in the same order", body = Vec<BatchItem>),
    (status = 202, description = "The same; some outcomes are still to come", body = Vec<BatchItem>),
))]
pub(super) async fn dispatch(
    State(api): State<Api>,
    Params(query): Params<DispatchParams>,
    headers: HeaderMap,
    Body(body): Body<MAX_BATCH_BODY>,
) -> Result<Response, ApiError> {
    let wait = query.wait(&api)?;
    let texts = actions(&body)?;
    api.desk()?;
    let trace = trace(&headers);
    if query.dry_run {
        let tried = |text: &&RawValue| match Prepared::of(text.get().as_bytes(), &trace) {
            Ok(action) => rules::dry_run(&api, &action.value),
            Err(error) => Err(error),
        };
        let items = texts.iter().map(|text| tried(text).unwrap_or_else(|error| error.item()));
        return Ok(axum::Json(items.collect::<Vec<_>>()).into_response());
    }
    // All are sent before the first is waited for.
    let sent: Vec<_> = texts.iter().map(|text| send(&api, text.get().as_bytes(), &trace)).collect();
    let items = join_all(sent.into_iter().map(|sent| answer(sent, wait))).await;
    let is_complete = !items.iter().any(|item| matches!(item, Item::Accepted(_)));
    let status = if is_complete { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, [(header::CONTENT_TYPE, "application/json")], written(items)).into_response())
}

/// The texts of the actions.
fn actions(body: &[u8]) -> Result<Vec<&RawValue>, ApiError> {
    check_depth_of(body, MAX_DEPTH + 1).map_err(|error| ApiError::record(&error, body))?;
    let texts: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            ApiError::unprocessable("INVALID_BODY", format!("a batch is an array of actions: {error}"))
        }
        _ => ApiError::record(&error.into(), body),
    })?;
    if texts.len() > MAX_BATCH {
        let message = format!("the batch has {} actions; the limit is {MAX_BATCH}", texts.len());
        return Err(ApiError::unprocessable("BATCH_TOO_LARGE", message));
    }
    Ok(texts)
}

type Sent = Result<(String, crate::api::send::Sent), ApiError>;

fn send(api: &Api, text: &[u8], trace: &Trace) -> Sent {
    let action = Prepared::of(text, trace)?;
    let sent = api.desk()?.send(Topic::Actions, action.identity(), &action.value, trace, Asks::Outcome)?;
    Ok((action.id, sent))
}

async fn answer(sent: Sent, wait: Duration) -> Item {
    let (id, sent) = match sent {
        Ok(sent) => sent,
        Err(error) => return Item::Failed(error),
    };
    match sent.within(wait).await {
        Ok(Came::Outcome(_, detail)) => Item::Outcome(detail),
        Ok(Came::Accepted) => Item::Accepted(id),
        Err(error) => Item::Failed(error),
    }
}

fn written(items: Vec<Item>) -> Vec<u8> {
    let mut text = vec![b'['];
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        match item {
            Item::Outcome(detail) => text.extend_from_slice(&detail),
            Item::Accepted(id) => text.extend_from_slice(json!(accepted(&id)).to_string().as_bytes()),
            Item::Failed(error) => text.extend_from_slice(error.item().to_string().as_bytes()),
        }
    }
    text.push(b']');
    text
}
