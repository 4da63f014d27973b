//! Rules that change the payload.

use serde_json::{Value, json};

use crate::support::{Action, Memory, explain, rules, walk, warnings};

/// The payload after one `modify` rule, and the trace's entry of it.
fn modify(changes: &str, payload: Value) -> (Value, String, Value) {
    let set = rules(&format!("rules:\n  - {{name: a, action: {{type: modify, {changes}}}}}\n"));
    let action = Action::new("x", payload).label("team", "ops");
    let (walked, trace) = explain(&set, &action, 0, &mut Memory::default());
    assert_eq!(walked, walk(&set, &action, 0, &mut Memory::default()));
    let entry = &trace.entries[0];
    (walked.payload, entry.to_string(), entry.modify_patch.clone().unwrap())
}

#[test]
fn renames_unsets_sets_and_merges_in_this_order() {
    for (changes, payload, expected, patch) in [
        (
            "set: {'payload.a.b': '{{ payload.n + 1 }}', c: '{{ metadata.team }}'}",
            json!({"n": 1}),
            json!({"n": 1, "a": {"b": 2}, "c": "ops"}),
            json!({"a": {"b": 2}, "c": "ops"}),
        ),
        (
            "unset: [a.b, action.payload.c, 'l[0]']",
            json!({"a": {"b": 1}, "c": 2, "l": [1, 2]}),
            json!({"a": {}, "l": [2]}),
            json!({"a": {"b": null}, "c": null, "l": [2]}),
        ),
        ("rename: {a: b, b: a}", json!({"a": 1, "b": 2}), json!({"a": 2, "b": 1}), json!({"a": 2, "b": 1})),
        ("rename: {a: a.b}", json!({"a": 1}), json!({"a": {"b": 1}}), json!({"a": {"b": 1}})),
        (
            "changes: {d: merged}, set: {c: '{{ payload.b }}', d: set}, unset: [x], rename: {a: b}",
            json!({"a": 1, "x": 2, "c": 3}),
            json!({"b": 1, "c": 1, "d": "merged"}),
            json!({"a": null, "b": 1, "c": 1, "d": "merged", "x": null}),
        ),
        // A template sees what was there before any is set, and what is renamed under its new name.
        (
            "set: {a: '{{ payload.b }}', b: '{{ payload.a }}'}",
            json!({"a": 1, "b": 2}),
            json!({"a": 2, "b": 1}),
            json!({"a": 2, "b": 1}),
        ),
        (
            "set: {a: {b: ['{{ payload.n }}', x]}}",
            json!({"n": 1}),
            json!({"n": 1, "a": {"b": [1, "x"]}}),
            json!({"a": {"b": [1, "x"]}}),
        ),
        ("set: {a: '{{ payload.none }}'}", json!({}), json!({"a": null}), json!({"a": null})),
        (
            "changes: {a: '{{ payload.n }}'}",
            json!({"n": 1}),
            json!({"n": 1, "a": "{{ payload.n }}"}),
            json!({"a": "{{ payload.n }}"}),
        ),
        ("set: {a: 1}", json!("text"), json!({"a": 1}), json!({"a": 1})),
    ] {
        let (found, line, found_patch) = modify(changes, payload);
        assert_eq!((found, found_patch), (expected, patch), "{changes}");
        assert_eq!(line, "matched      a (modify, priority 0): payload changed", "{changes}");
    }
}

#[test]
fn what_cannot_be_done_is_noted() {
    for (changes, expected, note) in [
        ("rename: {none: b}", json!({"l": [1]}), "`action.payload.none` is not there to be renamed"),
        ("set: {'l[5]': 1}", json!({"l": [1]}), "`action.payload.l[5]` is not set: a list has no such item"),
        (
            "set: {a: '{{ 1 / 0 }}'}",
            json!({"l": [1], "a": null}),
            "`action.payload.a` has null in it: invalid operation: unable to calculate 1 / 0",
        ),
    ] {
        let (found, line, _) = modify(changes, json!({"l": [1]}));
        assert_eq!(found, expected, "{changes}");
        assert!(line.contains(note), "{line}");
    }
}

#[test]
fn later_rules_see_the_change_and_the_linter_knows_of_it() {
    let text = |edit: &str| {
        format!(
            "rules:
  - {{name: a, priority: 1, condition: {{field: action.payload.x, eq: 1}}, action: {{type: allow}}}}
  - {{name: b, priority: 2, action: {{type: modify, {edit}}}}}
  - {{name: c, priority: 3, condition: {{field: action.payload.x, eq: 1}}, action: {{type: deny}}}}
"
        )
    };
    for (edit, payload, verdict) in [
        ("set: {x: '{{ payload.y }}'}", json!({"y": 1}), "Deny by c"),
        ("rename: {y: x}", json!({"y": 1}), "Deny by c"),
        ("unset: [x]", json!({"x": 1}), "Allow by a"),
        ("set: {z: 1}", json!({}), "DefaultAllow"),
    ] {
        let text = text(edit);
        assert_eq!(walk(&rules(&text), &Action::new("x", payload), 0, &mut Memory::default()).summary(), verdict);
        assert_eq!(warnings(&text).is_empty(), !edit.contains('z'), "{edit}: `c` is dead unless `x` may change");
    }
}

#[test]
fn the_action_is_written_as_it_was_read() {
    let set =
        rules("rules: [{name: a, action: {type: modify, set: {a: '{{ payload.n }}'}, unset: [b], rename: {c: d}}}]");
    assert_eq!(
        serde_json::to_value(&set.rules()[0].action).unwrap(),
        json!({
            "type": "modify",
            "rename": [["action.payload.c", "action.payload.d"]],
            "unset": ["action.payload.b"],
            "set": [["action.payload.a", "{{ payload.n }}"]],
        })
    );
}
