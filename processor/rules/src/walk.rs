//! Deciding about one action.

use std::borrow::Cow;

use serde_json::Value;
use smallvec::SmallVec;

use crate::condition::Scope;
use crate::patch;
use crate::rule::{Class, ResumePoint, Rule, RuleAction};
use crate::ruleset::{DefaultVerdict, Evaluation, RuleSet};
use crate::subject::Subject;
use crate::time::Clock;
use crate::trace::{Trace, TraceEntry};
use crate::value::FieldValue;

/// What a gate says about an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The action passes.
    Admit,
    /// The action is a duplicate, or over the limit.
    Refuse,
}

/// A question that conditions ask of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// `has_active_event(event_type, label_value)`: whether an event of that type, with a label
    /// of that value, is in a state that isn't terminal. Answers a boolean.
    HasActiveEvent,
    /// `get_event_state(fingerprint)`: the event's state. Answers a string, or null.
    GetEventState,
    /// `event_in_state(fingerprint, state)`. Answers a boolean.
    EventInState,
    /// `state_seen: key` with `within_seconds`: arguments key and seconds (null: ever).
    /// Answers a boolean.
    StateSeen,
    /// `state_counter: key`. Answers a number, or null.
    StateCounter,
}

impl Function {
    /// The functions that rules call by name.
    pub(crate) const NAMED: &'static [Self] = &[Self::HasActiveEvent, Self::GetEventState, Self::EventInState];

    /// The name in rule files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HasActiveEvent => "has_active_event",
            Self::GetEventState => "get_event_state",
            Self::EventInState => "event_in_state",
            Self::StateSeen => "state_seen",
            Self::StateCounter => "state_counter",
        }
    }

    /// What the arguments mean, in order.
    pub(crate) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::HasActiveEvent => &["event_type", "label_value"],
            Self::GetEventState => &["fingerprint"],
            Self::EventInState => &["fingerprint", "state"],
            Self::StateSeen => &["key", "within_seconds"],
            Self::StateCounter => &["key"],
        }
    }

    /// Whether the function answers a boolean, and so needs no operator.
    pub(crate) fn is_boolean(self) -> bool {
        matches!(self, Self::HasActiveEvent | Self::EventInState | Self::StateSeen)
    }
}

/// What a walk asks of its surroundings: state, which rules have none of.
///
/// A host that changes nothing makes a dry run.
pub trait Host {
    /// Why the host could not answer. Ends the walk.
    type Error;

    /// Asks a `deduplicate` or `throttle` rule's state about the action, and counts it in.
    ///
    /// # Errors
    /// The state cannot be read.
    fn gate(&mut self, rule: &Rule, subject: &Subject<'_>) -> Result<Gate, Self::Error>;

    /// Answers a function. Must not change state, and must answer alike within one walk.
    ///
    /// # Errors
    /// The state cannot be read.
    fn call(
        &mut self,
        function: Function,
        args: &[FieldValue<'_>],
        subject: &Subject<'_>,
    ) -> Result<Value, Self::Error>;
}

/// What is to become of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// An `allow` rule: execute on the action's own provider. With `first_match` also a gate
    /// that passed, or a `modify`.
    Allow,
    /// No rule decided: execute on the action's own provider.
    DefaultAllow,
    /// A `deny` rule: reject.
    Deny,
    /// No rule decided, and the default is to deny.
    DefaultDeny,
    /// A `suppress` rule: drop.
    Suppress,
    /// A `deduplicate` rule refused.
    Deduplicated,
    /// A `throttle` rule refused.
    Throttled,
    /// A `reroute` rule: execute on `subject.provider`, which is the new one.
    Reroute {
        /// The provider the action came with.
        from: String,
    },
    /// A `chain` rule: start the chain that the rule names.
    Chain,
    /// A `group`, `schedule`, `request_approval` or `state_machine` rule: hold the action, and
    /// resume after that rule.
    Capture,
}

/// How a walk ended.
#[derive(Debug, Clone)]
pub struct Decision<'r> {
    /// What is to become of the action.
    pub verdict: Verdict,
    /// The rule that decided; none for a default verdict.
    pub rule: Option<&'r Rule>,
    /// Gates that admitted the action, in order.
    pub admitted_by: SmallVec<[&'r Rule; 4]>,
    /// Rules that changed the payload, in order.
    pub rewritten_by: SmallVec<[&'r Rule; 4]>,
    /// How many conditions were evaluated: what the decision cost.
    pub conditions_evaluated: u32,
}

impl Decision<'_> {
    /// The verdict's tag in audit records: the deciding rule's type, else `allow` or `deny`.
    #[must_use]
    pub fn tag(&self) -> &'static str {
        match (&self.verdict, self.rule) {
            (_, Some(rule)) => rule.action.tag(),
            (Verdict::DefaultDeny, None) => "deny",
            (_, None) => "allow",
        }
    }
}

