//! Conditions as CEL expressions: parsed by the `cel` crate, lowered to a form of their own once,
//! evaluated without copying the action and within a number of steps.
//!
//! An expression reads `action` (fields as in the wire format; `metadata` flat), `time` (the
//! fields of YAML conditions, in the rule's zone) and `now` (the Unix time in seconds). Numbers
//! compare and combine by value, as JSON has one type of them; whole numbers divide to whole ones.
//! A field that isn't there is an error in CEL, unlike in YAML: test it with `has(…)`. An error
//! makes the predicate false, with a note in the trace.

mod builtin;
mod eval;
mod lower;
mod value;

use std::fmt;
use std::sync::Arc;

use cel::parser::PrattParser;

use crate::condition::Scope;
use crate::host::{Function, Host};
use crate::limits;
use crate::path::PathError;

use eval::{Env, Fault};
use lower::Lowered;

/// A compiled expression.
#[derive(Clone)]
pub(crate) struct Expression {
    source: Arc<str>,
    lowered: Arc<Lowered>,
}

/// What an expression says about an action.
pub(crate) enum Answer {
    Holds,
    Fails,
    /// It cannot be evaluated, for this reason.
    Error(String),
}

impl Expression {
    /// Compiles an expression.
    pub(crate) fn compile(source: &str) -> Result<Self, PathError> {
        if source.len() > limits::MAX_CEL_BYTES {
            let (len, max) = (source.len(), limits::MAX_CEL_BYTES);
            return Err(PathError::new(format!("an expression of {len} bytes; {max} are allowed")));
        }
        let depth = u16::try_from(limits::MAX_CEL_DEPTH).unwrap_or(u16::MAX);
        let parser = PrattParser::new().max_recursion_depth(depth).error_recovery_limit(1).error_reporting_limit(1);
        let parsed = parser.parse(source).map_err(|errors| {
            let Some(error) = errors.errors.first() else { return PathError::new("bad expression") };
            let reason = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);
            PathError::new(match error.pos {
                (line, column) if line > 0 => format!("bad expression, in its line {line}, column {column}: {reason}"),
                _ => format!("bad expression: {reason}"),
            })
        })?;
        let lowered = lower::lower(&parsed)?;
        Ok(Self { source: source.into(), lowered: Arc::new(lowered) })
    }

    /// Evaluates the expression. Only a host that cannot answer is an error.
    pub(crate) fn evaluate<H: Host>(&self, scope: &mut Scope<'_, '_, H>) -> Result<Answer, H::Error> {
        let mut env = Env::new(scope);
        match env.boolean(&self.lowered.root) {
            Ok(true) => Ok(Answer::Holds),
            Ok(false) => Ok(Answer::Fails),
            Err(Fault::Note(note)) => Ok(Answer::Error(note)),
            Err(Fault::Spent) => Ok(Answer::Error(format!("stopped after {} steps", limits::MAX_CEL_STEPS))),
            Err(Fault::Host(error)) => Err(error),
        }
    }

    /// The functions of state that the expression calls.
    pub(crate) fn functions(&self) -> &[Function] {
        &self.lowered.functions
    }

    /// Fields that look like a misspelt one: the field, and the one that may be meant.
    pub(crate) fn doubts(&self) -> &[(String, String)] {
        &self.lowered.doubts
    }
}

/// The expression on one line.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, line) in self.source.trim().lines().enumerate() {
            write!(f, "{}{}", if i > 0 { " " } else { "" }, line.trim())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.source)
    }
}

#[cfg(test)]
mod tests;
