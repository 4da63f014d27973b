#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::*;
use crate::{FieldValue, Gate, Options, Rule, RuleSet, SourceFile, Subject, Trace, compile};

/// Answers every call with the name of the function and its arguments, or fails.
struct Echo(bool);

impl Host for Echo {
    type Error = &'static str;

    fn gate(&mut self, _: &Rule, _: &Subject<'_>) -> Result<Gate, Self::Error> {
        Ok(Gate::Admit)
    }

    fn call(
        &mut self,
        rule: &Rule,
        function: Function,
        args: &[FieldValue<'_>],
        _: &Subject<'_>,
    ) -> Result<Value, Self::Error> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        if self.0 {
            return Err("no state");
        }
        Ok(match function {
            Function::GetEventState => json!(format!("{}:{}", rule.name, args.join(","))),
            _ => json!(true),
        })
    }
}

fn set(expression: &str) -> Result<RuleSet, String> {
    let condition = serde_json::to_string(expression).unwrap();
    let text =
        format!("rules:\n  - {{name: a, timezone: Europe/London, condition: {condition}, action: {{type: deny}}}}\n");
    let file = SourceFile { name: "a.yaml".to_owned(), text };
    match compile(&[file], &Options::default()) {
        Ok(checked) => Ok(checked.rules),
        Err(found) => Err(found.iter().map(ToString::to_string).collect()),
    }
}

fn evaluate(expression: &str, fails: bool) -> Result<String, &'static str> {
    let rules = set(expression).unwrap_or_else(|found| panic!("{expression}: {found}"));
    let payload = json!({
        "n": 5, "half": 0.5, "big": u64::MAX, "text": "Hello, World", "yes": true, "nothing": null,
        "list": [3, 1, 2], "words": ["a", "b"], "mixed": [1, "a", null],
        "orders": [{"sku": "x", "qty": 2}, {"sku": "y", "qty": 40}, {"sku": "z"}],
        "deep": {"a": {"b": [10, 20]}}, "": 1,
    });
    let metadata = BTreeMap::from([("team.name".to_owned(), "ops".to_owned()), ("env".to_owned(), "prod".to_owned())]);
    let mut extra = Map::new();
    extra.insert("created_at".to_owned(), json!("2026-01-01T00:00:00Z"));
    let mut subject = Subject {
        id: "id-1",
        namespace: "ns",
        tenant: "t1",
        provider: Cow::Borrowed("email"),
        action_type: "order",
        payload: Cow::Borrowed(&payload),
        metadata: &metadata,
        dedup_key: None,
        status: Some("firing"),
        fingerprint: Some("fp"),
        extra: &extra,
    };
    let mut trace = Trace::default();
    // Monday 2026-07-06, 10:30:05 UTC: summer time in London.
    rules.walk(&mut subject, 1_783_333_805_000, None, &mut Echo(fails), Some(&mut trace))?;
    let entry = &trace.entries[0];
    Ok(match entry.error.clone() {
        Some(note) => note,
        None => entry.result.to_string(),
    })
}

