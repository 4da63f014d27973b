//! Dead letters: told of, sent again, dropped.

#[cfg(test)]
mod tests;

use super::body::Json;
use super::openapi::Refused;
use super::params::{Params, Segments};
use super::{Api, ApiError};
use crate::dead_letters::{DeadLetterChoice, DeadLetterError, DeadLetterFilter, DeadLetters};
use acteon_schemas::Resolution;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Dead letters of a list where the question does not say.
const DEFAULT_LIMIT: usize = 100;
/// Most dead letters of a list, and that are drained at a time.
const MAX_LIMIT: usize = 10_000;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(stats))
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(replay))
        .routes(routes!(discard))
        .routes(routes!(drain))
}

/// How many dead letters there are.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeadLetterStats {
    /// Always true: what fails for good is kept.
    enabled: bool,
    /// Those that nobody has dealt with.
    count: usize,
}

/// A dead letter.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeadLetter {
    /// `partition/offset` in the dead-letter topic.
    id: String,
    /// When it was put there.
    timestamp: String,
    code: String,
    error: String,
    /// Where it came from: `topic/partition/offset`.
    source: String,
    /// What its value is: `dispatch`, `action` or `record`.
    holds: String,
    bytes: usize,
    attempts: Option<u32>,
    namespace: Option<String>,
    tenant: Option<String>,
    provider: Option<String>,
    action_type: Option<String>,
    action_id: Option<String>,
    dispatch_id: Option<String>,
    /// `replayed` or `dropped`, where it was dealt with.
    resolution: Option<String>,
    /// What it holds: JSON, or else text. In a list it is left out.
    value: Option<Value>,
}

/// Dead letters, the oldest of each partition first.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeadLetterList {
    #[schema(value_type = Vec<DeadLetter>)]
    entries: Vec<Value>,
    /// How many are in `entries`.
    count: usize,
    /// How many fit in all.
    total: usize,
}

/// What became of a dead letter.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeadLetterDone {
    id: String,
    /// `replayed`, `dropped` or `failed`.
    status: String,
    /// Why it failed.
    message: Option<String>,
}

/// What became of dead letters.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeadLettersDone {
    /// How many it was done with.
    done: usize,
    failed: usize,
    #[schema(value_type = Vec<DeadLetterDone>)]
    results: Vec<Value>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    namespace: Option<String>,
    tenant: Option<String>,
    provider: Option<String>,
    /// Why they are there, such as `TIMEOUT`.
    code: Option<String>,
    /// Put there since then: a time, or how long ago, as in `2h`.
    since: Option<String>,
    /// Those that were dealt with as well.
    #[serde(default)]
    resolved: bool,
    /// Most entries: up to 10,000, and 100 where it is absent.
    limit: Option<usize>,
}

/// Which dead letters: by their ids, or all that fit every other field, of which at least one is given.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct ChooseDeadLetters {
    ids: Vec<String>,
    namespace: Option<String>,
    tenant: Option<String>,
    provider: Option<String>,
    code: Option<String>,
    since: Option<String>,
}

impl ChooseDeadLetters {
    fn choice(self) -> Result<DeadLetterChoice, ApiError> {
        let Self { ids, namespace, tenant, provider, code, since } = self;
        let filter = DeadLetterFilter { namespace, tenant, provider, code, since, resolved: false };
        match (ids.is_empty(), filter == DeadLetterFilter::default()) {
            (false, true) => Ok(DeadLetterChoice::Ids(ids)),
            (true, false) => Ok(DeadLetterChoice::All(filter)),
            _ => {
                let message =
                    "give `ids`, or what all of them have in common: namespace, tenant, provider, code, since";
                Err(ApiError::unprocessable("INVALID_BODY", message))
            }
        }
    }
}

/// How many dead letters there are
#[utoipa::path(get, path = "/v1/dlq/stats", tag = "dead letters", responses(
    (status = 200, description = "Those that nobody has dealt with", body = DeadLetterStats), Refused<422>,
))]
async fn stats(State(api): State<Api>) -> Result<axum::Json<DeadLetterStats>, ApiError> {
    let count = api.dead_letters(|all| all.list(&DeadLetterFilter::default())).await?.len();
    Ok(axum::Json(DeadLetterStats { enabled: true, count }))
}

/// Dead letters
#[utoipa::path(get, path = "/v1/dlq", tag = "dead letters", params(ListQuery), responses(
    (status = 200, description = "The oldest of each partition first", body = DeadLetterList), Refused<422>,
))]
async fn list(
    State(api): State<Api>,
    Params(query): Params<ListQuery>,
) -> Result<axum::Json<DeadLetterList>, ApiError> {
    let ListQuery { namespace, tenant, provider, code, since, resolved, limit } = query;
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let message = format!("`limit` is {limit}; it must be from 1 to {MAX_LIMIT}");
        return Err(ApiError::bad_request("INVALID_QUERY", message));
    }
    let filter = DeadLetterFilter { namespace, tenant, provider, code, since, resolved };
    Ok(axum::Json(part(api.dead_letters(move |all| all.list(&filter)).await?, limit)))
}

