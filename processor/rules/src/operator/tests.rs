#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

const Y: Outcome = Outcome::Match;
const N: Outcome = Outcome::NoMatch;
const X: Outcome = Outcome::Mismatch;

fn samples() -> [Value; 11] {
    [
        json!(null),
        json!(true),
        json!(false),
        json!(5),
        json!(5.0),
        json!(-1),
        json!("5"),
        json!("abc"),
        json!(""),
        json!([5, "abc"]),
        json!({"a": 1}),
    ]
}

/// Every operator on every type: null, true, false, 5, 5.0, -1, "5", "abc", "", a list, a map.
#[test]
fn operators_by_types() {
    let regex = |text| Test::Matches(Regex::new(text).unwrap());
    let list = |members: Value| Test::InList(List::new(members.as_array().unwrap().clone()));
    use Comparison::{Gt, Gte, Lt, Lte};
    let table = [
        (Test::Eq(json!(5)), [N, X, X, Y, Y, N, X, X, X, X, X]),
        (Test::Eq(json!("abc")), [N, X, X, X, X, X, N, Y, N, X, X]),
        (Test::Eq(json!(true)), [N, Y, N, X, X, X, X, X, X, X, X]),
        (Test::Eq(json!(null)), [Y, N, N, N, N, N, N, N, N, N, N]),
        (Test::Eq(json!([5, "abc"])), [N, X, X, X, X, X, X, X, X, Y, X]),
        (Test::Ne(json!(5)), [Y, Y, Y, N, N, Y, Y, Y, Y, Y, Y]),
        (Test::Ne(json!(true)), [Y, N, Y, Y, Y, Y, Y, Y, Y, Y, Y]),
        (Test::Ne(json!(null)), [N, Y, Y, Y, Y, Y, Y, Y, Y, Y, Y]),
        (Test::Compare(Gt, json!(4.5)), [N, X, X, Y, Y, N, X, X, X, X, X]),
        (Test::Compare(Gt, json!(5)), [N, X, X, N, N, N, X, X, X, X, X]),
        (Test::Compare(Gte, json!(5)), [N, X, X, Y, Y, N, X, X, X, X, X]),
        (Test::Compare(Lt, json!(5)), [N, X, X, N, N, Y, X, X, X, X, X]),
        (Test::Compare(Lte, json!(5)), [N, X, X, Y, Y, Y, X, X, X, X, X]),
        (Test::Compare(Gte, json!("abc")), [N, X, X, X, X, X, N, Y, N, X, X]),
        (Test::Contains(json!("b")), [N, X, X, X, X, X, N, Y, N, N, X]),
        (Test::Contains(json!(5)), [N, X, X, X, X, X, X, X, X, Y, X]),
        (Test::StartsWith("a".into()), [N, X, X, X, X, X, N, Y, N, X, X]),
        (Test::EndsWith("c".into()), [N, X, X, X, X, X, N, Y, N, X, X]),
        (regex("^[a-c]+$"), [N, X, X, X, X, X, N, Y, N, X, X]),
        (list(json!(["abc", ""])), [N, X, X, X, X, X, N, Y, Y, X, X]),
        (list(json!([5, "x"])), [N, X, X, Y, Y, N, N, N, N, X, X]),
        (Test::Exists(true), [N, Y, Y, Y, Y, Y, Y, Y, Y, Y, Y]),
        (Test::Exists(false), [Y, N, N, N, N, N, N, N, N, N, N]),
        (Test::True, [N, Y, N, X, X, X, X, X, X, X, X]),
    ];
    for (test, expected) in table {
        for (found, expected) in samples().iter().zip(expected) {
            assert_eq!(test.check(&found.into()), expected, "{found} {test}");
        }
    }
}

#[test]
fn a_long_list_finds_what_a_short_one_does() {
    let members: Vec<Value> = (0..100).map(|i| json!(format!("c{i}"))).chain([json!(7)]).collect();
    let test = Test::InList(List::new(members));
    for (found, expected) in [(json!("c99"), Y), (json!("c100"), N), (json!(7), Y), (json!(8), N), (json!(true), X)] {
        assert_eq!(test.check(&(&found).into()), expected, "{found}");
    }
    assert!(test.to_string().ends_with(r#""c7", and 93 more]"#), "{test}");
}

#[test]
fn displays_as_written() {
    let list = List::new(vec![json!("NK"), json!(1)]);
    for (test, expected) in [
        (Test::Eq(json!("x")), r#"eq "x""#),
        (Test::Compare(Comparison::Gte, json!(50000)), "gte 50000"),
        (Test::InList(list), r#"in_list ["NK",1]"#),
        (Test::Exists(false), "exists false"),
    ] {
        assert_eq!(test.to_string(), expected);
    }
}
