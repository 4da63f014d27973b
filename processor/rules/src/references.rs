//! Names that rules take from elsewhere: providers, chains, state machines,
//! time intervals.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Place, nearest};
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
    /// Defined time intervals.
    pub time_intervals: Option<&'a BTreeSet<String>>,
}

/// An error for each name in a rule that does not exist; in the order of evaluation. Disabled
/// rules are checked too: they may be enabled at any time.
#[must_use]
pub fn check_references(rules: &RuleSet, names: &Names<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for rule in rules.rules() {
        check(rule, names, &mut found);
    }
    found
}

fn check(rule: &Rule, names: &Names<'_>, found: &mut Vec<Diagnostic>) {
    let mut missing = |kind: &str, name: &String, place: Place, known: Option<&BTreeSet<String>>| {
        if let Some(known) = known.filter(|known| !known.contains(name)) {
            let message = format!("rule `{}`: unknown {kind} `{name}`", rule.name);
            let suggestion = nearest(name, known.iter().map(String::as_str));
            found.push(Diagnostic::error(&rule.source.file, place, message).suggest(suggestion));
        }
    };
    match &rule.action {
        RuleAction::Reroute { targets } => {
            for target in targets {
                missing("provider", &target.provider, target.place, names.providers);
            }
        }
        RuleAction::RequestApproval { notify_provider: Some(name), .. } => {
            missing("provider", name, rule.reference, names.providers);
        }
        RuleAction::Chain { chain } => missing("chain", chain, rule.reference, names.chains),
        RuleAction::StateMachine { state_machine, .. } => {
            missing("state machine", state_machine, rule.reference, names.state_machines);
        }
        _ => {}
    }
    for name in rule.mute_time_intervals.iter().chain(&rule.active_time_intervals) {
        missing("time interval", name, rule.source.place, names.time_intervals);
    }
}
