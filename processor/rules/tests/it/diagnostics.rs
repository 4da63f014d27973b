//! What each mistake is told, word for word.

use std::collections::BTreeSet;

use acteon_rules::{Names, Options, SourceFile, check_references, compile, limits};

use crate::support::{checked, errors, lines, rules, source, warnings};

/// A rule file of one rule, with `text` for its condition and its action.
fn rule(text: &str) -> String {
    format!("rules:\n  - name: a\n{text}")
}

const ALLOW: &str = "    action: {type: allow}\n";

fn condition(text: &str) -> String {
    errors(&rule(&format!("    condition: {text}\n{ALLOW}")))
}

fn action(text: &str) -> String {
    errors(&rule(&format!("    action: {text}\n")))
}

#[test]
fn keys() {
    assert_eq!(
        errors(&rule(&format!("    prioritty: 1\n{ALLOW}"))),
        "rules/a.yaml:3:5: error: unknown key `prioritty` in rule `a` (did you mean `priority`?)\n"
    );
    assert_eq!(
        errors(&rule(&format!("    colour: red\n{ALLOW}"))),
        "rules/a.yaml:3:5: error: unknown key `colour` in rule `a`; known are `name`, `priority`, \
         `description`, `enabled`, `timezone`, `condition`, `action`, `weight`, `continue`, `metadata`, \
         `mute_time_intervals` and `active_time_intervals`\n"
    );
    assert_eq!(
        errors("rules:\n  - priority: 1\n    action: {type: allow}\n"),
        "rules/a.yaml:2:5: error: a rule has no `name`\n"
    );
    assert_eq!(errors("rules:\n  - name: a\n"), "rules/a.yaml:2:5: error: rule `a` has no `action`\n");
    assert_eq!(
        errors(&rule(&format!("    priority: high\n{ALLOW}"))),
        "rules/a.yaml:3:15: error: `priority` must be a whole number from -2147483648 to \
         2147483647, found a string\n"
    );
    assert_eq!(
        errors(&rule(&format!("    enabled: no\n{ALLOW}"))),
        "rules/a.yaml:3:14: error: `enabled` must be true or false, found a string\n"
    );
    assert_eq!(
        errors("rules:\n  - name: 7\n    action: {type: allow}\n"),
        "rules/a.yaml:2:11: error: `name` must be a string, found a number: put it in quotes\n"
    );
}

#[test]
fn names() {
    assert_eq!(
        errors("rules:\n  - name: |\n      a\n      b\n    action: {type: allow}\n"),
        "rules/a.yaml:2:5: error: a rule name has a line break or a control character in it\n"
    );
    assert_eq!(
        errors(&format!("rules:\n  - {{name: {}, action: {{type: allow}}}}\n", "a".repeat(300))),
        "rules/a.yaml:2:5: error: a rule name of 300 bytes; 256 are allowed\n"
    );
}

#[test]
fn files() {
    assert_eq!(
        errors("- name: a\n  action: {type: allow}\n"),
        "rules/a.yaml:1:1: error: a lone list: put `rules:` in a line above it and indent the \
         list by two spaces\n"
    );
    assert_eq!(
        errors("rule:\n  - name: a\n"),
        "rules/a.yaml:1:1: error: unknown key `rule` in a rule file (did you mean `rules`?)\n"
    );
    assert_eq!(errors("rules: all of them\n"), "rules/a.yaml:1:8: error: `rules` must be a list, found a string\n");
    let error = errors("rules:\n  - name: a\n    action: {type: allow\n");
    assert!(error.starts_with("rules/a.yaml:"), "{error}");
    assert!(error.contains(": error: not YAML: "), "{error}");
    assert_eq!(rules("# nothing yet\n").rules().len(), 0);
    assert_eq!(rules("rules:\n").rules().len(), 0);
    let error = errors(&"#".repeat(limits::MAX_FILE_BYTES + 1));
    assert_eq!(error, "rules/a.yaml:1:1: error: 1048577 bytes; a rule file may have 1048576\n");
}

