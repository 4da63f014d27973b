use crate::coordinates::Coordinates;
use serde::{Deserialize, Serialize};

/// Names of the headers of the dead-letter topic. Key and value of a dead letter are the source record's own bytes, so
/// that it can be replayed as it was, whatever it was.
pub mod headers {
    /// Where it came from, as `topic/partition/offset`.
    pub const SOURCE: &str = "acteon-dlq-source";
    /// The reason's code.
    pub const CODE: &str = "acteon-dlq-code";
    /// The reason in words.
    pub const MESSAGE: &str = "acteon-dlq-message";
    /// What the value is, where it is not the source record's own: see [`DeadLetterHolds`](crate::DeadLetterHolds).
    pub const HOLDS: &str = "acteon-dlq-holds";
    /// Calls that were made since the last long retry, where it is about calls.
    pub const ATTEMPTS: &str = "acteon-dlq-attempts";
    /// When it was put there, in milliseconds since 1970.
    pub const AT: &str = "acteon-dlq-at";
    /// On re-keyed records: the coordinates that the record was first read at, which its ids are made from.
    pub const ORIGIN: &str = "acteon-origin";
    /// What a record is, on every topic of Acteon.
    pub const TYPE: &str = "acteon-type";
}

/// Why a record is in the dead-letter topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterReason {
    /// A stable code (`INVALID_JSON`, `TOO_LARGE`, `PANIC`, …).
    pub code: String,
    /// In words, with what to do.
    pub message: String,
}

/// What the value of a dead letter is that is not the source record's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterHolds {
    /// A dispatch that has failed for good.
    Dispatch,
    /// An action that could be sent again: what a failed chain leaves.
    Action,
}

impl DeadLetterHolds {
    /// As serialised.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Action => "action",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Dispatch, Self::Action].into_iter().find(|holds| holds.as_str() == text)
    }
}

/// A record of the dead-letter topic, as tools show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Where it came from.
    pub source: Coordinates<'static>,
    /// Why.
    pub reason: DeadLetterReason,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// What the value is, where it is not the source record's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub holds: Option<DeadLetterHolds>,
    /// Calls that were made since the last long retry, where it is about calls.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempts: Option<u32>,
    /// The source record's key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// The source record's value where it is text; bytes that are not UTF-8 are shown as `\u{fffd}`.
    pub value: String,
}

impl DeadLetter {
    /// The headers that stand for everything but key and value.
    #[must_use]
    pub fn to_headers(source: &Coordinates<'_>, reason: &DeadLetterReason, at: i64) -> [(&'static str, String); 5] {
        [
            (headers::TYPE, "dead_letter".to_owned()),
            (headers::SOURCE, source.to_string()),
            (headers::CODE, reason.code.clone()),
            (headers::MESSAGE, reason.message.clone()),
            (headers::AT, at.to_string()),
        ]
    }

    /// Reads a dead letter from its record; `None` where the headers are not those of one.
    pub fn from_record<'h>(
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
        key: Option<&[u8]>,
        value: &[u8],
    ) -> Option<Self> {
        let (mut source, mut code, mut message, mut at) = (None, None, None, None);
        let (mut holds, mut attempts) = (None, None);
        for (name, bytes) in headers {
            let Ok(text) = std::str::from_utf8(bytes) else { continue };
            match name {
                headers::SOURCE => source = Coordinates::parse(text),
                headers::CODE => code = Some(text.to_owned()),
                headers::MESSAGE => message = Some(text.to_owned()),
                headers::AT => at = text.parse().ok(),
                headers::HOLDS => holds = Some(DeadLetterHolds::parse(text)?),
                headers::ATTEMPTS => attempts = text.parse().ok(),
                _ => {}
            }
        }
        Some(Self {
            source: source?,
            reason: DeadLetterReason { code: code?, message: message? },
            at: at?,
            holds,
            attempts,
            key: key.map(|key| String::from_utf8_lossy(key).into_owned()),
            value: String::from_utf8_lossy(value).into_owned(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip() {
        let source = Coordinates::parse("acteon.actions/3/42").unwrap();
        let reason = DeadLetterReason { code: "INVALID_JSON".into(), message: "no".into() };
        let written = DeadLetter::to_headers(&source, &reason, 7);
        let letter =
            DeadLetter::from_record(written.iter().map(|(name, value)| (*name, value.as_bytes())), Some(b"k"), b"\xff")
                .unwrap();
        assert_eq!((letter.source, letter.reason, letter.at), (source, reason, 7));
        assert_eq!((letter.key.as_deref(), letter.value.as_str()), (Some("k"), "\u{fffd}"));
        let mut more: Vec<(&str, &[u8])> = written.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        more.extend([(headers::HOLDS, &b"dispatch"[..]), (headers::ATTEMPTS, b"4"), ("mine", b"\xff")]);
        let letter = DeadLetter::from_record(more, None, b"{}").unwrap();
        assert_eq!((letter.holds, letter.attempts), (Some(DeadLetterHolds::Dispatch), Some(4)));
        assert!(DeadLetter::from_record([("acteon-dlq-code", &b"X"[..])], None, b"").is_none());
    }
}
