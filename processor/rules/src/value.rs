//! A value found at a field path, borrowed from the action.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

use crate::limits;

/// A JSON number, compared by value: `1` equals `1.0`.
#[derive(Debug, Clone, Copy)]
pub enum Num {
    /// A whole number that fits 64 signed bits.
    Int(i64),
    /// A whole number above `i64::MAX`.
    Uint(u64),
    /// Any other number; finite.
    Float(f64),
}

impl Num {
    /// Compares by value; whole numbers exactly, others as floating point.
    #[must_use]
    pub fn compare(self, other: Self) -> Option<Ordering> {
        match (self.whole(), other.whole()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => self.float().partial_cmp(&other.float()),
        }
    }

    /// The number, if it is whole.
    pub(crate) fn whole(self) -> Option<i128> {
        match self {
            Self::Int(n) => Some(n.into()),
            Self::Uint(n) => Some(n.into()),
            Self::Float(_) => None,
        }
    }

    /// The number as floating point.
    pub(crate) fn float(self) -> f64 {
        match self {
            Self::Int(n) => n as f64,
            Self::Uint(n) => n as f64,
            Self::Float(n) => n,
        }
    }
}

impl From<&serde_json::Number> for Num {
    fn from(number: &serde_json::Number) -> Self {
        if let Some(n) = number.as_i64() {
            Self::Int(n)
        } else if let Some(n) = number.as_u64() {
            Self::Uint(n)
        } else {
            Self::Float(number.as_f64().unwrap_or(f64::NAN))
        }
    }
}

impl PartialEq for Num {
    fn eq(&self, other: &Self) -> bool {
        self.compare(*other) == Some(Ordering::Equal)
    }
}

/// The value of a field of an action, or an argument of a function. A missing field is `Null`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue<'a> {
    /// Missing, or JSON null.
    Null,
    /// true or false.
    Bool(bool),
    /// A number.
    Number(Num),
    /// A string.
    Str(&'a str),
    /// A list.
    List(&'a [Value]),
    /// A map.
    Map(&'a Map<String, Value>),
}

impl<'a> FieldValue<'a> {
    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the field is missing or null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The kind of value, with its article: "a string".
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Str(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// JSON equality, numbers by value, at any depth.
    #[must_use]
    pub fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Self::List(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| FieldValue::from(a).equals(b))
            }
            (Self::Map(a), Value::Object(b)) => {
                let same = |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| FieldValue::from(a).equals(b));
                a.len() == b.len() && a.iter().all(same)
            }
            (Self::List(_) | Self::Map(_), _) | (_, Value::Array(_) | Value::Object(_)) => false,
            _ => *self == FieldValue::from(other),
        }
    }

    /// An owned copy that is short enough for a trace: a long string is cut, a long list or map
    /// is only described.
    pub(crate) fn excerpt(&self) -> Value {
        match self {
            Self::Str(text) if text.len() > limits::MAX_EXCERPT_BYTES => {
                let mut end = limits::MAX_EXCERPT_BYTES;
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                Value::from(format!("{}… ({} bytes)", &text[..end], text.len()))
            }
            Self::List(_) | Self::Map(_) => {
                let value = self.to_value();
                let bytes = value.to_string().len();
                if bytes > limits::MAX_EXCERPT_BYTES {
                    return Value::from(format!("{} of {bytes} bytes", self.kind()));
                }
                value
            }
            _ => self.to_value(),
        }
    }

    /// An owned copy.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(*b),
            Self::Number(Num::Int(n)) => Value::from(*n),
            Self::Number(Num::Uint(n)) => Value::from(*n),
            Self::Number(Num::Float(n)) => Value::from(*n),
            Self::Str(text) => Value::from(*text),
            Self::List(items) => Value::Array(items.to_vec()),
            Self::Map(map) => Value::Object((*map).clone()),
        }
    }
}

impl<'a> From<&'a Value> for FieldValue<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(*b),
            Value::Number(n) => Self::Number(n.into()),
            Value::String(text) => Self::Str(text),
            Value::Array(items) => Self::List(items),
            Value::Object(map) => Self::Map(map),
        }
    }
}

impl<'a> From<Option<&'a str>> for FieldValue<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Str)
    }
}

/// As compact JSON.
impl fmt::Display for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_compare_by_value_and_whole_ones_exactly() {
        for (a, b, expected) in [
            (json!(1), json!(1.0), Some(Ordering::Equal)),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64), Some(Ordering::Greater)),
            (json!(u64::MAX), json!(i64::MAX), Some(Ordering::Greater)),
            (json!(-1), json!(u64::MAX), Some(Ordering::Less)),
            (json!(1.5), json!(2), Some(Ordering::Less)),
        ] {
            let (FieldValue::Number(a), FieldValue::Number(b)) = ((&a).into(), (&b).into()) else {
                unreachable!("numbers only")
            };
            assert_eq!(a.compare(b), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn equality_is_json_equality() {
        for (a, b, expected) in [
            (json!(null), json!(null), true),
            (json!("1"), json!(1), false),
            (json!(true), json!(1), false),
            (json!([1, {"a": 2.0}]), json!([1.0, {"a": 2}]), true),
            (json!({"a": 1, "b": 2}), json!({"b": 2, "a": 1}), true),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
            (json!([1]), json!([1, 2]), false),
        ] {
            assert_eq!(FieldValue::from(&a).equals(&b), expected, "{a} {b}");
        }
    }

    #[test]
    fn an_excerpt_is_short() {
        let long = "é".repeat(1_000);
        assert_eq!(FieldValue::Str(&long).excerpt(), json!(format!("{}… (2000 bytes)", "é".repeat(128))));
        let list = json!(vec![1; 1_000]);
        assert_eq!(FieldValue::from(&list).excerpt(), json!("a list of 2001 bytes"));
        let short = json!({"a": [1, 2]});
        assert_eq!(FieldValue::from(&short).excerpt(), short);
    }
}
