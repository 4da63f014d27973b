//! What is told of rules.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A rule in the list.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleSummary {
    name: String,
    priority: i32,
    enabled: bool,
    description: Option<String>,
    /// Where it is written, as `rules/a.yaml:12`.
    source: String,
    /// Whether `enabled` was set over HTTP; else it is what the rule's file says.
    switched: bool,
}

/// Rules that were read and published.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesReloaded {
    /// Rules, as `loaded`.
    reloaded: usize,
    loaded: usize,
    directory: String,
    /// Always empty: rules with errors are not published.
    errors: Vec<String>,
}

/// A decision, and why.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Evaluation {
    verdict: String,
    matched_rule: Option<String>,
    /// The provider that would be called.
    provider: String,
    has_errors: bool,
    total_rules_evaluated: usize,
    total_rules_skipped: usize,
    evaluation_duration_us: u64,
    /// One entry a rule.
    trace: Vec<EvaluatedRule>,
    context: EvaluationContext,
    /// The payload that the provider would get, where rules change it.
    modified_payload: Option<Value>,
}

/// Under what conditions it was decided.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EvaluationContext {
    evaluated_at: String,
    /// What was not looked at.
    note: String,
}

/// What became of a rule.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EvaluatedRule {
    rule_name: String,
    priority: i32,
    enabled: bool,
    condition_display: String,
    result: EvaluatedResult,
    /// The type of its action.
    action: String,
    source: String,
    description: Option<String>,
    skip_reason: Option<String>,
    error: Option<String>,
    /// The predicates that failed.
    failures: Option<Vec<EvaluatedPredicate>>,
    effect: Option<String>,
    /// What it changed in the payload, as a merge patch.
    modify_patch: Option<Value>,
}

/// What became of a rule, in a word.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum EvaluatedResult {
    Matched,
    NotMatched,
    Skipped,
}

/// A predicate that did not hold.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EvaluatedPredicate {
    predicate: String,
    found: Value,
    type_mismatch: Option<String>,
}
