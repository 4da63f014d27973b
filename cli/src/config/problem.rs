use serde::Serialize;
use std::fmt;
use std::ops::Range;

/// How bad a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// The configuration is refused.
    Error,
    /// It is accepted, but something in it has no effect.
    Warning,
}

/// What is wrong with the configuration, and where. Displayed as one line, in the form compilers use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    pub(crate) severity: Severity,
    /// The file, or what else holds the value (`--port`).
    pub(crate) source: String,
    /// Line and column from 1, where known. The column counts characters.
    pub(crate) place: Option<Place>,
    pub(crate) message: String,
}

/// A place in a text, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    /// The place of a byte offset in `text`; past the end: the end.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        match self.severity {
            Severity::Error => write!(f, ": error: {}", self.message),
            Severity::Warning => write!(f, ": warning: {}", self.message),
        }
    }
}

/// A text with a name, and the problems found in it so far.
pub(crate) struct Report<'t> {
    source: &'t str,
    text: &'t str,
    problems: Vec<Problem>,
}

impl<'t> Report<'t> {
    pub(crate) fn new(source: &'t str, text: &'t str) -> Self {
        Self { source, text, problems: Vec::new() }
    }

    pub(crate) fn error(&mut self, span: Option<Range<usize>>, message: impl Into<String>) {
        self.add(Severity::Error, span, message.into());
    }

    pub(crate) fn warn(&mut self, span: Option<Range<usize>>, message: impl Into<String>) {
        self.add(Severity::Warning, span, message.into());
    }

    fn add(&mut self, severity: Severity, span: Option<Range<usize>>, message: String) {
        let place = span.map(|span| Place::of(self.text, span.start));
        self.problems.push(Problem { severity, source: self.source.to_owned(), place, message });
    }

    /// Everything found, in the order of the text.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems;
        problems.sort_by_key(|problem| problem.place.map(|place| (place.line, place.column)));
        problems
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }
}
