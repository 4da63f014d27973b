//! The parameters of questions for audit records.

use super::cursor;
use crate::api::ApiError;
use crate::view::audit::{AuditFilter, AuditQuery, MAX_LIMIT, MAX_OFFSET};
use acteon_schemas::{MAX_DEDUP_KEY_BYTES, Outcome};
use chrono::DateTime;
use std::fmt::Display;

/// Longest value of a parameter, in bytes.
const MAX_VALUE_BYTES: usize = MAX_DEDUP_KEY_BYTES;
/// Parameters of a filter.
pub(crate) const FILTERS: [&str; 13] = [
    "namespace",
    "tenant",
    "provider",
    "action_type",
    "outcome",
    "verdict",
    "matched_rule",
    "caller_id",
    "chain_id",
    "signer_id",
    "kid",
    "from",
    "to",
];
/// Parameters of a page.
const PAGE: [&str; 3] = ["limit", "offset", "cursor"];
/// Outcomes that clients of other versions ask for and no record here has.
const OTHER_OUTCOMES: [&str; 4] = ["dry_run", "recurring_created", "pending", "chain_step_quota_exceeded"];

/// A query string's parameters, each known, once, and with a value.
#[derive(Debug)]
pub(crate) struct Given(Vec<(String, String)>);

impl Given {
    /// # Errors
    /// A parameter is not one of `known`, is there twice, or has no value or one that is too long.
    pub(crate) fn of(pairs: Vec<(String, String)>, known: &[&str]) -> Result<Self, ApiError> {
        for (number, (name, value)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(bad(name, format_args!("is no parameter here; there are {}", known.join(", "))));
            }
            if pairs.iter().take(number).any(|(other, _)| other == name) {
                return Err(bad(name, "is there twice"));
            }
            if value.is_empty() {
                return Err(bad(name, "has no value: leave it out, or give it one"));
            }
            if value.len() > MAX_VALUE_BYTES {
                return Err(bad(name, format_args!("has {} bytes; the limit is {MAX_VALUE_BYTES}", value.len())));
            }
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// A number up to `max`.
    pub(crate) fn number(&self, name: &str, max: u64) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse::<u64>() {
            Ok(number) if number <= max => Ok(Some(number)),
            _ => Err(bad(name, format_args!("is `{text}`; it must be a number from 0 to {max}"))),
        }
    }

    /// A time, in milliseconds since 1970.
    pub(crate) fn time(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        // A plus sign that was not escaped arrives as a space.
        match DateTime::parse_from_rfc3339(&text.replace(' ', "+")) {
            Ok(time) => Ok(Some(time.timestamp_millis())),
            Err(error) => Err(bad(name, format_args!("is `{text}`: {error}; write a time as in 2026-01-31T08:30:00Z"))),
        }
    }

    /// Which records are meant.
    pub(crate) fn filter(&self) -> Result<AuditFilter, ApiError> {
        let filter = AuditFilter {
            namespace: self.owned("namespace"),
            tenant: self.owned("tenant"),
            provider: self.owned("provider"),
            action_type: self.owned("action_type"),
            outcome: self.owned("outcome"),
            verdict: self.owned("verdict"),
            matched_rule: self.owned("matched_rule"),
            chain_id: self.owned("chain_id"),
            caller_id: self.owned("caller_id"),
            signer_id: self.owned("signer_id"),
            kid: self.owned("kid"),
            from: self.time("from")?,
            to: self.time("to")?,
        };
        if let Some(outcome) = &filter.outcome {
            let known = Outcome::ALL.map(Outcome::as_str);
            if !known.contains(&outcome.as_str()) && !OTHER_OUTCOMES.contains(&outcome.as_str()) {
                return Err(bad("outcome", format_args!("is `{outcome}`; there are {}", known.join(", "))));
            }
        }
        match (filter.from, filter.to) {
            (Some(from), Some(to)) if from > to => Err(bad("from", "is after `to`")),
            _ => Ok(filter),
        }
    }

    /// Which page of them.
    fn page(&self) -> Result<AuditQuery, ApiError> {
        let filter = self.filter()?;
        let limit = self.number("limit", u64::from(u32::MAX))?;
        if limit == Some(0) {
            return Err(bad("limit", format_args!("is 0; it must be from 1 to {MAX_LIMIT}")));
        }
        let offset = self.number("offset", MAX_OFFSET)?.unwrap_or(0);
        let after = self.text("cursor").map(|token| cursor::decode(token, &filter)).transpose();
        let after = after.map_err(|error| ApiError::bad_request("INVALID_CURSOR", error.to_string()))?;
        if after.is_some() && offset > 0 {
            return Err(bad("offset", "can't be together with `cursor`"));
        }
        let default = AuditQuery::default();
        // Clients ask for more than there may be in one answer: they get that, and are told.
        let limit = limit.map_or(default.limit, |limit| u32::try_from(limit).unwrap_or(u32::MAX).min(MAX_LIMIT));
        Ok(AuditQuery { filter, limit, offset, after, count: after.is_none() })
    }
}

