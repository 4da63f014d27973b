//! How rules combine.

use acteon_rules::{DefaultVerdict, Options, ResumePoint, RuleAction};
use serde_json::{Value, json};

use crate::support::{Action, Memory, checked_with, explain, resume, rules, summaries, walk};

fn action() -> Action {
    Action::new("x", json!({"n": 1}))
}

/// The verdict of one action by these rules.
fn decide(text: &str, action: &Action) -> String {
    walk(&rules(text), action, 0, &mut Memory::default()).summary()
}

#[test]
fn order_is_priority_then_file_then_place() {
    let set = rules(
        "rules:
  - {name: d, priority: 5, action: {type: allow}}
  - {name: b, action: {type: deny}}
  - {name: c, action: {type: allow}}
  - {name: a, priority: -1, condition: {field: action.tenant, eq: other}, action: {type: allow}}
",
    );
    let names: Vec<&str> = set.rules().iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    let indexes: Vec<usize> = set.rules().iter().map(|rule| rule.index).collect();
    assert_eq!(indexes, [0, 1, 2, 3]);
}

#[test]
fn a_scope_wide_block_that_comes_first_blocks_everything() {
    let text = "rules:
  - {name: stop, priority: 1, action: {type: deny}}
  - {name: go, priority: 2, action: {type: allow}}
";
    assert_eq!(decide(text, &action()), "Deny by stop");
}

#[test]
fn a_default_block_spares_what_a_gate_admitted_and_a_plain_block_does_not() {
    let text = |condition: &str| {
        format!(
            "rules:
  - {{name: gate, priority: 1, condition: {{field: action.action_type, eq: x}}, action: {{type: deduplicate}}}}
  - {{name: block, priority: 2, condition: {condition}, action: {{type: suppress}}}}
"
        )
    };
    for scope in [
        "{field: action.tenant, eq: t1}",
        "{all: [{field: action.namespace, eq: ns}, {field: action.tenant, starts_with: t}]}",
        "{not: {field: action.tenant, eq: other}}",
    ] {
        assert_eq!(decide(&text(scope), &action()), "DefaultAllow", "{scope}");
        let other = Action::new("y", json!({}));
        assert_eq!(decide(&text(scope), &other), "Suppress by block", "{scope}");
    }
    let plain = "{all: [{field: action.tenant, eq: t1}, {field: action.payload.n, eq: 1}]}";
    assert_eq!(decide(&text(plain), &action()), "Suppress by block");
}

#[test]
fn the_first_route_decides_and_later_rewrites_and_gates_still_count() {
    let set = rules(
        "rules:
  - {name: first, priority: 1, condition: {field: action.payload.n, eq: 1}, action: {type: reroute, target_provider: sms}}
  - {name: second, priority: 2, condition: {field: action.action_type, eq: x}, action: {type: chain, chain: c}}
  - {name: block, priority: 3, condition: {field: action.payload.n, gte: 1}, action: {type: deny}}
  - {name: hold, priority: 4, condition: {field: action.payload.n, gte: 1}, action: {type: schedule, delay_seconds: 1}}
  - {name: tag, priority: 5, condition: {field: action.provider, eq: sms}, action: {type: modify, changes: {tag: sms}}}
  - {name: limit, priority: 6, condition: {field: action.payload.tag, eq: sms}, action: {type: throttle, max_count: 1, window_seconds: 9}}
",
    );
    let mut host = Memory::default();
    let walked = walk(&set, &action(), 0, &mut host);
    assert_eq!(walked.summary(), "Reroute email→sms by first");
    assert_eq!(walked.payload, json!({"n": 1, "tag": "sms"}));
    assert_eq!((walked.rewritten_by, walked.admitted_by), (vec!["tag".into()], vec!["limit".into()]));
    let refused = walk(&set, &action(), 0, &mut host);
    assert_eq!((refused.summary(), refused.provider), ("Throttled by limit".into(), "sms".into()));
}

