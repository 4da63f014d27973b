//! Values of expressions, borrowed from the action where they can be.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::value::{FieldValue, Num};

/// A value while an expression is evaluated.
#[derive(Clone)]
pub(super) enum Val<'s> {
    Null,
    Bool(bool),
    Number(Num),
    Text(Cow<'s, str>),
    /// A list of the action.
    Json(&'s [Value]),
    /// A list made by the expression.
    List(Rc<[Val<'s>]>),
    /// A map of the action.
    Object(&'s Map<String, Value>),
    /// A map made by the expression.
    Map(Rc<[(Val<'s>, Val<'s>)]>),
    Metadata(&'s BTreeMap<String, String>),
    /// The action itself: a map that is never built.
    Action,
}

impl<'s> From<&'s Value> for Val<'s> {
    fn from(value: &'s Value) -> Self {
        FieldValue::from(value).into()
    }
}

impl<'s> From<FieldValue<'s>> for Val<'s> {
    fn from(value: FieldValue<'s>) -> Self {
        match value {
            FieldValue::Null => Self::Null,
            FieldValue::Bool(value) => Self::Bool(value),
            FieldValue::Number(number) => Self::Number(number),
            FieldValue::Str(text) => Self::Text(Cow::Borrowed(text)),
            FieldValue::List(items) => Self::Json(items),
            FieldValue::Map(map) => Self::Object(map),
        }
    }
}

impl<'s> Val<'s> {
    /// The kind of value, with its article.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Json(_) | Self::List(_) => "a list",
            Self::Object(_) | Self::Map(_) | Self::Metadata(_) | Self::Action => "a map",
        }
    }

    /// How many members a list or a map has; `None` for other values and for the action.
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Json(items) => Some(items.len()),
            Self::List(items) => Some(items.len()),
            Self::Object(map) => Some(map.len()),
            Self::Map(entries) => Some(entries.len()),
            Self::Metadata(labels) => Some(labels.len()),
            _ => None,
        }
    }

    /// A member of a list.
    pub(super) fn item(&self, index: usize) -> Option<Self> {
        match self {
            Self::Json(items) => items.get(index).map(Self::from),
            Self::List(items) => items.get(index).cloned(),
            _ => None,
        }
    }

    /// The members of a list, or the keys of a map, in order.
    pub(super) fn members(&self) -> Option<Box<dyn Iterator<Item = Self> + 's>> {
        match self {
            Self::Json(items) => Some(Box::new(items.iter().map(Self::from))),
            Self::List(items) => {
                let items = Rc::clone(items);
                Some(Box::new((0..items.len()).filter_map(move |index| items.get(index).cloned())))
            }
            Self::Object(map) => Some(Box::new(map.keys().map(|key| Self::Text(Cow::Borrowed(key))))),
            Self::Metadata(labels) => Some(Box::new(labels.keys().map(|key| Self::Text(Cow::Borrowed(key))))),
            Self::Map(entries) => {
                let entries = Rc::clone(entries);
                let keys = (0..entries.len()).filter_map(move |index| entries.get(index).map(|(key, _)| key.clone()));
                Some(Box::new(keys))
            }
            _ => None,
        }
    }

    /// The value of a map's key. The outer `None`: this is no such map.
    pub(super) fn entry(&self, key: &Val<'_>, spend: &mut impl FnMut(usize) -> bool) -> Option<Option<Self>> {
        match (self, key) {
            (Self::Object(map), Val::Text(key)) => Some(map.get(&**key).map(Self::from)),
            (Self::Metadata(labels), Val::Text(key)) => {
                Some(labels.get(&**key).map(|label| Self::Text(Cow::Borrowed(label))))
            }
            (Self::Object(_) | Self::Metadata(_), _) => Some(None),
            (Self::Map(entries), key) => {
                Some(entries.iter().find(|(known, _)| known.equals(key, spend)).map(|(_, value)| value.clone()))
            }
            _ => None,
        }
    }

    /// Equality of JSON, numbers by value; values of two kinds are unequal. `spend` is told of
    /// every comparison, and stops it by answering no.
    pub(super) fn equals(&self, other: &Val<'_>, spend: &mut impl FnMut(usize) -> bool) -> bool {
        let work = match (self, other) {
            (Self::Text(a), Val::Text(b)) => 1 + a.len().min(b.len()) / 64,
            _ => 1,
        };
        if !spend(work) {
            return false;
        }
        match (self, other) {
            (Self::Null, Val::Null) | (Self::Action, Val::Action) => true,
            (Self::Bool(a), Val::Bool(b)) => a == b,
            (Self::Number(a), Val::Number(b)) => a == b,
            (Self::Text(a), Val::Text(b)) => a == b,
            (Self::Json(_) | Self::List(_), Val::Json(_) | Val::List(_)) => {
                let same = |index| match (self.item(index), other.item(index)) {
                    (Some(a), Some(b)) => a.equals(&b, spend),
                    _ => false,
                };
                self.len() == other.len() && (0..self.len().unwrap_or_default()).all(same)
            }
            _ if self.len().is_some() && self.len() == other.len() => {
                let Some(mut keys) = self.members() else { return false };
                keys.all(|key| match (self.entry(&key, spend), other.entry(&key, spend)) {
                    (Some(Some(a)), Some(Some(b))) => a.equals(&b, spend),
                    _ => false,
                })
            }
            _ => false,
        }
    }

    /// The value as an argument of a function of state.
    pub(super) fn argument(&self) -> Option<FieldValue<'_>> {
        match self {
            Self::Null => Some(FieldValue::Null),
            Self::Bool(value) => Some(FieldValue::Bool(*value)),
            Self::Number(number) => Some(FieldValue::Number(*number)),
            Self::Text(text) => Some(FieldValue::Str(text)),
            Self::Json(items) => Some(FieldValue::List(items)),
            Self::Object(map) => Some(FieldValue::Map(map)),
            Self::List(_) | Self::Map(_) | Self::Metadata(_) | Self::Action => None,
        }
    }
}