#[test]
fn conditions() {
    for (text, expected) in [
        ("{field: action.tenant, eqq: x}", "3:39: error: unknown operator `eqq` (did you mean `eq`?)"),
        ("{field: action.tenant, in: [x]}", "3:39: error: unknown operator `in` (did you mean `in_list`?)"),
        (
            "{field: tenant, eq: x}",
            "3:24: error: `tenant` is no field: a path starts with `action.` or `time.` (did you mean `action.tenant`?)",
        ),
        ("{field: time.hours, lt: 9}", "3:24: error: unknown time field `time.hours` (did you mean `time.hour`?)"),
        (
            "{feild: action.tenant, eq: x}",
            "3:16: error: a condition needs one of `field`, `cel`, `call`, `state_seen`, `state_counter`, `all`, `any` and `not` (did you mean `field`?)",
        ),
        ("{field: action.payload.x, matches: '(a'}", "3:51: error: bad regex: unclosed group"),
        (
            "{field: action.payload.x, regex: '\\w{9000}{9000}'}",
            "3:49: error: bad regex: Compiled regex exceeds size limit of 1048576 bytes.",
        ),
        ("{field: action.payload.x, gt: true}", "3:46: error: `gt` compares numbers or strings, found a boolean"),
        (
            "{field: action.payload.x, eq: }",
            "3:44: error: `eq` has no value; for a field that isn't there write `exists: false`",
        ),
        ("{field: action.payload.x, in_list: NK}", "3:51: error: `in_list` must be a list, found a string"),
        ("{field: action.payload.x, in_list: []}", "3:51: error: `in_list` is empty: no value is in it"),
        ("{field: action.payload.x, exists: yes}", "3:50: error: `exists` must be true or false, found a string"),
        ("{all: []}", "3:22: error: `all` is empty: it needs at least one predicate"),
        ("[{field: action.tenant, eq: x}]", "3:16: error: a list is no condition: put it under `all:` or `any:`"),
        ("'time.hours > 9'", "3:16: error: unknown time field `time.hours` (did you mean `time.hour`?)"),
        (
            "{call: has_active_evnt, args: [a, b]}",
            "3:23: error: unknown function `has_active_evnt` (did you mean `has_active_event`?)",
        ),
        (
            "{call: has_active_event, args: [a]}",
            "3:23: error: `has_active_event` takes 2 arguments (event_type, label_value), found 1",
        ),
        (
            "{semantic_match: spam, threshold: 0.8}",
            "3:17: error: `semantic_match` is not supported: a decision must follow from the action, the state and the time alone",
        ),
        ("{state_seen: k, within_seconds: 0}", "3:48: error: `within_seconds` must be from 1 to 604800"),
    ] {
        assert_eq!(condition(text), format!("rules/a.yaml:{expected}\n"), "{text}");
    }
    let text = "{all: [{field: action.tenant, eq: x}], any: [{field: action.tenant, eq: x}]}";
    assert_eq!(
        condition(text),
        "rules/a.yaml:3:55: error: `all` and `any` side by side: make each an item of an `all` or `any`\n"
    );
    assert!(condition("{field: action.payload.x}").contains("the predicate has no operator; known are"));
    assert!(condition("{call: get_event_state, args: [a]}").contains("the predicate has no operator"));
    assert!(condition("{field: env.REGION, eq: x}").contains("rules cannot read the environment"));
}

#[test]
fn counters_and_expressions() {
    for (text, expected) in [
        (
            "{state_counter: k, gte: 1, within_seconds: 604801}",
            "3:59: error: `within_seconds` must be from 1 to 604800",
        ),
        ("{state_counter: [], gte: 1}", "3:32: error: `state_counter` is empty: name a field, or write a name"),
        (
            "{state_counter: [time.hour], gte: 1}",
            "3:33: error: `time.hour` is no field of the action: a key is made of action fields alone",
        ),
        (
            "{state_counter: k, within_seconds: 5}",
            "3:16: error: the predicate has no operator; known are `eq`, `ne`, `gt`, `gte`, `lt`, `lte`, `contains`, `starts_with`, `ends_with`, `matches`, `regex`, `in_list` and `exists`",
        ),
        (
            "{cel: 'acton.id == 1'}",
            "3:22: error: unknown name `acton`; known are `action`, `time` and `now` (did you mean `action`?)",
        ),
        ("{cel: true}", "3:22: error: `cel` must be a string, found a boolean: put it in quotes"),
        ("{cel: 'true', eq: 1}", "3:30: error: unknown key `eq` in a `cel` predicate; known are `cel`"),
    ] {
        assert_eq!(condition(text), format!("rules/a.yaml:{expected}\n"), "{text}");
    }
}