#[test]
fn expressions_that_hold() {
    for expression in [
        "true",
        "action.payload.n == 5 && action.payload.n == 5.0 && action.payload.n < 5.5",
        "action.id == 'id-1' && action.namespace + action.tenant == 'nst1' && action.provider == \"email\"",
        "action['action_type'] == 'order' && action.created_at.startsWith('2026-')",
        "action.metadata.env == 'prod' && action.metadata['team.name'] == 'ops' && 'env' in action.metadata",
        "action.dedup_key == null && action.status == 'firing' && !has(action.dedup_key) && has(action.status)",
        "has(action.payload.n) && !has(action.payload.m) && !has(action.payload.nothing) && !has(action.nope)",
        "time.hour == 11 && time.minute == 30 && time.second == 5 && time.day == 6 && time.month == 7",
        "time.year == 2026 && time.weekday == 'Monday' && time.weekday_num == 1 && has(time.hour)",
        "time.timestamp == 1783333805 && now == time.timestamp && now() == now",
        "action.payload.n * 2 + 1 == 11 && 7 / 2 == 3 && -7 % 3 == -1 && 7.0 / 2 == 3.5 && 1 - 3 == -2",
        "action.payload.half + action.payload.n == 5.5 && action.payload.big > 1u && -action.payload.n == -5",
        "action.payload.deep.a.b[1] == 20 && action.payload['deep'].a['b'][0] == 10",
        "action.payload.text.contains('World') && action.payload.text.endsWith('ld')",
        "contains(action.payload.text, 'lo') && starts_with(action.payload.text, 'He') && ends_with('ab', 'b')",
        "action.payload.text.matches('^H.*d$') && !matches(action.payload.text, '^W')",
        "size(action.payload.text) == 12 && action.payload.list.size() == 3 && len('é') == 1 && size({1: 2}) == 1",
        "lower('ÄB') == 'äb' && 'ab'.upper() == 'AB' && trim(' a ') == 'a'",
        "abs(-3) == 3 && min(3, 1, 2) == 1 && max(action.payload.list) == 3 && min([2.5, 9]) == 2.5",
        "int('12') == 12 && int(3.9) == 3 && to_int(true) == 1 && string(5) == '5' && double('1.5') == 1.5",
        "1 in action.payload.list && !(9 in [1, 2]) && 'text' in action.payload && 'a' in {'a': 1}",
        "[1, 2] + [3] == [1.0, 2, 3] && {'a': [1]} == {'a': [1]} && {'a': 1} != {'a': 2}",
        "action.payload.list == [3, 1, 2] && action.payload.deep == {'a': {'b': [10, 20]}}",
        "action.payload.orders.exists(o, o.qty > 30) && action.payload.list.all(x, x > 0)",
        "action.payload.orders.exists_one(o, o.sku == 'x') && !action.payload.list.exists(x, x > 9)",
        "action.payload.list.map(x, x * 2) == [6, 2, 4] && action.payload.list.filter(x, x > 1) == [3, 2]",
        "action.payload.list.map(x, x > 1, x * x) == [9, 4]",
        "action.payload.list.all(x, action.payload.words.exists(w, w == 'a' && x > 0))",
        "action.metadata.all(name, size(name) > 2) && {'k': 1}.exists(k, k == 'k')",
        "action.payload.n > 3 ? action.payload.yes : false",
        // What has no value does not matter where the other side settles it.
        "action.payload.missing == 1 || true",
        "!(action.payload.missing == 1 && false)",
        "!action.payload.mixed.all(x, x > 5)",
        "has_active_event('alarm', action.tenant) && event_in_state(action.fingerprint, 'open')",
        "get_event_state(action.fingerprint) == 'a:\"fp\"'",
        "contains([1, [2]], [2]) && 'a' < 'b' && false < true && 'A' != 'a' && 1 != 'a'",
        "\n  action.payload.n == 5 // five\n  && true",
    ] {
        assert_eq!(evaluate(expression, false).unwrap(), "matched", "{expression}");
    }
}

#[test]
fn expressions_that_have_no_value_fail_with_a_note() {
    for (expression, note) in [
        ("action.payload.missing == 1", "no field `missing`"),
        ("action.payload.n.x == 1", "`.x` of a number"),
        ("action.nope == 1", "no field `nope`"),
        ("action.metadata.nope == 'x'", "no field `nope`"),
        ("action.payload.n", "expected a boolean, found a number"),
        ("action.payload.text > 5", "cannot compare a string with a number"),
        ("action.payload.nothing > 5", "cannot compare null with a number"),
        ("action.payload.list[7] == 1", "the list has no such member"),
        ("action.payload.list[-1] == 1", "the list has no such member"),
        ("action.payload['x'] == 1", "the map has no such key"),
        ("action.payload[5] == 1", "the map has no such key"),
        ("1 / 0 == 1", "a division by zero"),
        ("1 % 0 == 1", "a division by zero"),
        ("9223372036854775807 * 9223372036854775807 > 0", "a number beyond its range"),
        ("1.0e308 * 10.0 > 0.0", "a number beyond its range"),
        ("1 + 'a' == 2", "`+` of a number and a string"),
        ("-'a' == 2", "`-` of a string"),
        ("size(5) == 1", "`size` of a number"),
        ("int('x') == 1", "`int` of a string"),
        ("min(1, 'a') == 1", "`min` of a number and a string"),
        ("action.payload.n.exists(x, true)", "a macro over a number"),
        ("action.payload.mixed.all(x, x > 0)", "cannot compare a string with a number"),
        ("action.payload.mixed.filter(x, x > 0) == []", "cannot compare a string with a number"),
        ("action.payload.n.matches('a')", "`matches` of a number"),
        ("{[1]: 2} == {}", "a list as a key"),
        ("get_event_state([1]) == 'x'", "`get_event_state` of a list"),
    ] {
        assert_eq!(evaluate(expression, false).unwrap(), note, "{expression}");
        assert_eq!(evaluate(&format!("({expression}) || true"), false).unwrap(), "matched", "{expression}");
    }
    assert_eq!(evaluate("action.payload.n == 6", false).unwrap(), "not matched");
}

#[test]
fn a_host_that_cannot_answer_ends_the_walk() {
    for expression in
        ["has_active_event('a', 'b')", "true && has_active_event('a', 'b')", "has_active_event('a', 'b') || true"]
    {
        assert_eq!(evaluate(expression, true), Err("no state"), "{expression}");
    }
    assert_eq!(evaluate("true || has_active_event('a', 'b')", true).unwrap(), "matched", "not asked");
}

