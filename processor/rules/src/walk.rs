//! Deciding about one action.

use smallvec::SmallVec;

use crate::condition::Scope;
use crate::decision::{Decision, RouteCopy, Verdict};
use crate::host::{Gate, Host};
use crate::memo::Memo;
use crate::rule::{Class, ResumePoint, Rule, RuleAction, ThrottleMode};
use crate::ruleset::{DefaultVerdict, Evaluation, RuleSet};
use crate::subject::Subject;
use crate::time::Clock;
use crate::trace::Trace;

mod route;
mod traced;

use route::Split;

impl RuleSet {
    /// Decides about an action at a time (milliseconds since the epoch).
    ///
    /// `resume_after` is the rule that held the action until now: the walk starts at the next
    /// rule, and the action counts as admitted. If a capture has held it, no block applies to it
    /// any more. With a trace, every rule is accounted for; the decision is the same, but dearer.
    ///
    /// # Errors
    /// The host could not answer. The subject may be half rewritten by then.
    pub fn walk<'r, H: Host>(
        &'r self,
        subject: &mut Subject<'_>,
        now_ms: i64,
        resume_after: Option<&ResumePoint>,
        host: &mut H,
        trace: Option<&mut Trace>,
    ) -> Result<Decision<'r>, H::Error> {
        let first_match = self.options.evaluation == Evaluation::FirstMatch;
        let delayed_by = resume_after.filter(|point| !point.captured);
        let walk = Walk {
            set: self,
            // What held the action has decided alone, so nothing is left to decide after it.
            start: match resume_after {
                None => 0,
                Some(_) if first_match => self.rules.len(),
                Some(point) => self.resume_index(point),
            },
            first_match,
            captured: resume_after.is_some_and(|point| point.captured),
            delayed: delayed_by.is_some(),
            clock: Clock::new(now_ms),
            memo: Memo::default(),
            route: None,
            split: None,
            admitted_by: delayed_by.and_then(|point| self.rule(&point.rule)).into_iter().collect(),
            rewritten_by: SmallVec::new(),
            copies: SmallVec::new(),
            conditions_evaluated: 0,
            notes: Vec::new(),
        };
        match trace {
            None => walk.indexed(subject, host),
            Some(trace) => walk.traced(subject, host, trace),
        }
    }
}

