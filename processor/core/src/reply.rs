use serde_json::Value;

/// What came of a command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    /// It was carried out, and led to this.
    Done(Value),
    /// It was not.
    Refused {
        /// A stable code: `NOT_FOUND`, `CONFLICT`, `INVALID`, `GONE`, `FORBIDDEN`, `LIMIT`.
        code: &'static str,
        /// Why, for people.
        message: String,
    },
}

impl Reply {
    pub(crate) fn done(result: Value) -> Self {
        Self::Done(result)
    }

    /// What it is about does not exist.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::Refused { code: "NOT_FOUND", message: message.into() }
    }

    /// It does not fit the state of what it is about.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::Refused { code: "CONFLICT", message: message.into() }
    }

    /// It asks for what can't be.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Refused { code: "INVALID", message: message.into() }
    }
}
