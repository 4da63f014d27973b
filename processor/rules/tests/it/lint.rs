//! Rules that can never fire.

use acteon_rules::{Evaluation, Options};

use crate::support::{checked_with, lines, warnings};

/// Warnings about rules given as `priority condition action`, one a line, named a, b, c, …
fn lint(rules: &str) -> String {
    warnings(&file(rules))
}

fn file(rules: &str) -> String {
    let mut text = "rules:\n".to_owned();
    for (name, line) in ('a'..).zip(rules.lines().map(str::trim).filter(|line| !line.is_empty())) {
        let mut parts = line.split(" => ");
        let (condition, action) = (parts.next().unwrap(), parts.next().unwrap());
        let priority = name as u32;
        let condition = match condition {
            "always" => String::new(),
            fields => {
                let fields: Vec<String> =
                    fields.split(" & ").map(|field| format!("{{field: action.{field}}}")).collect();
                format!("condition: {{all: [{}]}}, ", fields.join(", "))
            }
        };
        text.push_str(&format!("  - {{name: {name}, priority: {priority}, {condition}action: {{type: {action}}}}}\n"));
    }
    text
}

/// The dead rules, and what kills each.
fn dead(rules: &str) -> Vec<String> {
    let found = lint(rules);
    let short = |line: &str| {
        let (_, text) = line.split_once("rule `").unwrap();
        let (rule, reason) = text.split_once("` can never fire: ").unwrap();
        let by = reason.split('`').nth(1).unwrap();
        format!("{rule} by {by}")
    };
    found.lines().map(short).collect()
}

#[test]
fn says_what_is_dead_and_why() {
    assert_eq!(
        lint(
            "tenant, eq: t => allow
              tenant, eq: t & action_type, eq: x => reroute, target_provider: p"
        ),
        "rules/a.yaml:3:5: warning: rule `b` can never fire: `a` (rules/a.yaml:2) routes every \
         action that it matches\n"
    );
    assert_eq!(
        lint(
            "tenant, eq: t => throttle, max_count: 1, window_seconds: 1
              tenant, eq: t => deny"
        ),
        "rules/a.yaml:3:5: warning: rule `b` can never fire: it is a default block, and `a` \
         (rules/a.yaml:2) admits every action in its scope\n"
    );
    assert_eq!(
        lint(
            "tenant, eq: t => schedule, delay_seconds: 1
              tenant, eq: t & action_type, eq: x => deny"
        ),
        "rules/a.yaml:3:5: warning: rule `b` can never fire: `a` (rules/a.yaml:2) holds every \
         action that it matches\n"
    );
    assert_eq!(
        lint(
            "action_type, eq: x => deny
              action_type, eq: x => deduplicate"
        ),
        "rules/a.yaml:3:5: warning: rule `b` can never fire: `a` (rules/a.yaml:2) blocks every \
         action that it matches\n"
    );
}

#[test]
fn behind_routes() {
    for (rules, expected) in [
        // Behind an unconditional route: routes, blocks and captures, not gates and rewrites.
        (
            "always => allow
          payload.x, eq: 1 => reroute, target_provider: p
          payload.x, eq: 1 => suppress
          payload.x, eq: 1 => schedule, delay_seconds: 1
          payload.x, eq: 1 => deduplicate
          payload.x, eq: 1 => modify, changes: {y: 1}",
            vec!["b by a", "c by a", "d by a"],
        ),
        // A wider condition is not implied.
        (
            "tenant, eq: t & action_type, eq: x => allow
          tenant, eq: t => allow",
            vec![],
        ),
        // A modify in between may change what the condition sees; of another field it may not.
        (
            "payload.x, eq: 1 => allow
          always => modify, changes: {x: 1}
          payload.x, eq: 1 => deny",
            vec![],
        ),
        (
            "payload.x, eq: 1 => allow
          always => modify, changes: {y: 1}
          payload.x, eq: 1 => deny",
            vec!["c by a"],
        ),
    ] {
        assert_eq!(dead(rules), expected, "{rules}");
    }
}

#[test]
fn behind_blocks() {
    for (rules, expected) in [
        // Behind a default block everything of the scope is dead, unless it may be admitted.
        (
            "tenant, eq: t => suppress
          tenant, eq: t & action_type, eq: x => allow",
            vec!["b by a"],
        ),
        (
            "action_type, eq: x => deduplicate
          tenant, eq: t => suppress
          tenant, eq: t & action_type, eq: x => allow",
            vec![],
        ),
        (
            "tenant, eq: other => deduplicate
          tenant, eq: t => suppress
          tenant, eq: t & action_type, eq: x => allow",
            vec!["c by b"],
        ),
        (
            "always => suppress
          always => deduplicate",
            vec!["b by a"],
        ),
        // Behind a plain block a gate does not help; a route or a capture before it does.
        (
            "action_type, eq: x => throttle, max_count: 1, window_seconds: 1
          action_type, eq: x => deny
          action_type, eq: x => modify, changes: {y: 1}",
            vec!["c by b"],
        ),
        (
            "payload.x, eq: 1 => allow
          action_type, eq: x => deny
          action_type, eq: x => modify, changes: {y: 1}",
            vec![],
        ),
        // A provider may change on the way.
        (
            "provider, eq: p => deny
          action_type, eq: x => reroute, target_provider: p
          provider, eq: p => deduplicate",
            vec![],
        ),
        (
            "provider, eq: p => deny
          provider, eq: p => deduplicate",
            vec!["b by a"],
        ),
    ] {
        assert_eq!(dead(rules), expected, "{rules}");
    }
}

