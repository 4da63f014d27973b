//! The one shape of all errors.

use acteon_schemas::{DecodeError, DecodeErrorKind};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use utoipa::ToSchema;

/// Why a request was not carried out: status and body of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// Stable, for programs.
    pub(crate) code: Cow<'static, str>,
    /// What is wrong and what to do, for people.
    pub(crate) message: String,
    /// Whether the same request can succeed later.
    pub(crate) retryable: bool,
    /// After how many seconds.
    pub(crate) retry_after: Option<u64>,
    /// Everything that is wrong, where there is more than one thing to tell.
    pub(crate) details: Vec<String>,
}

/// What is said of a request that was not carried out. `error` and `message` are the same text: clients read the one or the
/// other.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiError)]
pub(crate) struct ErrorBody {
    /// What is wrong and what to do.
    error: String,
    /// Stable, for programs.
    code: Cow<'static, str>,
    /// As `error`.
    message: String,
    /// Whether the same request can succeed later.
    retryable: bool,
    /// After how many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after: Option<u64>,
    /// Everything that is wrong, one by one, where a definition was checked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    details: Vec<String>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            retryable: false,
            retry_after: None,
            details: Vec::new(),
        }
    }

    /// The request can't be read at all.
    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// It can be read, and asks for what can't be.
    pub(crate) fn unprocessable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// A definition that does not pass its checks, with everything that is wrong.
    pub(crate) fn invalid(details: Vec<String>) -> Self {
        let message = details.join("; ");
        Self { details, ..Self::unprocessable("INVALID_DEFINITION", message) }
    }

    /// The thread that worked on it has panicked.
    pub(crate) fn broke(what: &str, error: &tokio::task::JoinError) -> Self {
        tracing::error!(%error, "{what} failed");
        let message = format!("{what} failed; see the gateway's log");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message)
    }

    /// It is larger than `limit` bytes.
    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE", message)
    }

    /// Not now, but perhaps later.
    pub(crate) fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self { retryable: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message) }
    }

    /// A view has not read the log to its end yet.
    pub(crate) fn catching_up(message: String) -> Self {
        Self::unavailable("CATCHING_UP", message).retry_after(1)
    }

    /// The same with a time after which to try again, in seconds.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retryable = true;
        self.retry_after = Some(seconds);
        self
    }

    /// What is wrong with a record that a body holds; `text` is the body.
    pub(crate) fn record(error: &DecodeError, text: &[u8]) -> Self {
        let message = error.to_string();
        match &error.kind {
            DecodeErrorKind::TooLarge { limit, .. } => Self::too_large(*limit),
            DecodeErrorKind::Json { .. } if is_json(text) => Self::unprocessable("INVALID_BODY", message),
            DecodeErrorKind::Json { .. } | DecodeErrorKind::Empty | DecodeErrorKind::WrongMagicByte { .. } => {
                Self::bad_request(error.kind.code(), message)
            }
            DecodeErrorKind::TooDeep { .. } | DecodeErrorKind::Field { .. } => {
                Self::unprocessable(error.kind.code(), message)
            }
        }
    }

    /// A command that the processor refused with one of its codes.
    pub(crate) fn refused(code: &str, message: &str) -> Self {
        let status = match code {
            "NOT_FOUND" => StatusCode::NOT_FOUND,
            "CONFLICT" => StatusCode::CONFLICT,
            "GONE" => StatusCode::GONE,
            "FORBIDDEN" => StatusCode::FORBIDDEN,
            "LIMIT" => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, code.to_owned(), message)
    }

    /// As an entry of a batch's answer.
    pub(crate) fn item(&self) -> Value {
        json!({ "error": { "code": self.code, "message": self.message, "retryable": self.retryable } })
    }
}

/// Whether text is JSON of any shape.
fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: self.message.clone(),
            code: self.code,
            message: self.message,
            retryable: self.retryable,
            retry_after: self.retry_after,
            details: self.details,
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not read.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use acteon_schemas::Action;

    #[test]
    fn each_bad_record_has_its_status() {
        let fields = r#""namespace":"n","tenant":"t","provider":"p","action_type":"a""#;
        let deep = format!(r#"{{{fields},"payload":{}{}}}"#, "[".repeat(64), "]".repeat(64));
        let cases = [
            ("", 400, "EMPTY"),
            ("{", 400, "INVALID_JSON"),
            ("\u{7}x", 400, "WRONG_MAGIC_BYTE"),
            ("[1]", 422, "INVALID_BODY"),
            (r#"{"namespace":1}"#, 422, "INVALID_BODY"),
            (&format!(r#"{{{fields},"payload":{{}},"dedup_key":""}}"#), 422, "INVALID_FIELD"),
            (&deep, 422, "TOO_DEEP"),
        ];
        for (text, status, code) in cases {
            let error = ApiError::record(&Action::decode(text.as_bytes()).unwrap_err(), text.as_bytes());
            assert_eq!((error.status.as_u16(), &*error.code), (status, code), "{text}: {error:?}");
        }
    }

    #[test]
    fn each_refusal_of_a_command_has_its_status() {
        let cases = [
            ("NOT_FOUND", 404),
            ("CONFLICT", 409),
            ("GONE", 410),
            ("FORBIDDEN", 403),
            ("LIMIT", 429),
            ("INVALID", 422),
        ];
        for (code, status) in cases {
            assert_eq!(ApiError::refused(code, "m").status.as_u16(), status, "{code}");
        }
    }
}
