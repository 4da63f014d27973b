use crate::error::DecodeError;
use crate::limits::{check_depth, check_size};
use serde::{Deserialize, Serialize};

/// A record of the dead-letter topic that says what was done with a dead letter. It stands in the same partition, behind
/// it; a dead letter without one is still to be dealt with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterResolution {
    /// The dead letter's partition.
    pub partition: i32,
    /// The dead letter's offset.
    pub offset: i64,
    /// What was done.
    pub resolution: Resolution,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Who did it, where known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<String>,
}

/// What was done with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It was sent again.
    Replayed,
    /// It is not wanted any more.
    Dropped,
}

impl Resolution {
    /// As serialised.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::Dropped => "dropped",
        }
    }
}

impl DeadLetterResolution {
    /// The value of the header `acteon-type` of such a record.
    pub const TYPE: &str = "dead_letter_resolution";

    /// The record's key: `resolution/<partition>/<offset>`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("resolution/{}/{}", self.partition, self.offset)
    }

    /// Decodes the value of a record with the header [`Self::TYPE`].
    ///
    /// # Errors
    /// The value is empty, too large, too deep, not JSON or of another shape.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        check_size(value)?;
        check_depth(value)?;
        Ok(serde_json::from_slice(value)?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn it_names_its_dead_letter() {
        let value = br#"{"partition":3,"offset":42,"resolution":"dropped","at":7}"#;
        let resolution = DeadLetterResolution::decode(value).unwrap();
        assert_eq!((resolution.key().as_str(), resolution.resolution.as_str()), ("resolution/3/42", "dropped"));
        assert_eq!(serde_json::to_vec(&resolution).unwrap(), value);
        assert!(DeadLetterResolution::decode(b"").is_err());
    }
}
