#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use acteon_schemas::{CircuitDefinition, Definition, ProviderDefinition, ProviderError, ProviderResponse};
use std::collections::BTreeMap;

fn state(epoch: u64, is_open: bool) -> CircuitState {
    CircuitState {
        provider: "p".to_owned(),
        epoch,
        failures: 0,
        successes: 0,
        opened_at: is_open.then_some(1),
        probe_at: None,
        reason: None,
        changed_at: 1,
    }
}

fn used(state: CircuitState) -> Arc<Circuit> {
    let circuit = Arc::new(Circuit::default());
    circuit.set_used(true);
    circuit.set_state(Some(state));
    circuit
}

fn failed(code: &'static str) -> ResultStatus<'static> {
    ResultStatus::Failed(ProviderError {
        code: code.into(),
        message: "no".into(),
        retryable: true,
        retry_after_ms: None,
    })
}

fn delivered() -> ResultStatus<'static> {
    ResultStatus::Delivered(
        serde_json::from_str::<ProviderResponse<'_>>(r#"{"status":"success","body":{},"headers":{}}"#).unwrap(),
    )
}

fn answer(leave: &Leave) -> &'static str {
    match leave {
        Leave::Call => "call",
        Leave::Try(_) => "try",
        Leave::Refused => "refused",
    }
}

#[test]
fn calls_are_made_as_the_circuit_stands() {
    let now = clock::now();
    for (epoch, is_open, probe, expected) in [
        (2, false, None, "call"),
        (2, true, None, "refused"),
        // Of the epoch, of an earlier one, and of one that is not known here yet.
        (2, true, Some(2), "try"),
        (2, true, Some(1), "refused"),
        (2, false, Some(1), "call"),
        (2, true, Some(3), "try"),
        (2, false, Some(3), "try"),
    ] {
        assert_eq!(answer(&used(state(epoch, is_open)).ask(probe, now)), expected, "{epoch} {is_open} {probe:?}");
    }
    let unused = used(state(2, true));
    unused.set_used(false);
    assert!(!unused.is_open());
    assert_eq!(answer(&unused.ask(None, now)), "call");
    assert_eq!(answer(&unused.ask(Some(2), now)), "call");
}

#[test]
fn one_call_at_a_time_tries_it() {
    let (circuit, now) = (used(state(2, true)), clock::now());
    let ask = |probe, after: u64| circuit.ask(Some(probe), now + Duration::from_secs(after));
    let Leave::Try(first) = ask(2, 0) else { panic!("no leave") };
    assert_eq!(answer(&ask(2, 0)), "refused");
    // A call that was abandoned, or that says nothing about the provider, leaves it to the next one.
    drop(first);
    let Leave::Try(second) = ask(2, 0) else { panic!("no leave") };
    second.end(&failed("VALIDATION"));
    for end in [failed("TIMEOUT"), delivered()] {
        circuit.set_trial(2, None);
        let Leave::Try(third) = ask(2, 0) else { panic!("no leave") };
        third.end(&end);
        assert_eq!(answer(&ask(2, 20)), "refused");
    }
    // A circuit that does not move on is tried again after a while.
    assert_eq!(answer(&ask(2, 40)), "try");
    // The next epoch does not wait for the trial of the one before, and that does not end it.
    let Leave::Try(old) = ask(2, 40) else { panic!("no leave") };
    let Leave::Try(new) = ask(3, 40) else { panic!("no leave") };
    old.end(&delivered());
    assert_eq!(answer(&ask(2, 40)), "refused");
    assert_eq!(answer(&ask(3, 40)), "refused");
    drop(new);
    assert_eq!(answer(&ask(3, 40)), "try");
}

#[tokio::test]
async fn those_that_wait_see_it_open() {
    let circuit = used(state(1, false));
    let waiting = tokio::spawn({
        let circuit = Arc::clone(&circuit);
        async move { circuit.opened().await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    circuit.set_state(Some(state(2, true)));
    waiting.await.unwrap();
    assert!(circuit.is_open());
}

#[test]
fn definitions_are_followed_and_what_is_not_one_is_passed_over() {
    let circuit = Arc::new(Circuit::default());
    let circuits = BTreeMap::from([("p".to_owned(), Arc::clone(&circuit))]);
    let take = |key: &str, value: Option<&[u8]>| follower::take(&circuits, key.as_bytes(), value);
    let put = |definition: &Definition| take(&definition.key(), Some(&serde_json::to_vec(definition).unwrap()));
    let works = CircuitDefinition {
        failure_threshold: 1,
        success_threshold: 1,
        recovery_timeout_ms: 1,
        fallback_provider: None,
    };
    let plain = ProviderDefinition::new("p", "log");
    let provider = ProviderDefinition { circuit: Some(works), ..plain.clone() };
    put(&Definition::Circuit(state(2, true)));
    assert!(!circuit.is_open(), "the provider has no circuit");
    put(&Definition::Provider(provider.clone()));
    assert!(circuit.is_open());
    for (key, value) in [
        ("circuit/p", Some(&b"nonsense"[..])),
        ("circuit/other", None),
        ("chain/p", None),
        ("circuit", None),
        ("\u{fffd}", None),
    ] {
        take(key, value);
    }
    let value = serde_json::to_vec(&Definition::Provider(plain.clone())).unwrap();
    take("circuit/p", Some(&value));
    assert!(circuit.is_open());
    put(&Definition::Circuit(state(3, false)));
    assert!(!circuit.is_open());
    put(&Definition::Circuit(state(4, true)));
    take("circuit/p", None);
    assert!(!circuit.is_open());
    put(&Definition::Circuit(state(4, true)));
    put(&Definition::Provider(plain));
    assert!(!circuit.is_open());
    put(&Definition::Provider(provider));
    take("provider/p", None);
    assert!(!circuit.is_open());
}
