//! Conditions: compiled, evaluated, explained.

use std::fmt;

use serde_json::Value;
use smallvec::SmallVec;

use crate::cel::{Answer, Expression};
use crate::host::{Function, Host};
use crate::memo::Memo;
use crate::operator::{Outcome, Test};
use crate::path::{FieldPath, Target};
use crate::rule::Rule;
use crate::subject::Subject;
use crate::time::{Clock, TimeField};
use crate::trace::Failure;
use crate::value::FieldValue;

/// When a rule matches.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// No condition: every action.
    Always,
    All(Box<[Condition]>),
    Any(Box<[Condition]>),
    Not(Box<Condition>),
    Predicate(Predicate),
    /// An expression, of which the index and the linter know nothing.
    Cel(Expression),
}

/// One operand and one operator. A predicate of several operators is an `All` of such.
#[derive(Debug, Clone)]
pub(crate) struct Predicate {
    pub(crate) operand: Operand,
    pub(crate) test: Test,
}

/// Where a predicate takes its value from.
#[derive(Debug, Clone)]
pub(crate) enum Operand {
    Field(FieldPath),
    Time(TimeField),
    Call(Function, Box<[Arg]>),
}

/// An argument of a function.
#[derive(Debug, Clone)]
pub(crate) enum Arg {
    Literal(Value),
    Field(FieldPath),
    Time(TimeField),
}

/// What a condition is evaluated against.
pub(crate) struct Scope<'s, 'a, H> {
    pub(crate) rule: &'s Rule,
    pub(crate) subject: &'s Subject<'a>,
    pub(crate) clock: &'s mut Clock,
    pub(crate) memo: &'s mut Memo,
    pub(crate) host: &'s mut H,
}