#[test]
fn rewrites_are_seen_by_later_rules() {
    let text = "rules:
  - {name: raise, priority: 1, action: {type: modify, changes: {n: 9, deep: {x: [1]}}}}
  - {name: high, priority: 2, condition: {field: 'action.payload.deep.x[0]', eq: 1}, action: {type: allow}}
";
    assert_eq!(decide(text, &action()), "Allow by high");
}

#[test]
fn default_deny_wants_a_route() {
    let options = Options { default: DefaultVerdict::Deny, ..Options::default() };
    let text = "rules:
  - {name: gate, priority: 1, action: {type: deduplicate}}
  - {name: hold, priority: 2, condition: {field: action.action_type, eq: hold}, action: {type: schedule, delay_seconds: 5}}
  - {name: go, priority: 3, condition: {field: action.action_type, eq: go}, action: {type: allow}}
";
    let set = checked_with(text, &options).rules;
    let kinds = ["go", "hold", "stop"].map(|kind| Action::new(kind, json!({})).id(kind));
    assert_eq!(summaries(&set, &kinds, 0), ["Allow by go", "Capture by hold", "DefaultDeny"]);
    // What a capture has taken on is not denied when it is released.
    let mut host = Memory::default();
    let point = set.rule("hold").unwrap().resume_point();
    assert_eq!(resume(&set, &kinds[1], 0, &point, &mut host).summary(), "DefaultAllow");
}

const HOLD: &str = "rules:
  - {name: hold, priority: 1, action: {type: schedule, delay_seconds: 5}}
  - {name: block, priority: 2, condition: {field: action.id, ne: z}, action: {type: deny}}
  - {name: limit, priority: 3, action: {type: throttle, max_count: 1, window_seconds: 9}}
  - {name: route, priority: 4, action: {type: reroute, target_provider: sms}}
";

#[test]
fn a_released_action_meets_no_block_and_every_later_gate_and_route() {
    let set = rules(HOLD);
    let mut host = Memory::default();
    let held = walk(&set, &action(), 0, &mut host);
    assert_eq!(held.summary(), "Capture by hold");
    let point = held.resume.unwrap();
    let released = resume(&set, &action(), 0, &point, &mut host);
    assert_eq!(released.summary(), "Reroute email→sms by route");
    assert_eq!(resume(&set, &action(), 0, &point, &mut host).summary(), "Throttled by limit");
}

#[test]
fn a_resume_point_outlives_its_rule() {
    let point = rules(HOLD).rule("hold").unwrap().resume_point();
    let json = serde_json::to_string(&point).unwrap();
    let point: ResumePoint = serde_json::from_str(&json).unwrap();
    // The rule is gone; one that would hold the action again stands before its old place.
    let set = rules(
        "rules:
  - {name: again, action: {type: schedule, delay_seconds: 5}}
  - {name: later, priority: 2, action: {type: reroute, target_provider: sms}}
",
    );
    let released = resume(&set, &action(), 0, &point, &mut Memory::default());
    assert_eq!(released.summary(), "Reroute email→sms by later");
    // The rule has moved: the walk goes on behind its new place.
    let set = rules(
        "rules:
  - {name: early, priority: 2, action: {type: allow}}
  - {name: hold, priority: 5, action: {type: schedule, delay_seconds: 5}}
",
    );
    let released = resume(&set, &action(), 0, &point, &mut Memory::default());
    assert_eq!(released.summary(), "DefaultAllow");
}

