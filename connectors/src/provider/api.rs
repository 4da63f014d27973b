//! What providers have in common that send one request to a vendor's HTTP API.

use super::http::{Answer, Response, Verdict, classify};
use super::payload::{Invalid, Keys};
use super::{Outcome, code};
use crate::error::Error;
use acteon_schemas::check_depth;
use serde_json::{Map, Value};
use url::Url;

/// Reads a configured URL.
///
/// # Errors
/// [`Error::Provider`] with `key`; the URL, which may hold a secret, is not shown.
pub(crate) fn endpoint(name: &str, key: &str, url: &str) -> Result<Url, Error> {
    let url =
        Url::parse(url).map_err(|error| Error::provider(name, key, format!("is not a URL: {error}; use https://")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(Error::provider(name, key, "is not a URL of a host; use https://"));
    }
    Ok(url)
}

/// A URL with further parts of a path.
///
/// # Errors
/// [`Error::Provider`] with `key`.
pub(crate) fn below(name: &str, key: &str, url: &str, parts: &[&str]) -> Result<Url, Error> {
    let mut url = endpoint(name, key, url)?;
    url.path_segments_mut()
        .map_err(|()| Error::provider(name, key, "is not a URL with a path; use https://"))?
        .pop_if_empty()
        .extend(parts);
    Ok(url)
}

/// Says what an answer means where the status tells of every failure; `accepted` reads what has a good one.
pub(crate) fn read(answer: Answer, accepted: impl FnOnce(Response) -> Outcome) -> Outcome {
    let response = match answer {
        Answer::Response(response) => response,
        Answer::Failed(failure) => return failure.outcome(),
    };
    match classify(response.status) {
        Verdict::Delivered => accepted(response),
        Verdict::Retry { code } => Outcome::retry(code, response.refusal(), response.retry_after),
        Verdict::Reject { code } => Outcome::reject(code, response.refusal()),
    }
}

/// The body of a response as JSON; null where it is none.
pub(crate) fn json(response: &Response) -> Value {
    let body = response.body.as_deref().filter(|body| check_depth(body).is_ok());
    body.and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default()
}

/// A call that an API has refused by a word of its own in a response whose status is good.
pub(crate) fn refused(verdict: Verdict, response: &Response, word: &str) -> Outcome {
    // The word is the vendor's; what else the body says may echo what was sent.
    let message = format!("the receiver answered `{}`", word.chars().take(64).collect::<String>());
    match verdict {
        Verdict::Delivered => Outcome::reject(code::EXECUTION_FAILED, message),
        Verdict::Retry { code } => Outcome::retry(code, message, response.retry_after),
        Verdict::Reject { code } => Outcome::reject(code, message),
    }
}

/// Members of a payload that go into a request as they are, those that are there, each of its type.
///
/// # Errors
/// One is of another type.
pub(crate) fn passed_on(keys: &Keys<'_>, members: &[(&'static str, Kind)]) -> Result<Map<String, Value>, Invalid> {
    let mut body = Map::new();
    for (key, kind) in members {
        let Some(value) = keys.read::<Value>(key, "must be JSON")? else { continue };
        if !kind.is(&value) {
            return Err(Invalid::new(key, format!("must be {}", kind.name())));
        }
        body.insert((*key).to_owned(), value);
    }
    Ok(body)
}

/// The type of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Flag,
    List,
    Object,
    TextOrNumber,
}

impl Kind {
    fn is(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Flag => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
            Self::TextOrNumber => value.is_string() || value.is_number(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Flag => "true or false",
            Self::List => "an array",
            Self::Object => "an object",
            Self::TextOrNumber => "a string or a number",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[test]
    fn urls_are_checked_and_extended() {
        for (url, below_it) in [
            ("https://api.example.com", "https://api.example.com/v2/a%20b"),
            ("https://api.example.com/", "https://api.example.com/v2/a%20b"),
            ("http://127.0.0.1:8080/base", "http://127.0.0.1:8080/base/v2/a%20b"),
        ] {
            assert_eq!(below("p", "api_url", url, &["v2", "a b"]).unwrap().as_str(), below_it);
        }
        for url in ["", "hunter2", "ftp://hunter2@h", "data:hunter2"] {
            let error = endpoint("p", "api_url", url).unwrap_err().to_string();
            assert!(error.contains("provider `p`: `api_url` is not a URL"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn members_are_passed_on_by_type() {
        let payload: Box<RawValue> = serde_json::from_str(r#"{"a": "x", "b": [1], "c": 1, "d": null}"#).unwrap();
        let keys = Keys::of(&payload).unwrap();
        let body = passed_on(&keys, &[("a", Kind::Text), ("b", Kind::List), ("d", Kind::Flag), ("e", Kind::Object)]);
        assert_eq!(Value::Object(body.unwrap()), serde_json::json!({"a": "x", "b": [1]}));
        for (key, kind) in [("a", Kind::Flag), ("b", Kind::TextOrNumber), ("c", Kind::Text), ("a", Kind::Object)] {
            let outcome = passed_on(&keys, &[(key, kind)]).unwrap_err().outcome();
            let Outcome::Reject(error) = outcome else { unreachable!() };
            assert!(error.code == "VALIDATION" && error.message.contains(kind.name()), "{}", error.message);
        }
    }
}
