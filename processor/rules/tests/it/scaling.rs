//! What a decision costs among few rules and among many.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;

use acteon_rules::{Decision, FieldValue, Function, Gate, Host, Rule, RuleSet, Subject, Verdict};
use serde_json::{Map, Value, json};

use crate::support::{checked, rules};

struct Open;

impl Host for Open {
    type Error = Infallible;

    fn gate(&mut self, _: &Rule, _: &Subject<'_>) -> Result<Gate, Infallible> {
        Ok(Gate::Admit)
    }

    fn call(&mut self, _: &Rule, _: Function, _: &[FieldValue<'_>], _: &Subject<'_>) -> Result<Value, Infallible> {
        Ok(Value::Null)
    }
}

/// `count` rules of which three match the action of tenant 0; the last in order among them.
fn set_of(count: usize) -> RuleSet {
    let mut text = "rules:\n".to_owned();
    for n in 0..count - 3 {
        let indexed = match n % 4 {
            0 => format!("{{field: action.tenant, eq: tenant-{}}}", n + 1),
            1 => format!("{{field: action.action_type, eq: type-{n}}}"),
            2 => format!("{{field: action.namespace, in_list: [ns-{n}, ns-x]}}"),
            _ => format!("{{field: action.provider, eq: provider-{n}}}"),
        };
        text.push_str(&format!(
            "- {{name: r{n}, condition: {{all: [{indexed}, {{field: action.payload.value, gt: 1}}]}}, action: {{type: deny}}}}\n"
        ));
    }
    for (name, action) in
        [("dedup", "deduplicate"), ("limit", "throttle, max_count: 9, window_seconds: 9"), ("route", "allow")]
    {
        text.push_str(&format!(
            "- {{name: {name}, priority: 9, condition: {{all: [{{field: action.tenant, eq: tenant-0}}, {{field: action.payload.value, gt: 1}}]}}, action: {{type: {action}}}}}\n"
        ));
    }
    rules(&text)
}

fn decide(set: &RuleSet) -> Decision<'_> {
    let (payload, metadata, extra) = (json!({"value": 5}), BTreeMap::new(), Map::new());
    let mut subject = Subject {
        id: "i",
        namespace: "ns",
        tenant: "tenant-0",
        provider: Cow::Borrowed("p"),
        action_type: "at",
        payload: Cow::Borrowed(&payload),
        metadata: &metadata,
        dedup_key: None,
        status: None,
        fingerprint: None,
        extra: &extra,
    };
    let Ok(decision) = set.walk(&mut subject, 0, None, &mut Open, None);
    decision
}

#[test]
fn a_decision_looks_only_at_rules_in_play() {
    for count in [10, 1_000, 5_000] {
        let set = set_of(count);
        let decision = decide(&set);
        assert_eq!(decision.verdict, Verdict::Allow);
        assert_eq!(decision.conditions_evaluated, 3, "among {count} rules");
    }
}

/// A timing, so not part of the suite: `cargo test -p acteon-rules -- --ignored scaling`.
#[test]
#[ignore = "a timing: run it alone on a quiet machine"]
#[allow(clippy::disallowed_methods)]
fn a_decision_among_a_thousand_rules_costs_at_most_thrice_one_among_ten() {
    let time = |count: usize| {
        let set = set_of(count);
        let best = (0..20).map(|_| {
            let start = std::time::Instant::now();
            for _ in 0..10_000 {
                std::hint::black_box(decide(&set));
            }
            start.elapsed()
        });
        best.min().unwrap_or_default()
    };
    let (ten, thousand) = (time(10), time(1_000));
    assert!(thousand <= ten * 3, "10,000 decisions: {ten:?} among 10, {thousand:?} among 1,000");
}

/// Thousands of rules that all look alike: the linter must not compare each with each.
#[test]
fn checking_thousands_of_alike_rules_is_bounded() {
    for action in ["deduplicate", "deny", "allow", "modify, changes: {x: 1}"] {
        let rule = |n: usize| {
            let condition = "{all: [{field: action.tenant, eq: t}, {field: action.payload.x, eq: 1}]}";
            format!("- {{name: r{n}, condition: {condition}, action: {{type: {action}}}}}\n")
        };
        let first = "- {name: first, priority: -1, action: {type: deduplicate}}\n";
        let text = format!("rules:\n{first}{}", (0..7_000).map(rule).collect::<String>());
        assert_eq!(checked(&text).rules.rules().len(), 7_001);
    }
}
