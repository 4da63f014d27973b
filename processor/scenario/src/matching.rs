//! Partial matching of JSON, and where two values part.

use serde_json::Value;

/// A place at which a value is not what was wanted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mismatch {
    /// Path from the value that was compared; empty for itself.
    pub(crate) path: String,
    pub(crate) wanted: Value,
    /// `None`: nothing is there.
    pub(crate) found: Option<Value>,
}

/// Where `found` is not what is wanted. A mapping is compared in the keys that are wanted, a list as a whole; null is wanted
/// of what is missing.
pub(crate) fn compare(wanted: &Value, found: Option<&Value>) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    descend("", wanted, found, &mut mismatches);
    mismatches
}

fn descend(path: &str, wanted: &Value, found: Option<&Value>, out: &mut Vec<Mismatch>) {
    match (wanted, found) {
        (Value::Null, None) => {}
        (Value::Object(wanted), Some(Value::Object(found))) => {
            for (key, value) in wanted {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                descend(&path, value, found.get(key), out);
            }
        }
        (Value::Array(wanted), Some(Value::Array(found))) if wanted.len() == found.len() => {
            for (at, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                descend(&format!("{path}[{at}]"), wanted, Some(found), out);
            }
        }
        (wanted, Some(found)) if same(wanted, found) => {}
        (wanted, found) => {
            out.push(Mismatch { path: path.to_owned(), wanted: wanted.clone(), found: found.cloned() });
        }
    }
}

/// Equal, numbers by what they mean: 1 and 1.0 are.
fn same(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Number(wanted), Value::Number(found)) => wanted == found || wanted.as_f64() == found.as_f64(),
        _ => wanted == found,
    }
}

/// Gives each wanted value a found one of its own that matches it. The wanted ones that went without, in order.
pub(crate) fn assign(wanted: &[&Value], found: &[Value]) -> Vec<usize> {
    let fits: Vec<Vec<usize>> = wanted
        .iter()
        .map(|wanted| (0..found.len()).filter(|at| compare(wanted, found.get(*at)).is_empty()).collect())
        .collect();
    let mut owner = vec![None; found.len()];
    (0..wanted.len()).filter(|at| !place(*at, &fits, &mut owner, &mut vec![false; found.len()])).collect()
}

/// Finds a place for one, moving others where that makes room.
fn place(at: usize, fits: &[Vec<usize>], owner: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for &slot in &fits[at] {
        if std::mem::replace(&mut tried[slot], true) {
            continue;
        }
        let free = match owner[slot] {
            None => true,
            Some(other) => place(other, fits, owner, tried),
        };
        if free {
            owner[slot] = Some(at);
            return true;
        }
    }
    false
}

/// The found value nearest to a wanted one, and where it parts from it.
pub(crate) fn closest<'f>(wanted: &Value, found: &'f [Value]) -> Option<(&'f Value, Vec<Mismatch>)> {
    let all = found.iter().map(|found| (found, compare(wanted, Some(found))));
    all.min_by_key(|(_, mismatches)| mismatches.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn mappings_match_in_part_and_lists_as_a_whole() {
        let found = json!({"a": 1, "b": {"c": [1, {"d": 2, "e": 3}]}, "n": null});
        for good in
            [json!({}), json!({"a": 1.0}), json!({"missing": null, "n": null}), json!({"b": {"c": [1, {"d": 2}]}})]
        {
            assert_eq!(compare(&good, Some(&found)), [], "{good}");
        }
        for (bad, path) in [
            (json!({"a": 2}), "a"),
            (json!({"a": "1"}), "a"),
            (json!({"missing": 1}), "missing"),
            (json!({"b": {"c": [1]}}), "b.c"),
            (json!({"b": {"c": [1, {"d": 3}]}}), "b.c[1].d"),
            (json!({"a": null}), "a"),
            (json!({"a": {}}), "a"),
        ] {
            let paths: Vec<String> = compare(&bad, Some(&found)).into_iter().map(|mismatch| mismatch.path).collect();
            assert_eq!(paths, [path], "{bad}");
        }
        assert_eq!(compare(&json!([]), None).len(), 1);
    }

    #[test]
    fn a_vague_wish_does_not_take_what_an_exact_one_needs() {
        let found = [json!({"size": 2, "floor": 1}), json!({"size": 2, "floor": 2})];
        let (vague, exact) = (json!({"size": 2}), json!({"floor": 1}));
        assert_eq!(assign(&[&vague, &exact], &found), [] as [usize; 0]);
        assert_eq!(assign(&[&vague, &exact, &vague], &found), [2]);
        assert_eq!(assign(&[&exact, &exact], &found), [1]);
        let (nearest, mismatches) = closest(&json!({"size": 2, "floor": 3}), &found).expect("there are two");
        assert_eq!((nearest, mismatches.len()), (&found[0], 1));
    }
}