#[test]
fn state_is_asked_of_the_host() {
    let text = |condition: &str| format!("rules:\n  - {{name: a, condition: {condition}, action: {{type: allow}}}}\n");
    for (condition, call, answer, expected) in [
        ("{state_seen: mail, within_seconds: 60}", "state_seen(\"mail\",60)", json!(true), true),
        ("{state_seen: mail}", "state_seen(\"mail\",3600)", json!(true), true),
        ("{state_seen: mail}", "state_seen(\"mail\",60)", json!(true), false),
        ("{state_counter: sent, gte: 5}", "state_counter(\"sent\",3600)", json!(5), true),
        ("{state_counter: sent, gte: 5, lt: 6}", "state_counter(\"sent\",3600)", json!(6), false),
        ("{state_counter: sent, gte: 5}", "state_counter(\"sent\",3600)", json!(null), false),
        (
            "{state_counter: action.payload.n, eq: 2, within_seconds: 9}",
            "state_counter(\"action.payload.n\",1,9)",
            json!(2),
            true,
        ),
        (
            "{state_counter: [payload.n, tenant, metadata.none], eq: 2}",
            "state_counter(\"action.payload.n,action.tenant,action.metadata.none\",1,\"t1\",null,3600)",
            json!(2),
            true,
        ),
        ("{state_seen: metadata.x}", "state_seen(\"action.metadata.x\",null,3600)", json!(true), true),
        (
            "{call: get_event_state, args: [action.id], eq: firing}",
            "get_event_state(\"action-1\")",
            json!("firing"),
            true,
        ),
        (
            "{call: event_in_state, args: [action.id, firing]}",
            "event_in_state(\"action-1\",\"firing\")",
            json!(true),
            true,
        ),
        ("{not: {call: event_in_state, args: [x, y]}}", "", json!(true), true),
        ("{call: event_in_state, args: [action.metadata.none, y]}", "event_in_state(null,\"y\")", json!(true), true),
    ] {
        let mut host = Memory::answering(call, answer);
        let walked = walk(&rules(&text(condition)), &action(), 0, &mut host);
        assert_eq!(walked.rule.is_some(), expected, "{condition}");
    }
}

#[test]
fn a_missing_field_is_null_and_no_error() {
    let text = |test: &str| {
        format!("rules:\n  - {{name: a, condition: {{field: action.payload.none, {test}}}, action: {{type: allow}}}}\n")
    };
    for (test, expected) in [
        ("ne: true", true),
        ("ne: x", true),
        ("exists: false", true),
        ("eq: null", true),
        ("eq: false", false),
        ("ne: null", false),
        ("exists: true", false),
        ("gt: 0", false),
        ("lt: 0", false),
        ("contains: a", false),
        ("starts_with: a", false),
        ("matches: '.*'", false),
        ("in_list: [a]", false),
    ] {
        let walked = walk(&rules(&text(test)), &action(), 0, &mut Memory::default());
        assert_eq!(walked.rule.is_some(), expected, "{test}");
    }
}

#[test]
fn actions_are_read_with_their_defaults() {
    let set = rules(
        "rules:
  - {name: a, enabled: false, action: {type: deduplicate}}
  - {name: b, enabled: false, action: {type: group, group_by: [payload.floor, action.metadata.x]}}
  - {name: c, enabled: false, action: {type: request_approval, notify_provider: mail}}
  - {name: d, enabled: false, action: {type: require_approval, ttl_seconds: 60}}
  - {name: e, enabled: false, action: {type: throttle, max_count: 5, window_seconds: 60, key_fields: [payload.user], message: slow down}}
  - name: f
    enabled: false
    metadata: {llm_policy: strict}
    mute_time_intervals: [night]
    active_time_intervals: [office]
    action: {type: suppress, reason: noise}
",
    );
    let actions: Vec<Value> = set.rules().iter().map(|rule| serde_json::to_value(&rule.action).unwrap()).collect();
    assert_eq!(
        actions,
        [
            json!({"type": "deduplicate", "ttl_ms": 300_000, "key_fields": []}),
            json!({
                "type": "group", "group_by": ["action.payload.floor", "action.metadata.x"],
                "wait_ms": 30_000, "interval_ms": 300_000, "repeat_interval_ms": null,
                "max_size": 100, "template": null,
            }),
            json!({
                "type": "request_approval", "notify_provider": "mail", "timeout_ms": 3_600_000,
                "message": null,
            }),
            json!({
                "type": "request_approval", "notify_provider": null, "timeout_ms": 60_000,
                "message": null,
            }),
            json!({
                "type": "throttle", "max_count": 5, "window_ms": 60_000,
                "key_fields": ["action.payload.user"], "message": "slow down", "mode": "refuse",
            }),
            json!({"type": "suppress", "reason": "noise"}),
        ]
    );
    let last = set.rule("f").unwrap();
    assert_eq!(last.metadata["llm_policy"], "strict");
    assert_eq!((&last.mute_time_intervals[0], &last.active_time_intervals[0]), (&"night".into(), &"office".into()));
    assert!(matches!(last.action, RuleAction::Suppress { .. }));
}

