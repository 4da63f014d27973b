//! Dispatches of a provider whose circuit is open.

use crate::bed::{Bed, PARTITIONS, PATIENCE, dispatch, webhook, webhook_with};
use acteon_schemas::{CircuitDefinition, CircuitState, Definition, ProviderDefinition};
use acteon_testkit::http::{Receiver, Reply};
use rdkafka::producer::{BaseRecord, Producer as _};
use serde_json::{Value, json};
use std::time::Duration;

/// Writes definitions.
fn define(bed: &Bed, definitions: &[Definition]) {
    let producer = bed.producer(None);
    for definition in definitions {
        let (key, value) = (definition.key(), serde_json::to_vec(definition).unwrap());
        producer.send(BaseRecord::to(bed.names.definitions()).partition(0).key(&key).payload(&value)).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

fn guarded(name: &str) -> Definition {
    let circuit = CircuitDefinition {
        failure_threshold: 1,
        success_threshold: 1,
        recovery_timeout_ms: 1,
        fallback_provider: None,
    };
    Definition::Provider(ProviderDefinition { circuit: Some(circuit), ..ProviderDefinition::new(name, "webhook") })
}

fn circuit(name: &str, epoch: u64, is_open: bool) -> Definition {
    Definition::Circuit(CircuitState {
        provider: name.to_owned(),
        epoch,
        failures: 1,
        successes: 0,
        opened_at: is_open.then_some(1),
        probe_at: is_open.then_some(2),
        reason: None,
        changed_at: 1,
    })
}

/// Dispatches a call to a partition.
fn put(bed: &Bed, partition: i32, id: &str, probe: Option<u64>) {
    let mut value = dispatch("hook", id, 0);
    if let Some(epoch) = probe {
        value["probe"] = json!(epoch);
    }
    let (topic, value, producer) = (bed.names.dispatch("hook"), value.to_string(), bed.producer(None));
    producer.send(BaseRecord::to(&topic).partition(partition).key(id).payload(&value)).unwrap();
    producer.flush(PATIENCE).unwrap();
}

fn code(result: &Value) -> &str {
    result["result"]["failed"]["code"].as_str().unwrap_or("none")
}

#[test]
fn one_call_of_the_whole_fleet_tries_an_open_circuit() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    bed.create_definitions();
    receiver.respond(Reply::status(200).delay(Duration::from_millis(300)));
    define(&bed, &[guarded("hook"), circuit("hook", 4, true)]);
    let fleet = [(); 2].map(|()| bed.start(vec![webhook("hook", &receiver.url())]));
    let shared = || fleet.iter().all(|member| member.health()[0].partitions > 0);
    assert!(acteon_testkit::wait_until(PATIENCE, shared), "both have partitions");
    for number in 0..6 {
        put(&bed, 0, &format!("probe-{number}"), Some(4));
    }
    // Dispatched before it opened, or for an earlier epoch.
    for partition in 0..PARTITIONS {
        put(&bed, partition, &format!("plain-{partition}"), None);
        put(&bed, partition, &format!("early-{partition}"), Some(3));
    }
    let results: Vec<Value> = bed.results(12).iter().map(crate::bed::Read::json).collect();
    let (tried, refused): (Vec<_>, Vec<_>) = results.iter().partition(|result| code(result) == "none");
    assert_eq!((tried.len(), receiver.count()), (1, 1), "{results:?}");
    assert_eq!((&tried[0]["probe"], &tried[0]["attempts"]), (&json!(4), &json!(1)));
    for result in refused {
        assert_eq!((code(result), &result["attempts"]), ("CIRCUIT_OPEN", &json!(0)), "{result}");
        assert_eq!(result["result"]["failed"]["retryable"], json!(true));
    }

    // The circuit is closed: all are called, those that were to try it as well.
    define(&bed, &[circuit("hook", 5, false)]);
    let passes = || {
        put(&bed, 1, &format!("later-{}", receiver.count()), Some(4));
        receiver.wait_for(2, Duration::from_millis(500)).is_ok()
    };
    assert!(acteon_testkit::wait_until(PATIENCE, passes));
    for member in fleet {
        member.stop(PATIENCE);
    }
}

#[test]
fn what_waits_to_be_called_again_gives_up_when_the_circuit_opens() {
    let (bed, receiver) = (Bed::new(&["hook"]), Receiver::start().unwrap());
    bed.create_definitions();
    receiver.respond(Reply::status(503).header("retry-after", "60"));
    define(&bed, &[guarded("hook"), circuit("hook", 1, false)]);
    let connectors = bed.start(vec![webhook_with("hook", &receiver.url(), |provider| provider.max_retries = Some(5))]);
    bed.dispatch("hook", "waits", "k");
    receiver.wait_for(1, PATIENCE).unwrap();
    define(&bed, &[circuit("hook", 2, true)]);
    let result = bed.results(1)[0].json();
    assert_eq!((code(&result), &result["attempts"]), ("EXECUTION_FAILED", &json!(1)), "its own error: {result}");
    assert_eq!(connectors.stop(PATIENCE), 0);
}