fn part(mut entries: Vec<Value>, limit: usize) -> DeadLetterList {
    let total = entries.len();
    entries.truncate(limit);
    DeadLetterList { count: entries.len(), entries: entries.into_iter().map(shown).collect(), total }
}

/// As HTTP names its fields.
fn shown(mut entry: Value) -> Value {
    for (name, own) in [("timestamp", "at"), ("error", "message")] {
        if let Some(value) = entry.as_object_mut().and_then(|fields| fields.remove(own)) {
            entry[name] = value;
        }
    }
    entry
}

/// One dead letter with its value
#[utoipa::path(get, path = "/v1/dlq/{partition}/{offset}", tag = "dead letters", params(
    ("partition" = i32, Path), ("offset" = i64, Path),
), responses((status = 200, description = "With what it holds", body = DeadLetter), Refused<404>, Refused<422>))]
async fn show(
    State(api): State<Api>,
    Segments((partition, offset)): Segments<(i32, i64)>,
) -> Result<axum::Json<Value>, ApiError> {
    let id = format!("{partition}/{offset}");
    api.dead_letters(move |all| all.show(&id)).await.map(shown).map(axum::Json)
}

/// Sends dead letters again
///
/// Dispatches keep their idempotency key; other records go to the topic that they came from.
#[utoipa::path(post, path = "/v1/dlq/replay", tag = "dead letters", request_body = ChooseDeadLetters, responses(
    (status = 200, description = "What became of each", body = DeadLettersDone), Refused<404>, Refused<409>,
))]
async fn replay(
    State(api): State<Api>,
    Json(body): Json<ChooseDeadLetters>,
) -> Result<axum::Json<DeadLettersDone>, ApiError> {
    resolve(&api, Resolution::Replayed, body.choice()?).await
}

/// Marks dead letters as not wanted any more
#[utoipa::path(post, path = "/v1/dlq/drop", tag = "dead letters", request_body = ChooseDeadLetters, responses(
    (status = 200, description = "What became of each", body = DeadLettersDone), Refused<404>, Refused<409>,
))]
async fn discard(
    State(api): State<Api>,
    Json(body): Json<ChooseDeadLetters>,
) -> Result<axum::Json<DeadLettersDone>, ApiError> {
    resolve(&api, Resolution::Dropped, body.choice()?).await
}

/// Tells of all dead letters and drops them
///
/// Nothing is lost: they stay in the topic, marked as dropped, as long as that keeps them. At most 10,000 at a time.
#[utoipa::path(post, path = "/v1/dlq/drain", tag = "dead letters", responses(
    (status = 200, description = "What was dropped", body = DeadLetterList), Refused<422>,
))]
async fn drain(State(api): State<Api>) -> Result<axum::Json<DeadLetterList>, ApiError> {
    let drained = api.dead_letters(|all| {
        let mut entries = all.list(&DeadLetterFilter::default())?;
        entries.truncate(MAX_LIMIT);
        let ids: Vec<String> = entries.iter().filter_map(|entry| Some(entry["id"].as_str()?.to_owned())).collect();
        if !ids.is_empty() {
            all.resolve(Resolution::Dropped, &DeadLetterChoice::Ids(ids))?;
        }
        Ok(entries)
    });
    Ok(axum::Json(part(drained.await?, MAX_LIMIT)))
}

async fn resolve(
    api: &Api,
    what: Resolution,
    chosen: DeadLetterChoice,
) -> Result<axum::Json<DeadLettersDone>, ApiError> {
    let results = api.dead_letters(move |all| all.resolve(what, &chosen)).await?;
    let failed = results.iter().filter(|result| result["status"] == "failed").count();
    Ok(axum::Json(DeadLettersDone { done: results.len() - failed, failed, results }))
}

impl Api {
    /// Asks for dead letters on a thread that may block; one question at a time, since each reads the topic.
    async fn dead_letters<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn DeadLetters) -> Result<T, DeadLetterError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let starting =
            || ApiError::unavailable("STARTING", "this gateway is still starting: see /ready").retry_after(1);
        let all = Arc::clone(self.0.dead_letters.get().ok_or_else(starting)?);
        let busy = || ApiError::unavailable("OVERLOADED", "dead letters are being read already").retry_after(1);
        let turn = Arc::clone(&self.0.dead_letter_turn).try_acquire_owned().map_err(|_| busy())?;
        let asked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            ask(&*all)
        });
        match asked.await {
            Ok(answer) => Ok(answer?),
            Err(error) => Err(ApiError::broke("question for dead letters", &error)),
        }
    }
}

impl From<DeadLetterError> for ApiError {
    fn from(error: DeadLetterError) -> Self {
        let message = error.to_string();
        match error {
            DeadLetterError::Unknown(_) => Self::refused("NOT_FOUND", &message),
            DeadLetterError::Resolved(_) => Self::refused("CONFLICT", &message),
            DeadLetterError::Refused(_) => Self::refused("INVALID", &message),
            DeadLetterError::Failed(_) => Self::unavailable("KAFKA_UNAVAILABLE", message).retry_after(1),
        }
    }
}
