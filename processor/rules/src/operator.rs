//! Operators: what each does with each type of value.

use std::cmp::Ordering;
use std::fmt;

use regex::Regex;
use rustc_hash::FxHashSet;
use serde_json::Value;

use crate::value::FieldValue;

/// Members of an `in_list` shown to people.
const SHOWN_MEMBERS: usize = 8;
/// From this many strings on, `in_list` hashes instead of comparing one by one.
const HASH_FROM: usize = 9;

/// A compiled operator with its operand.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Eq(Value),
    Ne(Value),
    Compare(Comparison, Value),
    Contains(Value),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Matches(Regex),
    InList(List),
    Exists(bool),
    /// The value is `true`: a function without an operator.
    True,
}

/// An ordering operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Gt,
    Gte,
    Lt,
    Lte,
}

/// What a test says about a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Match,
    NoMatch,
    /// No match, because the value is of a type that the operator cannot compare.
    Mismatch,
}

impl From<bool> for Outcome {
    fn from(holds: bool) -> Self {
        if holds { Self::Match } else { Self::NoMatch }
    }
}

/// The members of an `in_list`.
#[derive(Debug, Clone)]
pub(crate) struct List {
    members: Vec<Value>,
    /// The string members, where there are many.
    strings: FxHashSet<Box<str>>,
}

impl List {
    pub(crate) fn new(members: Vec<Value>) -> Self {
        let strings = members.iter().filter_map(Value::as_str);
        let strings =
            if strings.clone().count() < HASH_FROM { FxHashSet::default() } else { strings.map(Box::from).collect() };
        Self { members, strings }
    }

    /// The members.
    pub(crate) fn members(&self) -> &[Value] {
        &self.members
    }

    fn check(&self, found: &FieldValue<'_>) -> Outcome {
        let holds = match found {
            FieldValue::Str(text) if !self.strings.is_empty() => self.strings.contains(*text),
            found => self.members.iter().any(|member| found.equals(member)),
        };
        let comparable = |member| same_kind(found, &FieldValue::from(member));
        if holds || found.is_null() || self.members.iter().any(comparable) { holds.into() } else { Outcome::Mismatch }
    }
}

impl Test {
    /// Tests a value. A missing field is null: `ne` and `exists: false` match it, and `eq: null`
    /// does; nothing else.
    pub(crate) fn check(&self, found: &FieldValue<'_>) -> Outcome {
        match self {
            Self::Eq(wanted) => equal(found, wanted),
            Self::Ne(wanted) => (!found.equals(wanted)).into(),
            Self::Exists(wanted) => (found.is_null() != *wanted).into(),
            Self::InList(list) => list.check(found),
            _ if found.is_null() => Outcome::NoMatch,
            Self::Compare(comparison, wanted) => compare(*comparison, found, wanted),
            Self::Contains(wanted) => contains(found, wanted),
            Self::StartsWith(start) => on_string(found, |text| text.starts_with(&**start)),
            Self::EndsWith(end) => on_string(found, |text| text.ends_with(&**end)),
            Self::Matches(regex) => on_string(found, |text| regex.is_match(text)),
            Self::True => match found {
                FieldValue::Bool(value) => (*value).into(),
                _ => Outcome::Mismatch,
            },
        }
    }

    /// The types of value that the operator can compare.
    pub(crate) fn expects(&self) -> &'static str {
        match self {
            Self::Eq(wanted) | Self::Ne(wanted) | Self::Compare(_, wanted) => FieldValue::from(wanted).kind(),
            Self::Contains(Value::String(_)) => "a string or a list",
            Self::Contains(_) => "a list",
            Self::StartsWith(_) | Self::EndsWith(_) | Self::Matches(_) => "a string",
            Self::InList(_) => "a value of a type in the list",
            Self::Exists(_) => "any value",
            Self::True => "a boolean",
        }
    }
}

fn same_kind(a: &FieldValue<'_>, b: &FieldValue<'_>) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

fn equal(found: &FieldValue<'_>, wanted: &Value) -> Outcome {
    if let (FieldValue::Str(found), Value::String(wanted)) = (found, wanted) {
        return (*found == wanted).into();
    }
    let comparable = found.is_null() || wanted.is_null() || same_kind(found, &FieldValue::from(wanted));
    if comparable { found.equals(wanted).into() } else { Outcome::Mismatch }
}

fn compare(comparison: Comparison, found: &FieldValue<'_>, wanted: &Value) -> Outcome {
    let ordering = match (found, FieldValue::from(wanted)) {
        (FieldValue::Number(a), FieldValue::Number(b)) => a.compare(b),
        (FieldValue::Str(a), FieldValue::Str(b)) => Some((*a).cmp(b)),
        _ => return Outcome::Mismatch,
    };
    let holds = match comparison {
        Comparison::Gt => ordering.is_some_and(Ordering::is_gt),
        Comparison::Gte => ordering.is_some_and(Ordering::is_ge),
        Comparison::Lt => ordering.is_some_and(Ordering::is_lt),
        Comparison::Lte => ordering.is_some_and(Ordering::is_le),
    };
    holds.into()
}

fn contains(found: &FieldValue<'_>, wanted: &Value) -> Outcome {
    match (found, wanted) {
        (FieldValue::Str(text), Value::String(part)) => text.contains(part.as_str()).into(),
        (FieldValue::List(items), wanted) => items.iter().any(|item| FieldValue::from(item).equals(wanted)).into(),
        _ => Outcome::Mismatch,
    }
}

fn on_string(found: &FieldValue<'_>, holds: impl Fn(&str) -> bool) -> Outcome {
    found.as_str().map_or(Outcome::Mismatch, |text| holds(text).into())
}

/// As in a rule file: `gt 85`. `{:#}` shows every member of a list, else only the first few.
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eq(wanted) => write!(f, "eq {wanted}"),
            Self::Ne(wanted) => write!(f, "ne {wanted}"),
            Self::Compare(Comparison::Gt, wanted) => write!(f, "gt {wanted}"),
            Self::Compare(Comparison::Gte, wanted) => write!(f, "gte {wanted}"),
            Self::Compare(Comparison::Lt, wanted) => write!(f, "lt {wanted}"),
            Self::Compare(Comparison::Lte, wanted) => write!(f, "lte {wanted}"),
            Self::Contains(wanted) => write!(f, "contains {wanted}"),
            Self::StartsWith(start) => write!(f, "starts_with {start:?}"),
            Self::EndsWith(end) => write!(f, "ends_with {end:?}"),
            Self::Matches(regex) => write!(f, "matches {:?}", regex.as_str()),
            Self::Exists(wanted) => write!(f, "exists {wanted}"),
            Self::True => f.write_str("is true"),
            Self::InList(list) => {
                let shown = if f.alternate() { usize::MAX } else { SHOWN_MEMBERS };
                f.write_str("in_list [")?;
                for (i, member) in list.members.iter().take(shown).enumerate() {
                    write!(f, "{}{member}", if i > 0 { "," } else { "" })?;
                }
                let left = list.members.len().saturating_sub(shown);
                if left > 0 {
                    write!(f, ", and {left} more")?;
                }
                f.write_str("]")
            }
        }
    }
}

#[cfg(test)]
mod tests;
