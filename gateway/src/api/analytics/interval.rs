use chrono::{DateTime, Datelike as _, NaiveDate};
use serde::Serialize;
use utoipa::ToSchema;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A Monday, in milliseconds since 1970.
const MONDAY_MS: i64 = 4 * DAY_MS;

/// How long a stretch of time is, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Interval {
    Hourly,
    Daily,
    /// From Monday on.
    Weekly,
    Monthly,
}

impl Interval {
    pub(super) const NAMES: [(&'static str, Self); 4] =
        [("hourly", Self::Hourly), ("daily", Self::Daily), ("weekly", Self::Weekly), ("monthly", Self::Monthly)];

    /// The length of what is counted, and where it may begin: months are put together from days.
    pub(super) fn stretch(self) -> (i64, i64) {
        match self {
            Self::Hourly => (HOUR_MS, 0),
            Self::Daily | Self::Monthly => (DAY_MS, 0),
            Self::Weekly => (7 * DAY_MS, MONDAY_MS),
        }
    }

    /// When the stretch begins that a counted one belongs to.
    pub(super) fn start(self, counted: i64) -> i64 {
        if self != Self::Monthly {
            return counted;
        }
        let first = DateTime::from_timestamp_millis(counted)
            .and_then(|day| NaiveDate::from_ymd_opt(day.year(), day.month(), 1))
            .and_then(|day| day.and_hms_opt(0, 0, 0));
        first.map_or(counted, |first| first.and_utc().timestamp_millis())
    }

    /// What is looked at where nothing is said, in milliseconds.
    pub(super) fn usual_span(self) -> i64 {
        match self {
            Self::Hourly => DAY_MS,
            Self::Daily => 30 * DAY_MS,
            Self::Weekly => 26 * 7 * DAY_MS,
            Self::Monthly => 366 * DAY_MS,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn stretches_begin_where_people_expect() {
        let ms = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        let cases = [
            (Interval::Hourly, "2026-02-18T13:59:59Z", "2026-02-18T13:00:00Z"),
            (Interval::Daily, "2026-02-18T23:59:59Z", "2026-02-18T00:00:00Z"),
            (Interval::Weekly, "2026-02-15T23:59:59Z", "2026-02-09T00:00:00Z"),
            (Interval::Weekly, "2026-02-16T00:00:00Z", "2026-02-16T00:00:00Z"),
            (Interval::Monthly, "2026-02-28T23:59:59Z", "2026-02-01T00:00:00Z"),
            (Interval::Monthly, "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            (Interval::Monthly, "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z"),
        ];
        for (interval, at, start) in cases {
            let (width, origin) = interval.stretch();
            let counted = origin + (ms(at) - origin) / width * width;
            assert_eq!(interval.start(counted), ms(start), "{interval:?} {at}");
        }
    }
}
