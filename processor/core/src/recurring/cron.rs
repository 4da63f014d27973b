//! When a recurring action occurs.
//!
//! Five fields in an IANA zone. Where the clock is put forward, an occurrence at a fixed time (one hour, one minute) that
//! falls into the gap comes at the first moment after it, and one that recurs within the day is left out, as its local time
//! does not exist. Where the clock is put back, a fixed time comes once, at the earlier of its two moments, and what recurs
//! within the day goes on in even steps.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// Longest expression, in bytes.
const MAX_EXPRESSION_BYTES: usize = 256;
/// How many occurrences the least interval is looked for in.
const INTERVAL_SAMPLES: usize = 100;
/// The fields, as errors name them.
const FIELDS: [&str; 5] = ["minute", "hour", "day of month", "month", "day of week"];

/// An expression and the zone that it is read in.
#[derive(Debug)]
pub(super) struct Cadence {
    cron: Cron,
    zone: Tz,
}

impl Cadence {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong, with the field's name.
    pub(super) fn parse(expression: &str, timezone: Option<&str>) -> Result<Self, String> {
        let zone = timezone.unwrap_or("UTC");
        let zone: Tz = zone
            .parse()
            .map_err(|_| format!("`timezone`: unknown zone `{zone}`; expected an IANA zone such as `Europe/Berlin`"))?;
        if expression.len() > MAX_EXPRESSION_BYTES {
            let bytes = expression.len();
            return Err(format!("`cron_expression`: has {bytes} bytes; the limit is {MAX_EXPRESSION_BYTES}"));
        }
        let fields: Vec<&str> = expression.split_whitespace().collect();
        if fields.len() != FIELDS.len() {
            let (found, names) = (fields.len(), FIELDS.join(", "));
            return Err(format!("`cron_expression`: `{expression}` has {found} fields; expected five: {names}"));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        for (i, (field, name)) in fields.iter().zip(FIELDS).enumerate() {
            let mut alone = ["*"; 5];
            alone[i] = field;
            // On its own, so that the error can tell which one it is.
            parser.parse(&alone.join(" ")).map_err(|error| format!("`cron_expression`: {name} `{field}`: {error}"))?;
        }
        let cron = parser.parse(expression).map_err(|error| format!("`cron_expression`: `{expression}`: {error}"))?;
        Ok(Self { cron, zone })
    }

    /// The first occurrence after a moment; both in milliseconds since 1970. `None` where there is none any more.
    pub(super) fn after(&self, moment: i64) -> Option<i64> {
        // Seen from the whole second that it lies in: occurrences are at whole minutes.
        let from = self.local(moment.div_euclid(1000) * 1000)?;
        let next = self.cron.find_next_occurrence(&from, false).ok()?;
        Some(next.timestamp_millis())
    }

    /// The last occurrence at a moment or before it.
    pub(super) fn until(&self, moment: i64) -> Option<i64> {
        let from = self.local(moment.div_euclid(1000) * 1000)?;
        let last = self.cron.find_previous_occurrence(&from, true).ok()?;
        Some(last.timestamp_millis())
    }

    /// The least time between two of the next occurrences, in milliseconds.
    pub(super) fn least_interval(&self, now: i64) -> Option<i64> {
        let mut last = self.after(now)?;
        let mut least = None;
        for _ in 0..INTERVAL_SAMPLES {
            let Some(next) = self.after(last) else { break };
            least = Some(least.map_or(next - last, |least: i64| least.min(next - last)));
            last = next;
        }
        least
    }

    fn local(&self, moment: i64) -> Option<DateTime<Tz>> {
        Some(DateTime::<Utc>::from_timestamp_millis(moment)?.with_timezone(&self.zone))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::time::{parse_rfc3339, rfc3339};

    fn next(expression: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let cadence = Cadence::parse(expression, Some(zone)).unwrap();
        let mut moment = parse_rfc3339(from).unwrap();
        let mut found = Vec::new();
        for _ in 0..count {
            moment = cadence.after(moment).unwrap();
            assert_eq!(cadence.until(moment), Some(moment), "{expression} {zone} {}", rfc3339(moment));
            found.push(rfc3339(moment));
        }
        found
    }

    #[test]
    fn expressions_are_read_in_their_zone() {
        for (expression, zone, from, wanted) in [
            ("*/5 * * * *", "UTC", "2026-03-02T15:00:00Z", ["2026-03-02T15:05:00Z", "2026-03-02T15:10:00Z"]),
            ("*/5 * * * *", "UTC", "2026-03-02T15:04:59.999Z", ["2026-03-02T15:05:00Z", "2026-03-02T15:10:00Z"]),
            ("0 9 * * 1-5", "US/Eastern", "2026-03-06T14:00:00Z", ["2026-03-09T13:00:00Z", "2026-03-10T13:00:00Z"]),
            ("0 9 * * MON", "Asia/Kolkata", "2026-03-02T15:00:00Z", ["2026-03-09T03:30:00Z", "2026-03-16T03:30:00Z"]),
            ("30 0 1 JAN *", "UTC", "2026-03-02T15:00:00Z", ["2027-01-01T00:30:00Z", "2028-01-01T00:30:00Z"]),
            ("0 0 29 2 *", "UTC", "2026-03-02T15:00:00Z", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
            ("0 12 L * *", "UTC", "2026-03-02T15:00:00Z", ["2026-03-31T12:00:00Z", "2026-04-30T12:00:00Z"]),
        ] {
            assert_eq!(next(expression, zone, from, 2), wanted, "{expression} {zone}");
        }
    }

    #[test]
    fn the_clock_is_put_forward() {
        for (expression, zone, from, wanted) in [
            // 02:00 becomes 03:00: what was meant for 02:30 comes at once.
            ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
            (
                "30 2 * * *",
                "America/New_York",
                "2026-03-07T12:00:00Z",
                ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
            ),
            ("0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"]),
            ("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"]),
            (
                "30 1-4 * * *",
                "America/New_York",
                "2026-03-08T06:00:00Z",
                ["2026-03-08T06:30:00Z", "2026-03-08T07:30:00Z"],
            ),
        ] {
            assert_eq!(next(expression, zone, from, 2), wanted, "{expression} {zone}");
        }
    }

    #[test]
    fn the_clock_is_put_back() {
        for (expression, zone, from, wanted) in [
            // 03:00 becomes 02:00: 02:30 comes twice, and a fixed time once.
            ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
            (
                "30 1 * * *",
                "America/New_York",
                "2026-10-31T12:00:00Z",
                ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
            ),
            ("30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]),
            (
                "*/30 * * * *",
                "America/New_York",
                "2026-11-01T05:30:00Z",
                ["2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z"],
            ),
        ] {
            assert_eq!(next(expression, zone, from, 2), wanted, "{expression} {zone}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (expression, zone, wanted) in [
            ("60 * * * *", None, "minute `60`"),
            ("* 24 * * *", None, "hour `24`"),
            ("* * 32 * *", None, "day of month `32`"),
            ("* * * 13 *", None, "month `13`"),
            ("* * * * 9", None, "day of week `9`"),
            ("* * * * NODAY", None, "day of week `NODAY`"),
            ("*/0 * * * *", None, "minute `*/0`"),
            ("5-1 * * * *", None, "minute `5-1`"),
            ("* * * *", None, "has 4 fields; expected five: minute, hour"),
            ("0 * * * * *", None, "has 6 fields"),
            ("@daily", None, "has 1 fields"),
            ("", None, "has 0 fields"),
            ("* * * * *", Some("Europe/Bärlin"), "`timezone`: unknown zone `Europe/Bärlin`"),
            ("* * * * *", Some(""), "`timezone`"),
        ] {
            let error = Cadence::parse(expression, zone).unwrap_err();
            assert!(error.contains(wanted), "{expression}: {error}");
        }
        assert!(Cadence::parse(&format!("{} * * * *", "1,".repeat(200)), None).unwrap_err().contains("the limit is"));
    }

    #[test]
    fn what_never_comes_is_found_out() {
        let never = Cadence::parse("0 0 30 2 *", None).unwrap();
        assert_eq!(never.after(0), None);
        assert_eq!(never.least_interval(0), None);
    }

    #[test]
    fn the_least_interval_is_found() {
        for (expression, seconds) in
            [("*/5 * * * *", 300), ("0,1 3 * * *", 60), ("0 9 * * *", 86_400 - 3_600), ("0 0 1 * *", 28 * 86_400)]
        {
            let cadence = Cadence::parse(expression, Some("Europe/Berlin")).unwrap();
            assert_eq!(cadence.least_interval(1_772_463_600_000), Some(seconds * 1000), "{expression}");
        }
    }
}
