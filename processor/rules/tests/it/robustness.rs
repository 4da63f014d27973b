//! No text makes the compiler panic, and no rule set that compiles makes a walk panic.

use acteon_rules::{Options, compile};
use serde_json::json;

use crate::support::{Action, Memory, explain, source};

/// Rules with every form of the language, to be broken.
const RULES: &str = r#"rules:
  - name: a # comment
    priority: -5
    timezone: Europe/London
    condition:
      all:
        - {field: 'action.payload.items[0].x', gt: 1.5, lte: 9, in_list: [1, "b", null]}
        - any: [{field: time.hour, gte: 9}, {not: {call: has_active_event, args: [x, action.metadata.c]}}]
        - {state_counter: [payload.floor, tenant], ne: 3, within_seconds: 60}
        - {cel: "action.payload.items.exists(i, i.x > 4) || has(action.metadata.c)"}
    action:
      type: modify
      changes: {a: {b: null}, c: [1, 2]}
      set: {'payload.items[0].y': '{{ payload.floor + 1 }}', d.e: ["{% if payload.floor %}x{% endif %}"]}
      unset: [f, payload.g]
      rename: {floor: level}
  - name: "b"
    condition: {state_seen: k, within_seconds: 60}
    action:
      type: group
      group_by: [payload.floor]
      template: |
        text
  - {name: c, condition: {field: action.action_type, matches: "^a.*(b|c)$"}, action: {type: reroute, target_provider: p}}
  - {name: d, weight: 5, continue: true, condition: "time.hour < 25 && size(action.tenant) > 0", action: {type: allow}}
  - name: e
    action: {type: reroute, targets: [{provider: p, weight: 3}, {provider: q, weight: 1}]}
    weight: 7
  - {name: f, action: {type: throttle, max_count: 1, window_seconds: 5, mode: delay, max_queue: 9, max_delay_seconds: 8}}
"#;

const SNIPPETS: &[&str] = &[
    "{", "}", "[", "]", ":", "- ", "\n", "  ", "\t", "'", "\"", "|", ">", "&a ", "*a", "!!int ", "#", "?", "%",
    "---\n", "0x", "-", "é", "\u{0}", "\\", ",", "null", "1e999", "<<: ", "(",
];

/// Numbers that look random and are the same every time.
fn dice(mut state: u64) -> impl FnMut(usize) -> usize {
    move |sides: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % sides
    }
}

/// Breaks a text in up to four places.
fn broken(text: &str, snippets: &[&str], roll: &mut impl FnMut(usize) -> usize) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for _ in 0..=roll(3) {
        let at = roll(text.len().max(1));
        match roll(3) {
            0 => drop(text.drain(at..(at + 1 + roll(20)).min(text.len()))),
            1 => drop(text.splice(at..at, snippets[roll(snippets.len())].chars())),
            _ => text.truncate(at + 1),
        }
    }
    text.into_iter().collect()
}

const EXPRESSIONS: &[&str] = &[
    "action.payload.items.map(i, i.x * 2).exists(x, x in [10, 'a', null]) && !has(action.payload.none)",
    "time.hour >= 9 && (action.tenant.startsWith('t') ? size(action.payload.floor) : 5) != -7 % 3",
    "action.metadata['a.b'].matches('^x+$') || {'a': [1, 2u, 3.5e3]}['a'][1] == r'raw\\d' // comment",
    "get_event_state(action.id) == \"open\" || min(action.payload.items.filter(i, true).map(i, i.x)) < 0x1F",
];

const TEMPLATES: &[&str] = &[
    "{{ payload['items'][0].x * 2 if payload.floor is defined else metadata.a | default('none') | upper }}",
    "a {% for i in payload['items'] %}{{ loop.index }}: {{ i.x ~ '!' }}{% else %}none{% endfor %} {# b #}",
    "{% set x = payload.floor %}{{ {'k': [x, -1, 2.5, 'é']} | length }} {{ time.hour // 2 ** 3 }}",
];

/// Parts of expressions and templates, to break them with.
const PARTS: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "&&",
    "||",
    "!",
    "'''",
    "\"\"\"",
    "b'",
    "r'",
    "u",
    ".",
    "((",
    "\\x",
    " in ",
    "has(",
    "[0]",
    "1e400",
    "99999999999999999999",
    ".all(x, ",
    " ? ",
    "é",
    "'",
    "\"",
    "\\",
    "|",
    "-",
    "\n",
    "//",
    "\u{0}",
];

#[test]
fn broken_expressions_and_templates_are_refused_and_never_panic() {
    let mut roll = dice(7);
    let (mut compiled, mut refused) = (0, 0);
    let action = Action::new("ab", json!({"items": [{"x": 5}, {"x": "é"}], "floor": 1})).label("a.b", "xx");
    for turn in 0..12_000 {
        let seeds = if turn % 2 == 0 { EXPRESSIONS } else { TEMPLATES };
        let text = serde_json::to_string(&broken(seeds[roll(seeds.len())], PARTS, &mut roll)).unwrap();
        let rule = match turn % 2 {
            0 => format!("condition: {text}, action: {{type: deny}}"),
            _ => format!("action: {{type: modify, set: {{a: {text}}}}}"),
        };
        match compile(&[source(&format!("rules:\n  - {{name: a, {rule}}}\n"))], &Options::default()) {
            Err(_) => refused += 1,
            Ok(checked) => {
                compiled += 1;
                explain(&checked.rules, &action, 0, &mut Memory::default());
            }
        }
    }
    assert!(compiled > 500 && refused > 500, "{compiled} compiled, {refused} refused");
}

#[test]
fn broken_files_are_refused_and_never_panic() {
    let mut roll = dice(42);
    let (mut compiled, mut refused) = (0, 0);
    let actions = [json!({"items": [{"x": 5}], "floor": 1}), json!("text"), json!(null)]
        .map(|payload| Action::new("ab", payload));
    for _ in 0..4_000 {
        let text = broken(RULES, SNIPPETS, &mut roll);
        match compile(&[source(&text)], &Options::default()) {
            Err(found) => {
                refused += 1;
                assert!(found.iter().all(|d| d.line > 0 && d.column > 0), "{found:?}");
            }
            Ok(checked) => {
                compiled += 1;
                for action in &actions {
                    explain(&checked.rules, action, 0, &mut Memory::default());
                }
            }
        }
    }
    assert!(compiled > 100 && refused > 100, "{compiled} compiled, {refused} refused");
}
