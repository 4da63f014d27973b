//! Evaluating an expression within its steps.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;
use smallvec::SmallVec;

use super::builtin::Builtin;
use super::lower::{Binary, Expr, Loop};
use super::value::Val;
use crate::condition::Scope;
use crate::host::{Function, Host};
use crate::limits;
use crate::subject::Subject;
use crate::value::{FieldValue, Num};

/// Why an expression has no value.
pub(super) enum Fault<E> {
    /// A missing field, a wrong type, a division by zero. `&&` and `||` pass over it where the
    /// other side settles the matter.
    Note(String),
    /// The steps are used up.
    Spent,
    /// The host could not answer.
    Host(E),
}

/// What one evaluation needs.
pub(super) struct Env<'v, 'e, 's, 'a, H> {
    subject: &'v Subject<'a>,
    scope: &'e mut Scope<'s, 'a, H>,
    variables: Vec<Val<'v>>,
    steps: usize,
}

type Evaluated<T, H> = Result<T, Fault<<H as Host>::Error>>;

fn note<T, E>(text: impl Into<String>) -> Result<T, Fault<E>> {
    Err(Fault::Note(text.into()))
}

impl<'v, 'e, 's: 'v, 'a: 'v, H: Host> Env<'v, 'e, 's, 'a, H> {
    pub(super) fn new(scope: &'e mut Scope<'s, 'a, H>) -> Self {
        Self { subject: scope.subject, scope, variables: Vec::new(), steps: 0 }
    }

