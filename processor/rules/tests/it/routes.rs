//! Routes drawn by weight, copies, and throttles that delay.

use acteon_rules::{DefaultVerdict, Evaluation, Options, ResumePoint, Trace};
use serde_json::json;

use crate::support::{Action, Memory, checked_with, explain, resume, rules, walk, warnings};

fn action() -> Action {
    Action::new("x", json!({"n": 1}))
}

/// How often each summary comes up among many actions.
fn shares(text: &str, options: &Options) -> Vec<(String, usize)> {
    let rules = checked_with(text, options).rules;
    let mut shares: Vec<(String, usize)> = Vec::new();
    for n in 0..2_000 {
        let action = action().id(&format!("action-{n}"));
        let (walked, _) = explain(&rules, &action, 0, &mut Memory::default());
        assert_eq!(walked, walk(&rules, &action, 0, &mut Memory::default()), "with and without a trace");
        let summary = walked.summary();
        match shares.iter_mut().find(|(known, _)| *known == summary) {
            Some((_, count)) => *count += 1,
            None => shares.push((summary, 1)),
        }
    }
    shares.sort();
    shares
}

fn lines(trace: &Trace) -> Vec<String> {
    trace.entries.iter().map(ToString::to_string).collect()
}

const SPLIT: &str = "rules:
  - {name: a, priority: 5, weight: 10, action: {type: reroute, target_provider: sms}}
  - {name: other, priority: 5, weight: 1000, condition: {field: action.tenant, eq: t2}, action: {type: chain, chain: c}}
  - {name: between, priority: 5, action: {type: chain, chain: c}}
  - {name: b, priority: 5, weight: 90, action: {type: allow}}
  - {name: never, priority: 5, weight: 0, action: {type: chain, chain: c}}
";

#[test]
fn a_split_divides_actions_by_weight() {
    for evaluation in [Evaluation::Cascade, Evaluation::FirstMatch] {
        let shares = shares(SPLIT, &Options { evaluation, ..Options::default() });
        let [(allow, most), (reroute, few)] = &shares[..] else { panic!("{shares:?}") };
        assert_eq!((allow.as_str(), reroute.as_str()), ("Allow by b", "Reroute email→sms by a"));
        assert!((150..250).contains(few) && most + few == 2_000, "{shares:?}");
    }
}

#[test]
fn a_split_says_who_was_not_drawn() {
    let rules = rules(SPLIT);
    let drawn = |wanted: &str| {
        let ids = (0..200).map(|n| format!("action-{n}"));
        let mut walks = ids.map(|id| explain(&rules, &action().id(&id), 0, &mut Memory::default()));
        walks.find(|(walked, _)| walked.rule.as_deref() == Some(wanted)).unwrap().1
    };
    assert_eq!(
        lines(&drawn("b")),
        [
            "skipped      a (reroute, priority 5): not drawn: weight 10 of 100",
            "skipped      other (chain, priority 5): not drawn: weight 1000 of 100",
            "skipped      between (chain, priority 5): already routed by `b`",
            "matched      b (allow, priority 5): executes on `email`, drawn with weight 90 of 100",
            "skipped      never (chain, priority 5): not drawn: weight 0 of 100",
        ]
    );
    assert_eq!(
        lines(&drawn("a"))[0],
        "matched      a (reroute, priority 5): provider `email` → `sms`, drawn with weight 10 of 100"
    );
}

#[test]
fn a_split_in_which_nobody_can_be_drawn_routes_nothing() {
    let text = "rules:
  - {name: a, weight: 0, action: {type: chain, chain: c}}
  - {name: b, weight: 1, condition: {field: action.tenant, eq: t2}, action: {type: chain, chain: c}}
";
    let (walked, trace) = explain(&rules(text), &action(), 0, &mut Memory::default());
    assert_eq!(walked.summary(), "DefaultAllow");
    assert_eq!(lines(&trace)[0], "skipped      a (chain, priority 0): not drawn: weight 0 of 0");
}

