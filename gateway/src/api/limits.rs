//! What holds for every request of the API: how many at a time, how long, and that an answer is always JSON.

use super::{Api, ApiError};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Longest that a request may take until its answer begins: longer than any wait that it may ask for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(100);

/// Lets a request through if there are not too many, and ends one that takes too long.
pub(crate) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let Ok(_permit) = api.0.permits.try_acquire() else {
        let message = format!("{} requests are worked on already", api.0.limits.max_concurrent);
        return ApiError::unavailable("OVERLOADED", message).retry_after(1).into_response();
    };
    let path = request.uri().path().to_owned();
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!(path, "request panicked");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "the request failed; see the gateway's log")
                .into_response()
        }
        Err(_) => {
            let message = format!("no answer within {} s", REQUEST_TIMEOUT.as_secs());
            ApiError::unavailable("TIMEOUT", message).into_response()
        }
    }
}

/// A path that exists, with another method.
pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    let message = format!("{} does not take {method}", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)
}
