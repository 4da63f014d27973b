//! Answers of functions that count, kept for the rest of a walk.

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::host::{Function, Host};
use crate::rule::Rule;
use crate::subject::Subject;
use crate::value::FieldValue;

/// What [`Function::counts`] functions have answered in this walk, by rule. An action is counted
/// once, though its predicate has two operators or a trace asks again.
#[derive(Default)]
pub(crate) struct Memo {
    answers: FxHashMap<usize, Vec<Answer>>,
}

struct Answer {
    function: Function,
    args: String,
    value: Value,
}

impl Memo {
    /// Asks the host, or answers as it did before.
    pub(crate) fn call<H: Host>(
        &mut self,
        rule: &Rule,
        function: Function,
        args: &[FieldValue<'_>],
        subject: &Subject<'_>,
        host: &mut H,
    ) -> Result<Value, H::Error> {
        if !function.counts() {
            return host.call(rule, function, args, subject);
        }
        let key: String = args.iter().map(|arg| format!("{arg},")).collect();
        let answers = self.answers.entry(rule.index).or_default();
        if let Some(known) = answers.iter().find(|known| known.function == function && known.args == key) {
            return Ok(known.value.clone());
        }
        let value = host.call(rule, function, args, subject)?;
        answers.push(Answer { function, args: key, value: value.clone() });
        Ok(value)
    }
}
