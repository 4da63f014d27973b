//! Names that rules take from elsewhere: providers, chains, state machines.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, nearest};
use crate::rule::{Rule, RuleAction};
use crate::ruleset::RuleSet;

/// The names that exist. A kind that is `None` is not checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Names<'a> {
    /// Configured providers.
    pub providers: Option<&'a BTreeSet<String>>,
    /// Defined chains.
    pub chains: Option<&'a BTreeSet<String>>,
    /// Defined state machines.
    pub state_machines: Option<&'a BTreeSet<String>>,
}

/// An error for each name in a rule that does not exist; in the order of evaluation. Disabled
/// rules are checked too: they may be enabled at any time.
#[must_use]
pub fn check_references(rules: &RuleSet, names: &Names<'_>) -> Vec<Diagnostic> {
    rules.rules().iter().filter_map(|rule| check(rule, names)).collect()
}

fn check(rule: &Rule, names: &Names<'_>) -> Option<Diagnostic> {
    let (kind, name, known) = match &rule.action {
        RuleAction::Reroute { target_provider } => ("provider", target_provider, names.providers),
        RuleAction::RequestApproval { notify_provider: Some(name), .. } => ("provider", name, names.providers),
        RuleAction::Chain { chain } => ("chain", chain, names.chains),
        RuleAction::StateMachine { state_machine, .. } => ("state machine", state_machine, names.state_machines),
        _ => return None,
    };
    let known = known?;
    if known.contains(name) {
        return None;
    }
    let file = &rule.source.file;
    let message = format!("rule `{}`: unknown {kind} `{name}`", rule.name);
    let suggestion = nearest(name, known.iter().map(String::as_str));
    Some(Diagnostic::error(file, rule.reference, message).suggest(suggestion))
}
