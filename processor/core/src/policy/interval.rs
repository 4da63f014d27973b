//! Time intervals: named parts of time, as Alertmanager writes them.

use acteon_rules::Rule;
use acteon_schemas::{TimeIntervalDefinition, TimeOfDay, TimeRange};
use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use chrono_tz::Tz;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Most ranges of one interval.
const MAX_RANGES: usize = 100;
/// Most entries of one list in a range.
const MAX_ENTRIES: usize = 100;

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// All time intervals, by name.
#[derive(Debug, Default)]
pub(crate) struct Intervals(BTreeMap<String, Interval>);

/// One of them.
#[derive(Debug)]
struct Interval {
    zone: Tz,
    ranges: Vec<Range>,
}

/// Holds where each of its lists is empty or has an entry that holds.
#[derive(Debug)]
struct Range {
    /// Minutes of the day; the last one is part of it.
    minutes: Vec<RangeInclusive<i32>>,
    /// From Sunday, which is 0.
    weekdays: Vec<RangeInclusive<i32>>,
    /// Negative ones count from the month's end.
    days_of_month: Vec<RangeInclusive<i32>>,
    months: Vec<RangeInclusive<i32>>,
    years: Vec<RangeInclusive<i32>>,
}

/// Why the intervals let no action pass that a rule decided about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Muting<'r> {
    pub(crate) interval: Cow<'r, str>,
    /// As in the outcome: `mute_time_interval` or `active_time_interval`.
    pub(crate) reason: &'static str,
}

impl Intervals {
    /// Compiles all intervals.
    ///
    /// # Errors
    /// The name of the interval that is wrong, and what is.
    pub(crate) fn compile(definitions: &[TimeIntervalDefinition]) -> Result<Self, (String, String)> {
        let mut intervals = BTreeMap::new();
        for definition in definitions {
            let named = |problem| (definition.name.clone(), problem);
            let interval = compile(definition).map_err(named)?;
            if intervals.insert(definition.name.clone(), interval).is_some() {
                return Err(named("another interval has this name".to_owned()));
            }
        }
        Ok(Self(intervals))
    }

    /// What mutes the actions of a rule at a time. Of a name that both have, the tenant's `own` interval counts; one that
    /// neither has is as if the rule did not name it.
    pub(crate) fn muting<'r>(&self, rule: &'r Rule, own: &[TimeIntervalDefinition], now: i64) -> Option<Muting<'r>> {
        let holds = |name: &String| match own.iter().find(|interval| interval.name == *name) {
            // It was checked when it was set.
            Some(own) => compile(own).ok().map(|interval| interval.holds(now)),
            None => self.0.get(name).map(|interval| interval.holds(now)),
        };
        if let Some(name) = rule.mute_time_intervals.iter().find(|name| holds(name) == Some(true)) {
            return Some(Muting { interval: Cow::Borrowed(name), reason: "mute_time_interval" });
        }
        let mut missed = Vec::new();
        for name in &rule.active_time_intervals {
            match holds(name) {
                Some(true) => return None,
                Some(false) => missed.push(name.as_str()),
                None => {}
            }
        }
        let interval = match missed[..] {
            [] => return None,
            [only] => Cow::Borrowed(only),
            _ => Cow::Owned(missed.join(", ")),
        };
        Some(Muting { interval, reason: "active_time_interval" })
    }
}

impl Interval {
    fn holds(&self, now: i64) -> bool {
        let Some(moment) = DateTime::from_timestamp_millis(now) else { return false };
        let local = moment.with_timezone(&self.zone);
        self.ranges.iter().any(|range| range.holds(&local))
    }
}

impl Range {
    fn holds(&self, local: &DateTime<Tz>) -> bool {
        let among = |ranges: &[RangeInclusive<i32>], value: u32| {
            let value = i32::try_from(value).unwrap_or(i32::MAX);
            ranges.is_empty() || ranges.iter().any(|range| range.contains(&value))
        };
        among(&self.minutes, local.hour() * 60 + local.minute())
            && among(&self.weekdays, local.weekday().num_days_from_sunday())
            && among(&self.months, local.month())
            && (self.years.is_empty() || self.years.iter().any(|range| range.contains(&local.year())))
            && (self.days_of_month.is_empty() || self.days_of_month.iter().any(|range| day_holds(range, local)))
    }
}

/// Whether a range of days holds in the month of a moment; days beyond its length are cut off.
fn day_holds(range: &RangeInclusive<i32>, local: &DateTime<Tz>) -> bool {
    let length = days_in_month(local.year(), local.month());
    let day = i32::try_from(local.day()).unwrap_or(0);
    let from_start = |day: i32| if day < 0 { length + 1 + day } else { day };
    (from_start(*range.start())..=from_start(*range.end())).contains(&day)
}

