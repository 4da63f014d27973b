//! How HTTP answers are read, for all providers that speak it.

use crate::provider::code;
use chrono::{DateTime, Utc};
use std::time::Duration;

/// What a status code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 2xx, and nothing else.
    Delivered,
    /// It may work another time.
    Retry { code: &'static str },
    /// The same request will be answered the same.
    Reject { code: &'static str },
}

/// Reads a status code.
pub(crate) fn classify(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Delivered,
        408 => Verdict::Retry { code: code::TIMEOUT },
        429 => Verdict::Retry { code: code::RATE_LIMITED },
        425 | 500..=599 => Verdict::Retry { code: code::EXECUTION_FAILED },
        // Redirects are not followed.
        300..=399 => Verdict::Reject { code: code::CONFIGURATION },
        401 | 403 | 407 => Verdict::Reject { code: code::CREDENTIALS },
        400 | 413 | 415 | 422 => Verdict::Reject { code: code::VALIDATION },
        _ => Verdict::Reject { code: code::EXECUTION_FAILED },
    }
}

/// The wait that a `Retry-After` header asks for: seconds, or a date, which is compared with `now`. `None` where it is
/// neither; zero where the date has passed.
pub(crate) fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large for the type is a long wait, not a bad header.
        return Some(value.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    Some((date.with_timezone(&Utc) - now).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn status_codes() {
        let retry = |code| Verdict::Retry { code };
        let reject = Verdict::Reject { code: "EXECUTION_FAILED" };
        let moved = Verdict::Reject { code: "CONFIGURATION" };
        let denied = Verdict::Reject { code: "CREDENTIALS" };
        let invalid = Verdict::Reject { code: "VALIDATION" };
        let cases = [
            (200, Verdict::Delivered),
            (201, Verdict::Delivered),
            (202, Verdict::Delivered),
            (204, Verdict::Delivered),
            (299, Verdict::Delivered),
            (101, reject),
            (301, moved),
            (302, moved),
            (304, moved),
            (400, invalid),
            (401, denied),
            (403, denied),
            (404, reject),
            (409, reject),
            (410, reject),
            (413, invalid),
            (422, invalid),
            (408, retry("TIMEOUT")),
            (425, retry("EXECUTION_FAILED")),
            (429, retry("RATE_LIMITED")),
            (500, retry("EXECUTION_FAILED")),
            (502, retry("EXECUTION_FAILED")),
            (503, retry("EXECUTION_FAILED")),
            (504, retry("EXECUTION_FAILED")),
            (599, retry("EXECUTION_FAILED")),
            (600, reject),
        ];
        for (status, verdict) in cases {
            assert_eq!(classify(status), verdict, "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc3339("1994-11-06T08:49:07Z").unwrap().to_utc();
        let cases = [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ];
        for (value, seconds) in cases {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value:?}");
        }
        assert_eq!(retry_after("99999999999999999999999", now), Some(Duration::MAX));
    }
}