#[test]
fn targets_are_drawn_by_weight() {
    let text = "rules:
  - name: a
    action: {type: reroute, targets: [{provider: sms, weight: 75}, {provider: push, weight: 25}, {provider: fax, weight: 0}]}
";
    let found = shares(text, &Options::default());
    let [(push, few), (sms, most)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((push.as_str(), sms.as_str()), ("Reroute email→push by a", "Reroute email→sms by a"));
    assert!((425..575).contains(few) && few + most == 2_000, "{found:?}");
    let (walked, trace) = explain(&rules(text), &action(), 0, &mut Memory::default());
    let weight = if walked.provider == "sms" { 75 } else { 25 };
    let provider = walked.provider;
    assert_eq!(
        lines(&trace),
        [format!(
            "matched      a (reroute, priority 0): provider `email` → `{provider}`, drawn with weight {weight} of 100"
        )]
    );
}

const COPIES: &str = "rules:
  - {name: log, priority: 1, continue: true, action: {type: reroute, target_provider: log}}
  - {name: tag, priority: 2, action: {type: modify, changes: {tag: 1}}}
  - {name: flow, priority: 3, action: {type: chain, chain: c, continue: true}}
  - {name: own, priority: 4, continue: true, condition: {field: action.provider, eq: email}, action: {type: allow}}
";

#[test]
fn copies_go_beside_what_later_rules_decide() {
    let copies = [
        "log: Reroute email→log",
        "flow: Chain on email with {\"n\":1,\"tag\":1}",
        "own: Allow on email with {\"n\":1,\"tag\":1}",
    ];
    for (last, summary, dropped) in [
        ("", "DefaultAllow", false),
        ("type: reroute, target_provider: sms", "Reroute email→sms by last", false),
        ("type: schedule, delay_seconds: 5", "Capture by last", false),
        ("type: throttle, max_count: 0x1, window_seconds: 9, mode: delay", "DefaultAllow", false),
        ("type: deny", "Deny by last", true),
        ("type: suppress", "Suppress by last", true),
    ] {
        let last = match last {
            "" => String::new(),
            last => format!("  - {{name: last, priority: 5, action: {{{last}}}}}\n"),
        };
        let rules = rules(&format!("{COPIES}{last}"));
        let (walked, trace) = explain(&rules, &action(), 0, &mut Memory::default());
        assert_eq!(walked.summary(), summary);
        assert_eq!(walked.copies, if dropped { vec![] } else { copies.to_vec() }, "{last}");
        let ending = if dropped { "; dropped, because the action is not admitted" } else { "" };
        assert_eq!(
            lines(&trace)[0],
            format!("matched      log (reroute, priority 1): a copy: provider `email` → `log`{ending}")
        );
        assert_eq!(walked, walk(&rules, &action(), 0, &mut Memory::default()));
    }
    assert_eq!(warnings(COPIES), "");
}

#[test]
fn a_refused_action_sends_no_copies() {
    let text = format!("{COPIES}  - {{name: once, priority: 9, action: {{type: deduplicate}}}}\n");
    let rules = rules(&text);
    let mut host = Memory::default();
    assert_eq!(walk(&rules, &action(), 0, &mut host).copies.len(), 3);
    let refused = walk(&rules, &action(), 0, &mut host);
    assert_eq!((refused.summary(), refused.copies), ("Deduplicated by once".into(), vec![]));
    let options = Options { default: DefaultVerdict::Deny, ..Options::default() };
    let denied = walk(&checked_with(COPIES, &options).rules, &action(), 0, &mut Memory::default());
    assert_eq!((denied.summary(), denied.copies), ("DefaultDeny".into(), vec![]));
}

#[test]
fn copies_and_first_match_and_weights() {
    let options = Options { evaluation: Evaluation::FirstMatch, ..Options::default() };
    let text = "rules:
  - {name: copy, priority: 1, continue: true, weight: 1, action: {type: reroute, target_provider: log}}
  - {name: no, priority: 1, weight: 0, action: {type: allow}}
  - {name: go, priority: 2, action: {type: allow}}
  - {name: late, priority: 3, continue: true, action: {type: allow}}
";
    let walked = walk(&checked_with(text, &options).rules, &action(), 0, &mut Memory::default());
    assert_eq!(walked.summary(), "Allow by go");
    assert_eq!(walked.copies, ["copy: Reroute email→log"]);
}

#[test]
fn an_action_has_so_many_copies_and_no_more() {
    let mut text = "rules:\n".to_owned();
    for n in 0..18 {
        text.push_str(&format!(
            "  - {{name: r{n}, continue: true, action: {{type: reroute, target_provider: p{n}}}}}\n"
        ));
    }
    let (walked, trace) = explain(&rules(&text), &action(), 0, &mut Memory::default());
    assert_eq!((walked.copies.len(), walked.summary()), (16, "DefaultAllow".into()));
    assert_eq!(lines(&trace)[17], "matched      r17 (reroute, priority 0): no copy: an action may have 16");
}

const DELAY: &str = "rules:
  - {name: pace, priority: 2, condition: {field: action.action_type, eq: x}, action: {type: throttle, max_count: 1, window_seconds: 9, mode: delay}}
  - {name: default, priority: 3, condition: {field: action.tenant, eq: t1}, action: {type: deny}}
  - {name: block, priority: 4, condition: {field: action.payload.n, eq: 2}, action: {type: deny}}
  - {name: route, priority: 5, condition: {field: action.payload.n, eq: 3}, action: {type: reroute, target_provider: sms}}
";

#[test]
fn a_delayed_action_resumes_as_one_that_a_gate_admitted() {
    let rules = rules(DELAY);
    let mut host = Memory::default();
    let send = |n| Action::new("x", json!({ "n": n }));
    assert_eq!(walk(&rules, &send(1), 0, &mut host).summary(), "DefaultAllow");
    for (n, summary) in [(1, "DefaultAllow"), (2, "Deny by block"), (3, "Reroute email→sms by route")] {
        let held = walk(&rules, &send(n), 0, &mut host);
        assert_eq!((held.summary(), held.tag), ("Delayed by pace".into(), "throttle"));
        let point = held.resume.unwrap();
        assert!(!point.captured);
        let released = resume(&rules, &send(n), 0, &point, &mut host);
        assert_eq!(released.summary(), summary);
        assert_eq!(released.admitted_by, ["pace"]);
    }
    let (_, trace) = explain(&rules, &send(1), 0, &mut host);
    assert_eq!(lines(&trace)[0], "matched      pace (throttle, priority 2): delayed");
    // Without the rule, the action still counts as admitted by it.
    let point = rules.rule("pace").unwrap().resume_point();
    let rest =
        crate::support::rules(&DELAY.lines().filter(|line| !line.contains("pace")).collect::<Vec<_>>().join("\n"));
    assert_eq!(resume(&rest, &send(1), 0, &point, &mut host).summary(), "DefaultAllow");
}

#[test]
fn a_delay_does_not_forget_a_capture_nor_default_deny() {
    let text = format!("{DELAY}  - {{name: hold, priority: 1, action: {{type: schedule, delay_seconds: 5}}}}\n");
    let options = Options { default: DefaultVerdict::Deny, ..Options::default() };
    let rules = checked_with(&text, &options).rules;
    let mut host = Memory::default();
    let action = Action::new("x", json!({"n": 2}));
    let held = walk(&rules, &action, 0, &mut host).resume.unwrap();
    assert_eq!(resume(&rules, &action, 0, &held, &mut host).summary(), "DefaultAllow");
    let delayed = resume(&rules, &action, 0, &held, &mut host);
    assert_eq!(delayed.summary(), "Delayed by pace");
    let point = delayed.resume.unwrap();
    assert!(point.captured, "no block applies after a capture, whatever held the action since");
    assert_eq!(resume(&rules, &action, 0, &point, &mut host).summary(), "DefaultAllow");
    let plain = ResumePoint { captured: false, ..point };
    assert_eq!(resume(&rules, &action, 0, &plain, &mut host).summary(), "Deny by block");
    let other = Action::new("x", json!({"n": 1}));
    assert_eq!(resume(&rules, &other, 0, &plain, &mut host).summary(), "DefaultDeny");
    let first = Options { evaluation: Evaluation::FirstMatch, ..options };
    let rules = checked_with(&text, &first).rules;
    assert_eq!(resume(&rules, &other, 0, &plain, &mut host).summary(), "DefaultAllow");
}

#[test]
fn a_resume_point_of_before_is_a_captures() {
    let old = json!({"rule": "hold", "priority": 1, "file": "a", "line": 2});
    let point: ResumePoint = serde_json::from_value(old).unwrap();
    assert!(point.captured);
}

#[test]
fn routes_that_copy_or_are_drawn_kill_no_later_rule() {
    for text in [
        "rules:\n  - {name: a, continue: true, action: {type: allow}}\n  - {name: b, action: {type: deny}}\n",
        "rules:\n  - {name: a, weight: 1, action: {type: allow}}\n  - {name: b, weight: 2, action: {type: chain, chain: c}}\n",
        // The split of `b` may stand before `a`.
        "rules:
  - {name: c, weight: 1, condition: {field: action.tenant, eq: t}, action: {type: allow}}
  - {name: a, action: {type: allow}}
  - {name: b, weight: 2, action: {type: chain, chain: c}}
",
    ] {
        assert_eq!(warnings(text), "", "{text}");
    }
}