#[test]
fn conditions_nest_sixteen_deep_and_no_deeper() {
    let nested = |depth: usize| {
        let (open, close) = ("{not: ".repeat(depth), "}".repeat(depth));
        format!("{open}{{field: action.tenant, eq: x}}{close}")
    };
    rules(&rule(&format!("    condition: {}\n{ALLOW}", nested(16))));
    let error = condition(&nested(17));
    assert!(error.ends_with("error: conditions nested deeper than 16 levels\n"), "{error}");
}

#[test]
fn actions() {
    for (text, expected) in [
        ("{type: supress}", "3:20: error: unknown action type `supress` (did you mean `suppress`?)"),
        ("{type: drop}", "3:20: error: unknown action type `drop` (did you mean `suppress`?)"),
        ("allow", "3:13: error: `action` must be a mapping, found a string: write `action: {type: allow}`"),
        ("{}", "3:13: error: `action` has no `type`"),
        ("{type: reroute}", "3:13: error: `reroute` has no `target_provider`"),
        (
            "{type: reroute, target: sms}",
            "3:29: error: unknown key `target` in `reroute` (did you mean `target_provider`?)\nrules/a.yaml:3:13: error: `reroute` has no `target_provider`",
        ),
        ("{type: schedule, delay_seconds: 0}", "3:45: error: `delay_seconds` must be from 1 to 604800"),
        ("{type: schedule, delay_seconds: 604801}", "3:45: error: `delay_seconds` must be from 1 to 604800"),
        ("{type: deduplicate, ttl_seconds: -5}", "3:46: error: `ttl_seconds` must be from 1 to 2592000"),
        (
            "{type: deduplicate, ttl_seconds: 5.5}",
            "3:46: error: `ttl_seconds` must be a whole number, found a fraction",
        ),
        ("{type: deduplicate, ttl_seconds: '60'}", "3:46: error: `ttl_seconds` must be a whole number, found a string"),
        (
            "{type: deduplicate, key_fields: [time.hour]}",
            "3:46: error: `time.hour` is no field of the action: a key is made of action fields alone",
        ),
        ("{type: modify, changes: [1]}", "3:37: error: `changes` must be a mapping, found a list"),
        ("{type: modify, changes: {}}", "3:37: error: `changes` is empty"),
        ("{type: modify, changes: {a: .inf}}", "3:41: error: the number is not finite"),
        (
            "{type: chain, chain: a, chain_name: b}",
            "3:49: error: `chain_name` is another word for `chain`: leave one out",
        ),
        (
            "{type: llm_guardrail}",
            "3:20: error: `llm_guardrail` is not supported: a decision must follow from the action, the state and the time alone",
        ),
    ] {
        assert_action(text, expected);
    }
}

