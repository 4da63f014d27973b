use acteon_core::Definitions;
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
