//! What is wrong with a rule file, and where.

use std::fmt;

use serde::Serialize;

/// How bad a [`Diagnostic`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The rule set is refused.
    Error,
    /// The rule set is accepted, but says something that cannot have been meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// A line and a column in a rule file, both counted from 1. The column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

/// An error or a warning about a rule file.
///
/// Displayed as one line, in the form compilers use:
/// ``rules/a.yaml:12:7: error: unknown operator `eqq` (did you mean `eq`?)``.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The file, as named by [`crate::SourceFile::name`].
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is wrong and, where it isn't plain, what to do.
    pub message: String,
    /// The nearest known name, if what was written is close to one.
    pub suggestion: Option<String>,
}

impl Diagnostic {
    pub(crate) fn new(severity: Severity, file: &str, place: Place, message: String) -> Self {
        Self { severity, file: file.to_owned(), line: place.line, column: place.column, message, suggestion: None }
    }

    /// An error at a place in a file.
    pub fn error(file: &str, place: Place, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, file, place, message.into())
    }

    pub(crate) fn warning(file: &str, place: Place, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, file, place, message.into())
    }

    /// Adds the name that may have been meant.
    #[must_use]
    pub fn suggest(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, file, line, column, message, suggestion } = self;
        write!(f, "{file}:{line}:{column}: {severity}: {message}")?;
        if let Some(suggestion) = suggestion {
            write!(f, " (did you mean `{suggestion}`?)")?;
        }
        Ok(())
    }
}

/// Names that people write for a known one and that no edit distance would find.
const SYNONYMS: &[(&str, &str)] = &[
    ("==", "eq"),
    ("!=", "ne"),
    (">", "gt"),
    (">=", "gte"),
    ("<", "lt"),
    ("<=", "lte"),
    ("equals", "eq"),
    ("equal", "eq"),
    ("is", "eq"),
    ("not_eq", "ne"),
    ("not_equals", "ne"),
    ("in", "in_list"),
    ("one_of", "in_list"),
    ("and", "all"),
    ("or", "any"),
    ("if", "condition"),
    ("when", "condition"),
    ("then", "action"),
    ("ttl", "ttl_seconds"),
    ("provider", "target_provider"),
    ("target", "target_provider"),
    ("timeout", "timeout_seconds"),
    ("delay", "delay_seconds"),
    ("window", "window_seconds"),
    ("limit", "max_count"),
    ("drop", "suppress"),
    ("block", "deny"),
    ("reject", "deny"),
    ("route", "reroute"),
    ("redirect", "reroute"),
    ("rate_limit", "throttle"),
    ("dedup", "deduplicate"),
    ("delay", "schedule"),
    ("approval", "request_approval"),
];

/// The known name nearest to `name`, if one is near enough to have been meant.
#[must_use]
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let lower = name.to_lowercase();
    // A third of the letters may be wrong, and at least one.
    let allowed = (name.chars().count() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        if SYNONYMS.contains(&(lower.as_str(), candidate)) {
            return Some(candidate.to_owned());
        }
        let distance = strsim::damerau_levenshtein(&lower, candidate);
        if distance <= allowed && best.is_none_or(|(d, _)| distance < d) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_typos_and_synonyms_and_nothing_far() {
        let known = ["eq", "in_list", "starts_with"];
        assert_eq!(nearest("eqq", known), Some("eq".into()));
        assert_eq!(nearest("start_with", known), Some("starts_with".into()));
        assert_eq!(nearest("in", known), Some("in_list".into()));
        assert_eq!(nearest("==", known), Some("eq".into()));
        assert_eq!(nearest("frobnicate", known), None);
    }

    #[test]
    fn displays_like_a_compiler() {
        let place = Place { line: 12, column: 7 };
        let diagnostic = Diagnostic::error("rules/a.yaml", place, "unknown operator `eqq`");
        assert_eq!(
            diagnostic.suggest(Some("eq".into())).to_string(),
            "rules/a.yaml:12:7: error: unknown operator `eqq` (did you mean `eq`?)"
        );
    }
}
