use serde::{Deserialize, Serialize};

/// A named part of time: a minute is in it where one of the ranges holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeIntervalDefinition {
    /// Its name, by which rules call it.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// IANA zone; UTC where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub location: Option<String>,
    /// The ranges.
    pub time_ranges: Vec<TimeRange>,
}

/// Holds where each of its lists is empty or has an entry that holds. Entries are as Alertmanager writes them:
/// `monday:friday`, `1:5`, `-3:-1`, `january:march`, `2026:2028`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeRange {
    /// Times of day.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub times: Vec<TimeOfDay>,
    /// Weekdays.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub weekdays: Vec<String>,
    /// Days of the month; negative ones count from its end.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub days_of_month: Vec<String>,
    /// Months.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub months: Vec<String>,
    /// Years.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub years: Vec<String>,
}

/// A part of a day, from `start` to before `end`, as `HH:MM`; `24:00` is its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeOfDay {
    /// First minute.
    #[serde(alias = "start_time")]
    pub start: String,
    /// The minute after the last one.
    #[serde(alias = "end_time")]
    pub end: String,
}
