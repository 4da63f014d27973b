//! `acteon rules test`: the examples' scenario files in every mode, and how results are told.

use crate::support::{acteon, root};
use serde_json::Value;
use std::fs;

/// Every example with scenario files.
const PLAYED: [&str; 3] = [
    "examples/aws-event-pipeline/tests",
    "examples/ecommerce-order-pipeline/tests",
    "examples/advanced-patterns/tests",
];

/// Plays all examples over some partitions, straight or restored: the results without the time that they took.
fn played(partitions: &str, restored: bool) -> Vec<Value> {
    let mut args = vec!["rules", "test", "--json", "--partitions", partitions];
    args.extend(PLAYED);
    args.extend(restored.then_some("--restored"));
    let ran = acteon(&args);
    assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.stdout, ran.stderr);
    let mut json: Value = serde_json::from_str(&ran.stdout).unwrap();
    let mut scenarios = json["scenarios"].as_array_mut().unwrap().clone();
    for scenario in &mut scenarios {
        scenario.as_object_mut().unwrap().remove("seconds");
    }
    scenarios
}

#[test]
fn the_examples_come_out_as_documented_in_every_mode() {
    let straight = played("1", false);
    let files: usize = PLAYED.iter().map(|folder| fs::read_dir(root().join(folder)).unwrap().count()).sum();
    assert_eq!(straight.len(), files);
    for (partitions, restored) in [("3", false), ("8", false), ("1", true), ("3", true), ("8", true)] {
        assert_eq!(played(partitions, restored), straight, "{partitions} partitions, restored: {restored}");
    }
}

#[test]
fn a_scenario_that_does_not_hold_is_told_and_exits_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    fs::write(
        file("rules.yaml"),
        "rules:\n  - {name: quiet, condition: {field: action.action_type, eq: noise}, action: {type: suppress}}\n",
    )
    .unwrap();
    let tests = dir.path().join("tests");
    fs::create_dir(&tests).unwrap();
    let scenario = |name: &str, wanted: &str| {
        format!(
            "name: {name}\nrules: ../rules.yaml\nsteps:\n  - dispatch: {{namespace: n, tenant: t, provider: p, action_type: \
             noise, payload: {{}}}}\n    expect: {{outcome: {wanted}}}\n"
        )
    };
    fs::write(tests.join("a.yaml"), scenario("noise < silence", "executed")).unwrap();
    fs::write(tests.join("b.yml"), scenario("noise is dropped", "suppressed")).unwrap();
    fs::write(tests.join("c.yaml"), "name: c\nstep: []\n").unwrap();
    let junit = file("results.xml");
    let folder = tests.display().to_string();
    let ran = acteon(&["rules", "test", &folder, "--junit", &junit]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let failure = format!(
        "{folder}/a.yaml:5:14: step 1 (dispatch): expect.outcome\n  wanted  \"executed\"\n  found   \"suppressed\"\n  \
         verdict suppress by quiet, provider p; rule by rule:\n  matched      quiet"
    );
    assert!(ran.stdout.contains(&failure), "{}", ran.stdout);
    assert!(ran.stdout.contains("c.yaml:2:1: error: unknown key `step`"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("3 scenarios: 1 passed, 2 failed\n"), "{}", ran.stdout);
    let xml = fs::read_to_string(junit).unwrap();
    assert!(xml.contains("tests=\"3\" failures=\"2\"") && xml.contains("noise &lt; silence"), "{xml}");

    let ran = acteon(&["rules", "test", &format!("{folder}/b.yml"), "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&json["passed"], &json["failed"]), (&1.into(), &0.into()));
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(acteon(&["rules", "test", empty.path().to_str().unwrap()]).code, 2);
    assert_eq!(acteon(&["rules", "test", "no/such.yaml"]).code, 1);
}
