#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::{Value, json};

fn alert() -> Value {
    json!({
        "name": "alert",
        "initial_state": "firing",
        "states": ["firing", "acknowledged", "resolved", "stale"],
        "transitions": [
            {"from": "firing", "to": "acknowledged"},
            {"from": "acknowledged", "to": "resolved", "on_transition": {"notify": true}},
            {"from": "firing", "to": "resolved"},
        ],
        "timeouts": [{"in_state": "firing", "after_seconds": 3600, "transition_to": "stale"}],
    })
}

fn compile_all(machines: &[Value]) -> Result<StateMachines, Vec<String>> {
    let definitions = machines.iter().map(|machine| serde_json::from_value(machine.clone()).unwrap()).collect();
    StateMachines::compile(definitions).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

#[test]
fn a_machine_knows_its_moves_and_its_ends() {
    let machines = compile_all(&[alert()]).unwrap();
    let machine = machines.get("alert").unwrap();
    assert!(machine.transition("firing", "resolved").is_some());
    assert!(machine.transition("acknowledged", "resolved").unwrap().notify);
    assert!(machine.transition("resolved", "firing").is_none());
    let terminal: Vec<bool> = ["firing", "acknowledged", "resolved", "stale"].map(|s| machine.is_terminal(s)).into();
    assert_eq!(terminal, [false, false, true, true]);
    assert_eq!(machine.timeout("firing").unwrap().after_ms, 3_600_000);
    assert!(machine.refused("firing", "stale").contains("allowed from `firing`: `acknowledged`, `resolved`"));
    assert!(machine.refused("resolved", "firing").contains("none is allowed from `resolved`"));
    assert!(machine.undeclared("on fire").contains("its states are `firing`, `acknowledged`, `resolved`, `stale`"));
}

#[test]
fn a_state_is_terminal_where_the_machine_says_so_and_only_there() {
    let mut reopening = alert();
    reopening["transitions"][1] = json!({"from": "resolved", "to": "firing"});
    reopening["terminal_states"] = json!(["resolved"]);
    reopening["repeat_interval_seconds"] = json!(60);
    let machines = compile_all(&[reopening]).unwrap();
    let machine = machines.get("alert").unwrap();
    assert!(machine.is_terminal("resolved") && !machine.is_terminal("stale"));
    assert_eq!(machine.repeat_ms("firing"), Some(60_000));
    assert_eq!((machine.repeat_ms("acknowledged"), machine.repeat_ms("resolved")), (None, None));
}

#[test]
fn each_mistake_is_named_with_its_machine_and_key() {
    let many: Vec<String> = (0..=MAX_STATES).map(|n| format!("s{n}")).collect();
    let track = |types: Value, fields: Value| json!({"action_types": types, "fingerprint_fields": fields});
    for (pointer, value, expected) in [
        ("/states", json!([]), "`states`: a machine needs"),
        ("/states/1", json!("firing"), "`states`: `firing` stands there twice"),
        ("/states/1", json!(""), "`states`: must have 1 to 256 bytes"),
        ("/states", json!(many), "`states`: 101 are too many; 100"),
        ("/initial_state", json!("new"), "`initial_state`: unknown state `new`"),
        ("/transitions/1/from", json!("gone"), "`transitions[1].from`: unknown state `gone`"),
        ("/transitions/1/to", json!("gone"), "`transitions[1].to`: unknown state `gone`"),
        ("/transitions/1/to", json!("acknowledged"), "`transitions[1]`: leads from `acknowledged` to itself"),
        ("/transitions/2/to", json!("acknowledged"), "`transitions[2]`: `firing` to `acknowledged` stands there twice"),
        ("/transitions/1/on_transition/webhook_url", json!("ftp://x"), "webhook_url`: must begin with `https://`"),
        ("/timeouts/0/in_state", json!("gone"), "`timeouts[0].state`: unknown state `gone`"),
        ("/timeouts/0/transition_to", json!("gone"), "`timeouts[0].transition_to`: unknown state `gone`"),
        ("/timeouts/0/transition_to", json!("firing"), "`timeouts[0]`: leads from `firing` to itself"),
        ("/timeouts/0/after_seconds", json!(0), "`timeouts[0].after_seconds`: 0 seconds"),
        ("/timeouts/0/after_seconds", json!(MAX_SECONDS + 1), "`timeouts[0].after_seconds`: 31622401 seconds"),
        ("/timeouts/1", alert()["timeouts"][0].clone(), "`timeouts[1]`: `firing` has a timeout already"),
        ("/terminal_states", json!(["gone"]), "`terminal_states`: unknown state `gone`"),
        ("/acknowledged_states", json!(["seen"]), "`acknowledged_states`: unknown state `seen`"),
        ("/repeat_interval_seconds", json!(0), "`repeat_interval_seconds`: 0 seconds"),
        ("/name", json!(""), "`name`: must have 1 to 256 bytes"),
        ("/track", track(json!([]), json!(["id"])), "`track.action_types`: name at least one"),
        ("/track", track(json!(["a"]), json!([])), "`track.fingerprint_fields`: name at least one"),
        ("/track", track(json!(["a"]), json!(["time.hour"])), "`track.fingerprint_fields[0]`: `time.hour` is no field"),
    ] {
        let mut machine = alert();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match machine.pointer_mut(parent).unwrap() {
            Value::Array(list) => match key.parse::<usize>().unwrap() {
                at if at < list.len() => list[at] = value,
                _ => list.push(value),
            },
            parent => parent[key] = value,
        }
        let name = machine["name"].as_str().unwrap().to_owned();
        let errors = compile_all(&[machine]).unwrap_err();
        assert!(
            errors.iter().any(|error| error.contains(expected) && error.contains(&format!("state machine `{name}`"))),
            "{pointer}: {errors:?}"
        );
    }
}

#[test]
fn two_machines_share_neither_a_name_nor_a_tracked_type() {
    assert!(compile_all(&[alert(), alert()]).unwrap_err()[0].contains("two machines have this name"));
    let (mut one, mut other) = (alert(), alert());
    one["track"] = json!({"action_types": ["order"], "fingerprint_fields": ["payload.order_id"]});
    other["track"] = one["track"].clone();
    other["name"] = json!("order");
    let errors = compile_all(&[one.clone(), other]).unwrap_err();
    assert!(errors[0].contains("state machine `order`: `track.action_types`: `alert` tracks `order` already"));
    assert_eq!(compile_all(&[one]).unwrap().tracking("order").unwrap().name, "alert");
}
