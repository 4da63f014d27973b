//! Moments as text.

use chrono::{DateTime, SecondsFormat, Utc};

/// A moment in milliseconds since 1970 as RFC 3339 text in UTC.
pub(crate) fn rfc3339(ms: i64) -> String {
    let moment = DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or(DateTime::<Utc>::MAX_UTC);
    moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Reads RFC 3339 text.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_go_through_text() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_500), "1970-01-01T00:00:01.500Z");
        assert_eq!(parse_rfc3339("2026-03-02T10:00:00-05:00"), Some(1_772_463_600_000));
        assert_eq!(parse_rfc3339("tomorrow"), None);
    }
}
