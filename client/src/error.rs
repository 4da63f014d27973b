use serde::Deserialize;
use std::time::Duration;

/// Why a request was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none of an HTTP server.
    #[error("`{endpoint}` is not the address of a gateway such as http://127.0.0.1:8080: {problem}")]
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No HTTP client can be made.
    #[error("no HTTP client: {0}")]
    Setup(String),
    /// Nobody answered, or the answer broke off. What was sent may have been carried out.
    #[error("no answer from {endpoint}: {problem}")]
    Transport {
        /// Where it was sent.
        endpoint: String,
        /// What happened.
        problem: String,
    },
    /// The gateway refused.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The answer is not what it should be.
    #[error("the answer to {path} can't be read: {problem}")]
    Answer {
        /// What was asked.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

/// What a gateway says of a request that it does not carry out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code}, HTTP {status})")]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// Whether the same request can succeed later.
    pub retryable: bool,
    /// After what time.
    pub retry_after: Option<Duration>,
}

/// The body of a refusal, and of a batch's item without the rest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    error: serde_json::Value,
    code: String,
    message: String,
    retryable: Option<bool>,
    retry_after: Option<u64>,
}

impl ApiError {
    /// What an answer with this status says; a body that is not the gateway's own is a proxy's.
    pub(crate) fn of(status: u16, body: &[u8]) -> Self {
        let known: Body = serde_json::from_slice(body).unwrap_or_default();
        let text = |own: String, other: &str| if own.is_empty() { other.to_owned() } else { own };
        let error = known.error.as_str().unwrap_or("the gateway gives no reason").to_owned();
        Self {
            status,
            code: text(known.code, "UNKNOWN"),
            message: text(known.message, &error),
            retryable: known.retryable.unwrap_or(matches!(status, 429 | 502..=504)),
            retry_after: known.retry_after.map(Duration::from_secs),
        }
    }

    /// What is said of an item of a batch.
    pub(crate) fn of_item(error: &serde_json::Value) -> Self {
        let text = |field: &str| error[field].as_str().unwrap_or("UNKNOWN").to_owned();
        let (code, message) = (text("code"), text("message"));
        let retryable = error["retryable"].as_bool().unwrap_or(false);
        Self { status: 200, code, message, retryable, retry_after: None }
    }
}

impl Error {
    /// Whether the same request can succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport { .. } => true,
            Self::Api(error) => error.retryable,
            Self::Endpoint { .. } | Self::Setup(_) | Self::Answer { .. } => false,
        }
    }

    /// The time that the gateway asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api(error) => error.retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_whoever_wrote_them() {
        let own = br#"{"error":"m","code":"STARTING","message":"m","retryable":true,"retry_after":2}"#;
        let error = ApiError::of(503, own);
        assert_eq!(
            (error.code.as_str(), error.retryable, error.retry_after),
            ("STARTING", true, Some(Duration::from_secs(2)))
        );
        assert_eq!(error.to_string(), "m (STARTING, HTTP 503)");
        let older = ApiError::of(422, br#"{"error":"missing field"}"#);
        assert_eq!((older.message.as_str(), older.code.as_str(), older.retryable), ("missing field", "UNKNOWN", false));
        for (status, retryable) in [(502, true), (429, true), (500, false), (404, false)] {
            assert_eq!(ApiError::of(status, b"<html>").retryable, retryable, "{status}");
        }
    }
}
