#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, json};

use super::*;
use crate::{Options, SourceFile, compile};

/// What a value becomes, and the notes.
fn render(source: Value) -> (Value, Vec<String>) {
    let text = "rules: [{name: a, timezone: Asia/Tokyo, action: {type: allow}}]".to_owned();
    let rules = compile(&[SourceFile { name: "a.yaml".to_owned(), text }], &Options::default()).unwrap().rules;
    let payload = json!({
        "n": 5, "half": 0.5, "big": u64::MAX, "text": "<b>\"Hi\"</b>", "yes": true, "nothing": null,
        "list": [3, 1, 2], "items": [{"sku": "x", "qty": 2}], "deep": {"a": {"b": 1}},
        "long": "x".repeat(1_000), "digits": "1000000000",
    });
    let metadata = BTreeMap::from([("team.name".to_owned(), "ops".to_owned())]);
    let mut extra = Map::new();
    extra.insert("created_at".to_owned(), json!("2026-01-01T00:00:00Z"));
    let subject = Subject {
        id: "id-1",
        namespace: "ns",
        tenant: "t1",
        provider: Cow::Borrowed("email"),
        action_type: "order",
        payload: Cow::Borrowed(&payload),
        metadata: &metadata,
        dedup_key: None,
        status: None,
        fingerprint: Some("fp"),
        extra: &extra,
    };
    let context = Context::new(&rules.rules()[0], &subject, &mut Clock::new(1_767_582_000_000));
    let mut notes = Vec::new();
    let value = ValueTemplate::compile(source).unwrap().render(&context, &mut notes);
    (value, notes)
}

#[test]
fn values_keep_their_types_and_texts_are_texts() {
    for (source, expected) in [
        (json!(7), json!(7)),
        (json!("plain {text}"), json!("plain {text}")),
        (json!("{{ payload.n }}"), json!(5)),
        (json!(" {{payload.n}} "), json!(5)),
        (json!("{{- payload.n -}}"), json!(5)),
        (json!("{{ payload.n * 2 + 0.5 }}"), json!(10.5)),
        (json!("{{ payload.big }}"), json!(u64::MAX)),
        (json!("{{ payload.half }}"), json!(0.5)),
        (json!("{{ payload.yes and payload.n > 3 }}"), json!(true)),
        (json!("{{ payload.list }}"), json!([3, 1, 2])),
        (json!("{{ payload.deep }}"), json!({"a": {"b": 1}})),
        (json!("{{ {'k': {'j': payload.n}} }}"), json!({"k": {"j": 5}})),
        (json!("{{ payload }}"), render(json!("{{ action.payload }}")).0),
        (json!("{{ payload.missing }}"), json!(null)),
        (json!("{{ payload.missing.deeper[0].still }}"), json!(null)),
        (json!("{{ payload.nothing }}"), json!(null)),
        (json!("{{ payload.missing or 'none' }}"), json!("none")),
        (json!("{{ payload.text | lower }}"), json!("<b>\"hi\"</b>")),
        (json!("{{ payload.list | sort | join('-') }}"), json!("1-2-3")),
        (json!("{{ payload.text | replace('b>', 'i>') }}"), json!("<i>\"Hi\"</i>")),
        (json!("n={{ payload.n }}, {{ payload.missing }}."), json!("n=5, .")),
        (json!("{{ payload.n }}{{ payload.n }}"), json!("55")),
        (json!("{{ payload.n }} and {{ payload.text }}"), json!("5 and <b>\"Hi\"</b>")),
        (json!("{% if payload.n > 3 %}many{% else %}few{% endif %}"), json!("many")),
        (json!("{% for i in payload['items'] %}{{ i.qty }}x{{ i.sku }}{% endfor %}"), json!("2xx")),
        (
            json!("{{ action.id }}/{{ action.tenant }}/{{ action.provider }}/{{ action.created_at }}"),
            json!("id-1/t1/email/2026-01-01T00:00:00Z"),
        ),
        (json!("{{ action.dedup_key }}"), json!(null)),
        (json!("{{ action.fingerprint }}"), json!("fp")),
        (json!("{{ metadata['team.name'] }}"), json!("ops")),
        (json!("{{ time.weekday }} {{ time.hour }}"), json!("Monday 12")),
        (json!("{{ time.timestamp }}"), json!(1_767_582_000)),
        (
            json!({"a": ["{{ payload.n }}", {"b": "{{ payload.yes }}"}], "c": null}),
            json!({"a": [5, {"b": true}], "c": null}),
        ),
    ] {
        assert_eq!(render(source.clone()), (expected, vec![]), "{source}");
    }
}

#[test]
fn a_template_that_fails_is_null_with_a_note() {
    let too_long = format!("the result is longer than {} bytes", limits::MAX_TEMPLATE_OUTPUT_BYTES);
    for (source, note) in [
        ("{{ payload.n + payload.text }}", "invalid operation: "),
        ("{{ payload.n / 0 }}", "invalid operation: "),
        ("{{ payload.text.nope() }}", "unknown method: "),
        ("a {{ payload.n.nope() }}", "unknown method: "),
        ("{% for i in range(100000) %}x{% endfor %}", "engine ran out of fuel"),
        ("{{ range(100000) | list }}", too_long.as_str()),
        ("{{ payload.long * 100 }}", too_long.as_str()),
        ("{% for i in range(100) %}{{ payload.long }}{% endfor %}", too_long.as_str()),
        ("{{ 'x' * (payload.digits | int) }}", "invalid operation: repeated string is too large"),
        ("{{ payload.long | replace('', payload.long) }}", "invalid operation: the replaced text is too long"),
    ] {
        let (value, notes) = render(json!(source));
        assert_eq!(value, json!(null), "{source}");
        assert!(notes.len() == 1 && notes[0].starts_with(note), "{source}: {notes:?}");
    }
    let (value, notes) = render(json!(["{{ 1 / 0 }}", "{{ payload.n }}", "{{ 1 / 0 }}"]));
    assert_eq!((value, notes.len()), (json!([null, 5, null]), 2));
}

#[test]
fn bad_templates_are_refused() {
    for (source, message) in [
        ("{{ payload. }}", "bad template: syntax error: "),
        ("{{ payload.n", "bad template: syntax error: "),
        ("{% if payload.n %}", "bad template: syntax error: "),
        ("{{ payload.n | nope }}", "bad template: unknown filter: "),
        ("{{ payload.n is nope }}", "bad template: unknown test: "),
        ("{{ nope(1) }}", "bad template: unknown function: "),
        ("x {{ payload.text | indent(1000000000) }}", "bad template: unknown filter: "),
        ("{{ namespace() }}", "bad template: unknown function: "),
        ("{% include 'x' %}", "bad template: "),
        ("{% macro m() %}{% endmacro %}", "bad template: "),
    ] {
        let found = ValueTemplate::compile(json!({"deep": [source]})).expect_err(source);
        assert!(found.starts_with(message), "{source}: {found}");
    }
    let long = format!("{{{{ payload }}}}{}", "x".repeat(limits::MAX_TEMPLATE_BYTES));
    assert!(ValueTemplate::compile(json!(long)).expect_err("too long").contains("8192 are allowed"));
    for nested in ["(".repeat(2_000), "[".repeat(2_000), "not ".repeat(2_000), "-".repeat(2_000), "a if ".repeat(1_000)]
    {
        let _ = ValueTemplate::compile(json!(format!("{{{{ {nested}1 }}}}")));
        let closed = format!("{{{{ {nested}1{} }}}}", ")".repeat(2_000));
        let _ = ValueTemplate::compile(json!(closed));
    }
}
