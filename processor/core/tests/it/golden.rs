//! `golden/<name>/`: `rules.yaml`, `definitions.json` where the rules name chains or state machines, and `inputs.ndjson`
//! lead to `expected.json`. A line of the topic `timers` moves the clock to its time and fires what is due until then.
//! `UPDATE_GOLDEN=1` writes it.

use crate::driver::{Driver, Named, definitions_with};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn topic(name: &str) -> &'static str {
    ["actions", "repartition", "commands", "results", "timers"].into_iter().find(|topic| *topic == name).unwrap()
}

/// The dispatch that an earlier line made, as `{"$dispatch": line}` in a result, or the command that it sent, as
/// `{"$command": line}`.
fn fill(value: &mut Value, dispatches: &[Option<Value>], commands: &[Option<Value>]) {
    let Some(map) = value.as_object_mut() else { return };
    if let Some(line) = map.get("$command").and_then(Value::as_u64) {
        *value = commands[usize::try_from(line).unwrap()].clone().expect("that line sent a command");
        return;
    }
    let Some(line) = map.remove("$dispatch") else { return };
    let dispatch = dispatches[usize::try_from(line.as_u64().unwrap()).unwrap()].clone().expect("that line dispatched");
    for field in [
        "dispatch_id",
        "action_id",
        "namespace",
        "tenant",
        "provider",
        "original_provider",
        "action_type",
        "rule",
        "context",
        "released_by",
        "passed_over",
        "probe",
        "decided_at",
        "source",
    ] {
        if let Some(found) = dispatch.get(field) {
            map.insert(field.to_owned(), found.clone());
        }
    }
    if map["result"].get("failed").is_some() {
        map.insert("dispatch".to_owned(), dispatch);
    }
}

/// Runs a case. `moves`: whether the task goes on with nothing but its state's bytes before every input.
fn run(directory: &Path, moves: bool) -> Value {
    let rules = fs::read_to_string(directory.join("rules.yaml")).unwrap();
    let default = if rules.contains("# default: deny") { "deny" } else { "allow" };
    let named = directory.join("definitions.json");
    let named = if named.exists() {
        serde_json::from_str(&fs::read_to_string(named).unwrap()).unwrap()
    } else {
        Named::default()
    };
    let mut driver = Driver::new(definitions_with(&rules, default, named));
    driver.moves = moves;
    let (mut dispatches, mut commands) = (Vec::new(), Vec::new());
    let mut steps = Vec::new();
    for line in fs::read_to_string(directory.join("inputs.ndjson")).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let at = line["at"].as_i64().unwrap();
        let name = topic(line["topic"].as_str().unwrap());
        let bytes = match &line["value"] {
            Value::String(raw) => raw.clone().into_bytes(),
            other => {
                let mut value = other.clone();
                fill(&mut value, &dispatches, &commands);
                serde_json::to_vec(&value).unwrap()
            }
        };
        let (stepped, effects) = match name {
            "timers" => ("Advanced".to_owned(), driver.advance(at)),
            name => {
                let (stepped, effects) = driver.feed(name, at, &bytes);
                (format!("{stepped:?}"), effects)
            }
        };
        dispatches.push(effects.dispatches.first().cloned());
        commands.push(effects.commands.first().map(|(_, command)| json!(command)));
        let reasons: Vec<Value> = effects.dead_letters.iter().map(|reason| json!(reason)).collect();
        let mut step = json!({ "stepped": stepped });
        for (name, records) in [
            ("outcomes", &effects.outcomes),
            ("audit", &effects.audit),
            ("dispatches", &effects.dispatches),
            ("dead_letters", &reasons),
        ] {
            if !records.is_empty() {
                step[name] = json!(records);
            }
        }
        for (name, records) in [("commands", json!(effects.commands)), ("circuits", json!(effects.circuits))] {
            if records != json!([]) {
                step[name] = records;
            }
        }
        if !effects.other_dead_letters.is_empty() {
            step["other_dead_letters"] = json!(effects.other_dead_letters);
        }
        steps.push(step);
    }
    Value::Array(steps)
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new("tests/golden");
    let mut cases: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 14, "golden cases were lost");
    cases
}

#[test]
fn effects_depend_on_nothing_but_definitions_state_and_input() {
    for directory in cases() {
        let (stayed, moved) = (run(&directory, false), run(&directory, true));
        for (line, (stayed, moved)) in stayed.as_array().unwrap().iter().zip(moved.as_array().unwrap()).enumerate() {
            // As text: the order of fields and the way numbers are written count as well.
            assert_eq!(stayed.to_string(), moved.to_string(), "{} line {}", directory.display(), line + 1);
        }
    }
}

#[test]
fn inputs_lead_to_the_expected_effects() {
    for directory in cases() {
        let found = run(&directory, false);
        let path = directory.join("expected.json");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
        }
        let expected: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for (line, (found, expected)) in found.as_array().unwrap().iter().zip(expected.as_array().unwrap()).enumerate()
        {
            assert_eq!(found, expected, "{} line {}", directory.display(), line + 1);
        }
        assert_eq!(found.as_array().unwrap().len(), expected.as_array().unwrap().len());
    }
}
