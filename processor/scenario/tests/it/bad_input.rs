use acteon_scenario::{MAX_FILE_BYTES, Mode, Setup, parse, read, run};

/// What is wrong with a file, a line each.
fn problems(text: &str) -> String {
    let problems = parse("t/s.yaml", text).expect_err(text);
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_file_that_is_no_scenario_says_what_is_missing() {
    for (text, expected) in [
        ("", "t/s.yaml:1:1: error: the file is empty: a scenario has `name` and `steps`"),
        ("[1]", "t/s.yaml:1:1: error: a scenario must be a mapping, not a list"),
        ("steps: []", "t/s.yaml:1:1: error: `name` is missing: say what it shows"),
        ("name: n", "t/s.yaml:1:1: error: `steps` is missing: say what is done"),
        ("name: n\nsteps: []", "t/s.yaml:2:8: error: `steps` is empty: say what is done"),
        ("name: n\nsteps: {}", "t/s.yaml:2:8: error: steps must be a list, not a mapping"),
        ("name: [n]", "t/s.yaml:1:7: error: name must be a string, not a list"),
        ("name: n\nstep: []", "t/s.yaml:2:1: error: unknown key `step` in a scenario; it may have name, "),
        ("name: n\nstart: monday", "t/s.yaml:2:8: error: start is `monday`: "),
        ("name: n\nrules: {}", "t/s.yaml:2:8: error: rules must be a string, not a mapping"),
        ("name: n\nchains: [{name: c}]", "t/s.yaml:2:10: error: chains: missing field `steps`"),
        ("name: n\nchains: [{nam: c}]", "(did you mean `name`?)"),
        ("name: n\nproviders: [{type: log}]", "t/s.yaml:2:13: error: a provider: `name` is missing"),
        ("name: n\ndefaults: {tennant: t}", "an action has no field `tennant` (did you mean `tenant`?)"),
        ("name: n\nname: m", "key `name` is given twice, first in line 1"),
        ("name: {", "not YAML"),
    ] {
        let found = problems(text);
        assert!(found.contains(expected), "{text:?}: {found}");
    }
    assert!(problems(&" ".repeat(MAX_FILE_BYTES + 1)).contains("the limit of a scenario file"));
    assert!(problems("name: n\nstep: []").ends_with("(did you mean `steps`?)"));
    let found = read("no/such.yaml").expect_err("there is none");
    assert!(found[0].to_string().starts_with("no/such.yaml:1:1: error: can't read the file: "), "{found:?}");
}

#[test]
fn each_slip_in_a_step_is_told_at_its_place() {
    for (step, expected) in [
        (
            "{}",
            ":3:5: error: the step does nothing: it needs one of provider, dispatch, advance, command, or an `expect`",
        ),
        ("{dispatch: {}, advance: 1s}", "a step does one thing: put `dispatch` and `advance` into steps of their own"),
        ("{dispach: {}}", ":3:6: error: unknown key `dispach` in a step; it may have"),
        ("{dispach: {}}", "(did you mean `dispatch`?)"),
        ("{dispatch: []}", "dispatch: the list is empty"),
        ("{dispatch: 7}", "an action must be a mapping, not a number"),
        ("{dispatch: {payloads: {}}}", "an action has no field `payloads` (did you mean `payload`?)"),
        ("{dispatch: {times: 0}}", "times is 0; it may be 1 to 1000000"),
        ("{dispatch: [{times: 1000000}, {}]}", "dispatch: 1000001 actions; one step may send 1000000"),
        ("{advance: 1s, times: 2}", "`times` belongs to a `dispatch`"),
        ("{advance: 30}", "advance: `30` is no duration: write it as in 30s"),
        ("{advance: {}}", "advance: write a duration such as 30s, or `{to: <time>}`"),
        ("{advance: {too: x}}", "unknown key `too` in advance; it may have to (did you mean `to`?)"),
        ("{advance: {to: noon}}", "write RFC 3339"),
        ("{provider: {respond: {}}}", "provider: `name` is missing"),
        ("{provider: {name: p}}", "provider: write either `respond` or `fail`"),
        ("{provider: {name: p, respond: {}, fail: {}}}", "provider: write either `respond` or `fail`"),
        ("{provider: {name: p, respond: {status: ok}}}", "status: unknown variant `ok`"),
        ("{provider: {name: p, fail: {code: TIMEOUTS}}}", "unknown code `TIMEOUTS` of a failed call; there are"),
        ("{provider: {name: p, fail: {code: TIMEOUTS}}}", "(did you mean `TIMEOUT`?)"),
        ("{provider: {name: p, fail: {retryable: 1}}}", "retryable must be true or false, not a number"),
        ("{provider: {name: p, respond: {body: }}}", "the value is missing: write it, or `null`"),
        ("{command: approve}", "command must be a mapping, not a string"),
        ("{command: {approve: {}, reject: {}}}", "command: write one command"),
        ("{command: {aprove: {}}}", "command `aprove`: unknown variant `aprove`"),
        ("{command: {aprove: {}}}", "(did you mean `approve`?)"),
        ("{command: {transition: {fingerprint: f}}}", "command `transition`: missing field `to`"),
        ("{command: {flush_group: {grup: g}}}", "unknown field `grup`"),
        ("{command: {cancel_chain: {chain_id: c, chain: d}}}", "`chain` chooses where `chain_id` is left out"),
        ("{dispatch: {}, expect: {outcom: executed}}", "unknown key `outcom` in expect"),
        ("{dispatch: {}, expect: {outcome: excuted}}", "unknown outcome `excuted`; there are"),
        ("{dispatch: {}, expect: {outcome: excuted}}", "(did you mean `executed`?)"),
        ("{dispatch: {}, expect: {outcomes: [executed]}}", "outcomes must be a mapping, not a list"),
        ("{dispatch: {}, expect: {outcomes: {executed: -1}}}", "executed is -1; it may be 0 to"),
        ("{dispatch: {}, expect: {count: {chain: 1}}}", "`chain` can't be counted"),
        ("{dispatch: {}, expect: {dispatched: {}}}", "dispatched must be a list, not a mapping"),
        ("{dispatch: {}, expect: {events: [f]}}", "an entry of the list must be a mapping, not a string"),
        ("{dispatch: {}, expect: {refused: GONE}}", "a step with `dispatch` has no `refused`"),
        ("{expect: {outcome: executed}}", "a step with `expect` has no `outcome`"),
        ("{provider: {name: p, respond: {}}, expect: {rule: r}}", "a step with `provider` has no `rule`"),
    ] {
        let found = problems(&format!("name: n\nsteps:\n  - {step}\n"));
        assert!(found.starts_with("t/s.yaml:3:") && found.contains(expected), "{step}: {found}");
    }
}

#[test]
fn all_bad_steps_are_told_at_once() {
    let found = problems("name: n\nsteps:\n  - {}\n  - {dispatch: {}}\n  - {advance: x}\n");
    assert_eq!(found.lines().map(|line| &line[..11]).collect::<Vec<_>>(), ["t/s.yaml:3:", "t/s.yaml:5:"]);
}

#[test]
fn rules_that_are_missing_or_bad_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.yaml");
    let text = "name: n\nrules: gone.yaml\nsteps: [{advance: 1s}]\n";
    let scenario = parse(file.to_str().unwrap(), text).unwrap();
    let error = Setup::new(&scenario, None).expect_err("no rules").to_string();
    assert!(error.starts_with("can't read ") && error.contains("gone.yaml"), "{error}");
    std::fs::write(dir.path().join("gone.yaml"), "rules: [{name: r, action: {type: alow}}]").unwrap();
    let setup = Setup::new(&scenario, None).unwrap();
    let error = run(&scenario, &setup, Mode::default()).expect_err("bad rules").to_string();
    assert!(error.contains("gone.yaml:1:") && error.contains("did you mean `allow`?"), "{error}");
}
