//! `golden/<name>/`: `rules.yaml` and `inputs.ndjson` lead to `expected.json`. A line of the topic
//! `timers` moves the clock to its time and fires what is due until then. `UPDATE_GOLDEN=1` writes it.

use crate::driver::{Driver, definitions};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn topic(name: &str) -> &'static str {
    ["actions", "repartition", "commands", "results", "timers"].into_iter().find(|topic| *topic == name).unwrap()
}

/// The dispatch that an earlier line made, as `{"$dispatch": line}` in a result.
fn fill(value: &mut Value, dispatches: &[Option<Value>]) {
    let Some(map) = value.as_object_mut() else { return };
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
        "decided_at",
        "source",
    ] {
        if let Some(found) = dispatch.get(field) {
            map.insert(field.to_owned(), found.clone());
        }
    }
}

fn run(directory: &Path) -> Value {
    let rules = fs::read_to_string(directory.join("rules.yaml")).unwrap();
    let default = if rules.contains("# default: deny") { "deny" } else { "allow" };
    let mut driver = Driver::new(definitions(&rules, default));
    let mut dispatches = Vec::new();
    let mut steps = Vec::new();
    for line in fs::read_to_string(directory.join("inputs.ndjson")).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let at = line["at"].as_i64().unwrap();
        let name = topic(line["topic"].as_str().unwrap());
        let bytes = match &line["value"] {
            Value::String(raw) => raw.clone().into_bytes(),
            other => {
                let mut value = other.clone();
                fill(&mut value, &dispatches);
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
        steps.push(step);
    }
    Value::Array(steps)
}

#[test]
fn inputs_lead_to_the_expected_effects() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut names: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 5, "golden cases were lost");
    for directory in names {
        let found = run(&directory);
        assert_eq!(found, run(&directory), "{} differs from run to run", directory.display());
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
