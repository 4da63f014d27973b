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
        - {state_counter: k, ne: 3}
    action: {type: modify, changes: {a: {b: null}, c: [1, 2]}}
  - name: "b"
    condition: {state_seen: k, within_seconds: 60}
    action:
      type: group
      group_by: [payload.floor]
      template: |
        text
  - {name: c, condition: {field: action.action_type, matches: "^a.*(b|c)$"}, action: {type: reroute, target_provider: p}}
"#;

const SNIPPETS: &[&str] = &[
    "{", "}", "[", "]", ":", "- ", "\n", "  ", "\t", "'", "\"", "|", ">", "&a ", "*a", "!!int ", "#", "?", "%",
    "---\n", "0x", "-", "é", "\u{0}", "\\", ",", "null", "1e999", "<<: ", "(",
];

#[test]
fn broken_files_are_refused_and_never_panic() {
    let mut state = 42_u64;
    let mut roll = |sides: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % sides
    };
    let (mut compiled, mut refused) = (0, 0);
    let actions = [json!({"items": [{"x": 5}], "floor": 1}), json!("text"), json!(null)]
        .map(|payload| Action::new("ab", payload));
    for _ in 0..4_000 {
        let mut text: Vec<char> = RULES.chars().collect();
        for _ in 0..=roll(3) {
            let at = roll(text.len().max(1));
            match roll(3) {
                0 => drop(text.drain(at..(at + 1 + roll(20)).min(text.len()))),
                1 => drop(text.splice(at..at, SNIPPETS[roll(SNIPPETS.len())].chars())),
                _ => text.truncate(at + 1),
            }
        }
        match compile(&[source(&text.iter().collect::<String>())], &Options::default()) {
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
