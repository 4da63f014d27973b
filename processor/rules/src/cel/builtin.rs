//! Functions of expressions that need no state.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};

use super::value::Val;
use crate::diagnostic::nearest;
use crate::limits;
use crate::path::PathError;
use crate::value::Num;

/// A compiled regex.
pub(super) struct Matcher(Regex);

impl Matcher {
    pub(super) fn new(pattern: &str) -> Result<Self, PathError> {
        let built = RegexBuilder::new(pattern).size_limit(limits::MAX_REGEX_COMPILED_BYTES).build();
        built.map(Self).map_err(|error| {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim();
            PathError::new(format!("bad regex: {}", reason.strip_prefix("error: ").unwrap_or(reason)))
        })
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// A function, whether it is called as `size(x)` or as `x.size()`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Builtin {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Lower,
    Upper,
    Trim,
    Abs,
    Min,
    Max,
    Int,
    Double,
    Text,
}

/// Each name, and how many arguments it takes; `None` for one or more.
const NAMES: &[(&str, Builtin, Option<usize>)] = &[
    ("size", Builtin::Size, Some(1)),
    ("len", Builtin::Size, Some(1)),
    ("contains", Builtin::Contains, Some(2)),
    ("startsWith", Builtin::StartsWith, Some(2)),
    ("starts_with", Builtin::StartsWith, Some(2)),
    ("endsWith", Builtin::EndsWith, Some(2)),
    ("ends_with", Builtin::EndsWith, Some(2)),
    ("lower", Builtin::Lower, Some(1)),
    ("lowerAscii", Builtin::Lower, Some(1)),
    ("upper", Builtin::Upper, Some(1)),
    ("upperAscii", Builtin::Upper, Some(1)),
    ("trim", Builtin::Trim, Some(1)),
    ("abs", Builtin::Abs, Some(1)),
    ("min", Builtin::Min, None),
    ("max", Builtin::Max, None),
    ("int", Builtin::Int, Some(1)),
    ("to_int", Builtin::Int, Some(1)),
    ("double", Builtin::Double, Some(1)),
    ("string", Builtin::Text, Some(1)),
    ("to_string", Builtin::Text, Some(1)),
];

/// Functions of the original that no pure rule can evaluate.
const UNSUPPORTED: &[&str] = &["semantic_match", "wasm"];

impl Builtin {
    pub(super) fn find(name: &str, args: usize) -> Result<Self, PathError> {
        if UNSUPPORTED.contains(&name) {
            return Err(PathError::new(format!(
                "`{name}` is not supported: a decision must follow from the action, the state and the time alone"
            )));
        }
        let Some((_, builtin, wanted)) = NAMES.iter().find(|(known, ..)| *known == name) else {
            let known = NAMES.iter().map(|(known, ..)| *known);
            let state = crate::host::Function::NAMED.iter().map(|function| function.name());
            let macros = ["matches", "has", "all", "exists", "exists_one", "map", "filter"];
            let suggestion = nearest(name, known.chain(state).chain(macros));
            return Err(PathError { message: format!("unknown function `{name}`"), suggestion });
        };
        match wanted {
            Some(wanted) if *wanted != args => {
                let plural = if *wanted == 1 { "" } else { "s" };
                Err(PathError::new(format!("`{name}` takes {wanted} argument{plural}, found {args}")))
            }
            None if args == 0 => Err(PathError::new(format!("`{name}` takes at least one argument"))),
            _ => Ok(*builtin),
        }
    }

    fn name(self) -> &'static str {
        NAMES.iter().find(|(_, builtin, _)| *builtin == self).map_or("", |(name, ..)| name)
    }

    /// Calls the function; a message if it has no answer for such arguments.
    pub(super) fn call<'s>(self, args: &[Val<'s>]) -> Result<Val<'s>, String> {
        let wrong = || {
            let kinds: Vec<&str> = args.iter().map(Val::kind).collect();
            format!("`{}` of {}", self.name(), kinds.join(" and "))
        };
        Ok(match (self, args) {
            (Self::Size, [Val::Text(text)]) => count(text.chars().count()),
            (Self::Size, [value]) => count(value.len().ok_or_else(wrong)?),
            (Self::Contains, [Val::Text(text), Val::Text(part)]) => Val::Bool(text.contains(&**part)),
            (Self::StartsWith, [Val::Text(text), Val::Text(part)]) => Val::Bool(text.starts_with(&**part)),
            (Self::EndsWith, [Val::Text(text), Val::Text(part)]) => Val::Bool(text.ends_with(&**part)),
            (Self::Lower, [Val::Text(text)]) => Val::Text(Cow::Owned(text.to_lowercase())),
            (Self::Upper, [Val::Text(text)]) => Val::Text(Cow::Owned(text.to_uppercase())),
            (Self::Trim, [Val::Text(text)]) => Val::Text(Cow::Owned(text.trim().to_owned())),
            (Self::Abs, [Val::Number(number)]) => Val::Number(abs(*number).ok_or_else(wrong)?),
            (Self::Min | Self::Max, args) => self.extreme(args).ok_or_else(wrong)?,
            (Self::Int, [value]) => Val::Number(Num::Int(int(value).ok_or_else(wrong)?)),
            (Self::Double, [value]) => Val::Number(Num::Float(double(value).ok_or_else(wrong)?)),
            (Self::Text, [value]) => text(value).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        })
    }

    /// The least or greatest of numbers, or of the numbers of one list.
    fn extreme<'s>(self, args: &[Val<'s>]) -> Option<Val<'s>> {
        let values: Vec<Val<'s>> = match args {
            [list] if list.members().is_some() => list.members()?.collect(),
            args => args.to_vec(),
        };
        let mut best: Option<Num> = None;
        for value in values {
            let Val::Number(number) = value else { return None };
            let better = |best: Num| {
                let ordering = number.compare(best);
                if self == Self::Min {
                    ordering.is_some_and(std::cmp::Ordering::is_lt)
                } else {
                    ordering.is_some_and(std::cmp::Ordering::is_gt)
                }
            };
            if best.is_none_or(better) {
                best = Some(number);
            }
        }
        best.map(Val::Number)
    }
}

fn count<'s>(count: usize) -> Val<'s> {
    Val::Number(Num::Int(i64::try_from(count).unwrap_or(i64::MAX)))
}

fn abs(number: Num) -> Option<Num> {
    Some(match number {
        Num::Int(n) => Num::Int(n.checked_abs()?),
        Num::Uint(n) => Num::Uint(n),
        Num::Float(n) => Num::Float(n.abs()),
    })
}

/// A whole number: fractions are cut off, strings parsed.
fn int(value: &Val<'_>) -> Option<i64> {
    match value {
        Val::Number(Num::Int(n)) => Some(*n),
        Val::Number(Num::Uint(n)) => i64::try_from(*n).ok(),
        // Within these bounds, `as` is exact but for the fraction.
        Val::Number(Num::Float(n)) => (*n > -9.2e18 && *n < 9.2e18).then_some(*n as i64),
        Val::Text(text) => text.trim().parse().ok(),
        Val::Bool(value) => Some(i64::from(*value)),
        _ => None,
    }
}

fn double(value: &Val<'_>) -> Option<f64> {
    match value {
        Val::Number(number) => Some(number.float()),
        Val::Text(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
        _ => None,
    }
}

fn text<'s>(value: &Val<'s>) -> Option<Val<'s>> {
    match value {
        Val::Text(text) => Some(Val::Text(text.clone())),
        Val::Number(_) | Val::Bool(_) => value.argument().map(|value| Val::Text(Cow::Owned(value.to_string()))),
        _ => None,
    }
}
