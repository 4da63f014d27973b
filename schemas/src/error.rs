/// Why a record was refused, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
}

/// The ways in which a record can be bad. Each has a stable code, found in the dead-letter topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeErrorKind {
    /// The value is missing (a tombstone on a topic that has none).
    #[error("the record has no value; send a JSON object")]
    Empty,
    /// Larger than the topic's records may be.
    #[error("the record has {bytes} bytes; the limit is {limit}")]
    TooLarge {
        /// Size of the value in bytes.
        bytes: usize,
        /// Largest size, in bytes.
        limit: usize,
    },
    /// Nested deeper than the topic's records may be.
    #[error("the record is nested {depth} levels deep; the limit is {limit}")]
    TooDeep {
        /// The depth found, counted until the limit was passed.
        depth: usize,
        /// Deepest nesting.
        limit: usize,
    },
    /// The first byte announces neither JSON nor a format that this build reads.
    #[error(
        "the first byte is 0x{byte:02x}: neither JSON nor Confluent framing (0x00 and a schema id) of a known schema"
    )]
    WrongMagicByte {
        /// The byte found.
        byte: u8,
    },
    /// Not JSON, or JSON of another shape.
    #[error("{message} (line {line}, column {column})")]
    Json {
        /// The parser's words, which name the field.
        message: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A field whose value is out of its limits.
    #[error("field `{field}`: {problem}")]
    Field {
        /// The field's path.
        field: &'static str,
        /// What is wrong with it and what is expected.
        problem: String,
    },
}

impl DecodeErrorKind {
    /// The stable code of this error, as written to the dead-letter topic.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::TooLarge { .. } => "TOO_LARGE",
            Self::TooDeep { .. } => "TOO_DEEP",
            Self::WrongMagicByte { .. } => "WRONG_MAGIC_BYTE",
            Self::Json { .. } => "INVALID_JSON",
            Self::Field { .. } => "INVALID_FIELD",
        }
    }
}

impl From<DecodeErrorKind> for DecodeError {
    fn from(kind: DecodeErrorKind) -> Self {
        Self { kind }
    }
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        // serde_json appends the place to its message; it is kept as data instead.
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned();
        DecodeErrorKind::Json { message, line: error.line(), column: error.column() }.into()
    }
}
