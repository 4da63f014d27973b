//! JSON merge patch (RFC 7396).

use serde_json::{Map, Value};

/// Merges a patch into a value: a null removes its key, a map is merged, all else replaces.
pub(crate) fn merge(target: &mut Value, patch: &Map<String, Value>) {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, change) in patch {
        match change {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(change) => {
                merge(target.entry(key.as_str()).or_insert(Value::Null), change);
            }
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

/// The merge patch that makes `after` of `before`. Where `before` is no map, neither is the patch.
pub(crate) fn difference(before: &Value, after: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return after.clone() };
    let mut patch = Map::new();
    for (key, value) in new {
        match old.get(key) {
            Some(old) if old == value => {}
            Some(old) => drop(patch.insert(key.clone(), difference(old, value))),
            None => drop(patch.insert(key.clone(), value.clone())),
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merges_as_rfc_7396_has_it() {
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": 1}), json!({"a": null}), json!({"b": 1})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [1]}), json!({"a": {"b": 1}}), json!({"a": {"b": 1}})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!([1, 2]), json!({"a": "b"}), json!({"a": "b"})),
            (json!(null), json!({"a": 1}), json!({"a": 1})),
        ] {
            let mut merged = target.clone();
            let Value::Object(patch) = patch else { unreachable!("patches are maps") };
            merge(&mut merged, &patch);
            assert_eq!(merged, expected, "{target}");
        }
    }

    #[test]
    fn a_difference_makes_one_of_the_other() {
        for (before, after, expected) in [
            (json!({"a": 1, "b": 2}), json!({"a": 1, "c": 3}), json!({"b": null, "c": 3})),
            (json!({"a": {"x": 1, "y": 2}}), json!({"a": {"x": 1, "y": 3}}), json!({"a": {"y": 3}})),
            (json!({"a": [1]}), json!({"a": [2]}), json!({"a": [2]})),
            (json!({"a": 1}), json!({"a": 1}), json!({})),
            (json!("text"), json!({"a": 1}), json!({"a": 1})),
        ] {
            let patch = difference(&before, &after);
            assert_eq!(patch, expected, "{before} {after}");
            let mut merged = before.clone();
            if let Value::Object(patch) = &patch {
                merge(&mut merged, patch);
            }
            assert_eq!(merged, after, "{before} {after}");
        }
    }
}
