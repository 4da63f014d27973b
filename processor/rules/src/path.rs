//! Field paths: parsed once, resolved without allocating.
//!
//! A path names a field of the action: `action.tenant`, `action.metadata.<label>` (a label may
//! hold dots), `action.payload.items[0].sku` (`items.0.sku` is the same). Conditions write the
//! `action.` prefix; key fields (`group_by`, `fingerprint_fields`, `key_fields`) may leave it out.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::diagnostic::nearest;
use crate::limits;
use crate::subject::Subject;
use crate::value::FieldValue;

/// Fields every action has or may have that are read by name.
const FIELDS: &[&str] = &[
    "id",
    "namespace",
    "tenant",
    "provider",
    "action_type",
    "dedup_key",
    "status",
    "fingerprint",
    "payload",
    "metadata",
];

/// Top-level fields of the wire format that an action carries beside [`FIELDS`].
const WIRE_FIELDS: &[&str] = &[
    "created_at",
    "starts_at",
    "ends_at",
    "dispatch_at",
    "template",
    "attachments",
    "trace_context",
    "signature",
    "signer_id",
    "kid",
];

/// One field of an action.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldPath {
    /// The path in its one canonical form, with `action.`.
    text: Box<str>,
    target: Target,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Id,
    Namespace,
    Tenant,
    Provider,
    ActionType,
    DedupKey,
    Status,
    Fingerprint,
    Payload(Box<[Segment]>),
    Metadata(Box<str>),
    Extra(Box<str>, Box<[Segment]>),
}

/// One step into a JSON value: a key of a map, or an index of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Segment {
    key: Box<str>,
    index: Option<usize>,
}

/// Why a path is no path, or an expression no expression.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PathError {
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
}

impl PathError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), suggestion: None }
    }
}

/// A parsed path, and the field it may have been meant to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) path: FieldPath,
    /// Set where the path reads an unknown top-level field whose name is close to a known one.
    pub(crate) doubt: Option<String>,
}

impl FieldPath {
    /// Parses a path that starts with `action.`.
    pub(crate) fn parse_action(text: &str) -> Result<Parsed, PathError> {
        let Some(rest) = text.strip_prefix("action.") else {
            return Err(unprefixed(text));
        };
        Self::parse_rest(rest)
    }

    /// Parses a path that may leave `action.` out.
    pub(crate) fn parse_key_field(text: &str) -> Result<Parsed, PathError> {
        if is_outside(text) {
            return Err(PathError::new(format!(
                "`{text}` is no field of the action: a key is made of action fields alone"
            )));
        }
        Self::parse_rest(text.strip_prefix("action.").unwrap_or(text))
    }

    /// Reads a key field as configurations name it: a path that may leave `action.` out.
    ///
    /// # Errors
    /// Why the text is no path of an action, for people.
    pub fn key_field(text: &str) -> Result<Self, String> {
        Self::parse_key_field(text).map(|parsed| parsed.path).map_err(|error| error.message)
    }

