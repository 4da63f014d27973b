//! What comes back from a request, read within limits.

use super::guard;
use super::status::retry_after;
use crate::clock;
use crate::error::{causes, innermost};
use crate::provider::{Outcome, code};
use acteon_schemas::{ProviderResponse, ResponseStatus, check_depth};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;
use reqwest::StatusCode;
use reqwest::header::{HeaderName, RETRY_AFTER};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::pin::pin;
use std::time::Duration;

/// Longest response body that is read; a longer one is cut off and done without.
pub const MAX_RESPONSE_BYTES: usize = 256 * 1024;
/// Longest wait for the body once the status is there. A body that stalls is done without.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest value kept of a response header, in bytes.
const MAX_KEPT_HEADER_BYTES: usize = 256;
/// Response headers that the result keeps.
const KEPT_HEADERS: [&str; 3] = ["content-type", "x-request-id", "location"];

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A status came back, whatever it says.
    Response(Response),
    /// None came back.
    Failed(Failure),
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// The wait that a `Retry-After` header asks for.
    pub(crate) retry_after: Option<Duration>,
    /// Those headers that results keep.
    pub(crate) headers: BTreeMap<String, String>,
    /// Whether the body was cut off: too long, or too slow.
    pub(crate) is_cut: bool,
    /// The body, where it came whole and within its limits. That of an error may echo what was sent, secrets included.
    pub(crate) body: Option<Bytes>,
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection in time.
    TimedOut,
    /// No connection, or none that is trusted.
    NotConnected(String),
    /// The connection broke before the status came.
    Broken(String),
    /// There was nothing to send.
    Unsendable(String),
    /// The address is one that requests may not go to.
    Refused(String),
}

impl Response {
    /// The call was taken: what the receiver answered where that is JSON, and the status in its place otherwise.
    pub(crate) fn delivered(self) -> Outcome {
        let json = self
            .body
            .as_deref()
            .filter(|body| check_depth(body).is_ok())
            .and_then(|body| serde_json::from_slice::<Box<RawValue>>(body).ok());
        let body = match json {
            Some(body) => Ok(body),
            None => to_raw_value(&serde_json::json!({"status_code": self.status})),
        };
        match body {
            Ok(body) => Outcome::Delivered(ProviderResponse {
                status: ResponseStatus::Success,
                body: Cow::Owned(body),
                headers: self.headers,
            }),
            Err(error) => Outcome::reject(code::SERIALIZATION, error.to_string()),
        }
    }

    /// Says what the receiver answered; never with a part of the body.
    pub(crate) fn refusal(&self) -> String {
        let reason = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        format!("the receiver answered {} {}", self.status, reason.unwrap_or("unknown"))
    }
}

impl Failure {
    /// What is wrong with a request that could not be made. The URL, which may hold a secret, is left out.
    pub(super) fn unsendable(error: reqwest::Error) -> Self {
        Self::Unsendable(innermost(&error.without_url()).to_string())
    }

    /// Reads the error of a connection or an exchange; `is_connect` where there was no connection.
    pub(super) fn of(error: &(dyn Error + 'static), is_connect: bool) -> Self {
        let is_late = |error: &(dyn Error + 'static)| {
            error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
                || error.downcast_ref().is_some_and(reqwest::Error::is_timeout)
        };
        if let Some(refused) = guard::refusal(error) {
            Self::Refused(refused.to_string())
        } else if causes(error).any(is_late) {
            Self::TimedOut
        } else if is_connect {
            Self::NotConnected(innermost(error).to_string())
        } else {
            Self::Broken(innermost(error).to_string())
        }
    }

    /// What that means, for every provider alike.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::TimedOut => Outcome::retry(code::TIMEOUT, "no connection in time", None),
            Self::NotConnected(cause) => Outcome::retry(code::CONNECTION, format!("no connection: {cause}"), None),
            Self::Broken(cause) => Outcome::retry(code::CONNECTION, format!("the connection broke: {cause}"), None),
            Self::Unsendable(cause) => Outcome::reject(code::SERIALIZATION, cause),
            Self::Refused(why) => Outcome::reject(code::CONFIGURATION, format!("the address is refused: {why}")),
        }
    }
}

/// Reads a response within its limits.
pub(super) async fn read<B>(response: http::Response<B>) -> Answer
where
    B: Body<Data = Bytes>,
{
    let (head, body) = response.into_parts();
    let header = |name: &HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let retry_after = header(&RETRY_AFTER).and_then(|value| retry_after(value, clock::utc()));
    let headers = KEPT_HEADERS
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), header(&HeaderName::from_static(name))?.to_owned())))
        .filter(|(_, value)| value.len() <= MAX_KEPT_HEADER_BYTES)
        .collect();
    let read = tokio::time::timeout(BODY_TIMEOUT, read_body(body)).await;
    let is_cut = !matches!(read, Ok(Ok(Some(_)) | Err(_)));
    let body = read.ok().and_then(Result::ok).flatten();
    Answer::Response(Response { status: head.status.as_u16(), retry_after, headers, is_cut, body })
}

/// The body, or `None` where it is too long; an error where it breaks off. Of one that says how long it will be, nothing
/// is read when that is too long.
async fn read_body<B: Body<Data = Bytes>>(body: B) -> Result<Option<Bytes>, B::Error> {
    if body.size_hint().lower() > MAX_RESPONSE_BYTES as u64 {
        return Ok(None);
    }
    let mut body = pin!(body);
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame?.into_data() else { continue };
        if whole.len() + part.len() > MAX_RESPONSE_BYTES {
            return Ok(None);
        }
        whole.extend_from_slice(&part);
    }
    Ok(Some(whole.into()))
}