    fn spend(&mut self, steps: usize) -> Evaluated<(), H> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > limits::MAX_CEL_STEPS { Err(Fault::Spent) } else { Ok(()) }
    }

    fn equals(&mut self, a: &Val<'v>, b: &Val<'v>) -> Evaluated<bool, H> {
        let mut steps = self.steps;
        let equal = a.equals(b, &mut |work| {
            steps = steps.saturating_add(work);
            steps <= limits::MAX_CEL_STEPS
        });
        self.steps = steps;
        self.spend(0).map(|()| equal)
    }

    /// Evaluates to true or false.
    pub(super) fn boolean(&mut self, expr: &'v Expr) -> Evaluated<bool, H> {
        match self.eval(expr)? {
            Val::Bool(value) => Ok(value),
            other => note(format!("expected a boolean, found {}", other.kind())),
        }
    }

    fn eval(&mut self, expr: &'v Expr) -> Evaluated<Val<'v>, H> {
        self.spend(1)?;
        Ok(match expr {
            Expr::Null => Val::Null,
            Expr::Bool(value) => Val::Bool(*value),
            Expr::Number(number) => Val::Number(*number),
            Expr::Text(text) => Val::Text(Cow::Borrowed(text)),
            Expr::Action => Val::Action,
            Expr::Time(field) => self.scope.clock.read(*field, self.scope.rule.timezone).into(),
            Expr::Variable(position) => match self.variables.get(*position) {
                Some(value) => value.clone(),
                None => return note("a variable has no value"),
            },
            Expr::Select(operand, field) => {
                let operand = self.eval(operand)?;
                match self.field(&operand, field)? {
                    Some(value) => value,
                    None => return note(format!("no field `{field}`")),
                }
            }
            Expr::Has(operand, field) => {
                let operand = self.eval(operand)?;
                // An optional field that is not set is null where it is read, but not there.
                Val::Bool(self.field(&operand, field)?.is_some_and(|value| !matches!(value, Val::Null)))
            }
            Expr::Index(operand, index) => self.index(operand, index)?,
            Expr::List(items) => {
                let items: Result<Vec<Val<'v>>, _> = items.iter().map(|item| self.eval(item)).collect();
                Val::List(items?.into())
            }
            Expr::Map(entries) => self.map(entries)?,
            Expr::And(a, b) => Val::Bool(!self.either(a, b, false)?),
            Expr::Or(a, b) => Val::Bool(self.either(a, b, true)?),
            Expr::Not(operand) => Val::Bool(!self.boolean(operand)?),
            Expr::Negate(operand) => match self.eval(operand)? {
                Val::Number(number) => arithmetic(Binary::Subtract, Num::Int(0), number).map_err(Fault::Note)?,
                other => return note(format!("`-` of {}", other.kind())),
            },
            Expr::Choose(parts) => {
                let (test, yes, no) = &**parts;
                let chosen = if self.boolean(test)? { yes } else { no };
                self.eval(chosen)?
            }
            Expr::Binary(operator, parts) => {
                let (a, b) = (self.eval(&parts.0)?, self.eval(&parts.1)?);
                self.binary(*operator, a, &b)?
            }
            Expr::Builtin(builtin, args) => self.builtin(*builtin, args)?,
            Expr::Matches(text, matcher) => match self.eval(text)? {
                Val::Text(text) => {
                    self.spend(text.len())?;
                    Val::Bool(matcher.is_match(&text))
                }
                other => return note(format!("`matches` of {}", other.kind())),
            },
            Expr::State(function, args) => self.state(*function, args)?,
            Expr::Loop(range, body) => self.each(range, body)?,
        })
    }

    fn map(&mut self, entries: &'v [(Expr, Expr)]) -> Evaluated<Val<'v>, H> {
        let mut made = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.eval(key)?;
            if !matches!(key, Val::Text(_) | Val::Number(_) | Val::Bool(_)) {
                return note(format!("{} as a key", key.kind()));
            }
            made.push((key, self.eval(value)?));
        }
        Ok(Val::Map(made.into()))
    }

    fn builtin(&mut self, builtin: Builtin, args: &'v [Expr]) -> Evaluated<Val<'v>, H> {
        let mut values: SmallVec<[Val<'v>; 3]> = SmallVec::new();
        for arg in args {
            let value = self.eval(arg)?;
            self.spend(weight(&value))?;
            values.push(value);
        }
        match &values[..] {
            [list @ (Val::Json(_) | Val::List(_)), wanted] if builtin == Builtin::Contains => {
                self.contains(list, wanted).map(Val::Bool)
            }
            values => builtin.call(values).map_err(Fault::Note),
        }
    }

    /// Whether one of two operands is `wanted`. An operand without a value does not matter where
    /// the other one is.
    fn either(&mut self, a: &'v Expr, b: &'v Expr, wanted: bool) -> Evaluated<bool, H> {
        let first = match self.boolean(a) {
            Ok(value) if value == wanted => return Ok(true),
            Ok(_) => None,
            Err(Fault::Note(note)) => Some(note),
            Err(fault) => return Err(fault),
        };
        match (self.boolean(b)? == wanted, first) {
            (true, _) => Ok(true),
            (false, None) => Ok(false),
            (false, Some(first)) => note(first),
        }
    }

    /// A field of a map; an error for what has no fields.
    fn field(&mut self, operand: &Val<'v>, field: &str) -> Evaluated<Option<Val<'v>>, H> {
        if let Val::Action = operand {
            return Ok(action_field(self.subject, field));
        }
        match operand.entry(&Val::Text(Cow::Borrowed(field)), &mut |_| true) {
            Some(found) => Ok(found),
            None => note(format!("`.{field}` of {}", operand.kind())),
        }
    }

    fn index(&mut self, operand: &'v Expr, index: &'v Expr) -> Evaluated<Val<'v>, H> {
        let (operand, index) = (self.eval(operand)?, self.eval(index)?);
        if let (Val::Json(_) | Val::List(_), Val::Number(number)) = (&operand, &index) {
            let position = match number {
                Num::Int(n) => usize::try_from(*n).ok(),
                Num::Uint(n) => usize::try_from(*n).ok(),
                Num::Float(_) => None,
            };
            return match position.and_then(|position| operand.item(position)) {
                Some(item) => Ok(item),
                None => note("the list has no such member"),
            };
        }
        if let (Val::Action, Val::Text(field)) = (&operand, &index) {
            return action_field(self.subject, field).map_or_else(|| note(format!("no field `{field}`")), Ok);
        }
        self.spend(if let Val::Map(entries) = &operand { entries.len() } else { 1 })?;
        match operand.entry(&index, &mut |_| true) {
            Some(Some(value)) => Ok(value),
            Some(None) => note("the map has no such key"),
            None => note(format!("{} of {}", index.kind(), operand.kind())),
        }
    }

    fn binary(&mut self, operator: Binary, a: Val<'v>, b: &Val<'v>) -> Evaluated<Val<'v>, H> {
        let ordering = match operator {
            Binary::Equal => return self.equals(&a, b).map(Val::Bool),
            Binary::NotEqual => return self.equals(&a, b).map(|equal| Val::Bool(!equal)),
            Binary::In => return self.contains(b, &a).map(Val::Bool),
            Binary::Add => return self.add(a, b),
            Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Remainder => {
                return match (&a, b) {
                    (Val::Number(a), Val::Number(b)) => arithmetic(operator, *a, *b).map_err(Fault::Note),
                    _ => note(format!("arithmetic with {} and {}", a.kind(), b.kind())),
                };
            }
            Binary::Less => Ordering::is_lt,
            Binary::LessOrEqual => Ordering::is_le,
            Binary::Greater => Ordering::is_gt,
            Binary::GreaterOrEqual => Ordering::is_ge,
        };
        let compared = match (&a, b) {
            (Val::Number(a), Val::Number(b)) => a.compare(*b),
            (Val::Text(a), Val::Text(b)) => Some(a.cmp(b)),
            (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
            _ => return note(format!("cannot compare {} with {}", a.kind(), b.kind())),
        };
        Ok(Val::Bool(compared.is_some_and(ordering)))
    }

    fn add(&mut self, a: Val<'v>, b: &Val<'v>) -> Evaluated<Val<'v>, H> {
        match (a, b) {
            (Val::Number(a), Val::Number(b)) => arithmetic(Binary::Add, a, *b).map_err(Fault::Note),
            (Val::Text(a), Val::Text(b)) => {
                self.spend(a.len() + b.len())?;
                Ok(Val::Text(Cow::Owned(format!("{a}{b}"))))
            }
            (a @ (Val::Json(_) | Val::List(_)), b @ (Val::Json(_) | Val::List(_))) => {
                self.spend(weight(&a) + weight(b))?;
                let (first, second) = (a.members(), b.members());
                Ok(Val::List(first.into_iter().chain(second).flatten().collect()))
            }
            (a, b) => note(format!("`+` of {} and {}", a.kind(), b.kind())),
        }
    }

    fn contains(&mut self, container: &Val<'v>, wanted: &Val<'v>) -> Evaluated<bool, H> {
        if let Val::Object(_) | Val::Metadata(_) = container {
            return Ok(container.entry(wanted, &mut |_| true).flatten().is_some());
        }
        let Some(members) = container.members() else {
            return note(format!("`in` of {}", container.kind()));
        };
        for member in members {
            if self.equals(&member, wanted)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn state(&mut self, function: Function, args: &'v [Expr]) -> Evaluated<Val<'v>, H> {
        let mut values: SmallVec<[Val<'v>; 2]> = SmallVec::new();
        for arg in args {
            values.push(self.eval(arg)?);
        }
        let mut plain: SmallVec<[FieldValue<'_>; 2]> = SmallVec::new();
        for value in &values {
            match value.argument() {
                Some(value) => plain.push(value),
                None => return note(format!("`{}` of {}", function.name(), value.kind())),
            }
        }
        let Scope { rule, subject, memo, host, .. } = &mut *self.scope;
        match memo.call(rule, function, &plain, subject, &mut **host).map_err(Fault::Host)? {
            Value::Null => Ok(Val::Null),
            Value::Bool(answer) => Ok(Val::Bool(answer)),
            Value::String(answer) => Ok(Val::Text(Cow::Owned(answer))),
            Value::Number(answer) => Ok(Val::Number((&answer).into())),
            Value::Array(_) | Value::Object(_) => note(format!("`{}` answers no plain value", function.name())),
        }
    }

    fn each(&mut self, range: &'v Expr, body: &'v Loop) -> Evaluated<Val<'v>, H> {
        let range = self.eval(range)?;
        let Some(members) = range.members() else {
            return note(format!("a macro over {}", range.kind()));
        };
        let (mut made, mut found, mut fault) = (Vec::new(), 0, None);
        for member in members {
            self.variables.push(member);
            let outcome = self.turn(body, &mut made);
            self.variables.pop();
            match (outcome, body) {
                (Ok(true), Loop::Exists(_)) => return Ok(Val::Bool(true)),
                (Ok(false), Loop::All(_)) => return Ok(Val::Bool(false)),
                (Ok(holds), _) => found += i64::from(holds),
                // Another member may settle the matter.
                (Err(Fault::Note(note)), Loop::Exists(_) | Loop::All(_)) => {
                    fault.get_or_insert(note);
                }
                (Err(fault), _) => return Err(fault),
            }
        }
        if let Some(fault) = fault {
            return note(fault);
        }
        Ok(match body {
            Loop::All(_) => Val::Bool(true),
            Loop::Exists(_) => Val::Bool(false),
            Loop::ExistsOne(_) => Val::Bool(found == 1),
            Loop::Map(..) => Val::List(made.into()),
        })
    }

    /// One member of a macro's range: whether the test holds.
    fn turn(&mut self, body: &'v Loop, made: &mut Vec<Val<'v>>) -> Evaluated<bool, H> {
        match body {
            Loop::All(test) | Loop::Exists(test) | Loop::ExistsOne(test) => self.boolean(test),
            Loop::Map(test, make) => {
                if let Some(test) = test
                    && !self.boolean(test)?
                {
                    return Ok(false);
                }
                made.push(self.eval(make)?);
                Ok(true)
            }
        }
    }
}

/// The steps that looking through a value costs.
fn weight(value: &Val<'_>) -> usize {
    match value {
        Val::Text(text) => text.len() / 8,
        other => other.len().unwrap_or_default(),
    }
}

/// A field of the action; `None` for one that it has not. Optional ones are null if not set.
fn action_field<'s>(subject: &'s Subject<'_>, field: &str) -> Option<Val<'s>> {
    let text = |text: &'s str| Some(Val::Text(Cow::Borrowed(text)));
    let optional = |value: Option<&'s str>| Some(FieldValue::from(value).into());
    match field {
        "id" => text(subject.id),
        "namespace" => text(subject.namespace),
        "tenant" => text(subject.tenant),
        "provider" => text(&subject.provider),
        "action_type" => text(subject.action_type),
        "dedup_key" => optional(subject.dedup_key),
        "status" => optional(subject.status),
        "fingerprint" => optional(subject.fingerprint),
        "payload" => Some(Val::from(&*subject.payload)),
        "metadata" => Some(Val::Metadata(subject.metadata)),
        other => subject.extra.get(other).map(Val::from),
    }
}

/// Whole numbers exactly, others as floating point; an error for what no number is.
fn arithmetic<'s>(operator: Binary, a: Num, b: Num) -> Result<Val<'s>, String> {
    let overflow = || "a number beyond its range".to_owned();
    let by_zero = || "a division by zero".to_owned();
    if let (Some(a), Some(b)) = (a.whole(), b.whole()) {
        let result = match operator {
            Binary::Subtract => a.checked_sub(b),
            Binary::Multiply => a.checked_mul(b),
            Binary::Divide | Binary::Remainder if b == 0 => return Err(by_zero()),
            Binary::Divide => a.checked_div(b),
            Binary::Remainder => a.checked_rem(b),
            _ => a.checked_add(b),
        };
        let result = result.ok_or_else(overflow)?;
        let int = i64::try_from(result).map(Num::Int);
        let number = int.or_else(|_| u64::try_from(result).map(Num::Uint)).map_err(|_| overflow())?;
        return Ok(Val::Number(number));
    }
    let (a, b) = (a.float(), b.float());
    let result = match operator {
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Divide if b == 0.0 => return Err(by_zero()),
        Binary::Divide => a / b,
        Binary::Remainder => return Err("`%` of a fraction".to_owned()),
        _ => a + b,
    };
    if result.is_finite() { Ok(Val::Number(Num::Float(result))) } else { Err(overflow()) }
}