#[test]
fn the_same_hours_in_two_zones_are_two_conditions() {
    let rule = |name: &str, zone: &str, action: &str| {
        format!(
            "  - {{name: {name}, timezone: {zone}, condition: {{field: time.hour, lt: 9}}, action: {{type: {action}}}}}\n"
        )
    };
    let text = |zone| format!("rules:\n{}{}", rule("a", "UTC", "allow"), rule("b", zone, "deny"));
    assert_eq!(warnings(&text("Asia/Tokyo")), "");
    assert!(warnings(&text("UTC")).contains("rule `b` can never fire"));
}

#[test]
fn disabled_rules_kill_nothing_and_are_not_dead() {
    let text = file("always => allow\nalways => allow");
    assert_eq!(warnings(&text.replacen("name: a,", "name: a, enabled: false,", 1)), "");
    assert_eq!(warnings(&text.replacen("name: b,", "name: b, enabled: false,", 1)), "");
}

#[test]
fn first_match() {
    let options = Options { evaluation: Evaluation::FirstMatch, ..Options::default() };
    let text = file("tenant, eq: t => deduplicate\ntenant, eq: t & action_type, eq: x => allow");
    assert_eq!(
        lines(&checked_with(&text, &options).warnings),
        "rules/a.yaml:3:5: warning: rule `b` can never fire: `a` (rules/a.yaml:2) matches first \
         whenever it would\n"
    );
}

#[test]
fn conjuncts_that_exclude_each_other() {
    for (condition, excluded) in [
        ("tenant, eq: a & tenant, eq: b", true),
        ("tenant, eq: a & tenant, in_list: [b, c]", true),
        ("tenant, in_list: [a, b] & tenant, in_list: [c]", true),
        ("tenant, in_list: [a, b] & tenant, in_list: [b, c]", false),
        ("payload.x, eq: a & payload.x, starts_with: b", true),
        ("payload.x, eq: a & payload.x, ne: a", true),
        ("payload.x, eq: 5 & payload.x, gt: 4", false),
        ("payload.x, gt: 5 & payload.x, lt: 5", true),
        ("payload.x, gte: 5 & payload.x, lte: 5", false),
        ("payload.x, gte: 5 & payload.x, lt: 5", true),
        ("payload.x, lt: 3 & payload.x, gt: 7", true),
        ("payload.x, gt: 3 & payload.x, lt: 7", false),
        ("payload.x, exists: false & payload.x, gt: 7", true),
        ("payload.x, exists: false & payload.x, ne: 7", false),
        ("payload.x, eq: a & payload.y, eq: b", false),
    ] {
        let found = lint(&format!("{condition} => allow"));
        assert_eq!(found.contains("rule `a` can never match: "), excluded, "{condition}: {found}");
        assert!(excluded || found.is_empty(), "{condition}: {found}");
    }
    assert_eq!(
        lint("tenant, eq: a & tenant, eq: b => allow"),
        "rules/a.yaml:2:5: warning: rule `a` can never match: `action.tenant eq \"a\"` excludes \
         `action.tenant eq \"b\"`\n"
    );
}

#[test]
fn numbers_for_fields_that_are_strings() {
    assert_eq!(
        lint("metadata.build, gte: 5 => allow"),
        "rules/a.yaml:2:5: warning: rule `a`: `action.metadata.build gte 5` never holds, because \
         the field is always a string: put the value in quotes\n"
    );
    assert_eq!(lint("payload.build, gte: 5 => allow"), "");
}

#[test]
fn a_weight_needs_another_of_its_priority() {
    let text = |second: &str| {
        format!(
            "rules:
  - {{name: a, weight: 1, condition: {{field: action.tenant, eq: t}}, action: {{type: allow}}}}
  - {{name: b, condition: {{field: action.tenant, eq: u}}, {second}, action: {{type: chain, chain: c}}}}
"
        )
    };
    let lone = "rules/a.yaml:2:5: warning: rule `a`: `weight` splits nothing, because no other route rule of priority 0 \
                has one\n";
    assert_eq!(warnings(&text("weight: 3")), "");
    assert_eq!(warnings(&text("priority: 0")), lone);
    assert_eq!(warnings(&text("weight: 3, enabled: false")), lone);
}