/// Reads a question for a page.
pub(super) fn page(pairs: Vec<(String, String)>) -> Result<AuditQuery, ApiError> {
    let known: Vec<&str> = FILTERS.into_iter().chain(PAGE).collect();
    Given::of(pairs, &known)?.page()
}

/// What is wrong with a parameter.
pub(crate) fn bad(name: &str, problem: impl Display) -> ApiError {
    ApiError::bad_request("INVALID_QUERY", format!("`{name}` {problem}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::view::audit::{DEFAULT_LIMIT, Position};

    fn pairs(query: &str) -> Vec<(String, String)> {
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn each_parameter_is_taken() {
        let all = "namespace=n&tenant=t&provider=p&action_type=a&outcome=suppressed&verdict=deny&matched_rule=r%20s\
                   &caller_id=c&chain_id=ch&signer_id=s&kid=k&from=1970-01-01T00:00:01Z&to=1970-01-01T01:00:02%2B01:00\
                   &limit=7&offset=9";
        let filter = AuditFilter {
            namespace: some("n"),
            tenant: some("t"),
            provider: some("p"),
            action_type: some("a"),
            outcome: some("suppressed"),
            verdict: some("deny"),
            matched_rule: some("r s"),
            caller_id: some("c"),
            chain_id: some("ch"),
            signer_id: some("s"),
            kid: some("k"),
            from: Some(1_000),
            to: Some(2_000),
        };
        let expected = AuditQuery { filter, limit: 7, offset: 9, after: None, count: true };
        assert_eq!(page(pairs(all)).unwrap(), expected);
        assert_eq!(page(Vec::new()).unwrap(), AuditQuery::default());
        let cases = [
            ("limit=1000", 1000),
            ("limit=1001", 1000),
            ("limit=4294967295", 1000),
            ("limit=1", 1),
            ("offset=0", DEFAULT_LIMIT),
            ("outcome=dry_run", DEFAULT_LIMIT),
            ("to=2026-01-01T00:00:00+00:00", DEFAULT_LIMIT),
        ];
        for (query, limit) in cases {
            assert_eq!(page(pairs(query)).unwrap().limit, limit, "{query}");
        }
    }

    #[test]
    fn a_cursor_goes_on_with_its_question() {
        let filter = AuditFilter { tenant: some("t"), ..AuditFilter::default() };
        let position = Position { dispatched_at: 5, log_offset: 6, log_partition: 7 };
        let token = cursor::encode(position, &filter);
        let query = page(pairs(&format!("limit=3&cursor={token}&tenant=t&offset=0"))).unwrap();
        assert_eq!((query.after, query.count), (Some(position), false));
        for (query, code, part) in [
            (format!("cursor={token}"), "INVALID_CURSOR", "another question"),
            (format!("cursor={token}&tenant=u"), "INVALID_CURSOR", "another question"),
            (format!("cursor={token}x&tenant=t"), "INVALID_CURSOR", "not one"),
            (format!("cursor={token}&tenant=t&offset=1"), "INVALID_QUERY", "`offset`"),
        ] {
            let error = page(pairs(&query)).unwrap_err();
            assert_eq!((error.status.as_u16(), &*error.code), (400, code), "{query}: {error:?}");
            assert!(error.message.contains(part), "{query}: {error:?}");
        }
    }

    #[test]
    fn bad_parameters_are_named() {
        let long = format!("tenant={}", "x".repeat(MAX_VALUE_BYTES + 1));
        let cases = [
            ("tennant=t", "`tennant` is no parameter here; there are namespace, tenant,"),
            ("tenant=", "`tenant` has no value"),
            ("tenant=a&tenant=b", "`tenant` is there twice"),
            (&long, "`tenant` has 1025 bytes"),
            ("outcome=exploded", "`outcome` is `exploded`; there are dispatched,"),
            ("outcome=Executed", "`outcome` is `Executed`"),
            ("from=yesterday", "`from` is `yesterday`"),
            ("to=2026-13-01T00:00:00Z", "`to` is"),
            ("from=1768469400", "`from` is"),
            ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "`from` is after `to`"),
            ("limit=0", "`limit` is 0"),
            ("limit=-1", "`limit` is `-1`"),
            ("limit=ten", "`limit` is `ten`"),
            ("limit=1.5", "`limit` is `1.5`"),
            ("limit=99999999999999999999", "`limit` is"),
            ("offset=1000001", "`offset` is `1000001`"),
            ("offset=x", "`offset` is `x`"),
        ];
        for (query, part) in cases {
            let error = page(pairs(query)).unwrap_err();
            assert_eq!((error.status.as_u16(), &*error.code), (400, "INVALID_QUERY"), "{query}");
            assert!(error.message.contains(part), "{query}: {error:?}");
        }
    }
}