#[test]
fn delays_targets_copies_and_edits() {
    for (text, expected) in [
        (
            "{type: throttle, max_count: 1, window_seconds: 1, mode: dely}",
            "3:69: error: `mode` must be `refuse` or `delay`, found `dely` (did you mean `delay`?)",
        ),
        (
            "{type: throttle, max_count: 1, window_seconds: 1, max_queue: 5}",
            "3:74: error: `max_queue` goes with `mode: delay`",
        ),
        (
            "{type: throttle, max_count: 1, window_seconds: 1, mode: delay, max_delay_seconds: 604801, max_queue: 0}",
            "3:95: error: `max_delay_seconds` must be from 1 to 604800\nrules/a.yaml:3:114: error: `max_queue` must be from 1 to 100000",
        ),
        ("{type: reroute, targets: []}", "3:38: error: `targets` needs from 1 to 64 providers, found 0"),
        (
            "{type: reroute, target_provider: a, targets: [{provider: a, weight: 1}]}",
            "3:58: error: `targets` and `target_provider` side by side: leave one out",
        ),
        ("{type: reroute, targets: [{provider: a}]}", "3:39: error: a target has no `weight`"),
        ("{type: reroute, targets: [{provider: a, weight: -1}]}", "3:61: error: `weight` must be from 0 to 1000000"),
        (
            "{type: reroute, targets: [{provider: a, weight: 0}, {provider: b, weight: 0}]}",
            "3:38: error: every weight in `targets` is 0: no provider could be chosen",
        ),
        (
            "{type: reroute, targets: [{provider: a, weight: 1}, {provider: a, weight: 1}]}",
            "3:76: error: `targets` names `a` twice: add the weights up",
        ),
        (
            "{type: deny, continue: true}",
            "3:36: error: `continue` is for rules that route: `allow`, `reroute` and `chain`",
        ),
        ("{type: allow, continue: 1}", "3:37: error: `continue` must be true or false, found a number"),
        ("{type: modify}", "3:13: error: `modify` has none of `changes`, `set`, `unset` and `rename`"),
        ("{type: modify, set: {}}", "3:33: error: `set` is empty"),
        ("{type: modify, set: [a]}", "3:33: error: `set` must be a mapping, found a list"),
        ("{type: modify, set: {a..b: 1}}", "3:34: error: the path has an empty part"),
        ("{type: modify, set: {payload: 1}}", "3:34: error: `payload` names no field of the payload"),
        ("{type: modify, unset: [a, 5]}", "3:39: error: `unset` must be a string, found a number: put it in quotes"),
        ("{type: modify, rename: {a: c, b: payload.c}}", "3:46: error: two fields are renamed to `action.payload.c`"),
        (
            "{type: modify, set: {a: '{{ x | nope }}'}}",
            "3:37: error: bad template: unknown filter: filter nope is unknown",
        ),
    ] {
        assert_action(text, expected);
    }
}

