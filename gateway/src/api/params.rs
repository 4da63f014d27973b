//! What follows the `?` of a request.

use super::ApiError;
use acteon_schemas::parse_duration;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The query as `T`; a parameter that `T` does not know is refused where `T` denies it.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(error) => Err(ApiError::bad_request("INVALID_QUERY", error.body_text())),
        }
    }
}

/// What a path holds in its variable places, decoded.
pub(crate) struct Segments<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segments<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(error) => Err(ApiError::bad_request("INVALID_PATH", error.body_text())),
        }
    }
}

/// Longest time that a request may wait for its outcome.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(60);

/// Reads `500ms`, `30s`, `1m`; a bare number is seconds.
///
/// # Errors
/// 400 for other text and for more than [`MAX_WAIT`].
pub(crate) fn wait(text: &str) -> Result<Duration, ApiError> {
    match parse_duration(text, &["ms", "s", "m"], Some("s")).map(Duration::from_millis) {
        Some(wait) if wait <= MAX_WAIT => Ok(wait),
        _ => {
            let message = format!("`wait`: `{text}`; use a time such as 500ms or 10s, at most {}s", MAX_WAIT.as_secs());
            Err(ApiError::bad_request("INVALID_QUERY", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_have_units_and_a_limit() {
        let cases = [
            ("0", Some(0)),
            ("500ms", Some(500)),
            ("2", Some(2_000)),
            ("60s", Some(60_000)),
            ("1m", Some(60_000)),
            ("61s", None),
            ("18446744073709551615m", None),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("1h", None),
        ];
        for (text, ms) in cases {
            assert_eq!(wait(text).ok(), ms.map(Duration::from_millis), "{text}");
        }
    }
}
