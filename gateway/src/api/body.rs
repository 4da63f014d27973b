//! Bodies of requests, whatever their content type says.

use super::ApiError;
use acteon_schemas::check_depth;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest body of a request that is about one thing, in bytes.
pub(crate) const MAX_BODY: usize = acteon_schemas::MAX_RECORD_BYTES;
/// Largest body of a request that is about many, in bytes.
pub(crate) const MAX_BATCH_BODY: usize = 16 * 1024 * 1024;

/// The bytes of a body of at most `LIMIT` bytes.
pub(crate) struct Body<const LIMIT: usize>(pub(crate) Bytes);

impl<const LIMIT: usize, S: Send + Sync> FromRequest<S> for Body<LIMIT> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if length.and_then(|text| text.parse::<u64>().ok()).is_some_and(|length| length > LIMIT as u64) {
            return Err(ApiError::too_large(LIMIT));
        }
        let body = Limited::new(request.into_body(), LIMIT).collect();
        match tokio::time::timeout(BODY_TIMEOUT, body).await {
            Ok(Ok(body)) => Ok(Self(body.to_bytes())),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::too_large(LIMIT)),
            Ok(Err(error)) => Err(ApiError::bad_request("INCOMPLETE_BODY", format!("the body broke off: {error}"))),
            Err(_) => {
                let message = format!("the body took longer than {} s", BODY_TIMEOUT.as_secs());
                Err(ApiError { retryable: true, ..ApiError::new(StatusCode::REQUEST_TIMEOUT, "TIMEOUT", message) })
            }
        }
    }
}

/// The JSON of a body of at most [`MAX_BODY`] bytes. An empty one is read as `{}`: what is missing is told by name.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Body(body) = Body::<MAX_BODY>::from_request(request, state).await?;
        let text: &[u8] = if body.trim_ascii().is_empty() { b"{}" } else { &body };
        check_depth(text).map_err(|error| ApiError::record(&error, text))?;
        serde_json::from_slice(text).map(Self).map_err(|error| ApiError::record(&error.into(), text))
    }
}