/// What is wrong with an action, in whatever order.
fn assert_action(text: &str, expected: &str) {
    let found = action(text);
    let mut expected: Vec<String> = expected.lines().map(str::to_owned).collect();
    expected[0].insert_str(0, "rules/a.yaml:");
    let mut found: Vec<&str> = found.lines().collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn time_zones() {
    let zone = |text: &str| errors(&rule(&format!("    timezone: {text}\n{ALLOW}")));
    assert_eq!(
        zone("US/Easter"),
        "rules/a.yaml:3:15: error: unknown time zone `US/Easter` (did you mean `US/Eastern`?)\n"
    );
    assert_eq!(
        zone("berlin"),
        "rules/a.yaml:3:15: error: unknown time zone `berlin` (did you mean `Europe/Berlin`?)\n"
    );
    assert_eq!(
        zone("Middle-earth/Shire"),
        "rules/a.yaml:3:15: error: unknown time zone `Middle-earth/Shire`: write an IANA name \
         such as `Europe/London`\n"
    );
}

#[test]
fn every_error_of_every_file_at_once() {
    let bad = |name: &str| {
        SourceFile {
        name: name.to_owned(),
        text: "rules:\n  - name: a\n    priorty: 1\n    timezone: Nowhere\n    condition: {field: x, eq: 1}\n    action: {type: alow}\n".to_owned(),
    }
    };
    let found = compile(&[bad("b.yaml"), bad("a.yaml")], &Options::default()).unwrap_err();
    assert_eq!(
        lines(&found[..4]),
        "a.yaml:3:5: error: unknown key `priorty` in rule `a` (did you mean `priority`?)\n\
         a.yaml:4:15: error: unknown time zone `Nowhere`: write an IANA name such as `Europe/London`\n\
         a.yaml:5:24: error: `x` is no field: a path starts with `action.` or `time.`\n\
         a.yaml:6:20: error: unknown action type `alow` (did you mean `allow`?)\n"
    );
    assert_eq!(found.len(), 8);
}

#[test]
fn names_are_unique_across_files() {
    let file = |name: &str| SourceFile {
        name: name.to_owned(),
        text: "rules:\n  - name: a\n    action: {type: allow}\n".to_owned(),
    };
    let found = compile(&[file("a.yaml"), file("b.yaml")], &Options::default()).unwrap_err();
    assert_eq!(lines(&found), "b.yaml:2:5: error: rule `a` is defined twice, first at a.yaml:2\n");
}

#[test]
fn so_many_diagnostics_and_no_more() {
    let text = format!("rules:\n{}", "  - nam: x\n".repeat(300));
    let found = compile(&[source(&text)], &Options::default()).unwrap_err();
    assert_eq!(found.len(), limits::MAX_DIAGNOSTICS);
    assert!(found.last().unwrap().message.ends_with("; and 800 more like it"), "{found:?}");
}

#[test]
fn so_many_rules_and_no_more() {
    let text = |count: usize| -> String {
        let rule = |n| format!("- {{name: r{n}, enabled: false, action: {{type: allow}}}}\n");
        format!("rules:\n{}", (0..count).map(rule).collect::<String>())
    };
    rules(&text(limits::MAX_RULES));
    let error = errors(&text(limits::MAX_RULES + 1));
    assert_eq!(error, "rules/a.yaml:10002:3: error: 10001 rules; 10000 are allowed\n");
}

#[test]
fn doubtful_fields() {
    let text = rule(&format!("    condition: {{field: action.tenent, eq: x}}\n{ALLOW}"));
    assert_eq!(
        warnings(&text),
        "rules/a.yaml:3:24: warning: `action.tenent` is no field that Acteon knows (did you mean `action.tenant`?)\n"
    );
}

#[test]
fn weights() {
    let set = |a: &str, b: &str| {
        errors(&format!(
            "rules:\n  - {{name: a, {a}, action: {{type: allow}}}}\n  - {{name: b, {b}, action: {{type: chain, chain: c}}}}\n"
        ))
    };
    assert_eq!(
        set("weight: 0", "weight: 0"),
        "rules/a.yaml:2:5: error: every `weight` of priority 0 is 0: no rule could be drawn\n"
    );
    assert_eq!(set("weight: 1", "weight: -1"), "rules/a.yaml:3:23: error: `weight` must be from 0 to 1000000\n");
    let text = rule("    weight: 5\n    continue: true\n    action: {type: deny}\n");
    assert_eq!(
        errors(&text),
        "rules/a.yaml:3:13: error: `weight` is for rules that route: `allow`, `reroute` and `chain`\n\
         rules/a.yaml:4:15: error: `continue` is for rules that route: `allow`, `reroute` and `chain`\n"
    );
    let text = rule("    continue: true\n    action: {type: allow, continue: true}\n");
    assert_eq!(errors(&text), "rules/a.yaml:4:37: error: `continue` is given twice, in the rule and in its action\n");
}

#[test]
fn references() {
    let rules = checked(
        "rules:
  - {name: a, priority: 1, condition: {field: action.tenant, eq: a}, action: {type: reroute, target_provider: smss}}
  - name: b
    condition: {field: action.tenant, eq: b}
    action:
      type: request_approval
      notify_provider: nobody
  - {name: c, condition: {field: action.tenant, eq: c}, action: {type: chain, chain_name: order}}
  - {name: d, enabled: false, action: {type: state_machine, state_machine: alrt}}
  - {name: e, condition: {field: action.tenant, eq: e}, action: {type: require_approval, ttl_seconds: 60}}
  - {name: f, condition: {field: action.tenant, eq: f}, mute_time_intervals: [night], action: {type: allow}}
  - name: g
    condition: {field: action.tenant, eq: g}
    action: {type: reroute, targets: [{provider: sms, weight: 9}, {provider: emial, weight: 1}]}
",
    )
    .rules;
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let (providers, chains, machines) = (names(&["sms", "email"]), names(&["orders"]), names(&["alert"]));
    let intervals = names(&["nights"]);
    let known = Names {
        providers: Some(&providers),
        chains: Some(&chains),
        state_machines: Some(&machines),
        time_intervals: Some(&intervals),
    };
    assert_eq!(
        lines(&check_references(&rules, &known)),
        "rules/a.yaml:7:24: error: rule `b`: unknown provider `nobody`\n\
         rules/a.yaml:8:91: error: rule `c`: unknown chain `order` (did you mean `orders`?)\n\
         rules/a.yaml:9:76: error: rule `d`: unknown state machine `alrt` (did you mean `alert`?)\n\
         rules/a.yaml:11:5: error: rule `f`: unknown time interval `night` (did you mean `nights`?)\n\
         rules/a.yaml:14:78: error: rule `g`: unknown provider `emial` (did you mean `email`?)\n\
         rules/a.yaml:2:111: error: rule `a`: unknown provider `smss` (did you mean `sms`?)\n"
    );
    assert_eq!(check_references(&rules, &Names::default()), []);
}