impl Condition {
    /// Whether the condition holds. Stops at the first predicate that settles it.
    pub(crate) fn holds<H: Host>(&self, scope: &mut Scope<'_, '_, H>) -> Result<bool, H::Error> {
        match self {
            Self::Always => Ok(true),
            Self::Predicate(predicate) => Ok(predicate.check(scope)? == Outcome::Match),
            Self::Cel(expression) => Ok(matches!(expression.evaluate(scope)?, Answer::Holds)),
            Self::Not(inner) => Ok(!inner.holds(scope)?),
            Self::All(parts) => {
                for part in parts {
                    if !part.holds(scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(parts) => {
                for part in parts {
                    if part.holds(scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Collects the functions that the condition calls.
    pub(crate) fn functions(&self, found: &mut Vec<Function>) {
        match self {
            Self::Always => {}
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.functions(found)),
            Self::Not(inner) => inner.functions(found),
            Self::Predicate(predicate) => {
                if let Operand::Call(function, _) = predicate.operand {
                    found.push(function);
                }
            }
            Self::Cel(expression) => found.extend(expression.functions()),
        }
    }

    /// Whether evaluating the condition counts the action in somewhere.
    pub(crate) fn counts(&self) -> bool {
        let mut found = Vec::new();
        self.functions(&mut found);
        found.into_iter().any(Function::counts)
    }

    /// Why a condition that does not hold does not: the first failing part of an `all`, every
    /// part of an `any`.
    pub(crate) fn explain<H: Host>(
        &self,
        scope: &mut Scope<'_, '_, H>,
        failures: &mut Vec<Failure>,
    ) -> Result<(), H::Error> {
        match self {
            Self::Always => {}
            Self::Predicate(predicate) => failures.push(predicate.failure(scope)?),
            Self::Cel(expression) => {
                let (found, type_mismatch) = match expression.evaluate(scope)? {
                    Answer::Holds => (Value::Bool(true), None),
                    Answer::Fails => (Value::Bool(false), None),
                    Answer::Error(note) => (Value::Null, Some(note)),
                };
                failures.push(Failure { predicate: self.to_string(), found, type_mismatch });
            }
            Self::Not(inner) => {
                let found = match &**inner {
                    Self::Predicate(predicate) => FieldValue::from(&predicate.found(scope)?).excerpt(),
                    _ => Value::Bool(true),
                };
                let predicate = self.to_string();
                failures.push(Failure { predicate, found, type_mismatch: None });
            }
            Self::All(parts) => {
                for part in parts {
                    if !part.holds(scope)? {
                        return part.explain(scope, failures);
                    }
                }
            }
            Self::Any(parts) => {
                for part in parts {
                    part.explain(scope, failures)?;
                }
            }
        }
        Ok(())
    }

    /// The parts that must all hold: the condition itself, or the members of nested `all`s.
    pub(crate) fn conjuncts(&self) -> Vec<&Condition> {
        fn collect<'c>(condition: &'c Condition, into: &mut Vec<&'c Condition>) {
            match condition {
                Condition::Always => {}
                Condition::All(parts) => parts.iter().for_each(|part| collect(part, into)),
                other => into.push(other),
            }
        }
        let mut parts = Vec::new();
        collect(self, &mut parts);
        parts
    }

    /// Calls `visit` for every predicate that is no expression, at any depth.
    pub(crate) fn visit<'c>(&'c self, visit: &mut impl FnMut(&'c Predicate)) {
        match self {
            Self::Always | Self::Cel(_) => {}
            Self::Predicate(predicate) => visit(predicate),
            Self::Not(inner) => inner.visit(visit),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.visit(visit)),
        }
    }

    /// Whether an expression is part of the condition.
    pub(crate) fn has_cel(&self) -> bool {
        match self {
            Self::Cel(_) => true,
            Self::Always | Self::Predicate(_) => false,
            Self::Not(inner) => inner.has_cel(),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::has_cel),
        }
    }

    /// Whether the condition names nothing but the scope: namespace and tenant.
    pub(crate) fn is_scope_only(&self) -> bool {
        let mut scope_only = !self.has_cel();
        self.visit(&mut |predicate| {
            scope_only &= match &predicate.operand {
                Operand::Field(path) => {
                    matches!(path.target(), Target::Namespace | Target::Tenant)
                }
                Operand::Time(_) | Operand::Call(..) => false,
            };
        });
        scope_only
    }
}

impl Predicate {
    fn check<H: Host>(&self, scope: &mut Scope<'_, '_, H>) -> Result<Outcome, H::Error> {
        Ok(match &self.operand {
            Operand::Field(path) => self.test.check(&path.read(scope.subject)),
            Operand::Time(field) => self.test.check(&scope.clock.read(*field, scope.rule.timezone)),
            Operand::Call(function, args) => self.test.check(&FieldValue::from(&call(*function, args, scope)?)),
        })
    }

    fn found<H: Host>(&self, scope: &mut Scope<'_, '_, H>) -> Result<Value, H::Error> {
        Ok(match &self.operand {
            Operand::Field(path) => path.read(scope.subject).to_value(),
            Operand::Time(field) => scope.clock.read(*field, scope.rule.timezone).to_value(),
            Operand::Call(function, args) => call(*function, args, scope)?,
        })
    }

    fn failure<H: Host>(&self, scope: &mut Scope<'_, '_, H>) -> Result<Failure, H::Error> {
        let found = self.found(scope)?;
        let value = FieldValue::from(&found);
        let mismatch = self.test.check(&value) == Outcome::Mismatch;
        let text = || format!("expected {}, found {}", self.test.expects(), value.kind());
        let type_mismatch = mismatch.then(text);
        Ok(Failure { predicate: self.to_string(), found: value.excerpt(), type_mismatch })
    }
}

fn call<H: Host>(function: Function, args: &[Arg], scope: &mut Scope<'_, '_, H>) -> Result<Value, H::Error> {
    let mut values: SmallVec<[FieldValue<'_>; 4]> = SmallVec::new();
    for arg in args {
        values.push(match arg {
            Arg::Literal(value) => value.into(),
            Arg::Field(path) => path.read(scope.subject),
            Arg::Time(field) => scope.clock.read(*field, scope.rule.timezone),
        });
    }
    scope.memo.call(scope.rule, function, &values, scope.subject, scope.host)
}

/// As one line; `{:#}` with every member of every list.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, parts) = match self {
            Self::Always => return f.write_str("always"),
            Self::Predicate(predicate) => return fmt::Display::fmt(predicate, f),
            Self::Cel(expression) => return write!(f, "cel `{expression}`"),
            Self::Not(inner) => {
                f.write_str("not (")?;
                fmt::Display::fmt(inner, f)?;
                return f.write_str(")");
            }
            Self::All(parts) => (" and ", parts),
            Self::Any(parts) => (" or ", parts),
        };
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                f.write_str(word)?;
            }
            if matches!(part, Self::All(_) | Self::Any(_)) {
                f.write_str("(")?;
                fmt::Display::fmt(part, f)?;
                f.write_str(")")?;
            } else {
                fmt::Display::fmt(part, f)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operand {
            Operand::Field(path) => write!(f, "{path} ")?,
            Operand::Time(field) => write!(f, "{field} ")?,
            Operand::Call(function, args) => {
                write!(f, "{}(", function.name())?;
                for (i, arg) in args.iter().enumerate() {
                    write!(f, "{}{arg}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str(") ")?;
            }
        }
        fmt::Display::fmt(&self.test, f)
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(value) => write!(f, "{value}"),
            Self::Field(path) => write!(f, "{path}"),
            Self::Time(field) => write!(f, "{field}"),
        }
    }
}
