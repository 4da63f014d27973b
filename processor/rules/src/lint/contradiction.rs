//! Predicates that can never hold, alone or together.

use serde_json::Value;

use crate::condition::{Condition, Operand, Predicate};
use crate::operator::{Comparison, Outcome, Test};
use crate::path::Target;
use crate::rule::Rule;
use crate::value::FieldValue;

/// A message for each predicate, or pair of predicates, that can never hold.
pub(super) fn check(rule: &Rule) -> Vec<String> {
    let mut messages = never_strings(rule);
    messages.extend(conflict(rule));
    messages
}

/// Predicates that compare a field that is always a string with something else.
fn never_strings(rule: &Rule) -> Vec<String> {
    let mut messages = Vec::new();
    rule.condition.visit(&mut |predicate| {
        let Operand::Field(path) = &predicate.operand else { return };
        let json = matches!(path.target(), Target::Payload(_) | Target::Extra(..));
        let other = |value: &Value| !value.is_string() && !value.is_null();
        let never = match &predicate.test {
            Test::Eq(value) | Test::Compare(_, value) => other(value),
            Test::InList(list) => list.members().iter().all(other),
            _ => false,
        };
        if never && !json {
            messages.push(format!(
                "rule `{}`: `{predicate}` never holds, because the field is always a string: put \
                 the value in quotes",
                rule.name
            ));
        }
    });
    messages
}

/// The first two conjuncts about one field that exclude each other.
fn conflict(rule: &Rule) -> Option<String> {
    let conjuncts = rule.condition.conjuncts();
    let predicates: Vec<&Predicate> = conjuncts
        .iter()
        .filter_map(|part| match part {
            Condition::Predicate(predicate) => Some(predicate),
            _ => None,
        })
        .collect();
    for (i, a) in predicates.iter().enumerate() {
        for b in &predicates[i + 1..] {
            if same_field(a, b) && (excludes(&a.test, &b.test) || excludes(&b.test, &a.test)) {
                let name = &rule.name;
                return Some(format!("rule `{name}` can never match: `{a}` excludes `{b}`"));
            }
        }
    }
    None
}

fn same_field(a: &Predicate, b: &Predicate) -> bool {
    match (&a.operand, &b.operand) {
        (Operand::Field(a), Operand::Field(b)) => a == b,
        (Operand::Time(a), Operand::Time(b)) => a == b,
        _ => false,
    }
}

/// Whether no value that passes `a` can pass `b`, for an `a` whose values can be listed, and for
/// a lower and an upper bound.
fn excludes(a: &Test, b: &Test) -> bool {
    let passes = |value: &Value| b.check(&FieldValue::from(value)) == Outcome::Match;
    match a {
        Test::Eq(value) => !passes(value),
        Test::InList(list) => !list.members().iter().any(passes),
        Test::Exists(false) => !passes(&Value::Null),
        Test::Compare(Comparison::Gt, low) => upper(b).is_some_and(|high| !above(high, low)),
        Test::Compare(Comparison::Gte, low) => match b {
            Test::Compare(Comparison::Lt, high) => !above(high, low),
            Test::Compare(Comparison::Lte, high) => above(low, high),
            _ => false,
        },
        _ => false,
    }
}

fn upper(test: &Test) -> Option<&Value> {
    match test {
        Test::Compare(Comparison::Lt | Comparison::Lte, high) => Some(high),
        _ => None,
    }
}

/// Whether `a` is greater than `b`; true as well where they cannot be compared, so that nothing
/// is said of them.
fn above(a: &Value, b: &Value) -> bool {
    Test::Compare(Comparison::Lte, b.clone()).check(&FieldValue::from(a)) != Outcome::Match
}