/// A small generator of numbers: the same rules and actions each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

fn random_rules(dice: &mut Dice, count: u64) -> String {
    let mut text = "rules:\n".to_owned();
    for n in 0..count {
        let mut parts = Vec::new();
        for _ in 0..dice.roll(3) {
            let value = dice.roll(3);
            parts.push(match dice.roll(6) {
                0 => format!("{{field: action.tenant, eq: t{value}}}"),
                1 => format!("{{field: action.action_type, in_list: [a{value}, a9]}}"),
                2 => format!("{{field: action.provider, eq: p{value}}}"),
                3 => format!("{{field: action.payload.x, gt: {value}}}"),
                4 => format!("{{not: {{field: action.provider, eq: p{value}}}}}"),
                _ => format!(
                    "{{any: [{{field: action.tenant, eq: t{value}}}, {{field: action.payload.x, eq: {value}}}]}}"
                ),
            });
        }
        let condition = match parts.len() {
            0 => String::new(),
            _ => format!("condition: {{all: [{}]}}, ", parts.join(", ")),
        };
        let value = dice.roll(3);
        let action = match dice.roll(9) {
            0 => "deny".to_owned(),
            1 => "suppress".to_owned(),
            2 => "allow".to_owned(),
            3 => "schedule, delay_seconds: 1".to_owned(),
            4 => "deduplicate".to_owned(),
            5 => "throttle, max_count: 3, window_seconds: 1".to_owned(),
            6 => format!("modify, changes: {{x: {value}}}"),
            _ => format!("reroute, target_provider: p{value}"),
        };
        let (priority, enabled) = (dice.roll(10), dice.roll(8) > 0);
        text.push_str(&format!(
            "  - {{name: r{n}, priority: {priority}, enabled: {enabled}, {condition}action: {{type: {action}}}}}\n"
        ));
    }
    text
}

/// The index changes nothing but the cost: a traced walk looks at every rule.
#[test]
fn the_index_finds_what_a_full_walk_finds() {
    let mut dice = Dice(7);
    let mut verdicts = std::collections::BTreeSet::new();
    for _ in 0..300 {
        let count = 1 + dice.roll(150);
        let set = rules(&random_rules(&mut dice, count));
        let (mut plain, mut traced) = (Memory::default(), Memory::default());
        for n in 0..10 {
            let action = Action::new(&format!("a{}", dice.roll(4)), json!({"x": dice.roll(4)}))
                .tenant(&format!("t{}", dice.roll(4)))
                .provider(&format!("p{}", dice.roll(4)))
                .key(&format!("k{}", n / 2));
            let walked = walk(&set, &action, 0, &mut plain);
            let (expected, trace) = explain(&set, &action, 0, &mut traced);
            assert_eq!(walked, expected, "{trace}");
            verdicts.insert(walked.summary().split(' ').next().unwrap_or_default().to_owned());
        }
        assert_eq!(plain.asked, traced.asked);
    }
    assert_eq!(verdicts.len(), 8, "not every verdict came up: {verdicts:?}");
}
