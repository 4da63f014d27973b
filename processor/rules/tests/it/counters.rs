//! Predicates that count: each action once, and only those that come to them.

use serde_json::json;

use crate::support::{Action, Memory, explain, rules, walk};

const CALL: &str = "state_counter(\"k\",3600)";

/// What is counted for one action by a condition, with and without a trace.
fn counted(condition: &str, answer: i64) -> Vec<String> {
    let set = rules(&format!("rules:\n  - {{name: a, condition: {condition}, action: {{type: allow}}}}\n"));
    let action = Action::new("x", json!({"n": 1}));
    let host = || {
        let mut host = Memory::answering(CALL, json!(answer));
        host.answers.insert("state_seen(\"k\",3600)".to_owned(), json!(answer > 1));
        host
    };
    let (mut plain, mut traced) = (host(), host());
    let walked = walk(&set, &action, 0, &mut plain);
    assert_eq!(walked, explain(&set, &action, 0, &mut traced).0);
    assert_eq!(plain.counted, traced.counted, "{condition}");
    let mut found = plain.counted;
    found.push(if walked.rule.is_some() { "holds" } else { "fails" }.to_owned());
    found
}

#[test]
fn an_action_is_counted_once_and_only_if_it_comes_there() {
    let once = format!("a: {CALL}");
    let once = once.as_str();
    let seen = "a: state_seen(\"k\",3600)";
    for (condition, answer, expected) in [
        ("{state_counter: k, gte: 3}", 3, vec![once, "holds"]),
        ("{state_counter: k, gte: 3}", 2, vec![once, "fails"]),
        ("{state_counter: k, gte: 3, lt: 5, ne: 4}", 3, vec![once, "holds"]),
        ("{state_counter: k, gte: 3, lt: 5, ne: 4}", 4, vec![once, "fails"]),
        ("{not: {state_counter: k, gte: 3}}", 3, vec![once, "fails"]),
        ("{all: [{state_counter: k, gte: 3}, {not: {state_counter: k, gte: 9}}]}", 3, vec![once, "holds"]),
        ("{all: [{state_counter: k, gte: 1}, {state_seen: k}]}", 2, vec![once, seen, "holds"]),
        // In the order written: what comes before decides who is counted, what comes after does not.
        ("{all: [{field: action.payload.n, eq: 2}, {state_counter: k, gte: 3}]}", 3, vec!["fails"]),
        ("{all: [{field: action.payload.n, eq: 1}, {state_counter: k, gte: 3}]}", 3, vec![once, "holds"]),
        ("{all: [{state_counter: k, gte: 3}, {field: action.payload.n, eq: 2}]}", 3, vec![once, "fails"]),
        // The same where the index knows that the rule cannot match.
        ("{all: [{field: action.tenant, eq: t2}, {state_counter: k, gte: 3}]}", 3, vec!["fails"]),
        ("{all: [{state_counter: k, gte: 3}, {field: action.tenant, eq: t2}]}", 3, vec![once, "fails"]),
        ("{all: [{any: [{state_seen: k}, {cel: 'true'}]}, {field: action.tenant, eq: t2}]}", 1, vec![seen, "fails"]),
        ("{any: [{field: action.payload.n, eq: 1}, {state_counter: k, gte: 3}]}", 3, vec!["holds"]),
        ("{any: [{state_counter: k, gte: 3}, {field: action.payload.n, eq: 1}]}", 2, vec![once, "holds"]),
    ] {
        assert_eq!(counted(condition, answer), expected, "{condition}");
    }
}

#[test]
fn every_rule_counts_for_itself_and_a_rule_without_a_say_does_not() {
    let set = rules(
        "rules:
  - {name: a, priority: 1, condition: {state_counter: k, gte: 3}, action: {type: modify, changes: {x: 1}}}
  - {name: b, priority: 2, condition: {state_counter: k, gte: 1}, action: {type: allow}}
  - {name: c, priority: 3, condition: {state_counter: k, gte: 1}, action: {type: deny}}
",
    );
    let mut host = Memory::answering(CALL, json!(2));
    assert_eq!(walk(&set, &Action::new("x", json!({})), 0, &mut host).summary(), "Allow by b");
    assert_eq!(host.counted, [format!("a: {CALL}"), format!("b: {CALL}")]);
}

#[test]
fn counting_rules_are_not_taken_for_each_other() {
    // Alike word for word, and yet the counts differ: `b` may come to 3 when `a` does not.
    let text = "rules:
  - {name: a, priority: 1, condition: {all: [{field: action.tenant, eq: t}, {state_counter: k, gte: 3}]}, action: {type: allow}}
  - {name: b, priority: 2, condition: {all: [{field: action.tenant, eq: t}, {state_counter: k, gte: 3}]}, action: {type: deny}}
";
    assert_eq!(crate::support::warnings(text), "");
}
