//! How a walk ends.

use serde_json::Value;
use smallvec::SmallVec;

use crate::rule::{ResumePoint, Rule};

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
    /// A `throttle` rule with `mode: delay` holds the action until its turn comes: resume after
    /// that rule then, see [`Decision::resume_point`].
    Delayed,
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

impl Verdict {
    /// Whether the action was refused or blocked, so that nothing is sent for it.
    pub(crate) fn sends_nothing(&self) -> bool {
        match self {
            Self::Deny | Self::DefaultDeny | Self::Suppress | Self::Deduplicated | Self::Throttled => true,
            Self::Allow | Self::DefaultAllow | Self::Reroute { .. } | Self::Chain | Self::Capture | Self::Delayed => {
                false
            }
        }
    }
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
    /// Copies of the action that rules with `continue: true` send beside what the verdict says,
    /// in order. Empty where the action is refused or blocked: it sends nothing at all.
    pub copies: SmallVec<[RouteCopy<'r>; 1]>,
    /// How many conditions were evaluated: what the decision cost.
    pub conditions_evaluated: u32,
    /// Whether a capture holds the action, or has held it and let it go.
    pub(crate) captured: bool,
}

/// A copy of the action, as it was when the walk came to a route rule with `continue: true`.
#[derive(Debug, Clone)]
pub struct RouteCopy<'r> {
    /// The rule that sends it.
    pub rule: &'r Rule,
    /// What is to become of it: [`Verdict::Allow`], [`Verdict::Reroute`] or [`Verdict::Chain`].
    pub verdict: Verdict,
    /// The provider that gets it.
    pub provider: String,
    /// The payload, where a rule had rewritten it by then; else it goes as it came.
    pub payload: Option<Value>,
}

impl Decision<'_> {
    /// The decision about an action that no rule looks at.
    #[must_use]
    pub fn default_allow() -> Self {
        Self {
            verdict: Verdict::DefaultAllow,
            rule: None,
            admitted_by: SmallVec::new(),
            rewritten_by: SmallVec::new(),
            copies: SmallVec::new(),
            conditions_evaluated: 0,
            captured: false,
        }
    }

    /// The verdict's tag in audit records: the deciding rule's type, else `allow` or `deny`.
    #[must_use]
    pub fn tag(&self) -> &'static str {
        match (&self.verdict, self.rule) {
            (_, Some(rule)) => rule.action.tag(),
            (Verdict::DefaultDeny, None) => "deny",
            (_, None) => "allow",
        }
    }

    /// Where the walk goes on when the action is released; `None` unless the verdict holds it
    /// ([`Verdict::Capture`] or [`Verdict::Delayed`]).
    #[must_use]
    pub fn resume_point(&self) -> Option<ResumePoint> {
        let held = matches!(self.verdict, Verdict::Capture | Verdict::Delayed);
        let point = self.rule.filter(|_| held)?.resume_point();
        Some(ResumePoint { captured: self.captured || point.captured, ..point })
    }
}
