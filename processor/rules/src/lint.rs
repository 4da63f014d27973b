//! Warnings: rules that can never fire, and predicates that can never hold.
//!
//! Every finding is certain as far as it goes; not everything that is dead is found. One
//! condition counts as implied by another only if each of its conjuncts is, word for word, a
//! conjunct of the other.

mod contradiction;
mod facts;

use facts::Facts;

use crate::diagnostic::Diagnostic;
use crate::rule::{Class, Rule};
use crate::ruleset::{Evaluation, RuleSet};

const ALL: &[Class] = &[Class::Rewrite, Class::Gate, Class::Block, Class::Capture, Class::Route];

/// Every warning about a rule set, in evaluation order.
pub(crate) fn check(set: &RuleSet) -> Vec<Diagnostic> {
    let facts = Facts::new(&set.rules);
    let mut warnings = Vec::new();
    for rule in set.rules.iter().filter(|rule| rule.enabled) {
        let place = rule.source.place;
        for message in contradiction::check(rule) {
            warnings.push(Diagnostic::warning(&rule.source.file, place, message));
        }
        if let Some(message) = lone_weight(set, rule) {
            warnings.push(Diagnostic::warning(&rule.source.file, place, message));
        }
        let dead = match set.options.evaluation {
            Evaluation::FirstMatch => first_match(&facts, rule),
            Evaluation::Cascade => cascade(&facts, rule),
        };
        if let Some(reason) = dead {
            let message = format!("rule `{}` can never fire: {reason}", rule.name);
            warnings.push(Diagnostic::warning(&rule.source.file, place, message));
        }
    }
    warnings
}

/// A weighted rule that has nobody to share with.
fn lone_weight(set: &RuleSet, rule: &Rule) -> Option<String> {
    rule.split_weight()?;
    if set.split(rule.priority).nth(1).is_some() {
        return None;
    }
    let (name, priority) = (&rule.name, rule.priority);
    Some(format!("rule `{name}`: `weight` splits nothing, because no other route rule of priority {priority} has one"))
}

fn first_match(facts: &Facts<'_>, rule: &Rule) -> Option<String> {
    let earlier = facts.implied_by(rule, ALL).next()?;
    Some(format!("{} matches first whenever it would", name(earlier)))
}

fn cascade(facts: &Facts<'_>, rule: &Rule) -> Option<String> {
    let class = rule.class();
    let behind =
        |classes: &'static [Class]| facts.implied_by(rule, classes).find(|earlier| facts.is_stable(earlier, rule));
    if matches!(class, Class::Route | Class::Block | Class::Capture)
        && let Some(earlier) = behind(&[Class::Route])
    {
        return Some(format!("{} routes every action that it matches", name(earlier)));
    }
    if rule.default_block
        && let Some(earlier) = behind(&[Class::Gate])
    {
        let earlier = name(earlier);
        return Some(format!("it is a default block, and {earlier} admits every action in its scope"));
    }
    if class == Class::Block
        && let Some(earlier) = behind(&[Class::Capture])
    {
        let earlier = name(earlier);
        return Some(format!("{earlier} holds every action that it matches"));
    }
    let earlier = facts
        .implied_by(rule, &[Class::Block])
        .find(|earlier| facts.is_stable(earlier, rule) && !facts.may_be_passed(earlier, rule))?;
    Some(format!("{} blocks every action that it matches", name(earlier)))
}

fn name(rule: &Rule) -> String {
    format!("`{}` ({})", rule.name, rule.source)
}
