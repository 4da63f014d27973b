use crate::driver::{Driver, definitions, settings};
use acteon_core::{
    Definitions, Input, InputKind, MemoryState, Parts, Recorder, State, StateError, StepError, Stepped, Task, explain,
    step,
};
use acteon_schemas::{Coordinates, Outcome, RuleFile, RulesDefinition};

const GATES: &str = "
rules:
  - name: once
    priority: 1
    action: {type: deduplicate, ttl_seconds: 60}
  - name: few
    priority: 2
    action: {type: throttle, max_count: 1, window_seconds: 10}
  - name: tests
    priority: 3
    condition: {field: action.payload.test, eq: true}
    action: {type: suppress, reason: only a test}
";

fn action(key: &str, payload: &str) -> Vec<u8> {
    format!(
        r#"{{"namespace":"n","tenant":"t","provider":"email","action_type":"a","payload":{payload},"dedup_key":"{key}"}}"#
    )
    .into_bytes()
}

#[test]
fn a_refused_action_leaves_no_trace_and_passes_later() {
    let mut driver = Driver::new(definitions(GATES, "allow"));
    assert_eq!(driver.feed("actions", 1_000, &action("a", "{}")).0, Stepped::Decided(Outcome::Dispatched));
    let before = driver.state.clone();
    assert_eq!(driver.feed("actions", 2_000, &action("b", "{}")).0, Stepped::Decided(Outcome::Throttled));
    assert_eq!(
        driver.feed("actions", 20_000, &action("c", r#"{"test":true}"#)).0,
        Stepped::Decided(Outcome::Suppressed)
    );
    assert_eq!(driver.state, before, "what was refused has been counted");
    // Neither of them is taken for a duplicate of itself.
    assert_eq!(driver.feed("actions", 20_000, &action("b", "{}")).0, Stepped::Decided(Outcome::Dispatched));
    assert_eq!(driver.feed("actions", 40_000, &action("c", "{}")).0, Stepped::Decided(Outcome::Dispatched));
    assert_eq!(driver.feed("actions", 50_000, &action("c", "{}")).0, Stepped::Decided(Outcome::Deduplicated));
}

#[test]
fn an_unknown_provider_fails_and_consumes_nothing() {
    let mut driver = Driver::new(definitions(GATES, "allow"));
    let lost = String::from_utf8(action("a", "{}")).unwrap().replace("email", "pigeon").into_bytes();
    let (stepped, effects) = driver.feed("actions", 1_000, &lost);
    assert_eq!(stepped, Stepped::Decided(Outcome::Failed));
    assert_eq!(effects.outcomes[0]["detail"]["Failed"]["code"], "PROVIDER_NOT_FOUND");
    assert_eq!(driver.state, MemoryState::default());
}

#[test]
fn corrupt_state_is_an_error_before_anything_is_written() {
    let mut driver = Driver::new(definitions(GATES, "allow"));
    driver.feed("actions", 1_000, &action("a", "{}"));
    let keys: Vec<Vec<u8>> = driver.state.0.keys().cloned().collect();
    for key in keys {
        let mut state = driver.state.clone();
        state.put(&key, b"\xffnonsense");
        let before = state.clone();
        let value = action("a", "{}");
        let source = Coordinates { topic: "actions".into(), partition: 0, offset: 9 };
        let input = Input { kind: InputKind::Action, source, origin: None, value: Some(&value) };
        let task = Task { partition: 0, partitions: 1 };
        let result = step(&driver.definitions, task, &mut state, 99_000, &input, &mut Recorder::default());
        assert!(matches!(result, Err(StepError(StateError::Corrupt { .. }))), "{result:?}");
        assert_eq!(state, before);
    }
}

#[test]
fn a_misplaced_action_goes_home_and_keeps_the_ids_it_would_have_had() {
    let driver = Driver::new(definitions("rules: []", "allow"));
    let value = action("a", "{}");
    let home = acteon_schemas::partition_of(b"n:t", 8);
    let task = |partition| Task { partition, partitions: 8 };
    let away = (home + 1) % 8;
    let source = Coordinates { topic: "actions".into(), partition: away, offset: 5 };
    let run = |kind, source, origin, partition| {
        let input = Input { kind, source, origin, value: Some(&value) };
        let mut effects = Recorder::default();
        let mut state = MemoryState::default();
        step(&driver.definitions, task(partition), &mut state, 1, &input, &mut effects).unwrap();
        effects
    };
    let sent_on = run(InputKind::Action, source.clone(), None, away);
    assert_eq!(sent_on.repartitioned, [(home, "n:t".to_owned())]);
    assert!(sent_on.outcomes.is_empty());
    let moved = Coordinates { topic: "repartition".into(), partition: home, offset: 77 };
    let there = run(InputKind::Repartitioned, moved, Some(source.clone()), home);
    let again = run(
        InputKind::Repartitioned,
        Coordinates { topic: "repartition".into(), partition: home, offset: 78 },
        Some(source),
        home,
    );
    assert_eq!(there, again);
    assert_eq!(there.outcomes[0]["source"]["topic"], "actions");
}

#[test]
fn explaining_writes_nothing_and_agrees_with_deciding() {
    let mut driver = Driver::new(definitions(GATES, "allow"));
    driver.feed("actions", 1_000, &action("a", "{}"));
    let mut state = driver.state.clone();
    let explanation = explain(&driver.definitions.rules, &mut state, 2_000, &action("a", "{}")).unwrap();
    assert_eq!(state, driver.state);
    assert_eq!((explanation.verdict, explanation.matched_rule.as_deref()), ("deduplicate", Some("once")));
    assert_eq!(explanation.trace.entries.len(), 3);
    assert!(explain(&driver.definitions.rules, &mut state, 2_000, b"{").is_err());
}

#[test]
fn rules_that_name_what_is_not_defined_are_refused_at_the_door() {
    refused("rules:\n  - {name: r, action: {type: chain, chain: c}}\n", "unknown chain `c`");
    refused("rules:\n  - {name: r, action: {type: reroute, target_provider: p}}\n", "unknown provider `p`");
}

fn refused(text: &str, part: &str) {
    let rules = RulesDefinition {
        evaluation: "cascade".into(),
        default: "allow".into(),
        default_timezone: "UTC".into(),
        files: vec![RuleFile { name: "rules.yaml".into(), text: text.into() }],
    };
    let error = Definitions::compile(
        0,
        Parts { rules, settings: settings(), providers: ["email".to_owned()].into(), ..Parts::default() },
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("rules.yaml:2") && error.contains(part), "{error}");
}