#[test]
fn bad_expressions_are_refused_where_they_stand() {
    for (expression, message) in [
        ("action.payload.n ==", "bad expression, in its line 1, column 20: "),
        ("a b", "bad expression, in its line 1, column 3: "),
        ("(1 == 1", "bad expression, in its line 1, column 8: "),
        ("'abc", "bad expression, in its line 1, column 1: unterminated string literal"),
        ("acton.payload.n == 1", "unknown name `acton`; known are `action`, `time` and `now` (did you mean `action`?)"),
        ("env.HOME == 'x'", "`env`: rules cannot read the environment"),
        ("time.our == 1", "unknown time field `time.our` (did you mean `time.hour`?)"),
        ("time == 1", "`time` alone has no value"),
        ("siz(action.payload) == 1", "unknown function `siz` (did you mean `size`?)"),
        ("size(1, 2) == 1", "`size` takes 1 argument, found 2"),
        ("min() == 1", "`min` takes at least one argument"),
        ("has_active_event('a')", "call `has_active_event(event_type, label_value)`"),
        ("wasm('plugin')", "`wasm` is not supported"),
        ("action.id.matches(action.tenant)", "the regex of `matches` must be written out"),
        ("action.id.matches('(')", "bad regex: unclosed group"),
        ("b'x' == b'x'", "bytes are not supported"),
        ("has(action)", "bad expression"),
        ("Foo{a: 1} == 1", "messages and optional values are not supported"),
    ] {
        let found = set(expression).map(|_| ()).expect_err(expression);
        assert!(found.starts_with(&format!("a.yaml:2:51: error: {message}")), "{expression}: {found}");
    }
}

#[test]
fn an_unknown_field_is_doubted() {
    let condition = "cel: action.tenent == 'x' && action.payload.tenent == 'y'";
    let text = format!("rules:\n  - {{name: a, condition: {{{condition}}}, action: {{type: deny}}}}\n");
    let checked = compile(&[SourceFile { name: "a.yaml".to_owned(), text }], &Options::default()).unwrap();
    let warnings: Vec<String> = checked.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["a.yaml:2:32: warning: `action.tenent` is no field that Acteon knows (did you mean `action.tenant`?)"]
    );
}

#[test]
fn hostile_expressions_are_refused_or_end() {
    let n = 900;
    let nested = [
        format!("{}1{}", "(1+".repeat(n), ")".repeat(n)),
        format!("{}1", "!-".repeat(n)),
        format!("1{} == 1", " + 1".repeat(n)),
        format!("action{}", ".a".repeat(n)),
        format!("action{}", "[0]".repeat(n)),
        format!("{}true", "true ? true : ".repeat(n / 4)),
        format!("{}1{}", "[".repeat(n), "]".repeat(n)),
        format!("{}1{} == 1", "size(".repeat(n / 2), ")".repeat(n / 2)),
        format!("{}true{}", "action.payload.list.all(x, ".repeat(n / 9), ")".repeat(n / 9)),
        "x".repeat(limits::MAX_CEL_BYTES + 1),
    ];
    for expression in &nested {
        let compiled = Expression::compile(expression);
        assert!(compiled.is_err(), "{}", &expression[..40]);
    }
    // The parser takes these together, however many there are.
    for expression in [
        format!("{}true{}", "(".repeat(n), ")".repeat(n)),
        format!("{}true", "!".repeat(n)),
        format!("{}1 == 1", "-".repeat(n)),
    ] {
        assert!(Expression::compile(&expression).is_ok(), "{}", &expression[..40]);
    }
    assert!(Expression::compile("true && ".repeat(400).trim_end_matches("&& ")).is_ok(), "a flat chain");
    let spent = format!("stopped after {} steps", limits::MAX_CEL_STEPS);
    let thousand = "(l.map(a, l).map(a, 1))".replace('l', "[0,0,0,0,0,0,0,0,0,0]");
    for expression in [
        format!(
            "{thousand}.all(a, {thousand}.all(b, {thousand}.all(c, {thousand}.all(d, {thousand}.all(e, {thousand}.all(f, \
             true))))))"
        ),
        "[1,2,3,4,5,6,7,8].map(a,[1,2,3,4,5,6,7,8].map(b,[1,2,3,4,5,6,7,8].map(c,[1,2,3,4,5,6,7,8].map(d,\
         [1,2,3,4,5,6,7,8].map(e,[1,2,3,4,5,6,7,8].map(f,[1,2,3,4,5,6,7,8].map(g,'x'))))))).size() == 8"
            .to_owned(),
    ] {
        assert_eq!(evaluate(&expression, false).unwrap(), spent, "{expression}");
    }
}
