#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use serde_json::json;

fn json_of(text: &str) -> Value {
    parse("f", text).unwrap().unwrap().to_json().unwrap()
}

fn error_of(text: &str) -> String {
    parse("f", text).expect_err(text).to_string()
}

#[test]
fn scalars_are_those_of_yaml_1_2() {
    for (text, expected) in [
        ("NO", json!("NO")),
        ("off", json!("off")),
        ("yes", json!("yes")),
        ("2.0.0", json!("2.0.0")),
        ("true", json!(true)),
        ("'true'", json!("true")),
        ("~", json!(null)),
        ("12", json!(12)),
        ("+12", json!(12)),
        ("-1.5e3", json!(-1500.0)),
        ("0x1f", json!(31)),
        ("0o17", json!(15)),
        ("0x-1", json!("0x-1")),
        ("18446744073709551615", json!(u64::MAX)),
        ("1_000", json!("1_000")),
        ("2026-01-05", json!("2026-01-05")),
        ("12:30", json!("12:30")),
        ("e", json!("e")),
        ("!!str 12", json!("12")),
        ("|\n  a\n  b\n", json!("a\nb\n")),
        ("\u{feff}a: 1", json!({"a": 1})),
    ] {
        assert_eq!(json_of(text), expected, "{text}");
    }
}

#[test]
fn nodes_know_their_places() {
    let root = parse("f", "a:\n  - b: 1\n    c: {d: x}\n").unwrap().unwrap();
    let Data::Map(entries) = &root.data else { unreachable!("a mapping") };
    let at = |line, column| Place { line, column };
    assert_eq!(entries[0].0.place, at(1, 1));
    let Data::List(items) = &entries[0].1.data else { unreachable!("a list") };
    assert_eq!(items[0].place, at(2, 5));
    let Data::Map(entries) = &items[0].data else { unreachable!("a mapping") };
    assert_eq!((entries[0].0.place, entries[0].1.place), (at(2, 5), at(2, 8)));
    assert_eq!((entries[1].0.place, entries[1].1.place), (at(3, 5), at(3, 8)));
}

#[test]
fn nothing_but_comments_is_nothing() {
    assert_eq!(parse("f", ""), Ok(None));
    assert_eq!(parse("f", "# only\n\n# comments\n"), Ok(None));
}

#[test]
fn refuses_what_it_cannot_bound_or_read() {
    for (text, expected) in [
        ("a: 1\na: 2", "f:2:1: error: key `a` is given twice, first in line 1"),
        ("a: &x 1\nb: *x", "f:2:4: error: YAML aliases (`*name`) are not accepted: write the value out"),
        ("a: !thing 1", "f:1:4: error: YAML tags (`!thing`) are not accepted"),
        ("a: 1\n---\nb: 2", "f:2:1: error: a file is one YAML document: put the rest in a file of its own"),
        ("? [a]\n: 1", "f:1:3: error: a key must be a plain name, not a list or a mapping"),
    ] {
        assert_eq!(error_of(text), expected);
    }
    assert!(error_of("a: [1, 2\n").contains("not YAML: "), "{}", error_of("a: [1, 2\n"));
    assert!(error_of("a:\n\t- b").contains("not YAML: "), "{}", error_of("a:\n\t- b"));
    // Far deeper than a recursive reader's stack would bear.
    assert!(error_of(&"- ".repeat(200_000)).contains("nested deeper than 64 levels"));
    assert!(error_of(&"[".repeat(200_000)).contains("not YAML: recursion limit exceeded"));
}

#[test]
fn json_has_no_infinity() {
    let node = parse("f", "[1, .inf]").unwrap().unwrap();
    assert_eq!(node.to_json(), Err((Place { line: 1, column: 5 }, "the number is not finite")));
}