/// A walk under way.
struct Walk<'r> {
    set: &'r RuleSet,
    /// The first rule that takes part.
    start: usize,
    first_match: bool,
    /// A capture has held the action and let it go.
    captured: bool,
    /// A `throttle` rule has delayed the action and let it go, and no capture has held it.
    delayed: bool,
    clock: Clock,
    memo: Memo,
    route: Option<(Verdict, &'r Rule)>,
    /// The last split that was drawn.
    split: Option<Split>,
    admitted_by: SmallVec<[&'r Rule; 4]>,
    rewritten_by: SmallVec<[&'r Rule; 4]>,
    copies: SmallVec<[RouteCopy<'r>; 1]>,
    conditions_evaluated: u32,
    /// What a `modify` rule could not do, for the trace.
    notes: Vec<String>,
}

/// What a rule that matched did to the walk.
enum Step {
    /// Nothing that ends it.
    On,
    /// The action has another provider now.
    Rerouted,
    /// A copy of the action was routed.
    Copied,
    /// A copy should have been routed, but the action has as many as it may have.
    NotCopied,
    /// The rule decided.
    Ended(Verdict),
}

/// Why a rule has no say.
enum Skip<'r> {
    Routed(&'r Rule),
    NotDrawn { weight: u32, total: u64 },
    Admitted(&'r Rule),
    Delayed,
    Released,
}

impl<'r> Walk<'r> {
    /// Looks only at rules that the index says can match. Allocates nothing for a rule.
    fn indexed<H: Host>(mut self, subject: &mut Subject<'_>, host: &mut H) -> Result<Decision<'r>, H::Error> {
        let set = self.set;
        let mut candidates = set.index.candidates(subject, self.start);
        while let Some(position) = candidates.next() {
            let rule = &set.rules[position];
            if self.skip(rule).is_some() || !self.holds(rule, subject, host)? {
                continue;
            }
            let Some(rule) = self.drawn(rule, subject, host)? else { continue };
            match self.apply(rule, subject, host)? {
                Step::On | Step::Copied | Step::NotCopied => {}
                Step::Rerouted => candidates.reroute(&subject.provider, position),
                Step::Ended(verdict) => return Ok(self.decision(verdict, Some(rule))),
            }
        }
        Ok(self.finish())
    }

    fn scope<'s, 'a, H: Host>(
        &'s mut self,
        rule: &'s Rule,
        subject: &'s Subject<'a>,
        host: &'s mut H,
    ) -> Scope<'s, 'a, H> {
        Scope { rule, subject, clock: &mut self.clock, memo: &mut self.memo, host }
    }

    fn holds<H: Host>(&mut self, rule: &Rule, subject: &Subject<'_>, host: &mut H) -> Result<bool, H::Error> {
        self.conditions_evaluated += 1;
        rule.condition.holds(&mut self.scope(rule, subject, host))
    }

    /// Whether a rule has no say, whatever its condition.
    fn skip(&self, rule: &Rule) -> Option<Skip<'r>> {
        let class = rule.class();
        if let Some(skip) = self.not_drawn(rule) {
            return Some(skip);
        }
        if let Some((_, by)) = &self.route
            && matches!(class, Class::Route | Class::Block | Class::Capture)
        {
            return Some(Skip::Routed(by));
        }
        if class != Class::Block {
            return None;
        }
        if self.captured {
            return Some(Skip::Released);
        }
        if !rule.default_block {
            return None;
        }
        match self.admitted_by.first() {
            Some(by) => Some(Skip::Admitted(by)),
            None => self.delayed.then_some(Skip::Delayed),
        }
    }

    /// Applies a rule whose condition holds.
    fn apply<H: Host>(&mut self, rule: &'r Rule, subject: &mut Subject<'_>, host: &mut H) -> Result<Step, H::Error> {
        let step = match &rule.action {
            RuleAction::Modify(changes) => {
                self.notes.clear();
                changes.apply(rule, subject, &mut self.clock, &mut self.notes);
                self.rewritten_by.push(rule);
                Step::On
            }
            RuleAction::Deduplicate { .. } => match host.gate(rule, subject)? {
                Gate::Admit => self.admit(rule),
                Gate::Refuse | Gate::Hold => Step::Ended(Verdict::Deduplicated),
            },
            RuleAction::Throttle { mode, .. } => match (host.gate(rule, subject)?, mode) {
                (Gate::Admit, _) => self.admit(rule),
                (Gate::Hold, ThrottleMode::Delay { .. }) => Step::Ended(Verdict::Delayed),
                (Gate::Refuse | Gate::Hold, _) => Step::Ended(Verdict::Throttled),
            },
            RuleAction::Deny => Step::Ended(Verdict::Deny),
            RuleAction::Suppress { .. } => Step::Ended(Verdict::Suppress),
            RuleAction::Group { .. }
            | RuleAction::Schedule { .. }
            | RuleAction::RequestApproval { .. }
            | RuleAction::StateMachine { .. } => Step::Ended(Verdict::Capture),
            RuleAction::Allow | RuleAction::Chain { .. } | RuleAction::Reroute { .. } => self.take_route(rule, subject),
        };
        let settled = matches!(step, Step::Ended(_) | Step::Copied | Step::NotCopied);
        if self.first_match && !settled {
            let verdict = self.route.take().map_or(Verdict::Allow, |(verdict, _)| verdict);
            return Ok(Step::Ended(verdict));
        }
        Ok(step)
    }

    fn admit(&mut self, rule: &'r Rule) -> Step {
        self.admitted_by.push(rule);
        Step::On
    }

    /// The decision of a walk that no rule ended: the route's, or the default.
    fn finish(mut self) -> Decision<'r> {
        if let Some((verdict, rule)) = self.route.take() {
            return self.decision(verdict, Some(rule));
        }
        // A rule that has held the action has taken it on: a capture does, and under
        // `first_match` a gate decides too.
        let taken_on = self.captured || (self.delayed && self.first_match);
        let verdict = match self.set.options.default {
            DefaultVerdict::Deny if !taken_on => Verdict::DefaultDeny,
            _ => Verdict::DefaultAllow,
        };
        self.decision(verdict, None)
    }

    fn decision(mut self, verdict: Verdict, rule: Option<&'r Rule>) -> Decision<'r> {
        if verdict.sends_nothing() {
            self.copies.clear();
        }
        Decision {
            captured: self.captured || verdict == Verdict::Capture,
            verdict,
            rule,
            admitted_by: self.admitted_by,
            rewritten_by: self.rewritten_by,
            copies: self.copies,
            conditions_evaluated: self.conditions_evaluated,
        }
    }
}

impl Skip<'_> {
    fn reason(&self, rule: &Rule) -> String {
        match self {
            Self::Routed(by) => format!("already routed by `{}`", by.name),
            Self::NotDrawn { weight, total } => format!("not drawn: weight {weight} of {total}"),
            Self::Admitted(by) => format!("default block: already admitted by `{}`", by.name),
            Self::Delayed => "default block: already admitted by the rule that delayed the action".to_owned(),
            Self::Released => {
                format!("{}: the action was held and released, no block applies", rule.action.tag())
            }
        }
    }
}
