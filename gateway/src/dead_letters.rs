use acteon_schemas::Resolution;
use serde_json::Value;

/// The dead letters, and what is done with them: given by the process that the gateway is part of. All of it reads the
/// dead-letter topic, and blocks.
pub trait DeadLetters: Send + Sync {
    /// Those that fit, the oldest of each partition first. A dead letter is an object with its `id`, which is
    /// `partition/offset`, and without its value.
    ///
    /// # Errors
    /// The topic can't be read, or more fit than can be told of.
    fn list(&self, filter: &DeadLetterFilter) -> Result<Vec<Value>, DeadLetterError>;

    /// One of them with its `value`.
    ///
    /// # Errors
    /// There is none of this id, or the topic can't be read.
    fn show(&self, id: &str) -> Result<Value, DeadLetterError>;

    /// Sends them again or marks them as not wanted any more. Tells of each what became of it.
    ///
    /// # Errors
    /// One of those named is not there or was dealt with before, too many fit, or Kafka is away.
    fn resolve(&self, what: Resolution, chosen: &DeadLetterChoice) -> Result<Vec<Value>, DeadLetterError>;
}

/// Which dead letters are meant: those that fit every field that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Scope.
    pub namespace: Option<String>,
    /// Scope.
    pub tenant: Option<String>,
    /// The provider.
    pub provider: Option<String>,
    /// Why they are there, such as `TIMEOUT`.
    pub code: Option<String>,
    /// Put there since then: a time, or how long ago, as in `2h`.
    pub since: Option<String>,
    /// Those that were dealt with as well.
    pub resolved: bool,
}

/// Which dead letters something is done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterChoice {
    /// These, by their ids.
    Ids(Vec<String>),
    /// All that fit and were not dealt with.
    All(DeadLetterFilter),
}

/// Why dead letters can't be told of or dealt with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeadLetterError {
    /// There is none of this id.
    #[error("{0}")]
    Unknown(String),
    /// It was dealt with before.
    #[error("{0}")]
    Resolved(String),
    /// It is asked for what can't be.
    #[error("{0}")]
    Refused(String),
    /// Kafka does not answer.
    #[error("{0}")]
    Failed(String),
}
