//! Why a walk went as it did.

use serde_json::json;

use crate::support::{Action, Memory, explain, rules};

const RULES: &str = r#"
rules:
  - name: block-tests
    priority: 1
    condition: {field: action.payload.environment, eq: test}
    action: {type: suppress}
  - {name: off, priority: 2, enabled: false, action: {type: deny}}
  - name: limit
    description: No more than two
    priority: 3
    action: {type: throttle, max_count: 2, window_seconds: 60}
  - name: hot
    priority: 4
    condition:
      all:
        - {field: action.tenant, eq: t1}
        - {field: action.payload.value, gt: 85}
    action: {type: reroute, target_provider: sms}
  - name: hours
    priority: 5
    condition: {any: [{field: time.hour, lt: 9}, {not: {field: time.weekday, ne: Sunday}}]}
    action: {type: schedule, delay_seconds: 60}
  - {name: tag, priority: 6, action: {type: modify, changes: {tag: x}}}
  - {name: rest, priority: 7, action: {type: allow}}
  - {name: late, priority: 8, condition: {field: action.id, eq: x}, action: {type: allow}}
  - {name: default, priority: 9, action: {type: deny}}
"#;

#[test]
fn every_rule_is_accounted_for() {
    let rules = rules(RULES);
    let action = Action::new("x", json!({"value": "hot"}));
    let mut host = Memory::default();
    let (_, trace) = explain(&rules, &action, 15 * 3_600_000, &mut host);
    assert_eq!(
        trace.to_string(),
        "\
not matched  block-tests (suppress, priority 1): action.payload.environment eq \"test\", found null
skipped      off (deny, priority 2): disabled
matched      limit (throttle, priority 3): admitted
not matched  hot (reroute, priority 4): action.payload.value gt 85, found \"hot\" (expected a number, found a string)
not matched  hours (schedule, priority 5): time.hour lt 9, found 15; not (time.weekday ne \"Sunday\"), found \"Thursday\"
matched      tag (modify, priority 6): payload changed
matched      rest (allow, priority 7): executes on `email`
skipped      late (allow, priority 8): already routed by `rest`
skipped      default (deny, priority 9): already routed by `rest`
"
    );
    explain(&rules, &action, 15 * 3_600_000, &mut host);
    let (_, trace) = explain(&rules, &action, 15 * 3_600_000, &mut host);
    let lines: Vec<String> = trace.entries[2..4].iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "matched      limit (throttle, priority 3): refused",
            "skipped      hot (reroute, priority 4): the walk ended at `limit`",
        ]
    );
}

#[test]
fn a_default_block_says_who_admitted() {
    let rules = rules(
        "rules:
  - {name: gate, priority: 1, condition: {field: action.action_type, eq: x}, action: {type: deduplicate}}
  - {name: default, priority: 2, condition: {field: action.tenant, eq: t1}, action: {type: suppress}}
",
    );
    let (_, trace) = explain(&rules, &Action::new("x", json!({})), 0, &mut Memory::default());
    assert_eq!(
        trace.entries[1].to_string(),
        "skipped      default (suppress, priority 2): default block: already admitted by `gate`"
    );
}

#[test]
fn json_has_the_names_of_the_playground() {
    let rules = rules(RULES);
    let action = Action::new("x", json!({"value": "hot"}));
    let (_, trace) = explain(&rules, &action, 15 * 3_600_000, &mut Memory::default());
    let json = serde_json::to_value(&trace).unwrap();
    assert_eq!(
        json[3],
        json!({
            "rule_name": "hot",
            "priority": 4,
            "enabled": true,
            "condition_display": "action.tenant eq \"t1\" and action.payload.value gt 85",
            "result": "not_matched",
            "action": "reroute",
            "source": "rules/a.yaml:12",
            "error": "expected a number, found a string",
            "failures": [{
                "predicate": "action.payload.value gt 85",
                "found": "hot",
                "type_mismatch": "expected a number, found a string",
            }],
        })
    );
    assert_eq!(json[2]["description"], "No more than two");
    assert_eq!(json[5]["modify_patch"], json!({"tag": "x"}));
    assert_eq!(json[1]["skip_reason"], "disabled");
}