fn days_in_month(year: i32, month: u32) -> i32 {
    let (year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let last = NaiveDate::from_ymd_opt(year, next, 1).and_then(|first| first.pred_opt());
    last.map_or(31, |last| i32::try_from(last.day()).unwrap_or(31))
}

/// What is wrong with an interval.
pub(super) fn check(definition: &TimeIntervalDefinition) -> Result<(), String> {
    compile(definition).map(drop)
}

fn compile(definition: &TimeIntervalDefinition) -> Result<Interval, String> {
    let zone = match &definition.location {
        None => Tz::UTC,
        Some(name) => name
            .parse()
            .map_err(|_| format!("`location`: `{name}` is no time zone; write an IANA name such as `Europe/Berlin`"))?,
    };
    if definition.time_ranges.is_empty() || definition.time_ranges.len() > MAX_RANGES {
        return Err(format!("`time_ranges` has {} entries; give 1 to {MAX_RANGES}", definition.time_ranges.len()));
    }
    let ranges = definition.time_ranges.iter().map(compile_range).collect::<Result<_, _>>()?;
    Ok(Interval { zone, ranges })
}

fn compile_range(range: &TimeRange) -> Result<Range, String> {
    if range.times.len() > MAX_ENTRIES {
        return Err(format!("`times` has {} entries; {MAX_ENTRIES} are allowed", range.times.len()));
    }
    Ok(Range {
        minutes: range.times.iter().map(minutes).collect::<Result<_, _>>()?,
        weekdays: entries("weekdays", &range.weekdays, |text| named(text, &WEEKDAYS, 0))?,
        days_of_month: entries("days_of_month", &range.days_of_month, |text| {
            text.parse().ok().filter(|day| (1..=31).contains(day) || (-31..=-1).contains(day))
        })?,
        months: entries("months", &range.months, |text| {
            named(text, &MONTHS, 1).or_else(|| text.parse().ok().filter(|month| (1..=12).contains(month)))
        })?,
        years: entries("years", &range.years, |text| text.parse().ok().filter(|year| (1970..=9999).contains(year)))?,
    })
}

fn named(text: &str, names: &[&str], first: i32) -> Option<i32> {
    let position = names.iter().position(|name| name.eq_ignore_ascii_case(text))?;
    i32::try_from(position).ok().map(|position| position + first)
}

/// Reads the entries of a list: `value`, or `first:last`.
fn entries(
    list: &str,
    texts: &[String],
    value: impl Fn(&str) -> Option<i32>,
) -> Result<Vec<RangeInclusive<i32>>, String> {
    if texts.len() > MAX_ENTRIES {
        return Err(format!("`{list}` has {} entries; {MAX_ENTRIES} are allowed", texts.len()));
    }
    let expected = match list {
        "weekdays" => "a weekday such as `monday`, or a range such as `monday:friday`",
        "days_of_month" => {
            "a day from 1 to 31 or, from the month's end, -1 to -31, or a range such as `1:15` or `-3:-1`"
        }
        "months" => "a month such as `january` or `1`, or a range such as `june:august`",
        _ => "a year such as `2026`, or a range such as `2026:2028`",
    };
    let read = |text: &String| {
        let wrong = || format!("`{list}`: `{text}` is not {expected}");
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        let first = value(first.trim()).ok_or_else(wrong)?;
        let last = value(last.trim()).ok_or_else(wrong)?;
        // Whether `10:-5` is a range depends on the month; `-5:10` never is one.
        let backwards = if first > 0 && last < 0 { false } else { first > last || (first < 0 && last > 0) };
        if backwards {
            return Err(format!("`{list}`: `{text}` ends before it begins; write two ranges instead"));
        }
        Ok(first..=last)
    };
    texts.iter().map(read).collect()
}

fn minutes(time: &TimeOfDay) -> Result<RangeInclusive<i32>, String> {
    let (start, end) = (minute(&time.start)?, minute(&time.end)?);
    if start >= end {
        return Err(format!(
            "`times`: {} to {} ends before it begins; for a time over midnight write two, the first until 24:00",
            time.start, time.end
        ));
    }
    Ok(start..=end - 1)
}

fn minute(text: &str) -> Result<i32, String> {
    let two =
        |text: &str| text.parse::<i32>().ok().filter(|_| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()));
    let read = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        let (hours, minutes) = (two(hours)?, two(minutes)?);
        let total = hours * 60 + minutes;
        (minutes < 60 && total <= 24 * 60).then_some(total)
    };
    read(text).ok_or_else(|| format!("`times`: `{text}` is not a time from 00:00 to 24:00"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::time::parse_rfc3339;
    use serde_json::{Value, json};

    fn interval(location: Option<&str>, ranges: &Value) -> Result<Interval, String> {
        let definition = json!({"name": "i", "location": location, "time_ranges": ranges});
        compile(&serde_json::from_value(definition).unwrap())
    }

    #[test]
    fn moments_are_in_or_out() {
        let office = json!([{"weekdays": ["monday:friday"], "times": [{"start": "09:00", "end": "17:00"}]}]);
        let month_end = json!([{"days_of_month": ["-3:-1"]}]);
        let rest = json!([{"days_of_month": ["20:-5"]}]);
        let summer = json!([{"months": ["june:august", "12"], "years": ["2026:2027"]}]);
        let night = json!([{"times": [{"start": "22:00", "end": "24:00"}, {"start": "00:00", "end": "06:00"}]}]);
        let new_york = Some("America/New_York");
        for (location, ranges, at, expected) in [
            (None, &office, "2026-03-02T09:00:00Z", true),
            (None, &office, "2026-03-02T08:59:59.999Z", false),
            (None, &office, "2026-03-02T16:59:59.999Z", true),
            (None, &office, "2026-03-02T17:00:00Z", false),
            (None, &office, "2026-03-01T10:00:00Z", false),
            (new_york, &office, "2026-03-02T13:59:00Z", false),
            (new_york, &office, "2026-03-02T14:00:00Z", true),
            // Summer time begins on 8 March: nine in New York is an hour earlier in UTC.
            (new_york, &office, "2026-03-09T13:00:00Z", true),
            (None, &month_end, "2026-02-26T00:00:00Z", true),
            (None, &month_end, "2026-02-25T23:59:00Z", false),
            (None, &month_end, "2028-02-26T12:00:00Z", false),
            (None, &month_end, "2028-02-29T12:00:00Z", true),
            (None, &rest, "2026-02-24T12:00:00Z", true),
            (None, &rest, "2026-02-25T12:00:00Z", false),
            (None, &summer, "2026-07-01T00:00:00Z", true),
            (None, &summer, "2027-12-01T00:00:00Z", true),
            (None, &summer, "2028-07-01T00:00:00Z", false),
            (None, &summer, "2026-09-01T00:00:00Z", false),
            (None, &night, "2026-09-01T23:59:00Z", true),
            (None, &night, "2026-09-01T06:00:00Z", false),
        ] {
            let interval = interval(location, ranges).unwrap();
            assert_eq!(interval.holds(parse_rfc3339(at).unwrap()), expected, "{ranges} {at}");
        }
    }

    #[test]
    fn bad_values_are_named() {
        for (ranges, part) in [
            (json!([]), "`time_ranges` has 0 entries"),
            (json!([{"weekdays": ["mon"]}]), "`weekdays`: `mon` is not a weekday"),
            (json!([{"weekdays": ["friday:monday"]}]), "`friday:monday` ends before it begins"),
            (json!([{"days_of_month": ["0"]}]), "`days_of_month`: `0` is not a day"),
            (json!([{"days_of_month": ["1:32"]}]), "`1:32`"),
            (json!([{"days_of_month": ["-1:-3"]}]), "ends before it begins"),
            (json!([{"days_of_month": ["-3:1"]}]), "ends before it begins"),
            (json!([{"months": ["13"]}]), "`months`: `13`"),
            (json!([{"years": ["26"]}]), "`years`: `26`"),
            (json!([{"times": [{"start": "9:00", "end": "10:00"}]}]), "`9:00` is not a time"),
            (json!([{"times": [{"start": "+9:00", "end": "10:00"}]}]), "`+9:00` is not a time"),
            (json!([{"times": [{"start": "00:00", "end": "24:01"}]}]), "`24:01` is not a time"),
            (json!([{"times": [{"start": "22:00", "end": "06:00"}]}]), "22:00 to 06:00 ends before it begins"),
        ] {
            let error = interval(None, &ranges).unwrap_err();
            assert!(error.contains(part), "{ranges}: {error}");
        }
        assert!(interval(Some("Mars/Base"), &json!([{}])).unwrap_err().contains("`Mars/Base` is no time zone"));
        let twice: TimeIntervalDefinition = serde_json::from_value(json!({"name": "i", "time_ranges": [{}]})).unwrap();
        assert_eq!(Intervals::compile(&[twice.clone(), twice]).unwrap_err().0, "i");
    }
}
