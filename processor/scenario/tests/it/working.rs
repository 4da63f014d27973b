use crate::support::Folder;

const RULES: &str = "
rules:
  - {name: no-tests, priority: 1, condition: {field: action.payload.test, eq: true}, action: {type: deny}}
  - {name: noise, priority: 2, condition: {field: action.action_type, eq: noise}, action: {type: suppress}}
  - {name: once, priority: 3, condition: {field: action.action_type, eq: once}, action: {type: deduplicate, ttl_seconds: 60}}
  - {name: later, priority: 4, condition: {field: action.action_type, eq: later}, action: {type: schedule, delay_seconds: 30}}
  - {name: urgent, priority: 5, condition: {field: action.payload.urgent, eq: true}, action: {type: reroute, target_provider: sms}}
";

#[test]
fn outcomes_are_what_became_of_an_action_once_its_provider_has_answered() {
    Folder::new(RULES).holds(
        "steps:
  - dispatch: {}
    expect: {outcome: executed, rule: null, detail: {status: success, body: {}}, dispatched: [{provider: email, payload: {}}]}
  - dispatch: {payload: {urgent: true}}
    expect: {outcome: Rerouted, rule: urgent, detail: {original_provider: email, new_provider: sms}}
  - dispatch: {payload: {test: true}}
    expect: {outcome: denied, rule: no-tests, dispatched: []}
  - dispatch: {payload: {test: true}}
    expect: {outcome: suppressed, audit: [{verdict: deny, outcome: suppressed}]}
  - dispatch:
      - {payload: {test: true}}
      - {action_type: noise, times: 2}
    times: 2
    expect: {outcomes: {denied: 2, suppressed: 4}, count: {audit: 6, dispatched: 0}}
  - dispatch: {action_type: noise, payload: {test: true}}
    expect: {outcomes: {suppressed: 1}}
",
    );
}

#[test]
fn providers_answer_as_they_are_told() {
    Folder::new(RULES).holds(
        "providers: [{name: book, type: log}]
steps:
  - dispatch: {provider: book}
    expect: {outcome: executed, detail: {body: {provider: book, logged: true}}}
  - provider: {name: email, respond: {status: partial, body: {id: 7}}}
  - provider: {name: email, fail: {code: TIMEOUT}, times: 2}
  - provider: {name: email, fail: {code: CONFIGURATION, message: no key}, times: 1}
  - dispatch: {times: 2}
    expect: {outcome: failed, detail: {code: TIMEOUT, retryable: true, attempts: 1}}
  - dispatch: {}
    expect: {outcome: failed, detail: {code: CONFIGURATION, message: no key, retryable: false}}
  - dispatch: {}
    expect: {outcome: executed, detail: {status: partial, body: {id: 7.0}}}
",
    );
}

