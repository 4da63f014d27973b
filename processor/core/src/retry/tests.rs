#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::rig::{Rig, START, kinds, parts};
use acteon_schemas::{CircuitDefinition, CircuitState};
use serde_json::{Value, json};

const MINUTE: i64 = 60_000;

fn definition() -> LongRetryDefinition {
    LongRetryDefinition { max_retries: 2, initial_ms: 60_000, max_ms: 90_000 }
}

fn rig() -> Rig {
    let mut parts = parts("rules: []");
    parts.long_retries.insert("webhook".to_owned(), definition());
    Rig::new(parts)
}

fn failed_with(dispatch: &Value, failed: Value) -> Value {
    let mut result = dispatch.clone();
    for (name, value) in [("attempts", 4), ("started_at", START), ("duration_ms", 5)] {
        result[name] = json!(value);
    }
    result["dispatch"] = dispatch.clone();
    result["result"] = [("failed".to_owned(), failed)].into_iter().collect();
    result
}

fn count(rig: &mut Rig) -> u64 {
    super::count(&mut rig.state, "n", "t").unwrap()
}

#[test]
fn waits_double_up_to_the_longest_and_have_a_jitter_of_their_own() {
    let definition = LongRetryDefinition { max_retries: 100, initial_ms: 1_000, max_ms: 60_000 };
    let cases = [
        (0, None, 1_000),
        (1, None, 2_000),
        (5, None, 32_000),
        (6, None, 60_000),
        (64, None, 60_000),
        (u32::MAX, None, 60_000),
        (0, Some(500), 1_000),
        (0, Some(20_000), 20_000),
        (0, Some(u64::MAX), 60_000),
    ];
    for (retry, asked, least) in cases {
        let wait = wait(&definition, retry, asked, "d");
        assert!((least..=least + least / 10).contains(&wait), "{retry} {asked:?}: {wait}");
    }
    let waits: std::collections::BTreeSet<u64> = (0..50).map(|n| wait(&definition, 6, None, &n.to_string())).collect();
    assert!(waits.len() > 40, "{waits:?}");
    assert_eq!(wait(&definition, 3, None, "d"), wait(&definition, 3, None, "d"));
}

#[test]
fn a_failed_dispatch_is_made_again_with_its_key_until_it_is_delivered() {
    let mut rig = rig();
    let first = rig.action("a1", &json!({"x": 1})).dispatches.remove(0);
    let waiting = rig.result(&first, false);
    let outcome = &waiting.outcomes[0];
    assert_eq!((&outcome["outcome"], &outcome["is_final"]), (&json!("retry_scheduled"), &json!(false)));
    let detail = &outcome["detail"]["RetryScheduled"];
    assert_eq!((&detail["code"], &detail["retry"], &detail["attempts"]), (&json!("TIMEOUT"), &json!(1), &json!(1)));
    assert_eq!(
        (&waiting.audit[0]["phase"], &waiting.audit[0]["outcome"]),
        (&json!("progress"), &json!("retry_scheduled"))
    );
    assert!(waiting.other_dead_letters.is_empty());
    assert_eq!(count(&mut rig), 1);

    assert!(rig.advance_to(START + MINUTE - 1).dispatches.is_empty());
    let again = rig.advance_to(START + 2 * MINUTE);
    assert!(again.outcomes.is_empty() && again.audit.is_empty());
    let mut second = first.clone();
    second["retry"] = json!(1);
    assert_eq!(again.dispatches, [second.clone()]);
    assert_eq!(count(&mut rig), 0);

    // The first failure told once more is no news.
    assert!(rig.result(&first, false).outcomes.is_empty());
    let done = rig.result(&second, true);
    assert_eq!(kinds(&done.outcomes), ["executed"]);
    assert_eq!((&done.outcomes[0]["is_final"], &done.audit[0]["phase"]), (&json!(true), &json!("completed")));
    assert!(rig.result(&second, true).outcomes.is_empty());
}

#[test]
fn the_last_failure_is_told_and_dead_lettered() {
    let mut rig = rig();
    let mut dispatch = rig.action("a1", &json!({})).dispatches.remove(0);
    for retry in 1..=2 {
        assert_eq!(kinds(&rig.result(&dispatch, false).outcomes), ["retry_scheduled"]);
        dispatch = rig.advance_to(rig.now + 2 * MINUTE).dispatches.remove(0);
        assert_eq!(dispatch["retry"], retry);
    }
    let last = rig.result(&dispatch, false);
    assert_eq!((kinds(&last.outcomes), &last.outcomes[0]["is_final"]), (vec!["failed"], &json!(true)));
    let (key, value, reason) = &last.other_dead_letters[0];
    assert_eq!((key.as_str(), value, reason.code.as_str()), ("n:t", &dispatch, "TIMEOUT"));
    assert_eq!(rig.state.next_due(), None);
}

