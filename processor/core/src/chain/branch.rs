//! What follows a step, by its result.

use acteon_schemas::{BranchOperator, ChainBranch};
use serde_json::{Number, Value};
use std::cmp::Ordering;

/// Whether a branch holds for a step's result.
pub(super) fn holds(branch: &ChainBranch, success: bool, body: &Value) -> bool {
    let flag = Value::Bool(success);
    let found = match branch.field.as_str() {
        "success" => &flag,
        "body" => body,
        path => lookup(body, path.strip_prefix("body.").unwrap_or_default().split('.')),
    };
    let wanted = branch.value.as_ref().unwrap_or(&Value::Null);
    match branch.operator {
        BranchOperator::Eq => equal(found, wanted),
        BranchOperator::Neq => !equal(found, wanted),
        BranchOperator::Contains => contains(found, wanted),
        BranchOperator::Exists => found.is_null() != wanted.as_bool().unwrap_or(true),
        BranchOperator::Gt => order(found, wanted) == Some(Ordering::Greater),
        BranchOperator::Lt => order(found, wanted) == Some(Ordering::Less),
        BranchOperator::Gte => order(found, wanted).is_some_and(Ordering::is_ge),
        BranchOperator::Lte => order(found, wanted).is_some_and(Ordering::is_le),
    }
}

/// What stands at a path; null where nothing does. A number is an index where it meets a list.
pub(super) fn lookup<'v, 'p>(value: &'v Value, path: impl Iterator<Item = &'p str>) -> &'v Value {
    const NOTHING: &Value = &Value::Null;
    let mut found = value;
    for part in path {
        found = match found {
            Value::Object(map) => map.get(part),
            Value::Array(list) => part.parse::<usize>().ok().and_then(|index| list.get(index)),
            _ => None,
        }
        .unwrap_or(NOTHING);
    }
    found
}

fn equal(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Number(_), Value::Number(_)) => order(found, wanted) == Some(Ordering::Equal),
        _ => found == wanted,
    }
}

fn contains(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        (Value::Array(list), wanted) => list.iter().any(|item| equal(item, wanted)),
        _ => false,
    }
}

fn order(found: &Value, wanted: &Value) -> Option<Ordering> {
    let (Value::Number(a), Value::Number(b)) = (found, wanted) else { return None };
    // Whole numbers are compared as such: a large id is not rounded.
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// What is wrong with a branch beside its target, if anything.
pub(super) fn problem(branch: &ChainBranch) -> Option<String> {
    let field = branch.field.as_str();
    let path = field.strip_prefix("body.");
    if !matches!(field, "success" | "body") && path.is_none_or(|path| path.split('.').any(str::is_empty)) {
        return Some(format!("its field `{field}` must be `success`, `body` or a path such as `body.order.id`"));
    }
    let operator = name(branch.operator);
    match (branch.operator, &branch.value) {
        (BranchOperator::Exists, None | Some(Value::Bool(_))) => None,
        (BranchOperator::Exists, Some(_)) => Some("`exists` takes no `value`, or `true` or `false`".to_owned()),
        (_, None) => Some(format!("`{operator}` needs a `value`; `exists` asks whether there is one")),
        (BranchOperator::Gt | BranchOperator::Lt | BranchOperator::Gte | BranchOperator::Lte, Some(value))
            if !value.is_number() =>
        {
            Some(format!("`{operator}` needs a number as its `value`, not {value}"))
        }
        _ => None,
    }
}

pub(super) fn name(operator: BranchOperator) -> &'static str {
    match operator {
        BranchOperator::Eq => "eq",
        BranchOperator::Neq => "neq",
        BranchOperator::Contains => "contains",
        BranchOperator::Exists => "exists",
        BranchOperator::Gt => "gt",
        BranchOperator::Lt => "lt",
        BranchOperator::Gte => "gte",
        BranchOperator::Lte => "lte",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn branch(field: &str, operator: &str, value: Value) -> ChainBranch {
        let mut branch = json!({"field": field, "operator": operator, "target": "t"});
        if !value.is_null() {
            branch["value"] = value;
        }
        serde_json::from_value(branch).unwrap()
    }

    #[test]
    fn every_operator_on_every_kind_of_value() {
        let body = json!({"n": 5, "f": 5.0, "big": 9_007_199_254_740_993_i64, "s": "a fraud b", "list": [1, "x"],
            "o": {"in": {"stock": true}}, "none": null});
        for (field, operator, value, expected) in [
            ("success", "eq", json!(true), true),
            ("success", "neq", json!(true), false),
            ("body.n", "eq", json!(5), true),
            ("body.f", "eq", json!(5), true),
            ("body.big", "eq", json!(9_007_199_254_740_992_i64), false),
            ("body.n", "eq", json!("5"), false),
            ("body.gone", "eq", json!(5), false),
            ("body.gone", "neq", json!(5), true),
            ("body.o.in.stock", "eq", json!(true), true),
            ("body.list.1", "eq", json!("x"), true),
            ("body.list.7", "exists", Value::Null, false),
            ("body.s", "contains", json!("fraud"), true),
            ("body.s", "contains", json!(1), false),
            ("body.list", "contains", json!(1.0), true),
            ("body.list", "contains", json!("y"), false),
            ("body.n", "contains", json!(5), false),
            ("body.n", "exists", Value::Null, true),
            ("body.none", "exists", Value::Null, false),
            ("body.none", "exists", json!(false), true),
            ("body", "exists", Value::Null, true),
            ("body.n", "gt", json!(4.5), true),
            ("body.n", "gt", json!(5), false),
            ("body.n", "gte", json!(5), true),
            ("body.n", "lt", json!(6), true),
            ("body.n", "lte", json!(4), false),
            ("body.gone", "lt", json!(6), false),
            ("body.s", "gt", json!(1), false),
        ] {
            let case = branch(field, operator, value.clone());
            assert_eq!(problem(&case), None, "{field} {operator} {value}");
            assert_eq!(holds(&case, true, &body), expected, "{field} {operator} {value}");
        }
        assert!(holds(&branch("success", "eq", json!(false)), false, &Value::Null));
    }

    #[test]
    fn bad_branches_are_told_of() {
        for (field, operator, value, expected) in [
            ("status", "eq", json!(1), "`status` must be `success`"),
            ("body.", "eq", json!(1), "`body.` must be"),
            ("body..x", "eq", json!(1), "must be"),
            ("body.x", "eq", Value::Null, "`eq` needs a `value`"),
            ("body.x", "gt", json!("5"), "needs a number"),
            ("body.x", "exists", json!(5), "takes no `value`"),
        ] {
            let found = problem(&branch(field, operator, value)).unwrap();
            assert!(found.contains(expected), "{found}");
        }
    }
}