#[test]
fn time_moves_by_advance_alone_and_timers_fire_on_the_way() {
    Folder::new(RULES).holds(
        "start: 2026-03-02T10:00:00-05:00
steps:
  - dispatch: [{action_type: later, id: first}, {action_type: later, tenant: other}]
    expect: {outcome: scheduled, rule: later, detail: {scheduled_for: \"2026-03-02T15:00:30Z\"}, count: {scheduled: 2}}
  - advance: 29s
    expect: {dispatched: [], scheduled: [{action_id: first, provider: email}]}
  - dispatch: {action_type: later}
  - advance: 1m
    name: all of them
    expect:
      outcome: executed
      outcomes: {executed: 3, failed: 0}
      dispatched: [{released_by: schedule}, {tenant: other}, {tenant: t}]
      scheduled: []
  - advance: {to: 2026-03-03T00:00:00Z}
    expect: {dispatched: []}
  - dispatch: {action_type: once, dedup_key: k, times: 2}
    expect: {outcomes: {executed: 1, deduplicated: 1}}
  - advance: 60s
  - dispatch: {action_type: once, dedup_key: k}
    expect: {outcome: executed}
",
    );
}

#[test]
fn commands_find_what_they_are_about() {
    let folder = Folder::new(RULES);
    folder.holds(
        "steps:
  - dispatch: {action_type: later}
  - command: {cancel_scheduled: {}}
    expect: {outcome: cancelled, result: {status: cancelled}, scheduled: []}
  - command: {cancel_scheduled: {action_id: gone}}
    expect: {refused: NOT_FOUND}
  - dispatch: [{action_type: later, provider: sms}, {action_type: later, provider: email}]
  - command: {cancel_scheduled: {provider: sms}}
    expect: {scheduled: [{provider: email}], count: {scheduled: 1}}
  - command: {reset_throttle: {rule: once, namespace: n, tenant: t}}
    expect: {result: {counters: 0}}
",
    );
    let two = "steps:\n  - dispatch: {action_type: later, times: 2}\n  - command: {cancel_scheduled: {}}\n";
    let told = folder.fails(two);
    assert!(told.starts_with("test.yaml:6:5: step 2 (command): command\n  wanted  \"one entry of scheduled"), "{told}");
    let told = folder.fails("steps:\n  - command: {cancel_scheduled: {action_id: x}}\n");
    assert!(told.contains("found   \"NOT_FOUND\"\n  no scheduled action `x` in n/t"), "{told}");
}

#[test]
fn a_record_that_can_t_be_read_is_a_dead_letter() {
    let folder = Folder::new(RULES);
    folder.holds("steps:\n  - dispatch: not json\n    expect: {dead_letters: [{code: INVALID_JSON}]}\n");
    let told = folder.fails("steps:\n  - dispatch: not json\n");
    assert!(told.starts_with("test.yaml:5:5: step 1 (dispatch): dispatch\n"), "{told}");
    assert!(told.contains("found   \"INVALID_JSON\""), "{told}");
}

#[test]
fn failures_name_place_path_values_and_trace() {
    let folder = Folder::new(RULES);
    let told = folder.fails(
        "steps:
  - dispatch: {action_type: once, dedup_key: k}
  - name: again
    dispatch: [{action_type: noise}, {action_type: once, dedup_key: k}]
    expect: {outcome: suppressed}
",
    );
    let expected = "test.yaml:8:14: step 2 (dispatch, again): expect.outcome of action 2
  wanted  \"suppressed\"
  found   \"deduplicated\"
  verdict deduplicate by once, provider email; rule by rule:
  not matched  no-tests (deny, priority 1): action.payload.test eq true, found null
  not matched  noise (suppress, priority 2): action.action_type eq \"noise\", found \"once\"
  matched      once (deduplicate, priority 3): refused
";
    assert!(told.starts_with(expected), "{told}");
    for (steps, part) in [
        ("expect: {rule: urgent}", "expect.rule\n  wanted  \"urgent\"\n  found   nothing"),
        ("expect: {detail: {status: failure}}", "expect.detail.status\n  wanted  \"failure\"\n  found   \"success\""),
        (
            "expect: {outcomes: {executed: 2}}",
            "expect.outcomes (executed)\n  wanted  {\"executed\":2}\n  found   {\"executed\":1}",
        ),
        ("expect: {outcomes: {}}", "expect.outcomes (executed)"),
        ("expect: {dispatched: []}", "expect.dispatched: number of entries\n  wanted  0\n  found   1\n  - {"),
        ("expect: {dispatched: [{payload: {a: 1}}]}", "expect.dispatched[0].payload.a\n  wanted  1\n  found   nothing"),
        (
            "expect: {scheduled: [{provider: x}]}",
            "expect.scheduled[0]\n  wanted  {\"provider\":\"x\"}\n  found   nothing",
        ),
        (
            "expect: {audit: [{provider: email}, {provider: sms}]}",
            "expect.audit[1].provider\n  wanted  \"sms\"\n  found   \"email\"",
        ),
        ("expect: {count: {scheduled: 1}}", "expect.count.scheduled\n  wanted  1\n  found   0"),
    ] {
        let told = folder.fails(&format!("steps:\n  - dispatch: {{}}\n    {steps}\n"));
        assert!(told.contains(part), "{steps}: {told}");
    }
    let told = folder.fails("steps:\n  - advance: 1s\n    expect: {outcome: executed}\n");
    assert!(told.contains("found   nothing\n  no action was released"), "{told}");
    let told = folder.fails("start: 2026-01-01T00:00:00Z\nsteps:\n  - advance: {to: 2025-12-31T23:00:00Z}\n");
    assert!(told.contains("the clock does not go back"), "{told}");
    let told = folder.fails("steps:\n  - command: {reset_throttle: {rule: r}}\n    expect: {refused: NOT_FOUND}\n");
    assert!(told.contains("the command was carried out"), "{told}");
    let told = folder.fails("steps:\n  - dispatch: {action_type: later}\n  - provider: {name: email, respond: {}}\n    expect: {scheduled: []}\n");
    assert!(told.contains("expect.scheduled\n  wanted  []\n  found   1"), "{told}");
}

#[test]
fn a_scenario_brings_definitions_of_its_own() {
    let rules = "
rules:
  - {name: by-floor, condition: {field: action.action_type, eq: reading}, action: {type: group, group_by: [payload.floor]}}
  - {name: ask, condition: {field: action.action_type, eq: order}, action: {type: request_approval, notify_provider: boss}}
  - {name: out, condition: {field: action.action_type, eq: alarm}, action: {type: reroute, target_provider: siren}}
";
    Folder::new(rules).holds(
        "providers: [{name: siren, type: log}]
steps:
  - dispatch: [{action_type: reading, payload: {floor: 1, n: 1}}, {action_type: reading, payload: {floor: 2}}]
    times: 2
    expect: {outcomes: {grouped: 4}, groups: [{size: 2, key: payload.floor=2}, {size: 2}], count: {groups: 2}}
  - command: {flush_group: {group: payload.floor=1}}
    expect: {outcomes: {executed: 1}, dispatched: [{released_by: group, payload: {count: 2}}]}
  - advance: 30s
    expect: {count: {dispatched: 1}}
  - dispatch: [{action_type: order, id: a}, {action_type: order, id: b}]
    expect: {outcome: pending_approval, dispatched: [{provider: boss}, {provider: boss}]}
  - command: {reject: {action_id: a}}
    expect: {outcome: rejected, dispatched: [], approvals: [{action_id: a, status: rejected}, {status: pending}]}
  - command: {approve: {}}
    expect: {outcome: executed, rule: null, dispatched: [{action_id: b}]}
  - dispatch: {action_type: alarm}
    expect: {outcome: rerouted, detail: {response: {body: {provider: siren, logged: true}}}}
",
    );
}
