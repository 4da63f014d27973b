//! The rule language of Acteon: parse, check, evaluate, explain. Pure.
//!
//! [`compile`] turns rule files into a [`RuleSet`], or says everything that is wrong with them,
//! with file, line and column. [`RuleSet::walk`] decides about one action: it rewrites the
//! [`Subject`], asks its [`Host`] about gates and events, and returns a [`Decision`]; with a
//! [`Trace`] it also says why, rule by rule.
//!
//! Nothing here knows the time, the environment, a network or a store: the time is an argument,
//! state is asked of the host. So the same call serves the live decision, a dry run, the
//! playground, `acteon rules test` and a backtest. [`load_dir`] alone reads files.
//!
//! # Evaluation
//! Enabled rules are walked in the order of priority (low first), file name and place in the
//! file, against the action as rewritten so far. A missing field is null, which is never an
//! error: `ne` and `exists: false` match it (and `eq: null`), no other comparison does. A value
//! of the wrong type does not match either, but is unequal, so `ne` matches it; the trace says
//! so. With `evaluation = "cascade"`:
//!
//! - *Rewrites* (`modify`) change the payload for later rules and the provider; the walk goes on.
//! - *Gates* (`deduplicate`, `throttle`) refuse, which ends the walk, or admit.
//! - *Blocks* (`suppress`, `deny`) end the walk. A *default block*, whose condition names nothing
//!   but namespace and tenant, applies only where no gate has admitted the action yet.
//! - *Captures* (`group`, `schedule`, `request_approval`, `state_machine`) end the walk, which
//!   resumes at the next rule when the action is released: then no block applies any more, and
//!   later captures still do.
//! - *Routes* (`allow`, `reroute`, `chain`): the first one is the decision. Later routes, blocks
//!   and captures are ignored; later rewrites still apply and a later gate may still refuse.
//!
//! Four things refine this:
//!
//! - *Weights*: all enabled route rules of one priority that have a `weight` and match form one
//!   split. It stands where the first of them does; one is chosen by the action's id, in
//!   proportion to the weights, and the others have no say. A `reroute` can split between
//!   `targets` likewise. The choice is a function of the id, the split's name and the weights:
//!   the same in every process and version.
//! - *Copies*: a route rule with `continue: true` sends a copy of the action, with the payload
//!   and the provider of that moment, and the walk goes on as if the rule had not matched.
//!   Copies go out with the verdict that admits or holds the action. An action that is refused
//!   or blocked sends nothing: its copies are dropped.
//! - *Delays*: a `throttle` with `mode: delay` holds what is over its limit instead of refusing
//!   it. The walk resumes after that rule, as after any gate that admits: blocks still apply,
//!   default blocks do not. With `default = "deny"` a route is still wanted.
//! - *Counters*: `state_counter` is how many of the tenant's actions came to that predicate of
//!   that rule with that key in the last `within_seconds`, the present one included;
//!   `state_seen` is whether an earlier one did. Predicates are evaluated in the order written,
//!   and no further than the condition needs, so what stands before a counter in an `all`
//!   decides what is counted. A rule that has no say counts nothing; an action is counted once,
//!   however many operators the predicate has, and also if it is refused in the end unless the
//!   host takes that back.
//!
//! A condition, or an item of `all` and `any` with the key `cel`, may be a CEL expression over
//! `action`, `time` and `now`. One that cannot be evaluated, because of a missing field or a
//! wrong type, is false; the trace says why. `has(…)` is false for null, as `exists` is.
//!
//! An action about which no rule decides is executed on its own provider or, with
//! `default = "deny"`, denied: a gate that admits is no decision. An action that a capture has
//! held and released is never denied by default.
//!
//! With `evaluation = "first_match"` the first rule that matches decides alone.

mod cel;
mod condition;
mod decision;
mod diagnostic;
mod host;
mod index;
pub mod limits;
mod lint;
mod load;
mod memo;
mod modify;
mod operator;
mod parse;
mod patch;
mod path;
mod references;
mod rule;
mod ruleset;
mod split;
mod subject;
mod template;
pub mod tenant;
mod time;
mod trace;
mod value;
mod walk;
pub mod yaml;

pub use decision::{Decision, RouteCopy, Verdict};
pub use diagnostic::{Diagnostic, Place, Severity, nearest};
pub use host::{Function, Gate, Host};
pub use load::{Error, load_dir};
pub use modify::Changes;
pub use path::FieldPath;
pub use references::{Names, check_references};
pub use rule::{Class, ResumePoint, RouteTarget, Rule, RuleAction, Source, ThrottleMode};
pub use ruleset::{Checked, DefaultVerdict, Evaluation, Options, RuleSet, SourceFile, compile};
pub use subject::Subject;
pub use template::ValueTemplate;
pub use trace::{Failure, Trace, TraceEntry, TraceResult};
pub use value::{FieldValue, Num};
