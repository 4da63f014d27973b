//! Why a walk went as it did, rule by rule.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::rule::Rule;

/// What became of a rule in a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceResult {
    /// The condition held, and the action was applied.
    Matched,
    /// The condition did not hold.
    NotMatched,
    /// The rule had no say; the condition was not evaluated.
    Skipped,
}

impl fmt::Display for TraceResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Matched => "matched",
            Self::NotMatched => "not matched",
            Self::Skipped => "skipped",
        })
    }
}

/// A predicate that did not hold, and what it found instead.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    /// The predicate, as `action.payload.value gt 85`.
    pub predicate: String,
    /// The value found; null for a missing field.
    pub found: Value,
    /// Set where the value is of a type that the operator cannot compare, or where an expression
    /// cannot be evaluated: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_mismatch: Option<String>,
}

/// One rule of a [`Trace`]. Field names are those of the rule playground's wire format.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TraceEntry {
    /// The rule's name.
    pub rule_name: String,
    /// Its priority.
    pub priority: i32,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Its condition, as one line.
    pub condition_display: String,
    /// What became of it.
    pub result: TraceResult,
    /// The type of its action.
    pub action: &'static str,
    /// Where it is written, as `rules/a.yaml:12`.
    pub source: String,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_reason: Option<String>,
    /// The first type mismatch among `failures`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The predicates that failed: one, or every branch of an `any`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// What a matching rule did: "admitted", "refused", "provider email → sms"; for a
    /// `modify` rule also what it could not do: a template that failed, a field that isn't there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    /// What a `modify` rule that matched changed, as a merge patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modify_patch: Option<Value>,
}

/// Every rule of the set in evaluation order, and what became of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Trace {
    /// One entry a rule.
    pub entries: Vec<TraceEntry>,
}

impl TraceEntry {
    pub(crate) fn new(rule: &Rule) -> Self {
        Self {
            rule_name: rule.name.clone(),
            priority: rule.priority,
            enabled: rule.enabled,
            condition_display: rule.condition_display(),
            result: TraceResult::Skipped,
            action: rule.action.tag(),
            source: rule.source.to_string(),
            description: rule.description.clone(),
            skip_reason: None,
            error: None,
            failures: Vec::new(),
            effect: None,
            modify_patch: None,
        }
    }

    pub(crate) fn skipped(&mut self, reason: String) {
        self.result = TraceResult::Skipped;
        self.skip_reason = Some(reason);
    }

    pub(crate) fn not_matched(&mut self, failures: Vec<Failure>) {
        self.result = TraceResult::NotMatched;
        self.error = failures.iter().find_map(|f| f.type_mismatch.clone());
        self.failures = failures;
    }

    pub(crate) fn matched(&mut self, effect: String) {
        self.result = TraceResult::Matched;
        self.effect = Some(effect);
    }
}

/// One line a rule, for people.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

impl fmt::Display for TraceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { result, rule_name, priority, action, .. } = self;
        write!(f, "{result:<11}  {rule_name} ({action}, priority {priority})")?;
        if let Some(text) = self.effect.as_ref().or(self.skip_reason.as_ref()) {
            write!(f, ": {text}")?;
        }
        for (i, failure) in self.failures.iter().enumerate() {
            let before = if i == 0 { ": " } else { "; " };
            write!(f, "{before}{}, found {}", failure.predicate, failure.found)?;
            if let Some(mismatch) = &failure.type_mismatch {
                write!(f, " ({mismatch})")?;
            }
        }
        Ok(())
    }
}
