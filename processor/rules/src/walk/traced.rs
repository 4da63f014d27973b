//! A walk that says what became of every rule.

use super::{Step, Walk};
use crate::decision::{Decision, Verdict};
use crate::host::Host;
use crate::limits;
use crate::rule::{Class, Rule, RuleAction};
use crate::subject::Subject;
use crate::trace::{Trace, TraceEntry};

/// A rule that a split has drawn before the walk came to its place.
struct Early {
    rule: usize,
    effect: String,
}

impl<'r> Walk<'r> {
    /// Looks at every rule and notes what became of it.
    pub(super) fn traced<H: Host>(
        mut self,
        subject: &mut Subject<'_>,
        host: &mut H,
        trace: &mut Trace,
    ) -> Result<Decision<'r>, H::Error> {
        let mut ended: Option<(Verdict, &'r Rule)> = None;
        let mut early: Option<Early> = None;
        let mut copied: Vec<usize> = Vec::new();
        for rule in &self.set.rules {
            let mut entry = TraceEntry::new(rule);
            if let Some(Early { effect, .. }) = early.take_if(|early| early.rule == rule.index) {
                entry.matched(effect);
            } else if let Some((_, by)) = &ended {
                entry.skipped(format!("the walk ended at `{}`", by.name));
            } else if rule.index < self.start {
                entry.skipped("the walk resumed after this rule".to_owned());
            } else if !rule.enabled {
                entry.skipped("disabled".to_owned());
            } else if let Some(skip) = self.skip(rule) {
                entry.skipped(skip.reason(rule));
            } else if self.holds(rule, subject, host)? {
                let drawn = self.drawn(rule, subject, host)?;
                if let Some(drawn) = drawn {
                    let from = subject.provider.to_string();
                    let before = matches!(drawn.action, RuleAction::Modify(_)).then(|| (*subject.payload).clone());
                    let step = self.apply(drawn, subject, host)?;
                    let effect = self.effect(drawn, &from, &step, subject);
                    if let (RuleAction::Modify(changes), Some(before)) = (&drawn.action, before) {
                        entry.modify_patch = Some(changes.as_patch(&before, &subject.payload));
                    }
                    if matches!(step, Step::Copied) {
                        copied.push(trace.entries.len() + drawn.index - rule.index);
                    }
                    if let Step::Ended(verdict) = step {
                        ended = Some((verdict, drawn));
                    }
                    early = Some(Early { rule: drawn.index, effect });
                }
                match early.take_if(|early| early.rule == rule.index) {
                    Some(Early { effect, .. }) => entry.matched(effect),
                    None => entry.skipped(self.not_drawn(rule).map(|skip| skip.reason(rule)).unwrap_or_default()),
                }
            } else {
                let mut failures = Vec::new();
                rule.condition.explain(&mut self.scope(rule, subject, host), &mut failures)?;
                entry.not_matched(failures);
            }
            trace.entries.push(entry);
        }
        let decision = match ended {
            Some((verdict, rule)) => self.decision(verdict, Some(rule)),
            None => self.finish(),
        };
        if decision.verdict.sends_nothing() {
            for position in copied {
                if let Some(effect) = trace.entries.get_mut(position).and_then(|entry| entry.effect.as_mut()) {
                    effect.push_str("; dropped, because the action is not admitted");
                }
            }
        }
        Ok(decision)
    }

    /// What a rule that matched did. `from` is the provider it found.
    fn effect(&self, rule: &Rule, from: &str, step: &Step, subject: &Subject<'_>) -> String {
        let route = match (step, &rule.action) {
            (Step::NotCopied, _) => {
                return format!("no copy: an action may have {}", limits::MAX_COPIES);
            }
            (_, RuleAction::Modify(_)) => {
                let notes = self.notes.iter().map(|note| format!("; {note}"));
                return std::iter::once("payload changed".to_owned()).chain(notes).collect();
            }
            (_, RuleAction::Allow) => format!("executes on `{from}`"),
            (_, RuleAction::Chain { chain }) => format!("starts chain `{chain}`"),
            (_, RuleAction::Reroute { targets }) => {
                let copy = self.copies.last().filter(|_| matches!(step, Step::Copied));
                let provider = copy.map_or(&*subject.provider, |copy| copy.provider.as_str());
                let mut text = format!("provider `{from}` → `{provider}`");
                if let [_, _, ..] = targets[..] {
                    let total: u64 = targets.iter().map(|target| u64::from(target.weight)).sum();
                    let drawn = targets.iter().find(|target| target.provider == provider);
                    let weight = drawn.map_or(0, |target| target.weight);
                    text.push_str(&format!(", drawn with weight {weight} of {total}"));
                }
                text
            }
            (step, action) => {
                return match (action.class(), step) {
                    (Class::Gate, Step::Ended(Verdict::Delayed)) => "delayed".to_owned(),
                    (Class::Gate, Step::Ended(Verdict::Deduplicated | Verdict::Throttled)) => "refused".to_owned(),
                    (Class::Gate, _) => "admitted".to_owned(),
                    (Class::Capture, _) => "held".to_owned(),
                    _ => "blocked".to_owned(),
                };
            }
        };
        let drawn = rule.split_weight().zip(self.split.as_ref());
        let route = match drawn {
            Some((weight, split)) => format!("{route}, drawn with weight {weight} of {}", split.total),
            None => route,
        };
        if matches!(step, Step::Copied) { format!("a copy: {route}") } else { route }
    }
}
