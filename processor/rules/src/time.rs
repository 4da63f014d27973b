//! The `time.*` fields: the walk's time, in a rule's zone.

use std::fmt;

use chrono::{DateTime, Datelike, Timelike, Utc, Weekday};
use chrono_tz::Tz;

use crate::diagnostic::nearest;
use crate::path::PathError;
use crate::value::{FieldValue, Num};

/// One `time.*` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TimeField {
    Hour,
    Minute,
    Second,
    Day,
    Month,
    Year,
    Weekday,
    WeekdayNum,
    Timestamp,
}

const FIELDS: &[(&str, TimeField)] = &[
    ("hour", TimeField::Hour),
    ("minute", TimeField::Minute),
    ("second", TimeField::Second),
    ("day", TimeField::Day),
    ("month", TimeField::Month),
    ("year", TimeField::Year),
    ("weekday", TimeField::Weekday),
    ("weekday_num", TimeField::WeekdayNum),
    ("timestamp", TimeField::Timestamp),
];

impl TimeField {
    /// Parses `time.<field>`, or `now`, which is `time.timestamp`. `None` if it is neither.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, PathError>> {
        if text == "now" {
            return Some(Ok(Self::Timestamp));
        }
        let name = text.strip_prefix("time.")?;
        let found = FIELDS.iter().find(|(known, _)| *known == name);
        Some(found.map(|(_, field)| *field).ok_or_else(|| PathError {
            message: format!("unknown time field `{text}`"),
            suggestion: nearest(name, FIELDS.iter().map(|(known, _)| *known)).map(|near| format!("time.{near}")),
        }))
    }
}

impl fmt::Display for TimeField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FIELDS.iter().find(|(_, field)| field == self).map_or("", |(name, _)| name);
        write!(f, "time.{name}")
    }
}

/// The time of one walk. Converts to a zone when a rule first asks, and again when another
/// rule asks for another zone.
pub(crate) struct Clock {
    now_ms: i64,
    utc: Option<DateTime<Utc>>,
    local: Option<DateTime<Tz>>,
}

impl Clock {
    pub(crate) fn new(now_ms: i64) -> Self {
        Self { now_ms, utc: DateTime::from_timestamp_millis(now_ms), local: None }
    }

    /// Every field in a zone, by its name.
    pub(crate) fn fields(&mut self, zone: Tz) -> impl Iterator<Item = (&'static str, FieldValue<'static>)> {
        FIELDS.iter().map(move |(name, field)| (*name, self.read(*field, zone)))
    }

    /// A field in a zone; null for a time that no calendar has.
    pub(crate) fn read(&mut self, field: TimeField, zone: Tz) -> FieldValue<'static> {
        if field == TimeField::Timestamp {
            return FieldValue::Number(Num::Int(self.now_ms.div_euclid(1_000)));
        }
        if self.local.is_none_or(|local| local.timezone() != zone) {
            self.local = self.utc.map(|utc| utc.with_timezone(&zone));
        }
        let Some(local) = self.local else { return FieldValue::Null };
        FieldValue::Number(Num::Int(match field {
            TimeField::Hour => local.hour().into(),
            TimeField::Minute => local.minute().into(),
            TimeField::Second => local.second().into(),
            TimeField::Day => local.day().into(),
            TimeField::Month => local.month().into(),
            TimeField::Year => local.year().into(),
            TimeField::WeekdayNum => local.weekday().number_from_monday().into(),
            TimeField::Weekday => return FieldValue::Str(name(local.weekday())),
            TimeField::Timestamp => self.now_ms.div_euclid(1_000),
        }))
    }
}

fn name(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Mon => "Monday",
        Weekday::Tue => "Tuesday",
        Weekday::Wed => "Wednesday",
        Weekday::Thu => "Thursday",
        Weekday::Fri => "Friday",
        Weekday::Sat => "Saturday",
        Weekday::Sun => "Sunday",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    /// 2026-03-09 02:30:05.999 UTC, a Monday; in New York still Sunday, summer time.
    const NOW: i64 = 1_773_023_405_999;

    fn read(text: &str, zone: Tz) -> Value {
        let field = TimeField::parse(text).unwrap().unwrap();
        Clock::new(NOW).read(field, zone).to_value()
    }

    #[test]
    fn fields_are_those_of_the_zone() {
        let new_york = Tz::America__New_York;
        for (text, utc, local) in [
            ("time.hour", json!(2), json!(22)),
            ("time.minute", json!(30), json!(30)),
            ("time.second", json!(5), json!(5)),
            ("time.day", json!(9), json!(8)),
            ("time.month", json!(3), json!(3)),
            ("time.year", json!(2026), json!(2026)),
            ("time.weekday", json!("Monday"), json!("Sunday")),
            ("time.weekday_num", json!(1), json!(7)),
            ("time.timestamp", json!(1_773_023_405), json!(1_773_023_405)),
            ("now", json!(1_773_023_405), json!(1_773_023_405)),
        ] {
            assert_eq!(read(text, Tz::UTC), utc, "{text}");
            assert_eq!(read(text, new_york), local, "{text}");
        }
    }

    #[test]
    fn one_clock_serves_many_zones() {
        let mut clock = Clock::new(NOW);
        let mut hour = |zone| clock.read(TimeField::Hour, zone).to_value();
        assert_eq!(hour(Tz::UTC), json!(2));
        assert_eq!(hour(Tz::Asia__Kolkata), json!(8));
        assert_eq!(hour(Tz::UTC), json!(2));
    }

    #[test]
    fn a_time_beyond_the_calendar_is_null() {
        assert_eq!(Clock::new(i64::MAX).read(TimeField::Year, Tz::UTC), FieldValue::Null);
    }
}
