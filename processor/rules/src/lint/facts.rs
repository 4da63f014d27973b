//! What the linter knows of each rule: its conjuncts as numbers, and what they depend on.

use rustc_hash::FxHashMap;

use crate::condition::{Arg, Condition, Operand};
use crate::index::wanted_values;
use crate::path::{FieldPath, Target};
use crate::rule::{Class, Rule, RuleAction, ThrottleMode};

/// Most earlier rules compared with one rule, so that checking thousands stays quick.
const MAX_IMPLIED: usize = 16;

/// Facts about the enabled rules of a set.
pub(super) struct Facts<'r> {
    rules: &'r [Rule],
    /// The conjuncts of each rule as numbers, sorted. The same number is the same predicate.
    conjuncts: Vec<Vec<u32>>,
    /// Rules by their highest-numbered conjunct: the one least shared.
    by_rarest: FxHashMap<u32, Vec<usize>>,
    unconditional: Vec<usize>,
    /// Positions of rules that change what later conditions see.
    rewrites: Vec<usize>,
    reroutes: Vec<usize>,
    /// Positions of rules that may hold the action for a time.
    waits: Vec<usize>,
}

/// What a condition depends on that may change while walking.
#[derive(Default)]
struct Dependencies<'c> {
    /// Payload keys at the top level; the empty string is the whole payload.
    payload: Vec<&'c str>,
    provider: bool,
    /// The time, or state.
    surroundings: bool,
}

impl<'r> Facts<'r> {
    pub(super) fn new(rules: &'r [Rule]) -> Self {
        let mut numbers = FxHashMap::default();
        let mut facts = Self {
            rules,
            conjuncts: Vec::with_capacity(rules.len()),
            by_rarest: FxHashMap::default(),
            unconditional: Vec::new(),
            rewrites: Vec::new(),
            reroutes: Vec::new(),
            waits: Vec::new(),
        };
        for (position, rule) in rules.iter().enumerate() {
            let conjuncts = conjuncts(rule, &mut numbers);
            if rule.enabled {
                match conjuncts.last() {
                    None => facts.unconditional.push(position),
                    Some(rarest) => facts.by_rarest.entry(*rarest).or_default().push(position),
                }
                match &rule.action {
                    RuleAction::Modify(_) => facts.rewrites.push(position),
                    RuleAction::Reroute { .. } if !rule.continues => facts.reroutes.push(position),
                    RuleAction::Throttle { mode: ThrottleMode::Delay { .. }, .. } => facts.waits.push(position),
                    action if action.class() == Class::Capture => facts.waits.push(position),
                    _ => {}
                }
            }
            facts.conjuncts.push(conjuncts);
        }
        facts
    }

    /// Enabled rules of some classes, before `rule`, that match whatever it matches: the first
    /// [`MAX_IMPLIED`] of them. Routes that the walk may pass all the same are left out: those
    /// that copy, and those that are drawn.
    pub(super) fn implied_by<'f>(
        &'f self,
        rule: &Rule,
        classes: &'static [Class],
    ) -> impl Iterator<Item = &'r Rule> + 'f {
        let position = rule.index;
        let own = &self.conjuncts[position];
        // A split stands where the first of its rules does, so another rule of the priority may come after it.
        let split_at = rule.split_weight().map(|_| rule.priority);
        let shared = own.iter().filter_map(|number| self.by_rarest.get(number)).flatten();
        let subset = move |other: &usize| {
            *other < position
                && classes.contains(&self.rules[*other].class())
                && !self.rules[*other].continues
                && self.rules[*other].split_weight().is_none()
                && split_at.is_none_or(|priority| priority != self.rules[*other].priority)
                && self.conjuncts[*other].iter().all(|number| own.binary_search(number).is_ok())
        };
        let positions = self.unconditional.iter().chain(shared).copied().filter(subset);
        positions.map(|i| &self.rules[i]).take(MAX_IMPLIED)
    }

    /// Whether what `earlier` looks at is still the same when the walk comes to `later`.
    pub(super) fn is_stable(&self, earlier: &Rule, later: &Rule) -> bool {
        let depends = Dependencies::of(&earlier.condition);
        let rewritten = between(&self.rewrites, earlier, later).iter().any(|&position| {
            let RuleAction::Modify(changes) = &self.rules[position].action else { return false };
            depends.payload.iter().any(|key| key.is_empty() || changes.touches(key))
        });
        let rerouted = depends.provider && !between(&self.reroutes, earlier, later).is_empty();
        let waited = depends.surroundings && !between(&self.waits, earlier, later).is_empty();
        !(rewritten || rerouted || waited)
    }

    /// Whether an action that `later` matches may get past the block `earlier`: because a rule
    /// before the block may route it, hold and release it, or (a default block) admit it.
    pub(super) fn may_be_passed(&self, earlier: &Rule, later: &Rule) -> bool {
        let scope = wanted_values(&later.condition);
        let lets_pass = |rule: &&Rule| match rule.class() {
            Class::Route | Class::Capture => rule.enabled,
            Class::Gate => rule.enabled && earlier.default_block,
            Class::Rewrite | Class::Block => false,
        };
        self.rules[..earlier.index].iter().filter(lets_pass).any(|rule| {
            // Namespace, tenant and action type never change; the provider, the last, may.
            let theirs = wanted_values(&rule.condition);
            let disjoint = scope.iter().zip(&theirs).take(3).any(|pair| match pair {
                (Some(a), Some(b)) => !a.iter().any(|value| b.contains(value)),
                _ => false,
            });
            !disjoint
        })
    }
}

/// Those of the sorted positions that lie between two rules.
fn between<'p>(positions: &'p [usize], earlier: &Rule, later: &Rule) -> &'p [usize] {
    let from = positions.partition_point(|&position| position <= earlier.index);
    let to = positions.partition_point(|&position| position < later.index);
    positions.get(from..to).unwrap_or_default()
}

/// The rule's conjuncts as sorted numbers.
fn conjuncts(rule: &Rule, numbers: &mut FxHashMap<String, u32>) -> Vec<u32> {
    let mut conjuncts: Vec<u32> = Vec::new();
    for part in rule.condition.conjuncts() {
        let mut text = format!("{part:#}");
        if Dependencies::of(part).surroundings {
            // The same words mean another time in another zone.
            text = format!("{text} [{}]", rule.timezone);
        }
        if part.counts() {
            // Each rule counts for itself.
            text = format!("{text} [{}]", rule.name);
        }
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        conjuncts.push(*numbers.entry(text).or_insert(next));
    }
    conjuncts.sort_unstable();
    conjuncts.dedup();
    conjuncts
}

impl<'c> Dependencies<'c> {
    fn of(condition: &'c Condition) -> Self {
        let mut depends = Self::default();
        if condition.has_cel() {
            // It may look at anything.
            depends.payload.push("");
            depends.provider = true;
            depends.surroundings = true;
        }
        condition.visit(&mut |predicate| match &predicate.operand {
            Operand::Field(path) => depends.add(path),
            Operand::Time(_) => depends.surroundings = true,
            Operand::Call(_, args) => {
                depends.surroundings = true;
                for arg in args {
                    if let Arg::Field(path) = arg {
                        depends.add(path);
                    }
                }
            }
        });
        depends
    }

    fn add(&mut self, path: &'c FieldPath) {
        self.payload.extend(path.payload_root());
        self.provider |= matches!(path.target(), Target::Provider);
    }
}