    fn parse_rest(rest: &str) -> Result<Parsed, PathError> {
        if rest.len() > limits::MAX_PATH_BYTES {
            return Err(PathError::new(format!(
                "field path of {} bytes; {} are allowed",
                rest.len(),
                limits::MAX_PATH_BYTES
            )));
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (head, tail) = rest.split_at(end);
        let mut doubt = None;
        let target = match (head, tail) {
            ("", _) => return Err(PathError::new("the path names no field")),
            ("payload", tail) => Target::Payload(segments(tail)?),
            ("metadata", tail) => Target::Metadata(label(tail)?),
            ("id", "") => Target::Id,
            ("namespace", "") => Target::Namespace,
            ("tenant", "") => Target::Tenant,
            ("provider", "") => Target::Provider,
            ("action_type", "") => Target::ActionType,
            ("dedup_key", "") => Target::DedupKey,
            ("status", "") => Target::Status,
            ("fingerprint", "") => Target::Fingerprint,
            (head, _) if FIELDS.contains(&head) => {
                return Err(PathError::new(format!("`action.{head}` is a string: nothing is below it")));
            }
            (head, tail) => {
                let segments = segments(tail)?;
                if !WIRE_FIELDS.contains(&head) {
                    let known = FIELDS.iter().chain(WIRE_FIELDS).copied();
                    doubt = nearest(head, known).map(|near| format!("action.{near}{tail}"));
                }
                Target::Extra(head.into(), segments)
            }
        };
        Ok(Parsed { path: Self { text: format!("action.{rest}").into(), target }, doubt })
    }

    /// The field's value in an action. A field that isn't there is null.
    #[must_use]
    pub fn read<'s>(&self, subject: &'s Subject<'_>) -> FieldValue<'s> {
        match &self.target {
            Target::Id => FieldValue::Str(subject.id),
            Target::Namespace => FieldValue::Str(subject.namespace),
            Target::Tenant => FieldValue::Str(subject.tenant),
            Target::Provider => FieldValue::Str(&subject.provider),
            Target::ActionType => FieldValue::Str(subject.action_type),
            Target::DedupKey => subject.dedup_key.into(),
            Target::Status => subject.status.into(),
            Target::Fingerprint => subject.fingerprint.into(),
            Target::Payload(segments) => descend(Some(&subject.payload), segments),
            Target::Metadata(label) => subject.metadata.get(&**label).map(String::as_str).into(),
            Target::Extra(name, segments) => descend(subject.extra.get(&**name), segments),
        }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The payload key this path starts at; the empty string for the whole payload.
    pub(crate) fn payload_root(&self) -> Option<&str> {
        match &self.target {
            Target::Payload(segments) => Some(segments.first().map_or("", |s| &s.key)),
            _ => None,
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

fn descend<'s>(root: Option<&'s Value>, segments: &[Segment]) -> FieldValue<'s> {
    let mut at = root;
    for segment in segments {
        at = match at {
            Some(Value::Object(map)) => map.get(&*segment.key),
            Some(Value::Array(items)) => segment.index.and_then(|i| items.get(i)),
            _ => None,
        };
    }
    at.map_or(FieldValue::Null, FieldValue::from)
}

/// Whether a path starts at something that is no action: the clock or the environment.
fn is_outside(text: &str) -> bool {
    let head = text.split('.').next().unwrap_or(text);
    matches!(head, "time" | "now" | "env" | "environment")
}

/// The error for a condition's path that starts with neither `action.` nor `time.`.
fn unprefixed(text: &str) -> PathError {
    let head = text.split(['.', '[']).next().unwrap_or(text);
    if matches!(head, "env" | "environment") {
        return PathError::new(format!(
            "`{text}`: rules cannot read the environment, because a decision must follow from \
             the action, the state and the time alone; use `action.metadata`"
        ));
    }
    let suggestion = if FIELDS.contains(&head) || WIRE_FIELDS.contains(&head) {
        Some(format!("action.{text}"))
    } else {
        nearest(head, ["action", "time"]).map(|near| format!("{near}{}", &text[head.len()..]))
    };
    PathError { message: format!("`{text}` is no field: a path starts with `action.` or `time.`"), suggestion }
}

/// A metadata label: everything behind `metadata.`, dots included.
fn label(tail: &str) -> Result<Box<str>, PathError> {
    match tail.strip_prefix('.') {
        Some(label) if !label.is_empty() => Ok(label.into()),
        _ => Err(PathError::new("name a label: `action.metadata.<label>`")),
    }
}

/// The steps of `.a.b[0].c`.
fn segments(tail: &str) -> Result<Box<[Segment]>, PathError> {
    let mut segments = Vec::new();
    let mut rest = tail;
    while !rest.is_empty() {
        let key;
        if let Some(inner) = rest.strip_prefix('[') {
            let Some((digits, after)) = inner.split_once(']') else {
                return Err(PathError::new("`[` without `]` in a field path"));
            };
            if digits.parse::<usize>().is_err() {
                return Err(PathError::new(format!("`[{digits}]` is no list index: write a number")));
            }
            (key, rest) = (digits, after);
        } else {
            let inner = rest
                .strip_prefix('.')
                .ok_or_else(|| PathError::new(format!("`{rest}` in a field path: write `.` before it")))?;
            (key, rest) = inner.split_at(inner.find(['.', '[']).unwrap_or(inner.len()));
        }
        if key.is_empty() {
            return Err(PathError::new("the path has an empty part"));
        }
        segments.push(Segment { key: key.into(), index: key.parse().ok() });
    }
    Ok(segments.into())
}

mod edit;

#[cfg(test)]
mod tests;