#[test]
fn only_what_may_pass_is_made_again() {
    let failure = |code: &str, retryable: bool| json!({"code": code, "message": "no", "retryable": retryable});
    let cases = [
        ("webhook", failure("TIMEOUT", true), true, "retry_scheduled"),
        ("webhook", failure("VALIDATION", false), true, "failed"),
        ("email", failure("TIMEOUT", true), true, "failed"),
        ("webhook", failure("TIMEOUT", true), false, "failed"),
    ];
    for (provider, failure, echoed, outcome) in cases {
        let mut rig = rig();
        let action = json!({"id": "a", "namespace": "n", "tenant": "t", "provider": provider, "action_type": "x", "payload": {}});
        let dispatch = rig.send(&action).dispatches.remove(0);
        let mut result = failed_with(&dispatch, failure.clone());
        if !echoed {
            result.as_object_mut().unwrap().remove("dispatch");
        }
        let effects = rig.result_record(&result);
        assert_eq!(kinds(&effects.outcomes), [outcome], "{provider} {failure}");
        assert_eq!(effects.other_dead_letters.len(), usize::from(outcome == "failed" && echoed));
        let message = effects.outcomes[0]["detail"]["Failed"]["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(message.contains("not made again later"), !echoed, "{message}");
    }
}

#[test]
fn a_tenant_s_waiting_dispatches_are_limited() {
    let mut rig = rig();
    let dispatch = rig.action("a1", &json!({})).dispatches.remove(0);
    set_count(&mut rig.state, "n", "t", MAX_WAITING);
    let effects = rig.result(&dispatch, false);
    let message = effects.outcomes[0]["detail"]["Failed"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("too slow; not made again later: 10000 dispatches"), "{message}");
    assert_eq!(effects.other_dead_letters.len(), 1);
    assert_eq!(rig.state.next_due(), None);
}

#[test]
fn what_is_too_large_to_keep_fails_and_says_so() {
    let mut rig = rig();
    let mut dispatch = rig.action("a1", &json!({})).dispatches.remove(0);
    dispatch["payload"] = json!("x".repeat(MAX_DERIVED_BYTES));
    let mut result = failed_with(&dispatch, json!({"code": "TIMEOUT", "message": "too slow", "retryable": true}));
    result.as_object_mut().unwrap().remove("payload");
    let effects = rig.result_record(&result);
    let message = effects.outcomes[0]["detail"]["Failed"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("not made again later: it takes"), "{message}");
}

#[test]
fn a_provider_that_is_gone_ends_the_waiting() {
    let mut rig = rig();
    let dispatch = rig.action("a1", &json!({})).dispatches.remove(0);
    rig.result(&dispatch, false);
    let mut without = parts("rules: []");
    without.providers.remove("webhook");
    rig.definitions = crate::Definitions::compile(8, without).unwrap();
    let effects = rig.advance_to(START + 2 * MINUTE);
    assert_eq!((kinds(&effects.outcomes), effects.dispatches.len()), (vec!["failed"], 0));
    assert_eq!(effects.outcomes[0]["detail"]["Failed"]["code"], "PROVIDER_NOT_FOUND");
    assert_eq!((effects.other_dead_letters.len(), count(&mut rig)), (1, 0));
}

/// The rig with a circuit for `webhook`, which falls back on `email` where that is asked for.
fn with_circuit(rig: &mut Rig, opened_at: Option<i64>, fallback: bool) {
    let mut parts = parts("rules: []");
    parts.long_retries.insert("webhook".to_owned(), definition());
    let circuit = CircuitDefinition {
        failure_threshold: 1,
        success_threshold: 1,
        recovery_timeout_ms: 60_000,
        fallback_provider: fallback.then(|| "email".to_owned()),
    };
    parts.circuits.insert("webhook".to_owned(), circuit);
    parts.circuit_states.push(CircuitState {
        provider: "webhook".to_owned(),
        epoch: 1,
        failures: 1,
        successes: 0,
        opened_at,
        probe_at: None,
        reason: None,
        changed_at: START,
    });
    rig.definitions = crate::Definitions::compile(9, parts).unwrap();
}

#[test]
fn a_retry_while_the_circuit_is_open_goes_to_the_fallback_or_waits_again() {
    let mut rig = rig();
    let dispatch = rig.action("a1", &json!({})).dispatches.remove(0);
    rig.result(&dispatch, false);
    with_circuit(&mut rig, Some(START), true);
    let again = rig.advance_to(START + 2 * MINUTE).dispatches.remove(0);
    assert_eq!((&again["provider"], &again["original_provider"]), (&json!("email"), &json!("webhook")));
    assert_eq!(again["passed_over"], json!(["webhook"]));
    // The fallback fails as well: it is `webhook` that has long retries, and it is tried first again.
    assert_eq!(kinds(&rig.result(&again, false).outcomes), ["retry_scheduled"]);
    with_circuit(&mut rig, None, true);
    let third = rig.advance_to(rig.now + 2 * MINUTE).dispatches.remove(0);
    assert_eq!((&third["provider"], &third["retry"]), (&json!("webhook"), &json!(2)));
    assert!(third.get("original_provider").is_none() && third.get("passed_over").is_none(), "{third}");

    let mut rig = self::rig();
    let dispatch = rig.action("a1", &json!({})).dispatches.remove(0);
    rig.result(&dispatch, false);
    with_circuit(&mut rig, Some(START), false);
    let waits = rig.advance_to(START + 70_000);
    assert_eq!((kinds(&waits.outcomes), waits.dispatches.len()), (vec!["retry_scheduled"], 0));
    assert_eq!(waits.outcomes[0]["detail"]["RetryScheduled"]["code"], "CIRCUIT_OPEN");
    let ends = rig.advance_to(rig.now + 2 * MINUTE);
    assert_eq!((kinds(&ends.outcomes), ends.other_dead_letters.len()), (vec!["circuit_open"], 1));
    assert_eq!((count(&mut rig), rig.state.next_due()), (0, None));
}

#[test]
fn operators_list_hasten_and_give_up() {
    let mut rig = rig();
    let dispatches: Vec<Value> =
        ["a1", "a2"].iter().map(|id| rig.action(id, &json!({})).dispatches.remove(0)).collect();
    for dispatch in &dispatches {
        rig.result(dispatch, false);
    }
    let (listed, _) = rig.command(&json!({"list_retries": {"page": {}}}));
    assert_eq!((&listed["count"], &listed["retries"][0]["code"]), (&json!(2), &json!("TIMEOUT")));
    assert_eq!((&listed["retries"][0]["retry"], &listed["retries"][0]["provider"]), (&json!(1), &json!("webhook")));
    let ids: Vec<&str> = dispatches.iter().map(|dispatch| dispatch["dispatch_id"].as_str().unwrap()).collect();

    let (now, effects) = rig.command(&json!({"retry_now": {"dispatch_id": ids[0]}}));
    assert_eq!((&now["status"], &effects.dispatches[0]["retry"]), (&json!("dispatched"), &json!(1)));
    let (cancelled, effects) = rig.command(&json!({"cancel_retry": {"dispatch_id": ids[1]}}));
    assert_eq!((&cancelled["status"], kinds(&effects.outcomes)), (&json!("failed"), vec!["failed"]));
    let message = effects.outcomes[0]["detail"]["Failed"]["message"].as_str().unwrap();
    assert!(message.starts_with("too slow; given up by command c"), "{message}");
    assert_eq!(effects.other_dead_letters[0].1, dispatches[1]);
    assert_eq!((count(&mut rig), rig.state.next_due()), (0, None));
    for name in ["retry_now", "cancel_retry"] {
        assert_eq!(rig.command(&json!({name: {"dispatch_id": ids[1]}})).0["code"], "NOT_FOUND");
    }
}

#[test]
fn a_dead_letter_is_replayed_with_its_key_and_ends_anew() {
    let mut rig = rig();
    let dispatch = rig.action("a1", &json!({})).dispatches.remove(0);
    let rejected = failed_with(&dispatch, json!({"code": "VALIDATION", "message": "no", "retryable": false}));
    let dead = rig.result_record(&rejected).other_dead_letters.remove(0).1;
    for retry in [1, 2] {
        let (answer, effects) = rig.command(&json!({"replay_dispatch": {"dispatch": dead}}));
        assert_eq!((&answer["status"], &answer["retry"]), (&json!("dispatched"), &json!(retry)));
        let again = &effects.dispatches[0];
        assert_eq!((&again["dispatch_id"], &again["retry"]), (&dispatch["dispatch_id"], &json!(retry)));
        assert_eq!(kinds(&rig.result(again, true).outcomes), ["executed"]);
    }
}

#[test]
fn what_can_t_be_replayed_is_refused() {
    let mut rig = rig();
    let dispatch = rig.action("a1", &json!({})).dispatches.remove(0);
    let with = |key: &str, value: Value| {
        let mut other = dispatch.clone();
        other[key] = value;
        other
    };
    let chain = json!({"chain": {"chain_id": "c", "step": "s", "visit": 0, "attempt": 0}});
    let cases = [
        (json!({"id": "an action"}), "INVALID", "is none"),
        (with("tenant", json!("other")), "INVALID", "n/other"),
        (with("context", chain), "CONFLICT", "chain c"),
        (with("provider", json!("gone")), "NOT_FOUND", "`gone`"),
    ];
    for (dispatch, code, part) in cases {
        let (answer, effects) = rig.command(&json!({"replay_dispatch": {"dispatch": dispatch}}));
        assert_eq!(answer["code"], code);
        assert!(answer["message"].as_str().unwrap().contains(part), "{answer}");
        assert!(effects.dispatches.is_empty());
    }
    rig.result(&dispatch, false);
    assert_eq!(rig.command(&json!({"replay_dispatch": {"dispatch": dispatch}})).0["code"], "CONFLICT");
}