impl RuleSet {
    /// Decides about an action at a time (milliseconds since the epoch).
    ///
    /// `resume_after` is the capture that held the action until now: the walk starts at the next
    /// rule, the action counts as admitted, and no block applies to it. With a trace, every rule
    /// is accounted for; the decision is the same, but dearer.
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
        let walk = Walk {
            set: self,
            // The capture has decided alone, so nothing is left to decide after it.
            start: match resume_after {
                None => 0,
                Some(_) if first_match => self.rules.len(),
                Some(point) => self.resume_index(point),
            },
            first_match,
            resumed: resume_after.is_some(),
            clock: Clock::new(now_ms),
            route: None,
            admitted_by: SmallVec::new(),
            rewritten_by: SmallVec::new(),
            conditions_evaluated: 0,
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
    resumed: bool,
    clock: Clock,
    route: Option<(Verdict, &'r Rule)>,
    admitted_by: SmallVec<[&'r Rule; 4]>,
    rewritten_by: SmallVec<[&'r Rule; 4]>,
    conditions_evaluated: u32,
}

/// What a rule that matched did to the walk.
enum Step {
    /// Nothing that ends it.
    On,
    /// The action has another provider now.
    Rerouted,
    /// The rule decided.
    Ended(Verdict),
}

/// Why a rule has no say.
enum Skip<'r> {
    Routed(&'r Rule),
    Admitted(&'r Rule),
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
            match self.apply(rule, subject, host)? {
                Step::On => {}
                Step::Rerouted => candidates.reroute(&subject.provider, position),
                Step::Ended(verdict) => return Ok(self.decision(verdict, Some(rule))),
            }
        }
        Ok(self.finish())
    }

    /// Looks at every rule and notes what became of it.
    fn traced<H: Host>(
        mut self,
        subject: &mut Subject<'_>,
        host: &mut H,
        trace: &mut Trace,
    ) -> Result<Decision<'r>, H::Error> {
        let mut ended: Option<(Verdict, &'r Rule)> = None;
        for rule in &self.set.rules {
            let mut entry = TraceEntry::new(rule);
            if let Some((_, by)) = &ended {
                entry.skipped(format!("the walk ended at `{}`", by.name));
            } else if rule.index < self.start {
                entry.skipped("the walk resumed after this rule".to_owned());
            } else if !rule.enabled {
                entry.skipped("disabled".to_owned());
            } else if let Some(skip) = self.skip(rule) {
                entry.skipped(skip.reason(rule));
            } else if self.holds(rule, subject, host)? {
                let from = subject.provider.to_string();
                let step = self.apply(rule, subject, host)?;
                let refused = matches!(step, Step::Ended(Verdict::Deduplicated | Verdict::Throttled));
                entry.matched(rule, &from, refused);
                if let Step::Ended(verdict) = step {
                    ended = Some((verdict, rule));
                }
            } else {
                let mut failures = Vec::new();
                rule.condition.explain(&mut self.scope(rule, subject, host), &mut failures)?;
                entry.not_matched(failures);
            }
            trace.entries.push(entry);
        }
        Ok(match ended {
            Some((verdict, rule)) => self.decision(verdict, Some(rule)),
            None => self.finish(),
        })
    }

    fn scope<'s, 'a, H: Host>(
        &'s mut self,
        rule: &Rule,
        subject: &'s Subject<'a>,
        host: &'s mut H,
    ) -> Scope<'s, 'a, H> {
        Scope { subject, clock: &mut self.clock, zone: rule.timezone, host }
    }

    fn holds<H: Host>(&mut self, rule: &Rule, subject: &Subject<'_>, host: &mut H) -> Result<bool, H::Error> {
        self.conditions_evaluated += 1;
        rule.condition.holds(&mut self.scope(rule, subject, host))
    }

    /// Whether a rule has no say, whatever its condition.
    fn skip(&self, rule: &Rule) -> Option<Skip<'r>> {
        let class = rule.class();
        if let Some((_, by)) = &self.route
            && matches!(class, Class::Route | Class::Block | Class::Capture)
        {
            return Some(Skip::Routed(by));
        }
        if class != Class::Block {
            return None;
        }
        if self.resumed {
            return Some(Skip::Released);
        }
        let admitted = self.admitted_by.first().filter(|_| rule.default_block);
        admitted.map(|by| Skip::Admitted(by))
    }

    /// Applies a rule whose condition holds.
    fn apply<H: Host>(&mut self, rule: &'r Rule, subject: &mut Subject<'_>, host: &mut H) -> Result<Step, H::Error> {
        let step = match &rule.action {
            RuleAction::Modify { changes } => {
                patch::merge(subject.payload.to_mut(), changes);
                self.rewritten_by.push(rule);
                Step::On
            }
            RuleAction::Deduplicate { .. } | RuleAction::Throttle { .. } => match host.gate(rule, subject)? {
                Gate::Admit => {
                    self.admitted_by.push(rule);
                    Step::On
                }
                Gate::Refuse if matches!(rule.action, RuleAction::Throttle { .. }) => Step::Ended(Verdict::Throttled),
                Gate::Refuse => Step::Ended(Verdict::Deduplicated),
            },
            RuleAction::Deny => Step::Ended(Verdict::Deny),
            RuleAction::Suppress { .. } => Step::Ended(Verdict::Suppress),
            RuleAction::Group { .. }
            | RuleAction::Schedule { .. }
            | RuleAction::RequestApproval { .. }
            | RuleAction::StateMachine { .. } => Step::Ended(Verdict::Capture),
            RuleAction::Allow => {
                self.route = Some((Verdict::Allow, rule));
                Step::On
            }
            RuleAction::Chain { .. } => {
                self.route = Some((Verdict::Chain, rule));
                Step::On
            }
            RuleAction::Reroute { target_provider } => {
                let target = Cow::Owned(target_provider.clone());
                let from = std::mem::replace(&mut subject.provider, target).into_owned();
                self.route = Some((Verdict::Reroute { from }, rule));
                Step::Rerouted
            }
        };
        if self.first_match && !matches!(step, Step::Ended(_)) {
            let verdict = self.route.take().map_or(Verdict::Allow, |(verdict, _)| verdict);
            return Ok(Step::Ended(verdict));
        }
        Ok(step)
    }

    /// The decision of a walk that no rule ended: the route's, or the default.
    fn finish(mut self) -> Decision<'r> {
        if let Some((verdict, rule)) = self.route.take() {
            return self.decision(verdict, Some(rule));
        }
        let verdict = match self.set.options.default {
            // The rule that captured the action has taken it on.
            DefaultVerdict::Deny if !self.resumed => Verdict::DefaultDeny,
            _ => Verdict::DefaultAllow,
        };
        self.decision(verdict, None)
    }

    fn decision(self, verdict: Verdict, rule: Option<&'r Rule>) -> Decision<'r> {
        Decision {
            verdict,
            rule,
            admitted_by: self.admitted_by,
            rewritten_by: self.rewritten_by,
            conditions_evaluated: self.conditions_evaluated,
        }
    }
}

impl Skip<'_> {
    fn reason(&self, rule: &Rule) -> String {
        match self {
            Self::Routed(by) => format!("already routed by `{}`", by.name),
            Self::Admitted(by) => format!("default block: already admitted by `{}`", by.name),
            Self::Released => {
                format!("{}: the action was held and released, no block applies", rule.action.tag())
            }
        }
    }
}
