//! Routes: taken alone, drawn by weight, or copied.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::{Skip, Step, Walk};
use crate::decision::{RouteCopy, Verdict};
use crate::host::Host;
use crate::rule::{RouteTarget, Rule, RuleAction};
use crate::subject::Subject;
use crate::{limits, split};

/// A draw between the weighted route rules of one priority.
pub(super) struct Split {
    priority: i32,
    /// The weights of the rules that matched, together.
    pub(super) total: u64,
}

impl<'r> Walk<'r> {
    /// Whether a weighted route rule belongs to a split that is drawn already.
    pub(super) fn not_drawn(&self, rule: &Rule) -> Option<Skip<'r>> {
        let weight = rule.split_weight()?;
        let split = self.split.as_ref().filter(|split| split.priority == rule.priority)?;
        Some(Skip::NotDrawn { weight, total: split.total })
    }

    /// The rule to apply where `rule` has matched: itself, unless it is weighted. Then it is the
    /// first of its split that matches, and one of all that match is drawn, which may be another
    /// one or, if no weight is above 0, none.
    pub(super) fn drawn<H: Host>(
        &mut self,
        rule: &'r Rule,
        subject: &Subject<'_>,
        host: &mut H,
    ) -> Result<Option<&'r Rule>, H::Error> {
        if rule.split_weight().is_none() {
            return Ok(Some(rule));
        }
        let set = self.set;
        let mut matching: SmallVec<[&'r Rule; 4]> = SmallVec::new();
        matching.push(rule);
        let candidates = set.index.candidates(subject, 0);
        for member in set.split(rule.priority).filter(|member| member.index > rule.index) {
            if candidates.may_match(member.index) && self.holds(member, subject, host)? {
                matching.push(member);
            }
        }
        let weights = matching.iter().map(|member| member.split_weight().unwrap_or_default());
        let total = weights.clone().map(u64::from).sum();
        let name = format!("priority {}", rule.priority);
        let drawn = split::draw(&name, subject.id, weights).and_then(|position| matching.get(position).copied());
        self.split = Some(Split { priority: rule.priority, total });
        Ok(drawn)
    }

    /// Takes a route, or copies the action along it.
    pub(super) fn take_route(&mut self, rule: &'r Rule, subject: &mut Subject<'_>) -> Step {
        let target = match &rule.action {
            RuleAction::Reroute { targets } => target(rule, targets, subject.id),
            _ => None,
        };
        if rule.continues {
            return self.copy(rule, target, subject);
        }
        let (verdict, step) = match (target, &rule.action) {
            (Some(target), _) => {
                let from = std::mem::replace(&mut subject.provider, Cow::Owned(target.to_owned())).into_owned();
                (Verdict::Reroute { from }, Step::Rerouted)
            }
            (None, RuleAction::Chain { .. }) => (Verdict::Chain, Step::On),
            (None, _) => (Verdict::Allow, Step::On),
        };
        self.route = Some((verdict, rule));
        step
    }

    fn copy(&mut self, rule: &'r Rule, target: Option<&str>, subject: &Subject<'_>) -> Step {
        if self.copies.len() >= limits::MAX_COPIES {
            return Step::NotCopied;
        }
        let from = &*subject.provider;
        let verdict = match (target, &rule.action) {
            (Some(_), _) => Verdict::Reroute { from: from.to_owned() },
            (None, RuleAction::Chain { .. }) => Verdict::Chain,
            (None, _) => Verdict::Allow,
        };
        self.copies.push(RouteCopy {
            rule,
            verdict,
            provider: target.unwrap_or(from).to_owned(),
            payload: match &subject.payload {
                Cow::Borrowed(_) => None,
                Cow::Owned(rewritten) => Some(rewritten.clone()),
            },
        });
        Step::Copied
    }
}

/// The target of a `reroute` rule for an action: the only one, or the one drawn.
fn target<'r>(rule: &'r Rule, targets: &'r [RouteTarget], action_id: &str) -> Option<&'r str> {
    let drawn = match targets {
        [only] => Some(only),
        _ => {
            let name = format!("targets of {}", rule.name);
            let weights = targets.iter().map(|target| target.weight);
            split::draw(&name, action_id, weights).and_then(|position| targets.get(position))
        }
    };
    drawn.map(|target| target.provider.as_str())
}
