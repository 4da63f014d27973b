//! All routes of the API.

use super::{
    Api, analytics, audit, chain_definitions, chains, commands, dispatch, dlq, ingest, limits, providers, rules, stream,
};
use axum::Router;
use axum::middleware::from_fn_with_state;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// The API's routes, and what is said of them.
pub(crate) fn router(api: &Api) -> (Router, OpenApi) {
    OpenApiRouter::new()
        .merge(dispatch::routes())
        .merge(ingest::routes())
        .merge(commands::routes())
        .merge(chain_definitions::routes())
        .merge(audit::routes())
        .merge(dlq::routes())
        .merge(analytics::routes())
        .merge(rules::routes())
        .merge(chains::routes())
        .merge(providers::routes())
        .merge(stream::routes())
        .layer(from_fn_with_state(api.clone(), limits::guard))
        .with_state(api.clone())
        .split_for_parts()
}
