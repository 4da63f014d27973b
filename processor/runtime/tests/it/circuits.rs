//! Circuits over several processors.

use crate::harness::{Bench, LIMIT, action, borrowed, embedded};
use acteon_runtime::{Processor, definitions};
use acteon_schemas::CircuitDefinition;
use acteon_testkit::wait_until;
use serde_json::{Value, json};

/// Tenants: enough for each of two processors to have some.
const TENANTS: usize = 12;

/// Waits until these processors decide by all that is in the definitions topic.
fn settle(bench: &Bench, processors: &[&Processor]) {
    let table = definitions::read(&bench.kafka, &bench.names).unwrap();
    let version = table.compile(&acteon_core::Secrets::default()).unwrap().unwrap().version;
    let settled = || processors.iter().all(|one| one.definitions_version() == Some(version));
    assert!(wait_until(LIMIT, settled), "definitions {version} not adopted");
}

/// Sends an action of each tenant.
fn send(bench: &Bench, round: &str) {
    let records: Vec<_> = (0..TENANTS).map(|tenant| action(&format!("{round}{tenant}"), tenant, "")).collect();
    bench.produce(bench.names.actions(), &borrowed(&records));
}

/// The result of a call that timed out.
fn failure(dispatch: &Value) -> (String, Vec<u8>) {
    let mut result = dispatch.clone();
    result["attempts"] = json!(1);
    result["started_at"] = json!(1);
    result["duration_ms"] = json!(5);
    result["result"] = json!({"failed": {"code": "TIMEOUT", "message": "no answer", "retryable": true}});
    (format!("n:{}", dispatch["tenant"].as_str().unwrap()), result.to_string().into_bytes())
}

#[test]
fn all_processors_share_a_circuit_and_it_outlives_them() {
    let (_broker, bootstrap) = embedded();
    let bench = Bench::new(&bootstrap, "circuits", 4, "rules: []");
    let circuit = CircuitDefinition {
        failure_threshold: 3,
        success_threshold: 1,
        recovery_timeout_ms: 3_600_000,
        fallback_provider: Some("webhook".into()),
    };
    bench.publish_guarded("rules: []", Some(circuit.clone())).unwrap();
    let (one, two) = (bench.start("one"), bench.start("two"));
    let shared = || [&one, &two].iter().all(|processor| processor.health().ready);
    assert!(wait_until(LIMIT, shared), "both have tasks");
    settle(&bench, &[&one, &two]);
    send(&bench, "a");
    let email = bench.names.dispatch("email");
    let dispatches: Vec<Value> = bench.read(&email, TENANTS).iter().map(crate::harness::Seen::json).collect();

    // One failure each of three partitions: no task sees more than one of them.
    let mut failing: Vec<&Value> = Vec::new();
    for dispatch in &dispatches {
        if failing.len() < 3 && failing.iter().all(|other| other["task"] != dispatch["task"]) {
            failing.push(dispatch);
        }
    }
    let failures: Vec<_> = failing.into_iter().map(failure).collect();
    bench.produce(bench.names.results(), &borrowed(&failures));
    // Four definitions, one that was published anew, and the circuit after each failure.
    let told = bench.read(bench.names.definitions(), 8);
    let last = told.last().unwrap().json();
    assert_eq!((&last["kind"], &last["provider"], &last["failures"]), (&json!("circuit"), &json!("email"), &json!(3)));
    assert_eq!((&last["epoch"], &last["reason"]), (&json!(1), &json!("TIMEOUT")));
    let reports = bench.read(bench.names.commands(), 3);
    assert!(reports.iter().all(|report| report.key.as_deref() == Some(b"_circuits:email")));

    settle(&bench, &[&one, &two]);
    send(&bench, "b");
    let instead = bench.read(&bench.names.dispatch("webhook"), TENANTS);
    assert!(instead.iter().all(|dispatch| dispatch.json()["passed_over"] == json!(["email"])));
    assert_eq!(bench.read(&email, TENANTS).len(), TENANTS, "nobody calls it");
    // Publishing leaves it alone.
    bench.publish_guarded("rules: []", Some(circuit)).unwrap();
    bench.read(bench.names.definitions(), 8);
    one.stop().unwrap();
    two.stop().unwrap();

    // Another machine, with nothing but the log.
    let three = bench.start("three");
    assert!(wait_until(LIMIT, || three.health().ready));
    let reset = json!({
        "id": "reset", "namespace": "_circuits", "tenant": "email", "issued_at": 0, "command": {"reset_circuit": {}},
    });
    bench.produce(bench.names.commands(), &[("_circuits:email", reset.to_string().into_bytes())]);
    let closed = bench.read(bench.names.definitions(), 9).last().unwrap().json();
    assert_eq!((&closed["epoch"], &closed["opened_at"]), (&json!(2), &Value::Null), "it was open before: {closed}");
    settle(&bench, &[&three]);
    send(&bench, "c");
    bench.read(&email, 2 * TENANTS);
    three.stop().unwrap();
}
