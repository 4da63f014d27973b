use acteon_rules::Place;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// What came of running a scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Steps that were performed; after one that fails there are no more.
    pub steps: usize,
    /// Expectations that were checked.
    pub checked: usize,
    /// What was not as expected; empty: the scenario holds.
    pub failures: Vec<Failure>,
    /// Outcomes, dispatches and dead letters of each step: the same in every [`crate::Mode`].
    #[serde(skip)]
    pub history: Vec<Value>,
}

impl Report {
    /// Whether all was as expected.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.failures.is_empty()
    }
}

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    /// The scenario's file.
    pub file: String,
    /// Line of the expectation, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The step, from 1, with what it does and its name: `step 3 (dispatch)`.
    pub step: String,
    /// What was looked at, such as `expect.chains[0].path`.
    pub path: String,
    /// What was wanted there.
    pub wanted: Value,
    /// What was found; null: nothing.
    pub found: Value,
    /// More to go by: the trace of the action's rules, or the entry that came nearest. Empty: nothing more.
    pub notes: Vec<String>,
}

impl Failure {
    pub(crate) fn new(
        place: Place,
        path: impl Into<String>,
        wanted: impl Into<Value>,
        found: impl Into<Value>,
    ) -> Self {
        Self {
            file: String::new(),
            line: place.line,
            column: place.column,
            step: String::new(),
            path: path.into(),
            wanted: wanted.into(),
            found: found.into(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// Over several lines: place and path, wanted, found, notes.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, step, path, wanted, found, notes } = self;
        writeln!(f, "{file}:{line}:{column}: {step}: {path}")?;
        writeln!(f, "  wanted  {wanted}")?;
        write!(f, "  found   {}", Shown(found))?;
        for line in notes.iter().flat_map(|note| note.lines()) {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

struct Shown<'v>(&'v Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("nothing"),
            value => value.fmt(f),
        }
    }
}
