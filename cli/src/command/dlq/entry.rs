//! A dead letter as the list shows it: everything but its value, which may be large.

use crate::command::tail::dead_letter;
use acteon_schemas::{DeadLetterHolds, Resolution};
use chrono::DateTime;
use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use std::str::FromStr;

/// A dead letter's place in the dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(partition, offset)| {
            Some(Self { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        });
        let valid = parsed.filter(|id| id.partition >= 0 && id.offset >= 0);
        valid.ok_or_else(|| "use partition/offset as `acteon dlq list` shows it, such as 3/42".to_owned())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

/// A dead letter without its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: Id,
    pub(super) source: String,
    pub(super) code: String,
    pub(super) message: String,
    /// In milliseconds since 1970.
    pub(super) at: i64,
    pub(super) holds: Option<DeadLetterHolds>,
    pub(super) attempts: Option<u32>,
    pub(super) subject: Subject,
    pub(super) bytes: usize,
    /// What was done with it.
    pub(super) resolution: Option<Resolution>,
}

/// What the value says of itself, where it is a record of Acteon.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Subject {
    pub(super) namespace: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) action_type: Option<String>,
    pub(super) action_id: Option<String>,
    pub(super) dispatch_id: Option<String>,
}

impl Entry {
    /// Reads a dead letter; `None` where the record is something else.
    pub(super) fn of(record: &BorrowedMessage<'_>) -> Option<Self> {
        let letter = dead_letter(record)?;
        let value = record.payload().unwrap_or_default();
        let mut subject: Subject = serde_json::from_slice(value).unwrap_or_default();
        if let Some((namespace, tenant)) = letter.key.as_deref().and_then(|key| key.split_once(':')) {
            subject.namespace.get_or_insert_with(|| namespace.to_owned());
            subject.tenant.get_or_insert_with(|| tenant.to_owned());
        }
        Some(Self {
            id: Id { partition: record.partition(), offset: record.offset() },
            source: letter.source.to_string(),
            code: letter.reason.code,
            message: letter.reason.message,
            at: letter.at,
            holds: letter.holds,
            attempts: letter.attempts,
            subject,
            bytes: value.len(),
            resolution: None,
        })
    }

    /// What its value is.
    pub(super) fn holds(&self) -> &'static str {
        self.holds.map_or("record", DeadLetterHolds::as_str)
    }

    pub(super) fn shown(&self) -> Value {
        let at =
            DateTime::from_timestamp_millis(self.at).map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
        let mut shown = json!({
            "id": self.id.to_string(), "at": at, "code": self.code, "message": self.message, "source": self.source,
            "holds": self.holds(), "bytes": self.bytes,
        });
        let optional = [
            ("attempts", self.attempts.map(Value::from)),
            ("namespace", self.subject.namespace.clone().map(Value::from)),
            ("tenant", self.subject.tenant.clone().map(Value::from)),
            ("provider", self.subject.provider.clone().map(Value::from)),
            ("action_type", self.subject.action_type.clone().map(Value::from)),
            ("action_id", self.subject.action_id.clone().map(Value::from)),
            ("dispatch_id", self.subject.dispatch_id.clone().map(Value::from)),
            ("resolution", self.resolution.map(|resolution| resolution.as_str().into())),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                shown[name] = value;
            }
        }
        shown
    }

    pub(super) fn row(&self, columns: &[&str]) -> Vec<String> {
        let shown = self.shown();
        columns.iter().map(|column| cell(&shown[*column])).collect()
    }
}

/// A value as one line of a table.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.replace(char::is_control, " "),
        other => other.to_string(),
    }
}

/// The value of a dead letter: JSON where it is that, else text.
pub(super) fn value(record: &BorrowedMessage<'_>) -> Value {
    let bytes = record.payload().unwrap_or_default();
    serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_partition_and_offset() {
        let cases = [("3/42", Some((3, 42))), ("0/0", Some((0, 0)))];
        for (text, id) in cases {
            assert_eq!(text.parse::<Id>().ok().map(|id| (id.partition, id.offset)), id, "{text}");
        }
        for bad in ["", "3", "3/", "a/1", "-1/2", "1/-2", "acteon.dlq/1/2"] {
            assert!(bad.parse::<Id>().is_err(), "{bad}");
        }
    }
}
