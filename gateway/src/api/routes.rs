//! All routes of the API.

use super::{Api, analytics, audit, commands, dispatch, limits, rules};
use axum::Router;
use axum::middleware::from_fn_with_state;

/// The API's routes.
pub(crate) fn router(api: &Api) -> Router {
    Router::new()
        .merge(dispatch::routes())
        .merge(commands::routes())
        .merge(audit::routes())
        .merge(analytics::routes())
        .merge(rules::routes())
        .layer(from_fn_with_state(api.clone(), limits::guard))
        .with_state(api.clone())
}
