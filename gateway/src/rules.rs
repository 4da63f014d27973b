use acteon_core::Definitions;
use acteon_schemas::Definition;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The rules in effect, and how they are loaded anew: given by the process that the gateway is part of.
pub trait RuleBook: Send + Sync {
    /// What processors decide by, as last published; `None` until it is known.
    fn definitions(&self) -> Option<Arc<Definitions>>;

    /// Reads the rule files of a directory, the configured one where none is named, checks them and publishes them. Blocks.
    ///
    /// # Errors
    /// The files are refused, and the running rules stay; or nothing can be published.
    fn reload(&self, directory: Option<&Path>) -> Result<Reloaded, ReloadError>;

    /// Sets a definition of an operator, which stands over the configuration's of the same `key` ([`Definition::key`]), or
    /// with `None` takes it back. It stays until then, whatever rule files are loaded. Returns what is in effect with it.
    /// Blocks.
    ///
    /// # Errors
    /// It does not go with the other definitions, and nothing changes; or it can't be written.
    fn edit(&self, key: &str, value: Option<&Definition>) -> Result<Arc<Definitions>, EditError>;
}

/// Why a definition was not set or taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The others do not go with it: one line each.
    #[error("{}", .0.join("; "))]
    Refused(Vec<String>),
    /// It can't be written now.
    #[error("{0}")]
    Failed(String),
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// How many rules there are.
    pub rules: usize,
    /// Where they were read.
    pub directory: PathBuf,
}

/// Why rules were not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// The files can't be read, or there is something wrong with them: one line each.
    #[error("{}", .0.join("; "))]
    Refused(Vec<String>),
    /// They are good, and can't be published now.
    #[error("{0}")]
    Failed(String),
}
