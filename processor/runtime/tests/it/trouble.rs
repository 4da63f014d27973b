//! Things that go wrong: each ends in a clear word, and nothing is lost or doubled.

use crate::harness::{Bench, LIMIT, action, borrowed, embedded};
use acteon_broker::ApiKey;
use acteon_runtime::Error;
use acteon_testkit::wait_until;
use serde_json::json;
use std::time::Duration;

const DEDUP: &str = "
rules:
  - name: once
    action: {type: deduplicate, ttl_seconds: 3600}
";

fn keyed(range: std::ops::Range<usize>) -> Vec<(String, Vec<u8>)> {
    range.map(|i| action(&format!("a{i}"), i % 5, "")).collect()
}

#[test]
fn the_older_of_two_instances_with_one_id_stops() {
    let (_broker, bootstrap) = embedded();
    let bench = Bench::new(&bootstrap, "fencing", 2, DEDUP);
    let older = bench.start("same");
    bench.produce(bench.names.actions(), &borrowed(&keyed(0..20)));
    bench.read(bench.names.outcomes(), 20);
    let newer = bench.try_start("same", &bench.state.path().join("elsewhere")).unwrap();
    let mut sent = 20;
    let stopped = wait_until(LIMIT, || {
        bench.produce(bench.names.actions(), &borrowed(&keyed(sent..sent + 10)));
        sent += 10;
        older.failed().is_some()
    });
    assert!(stopped, "the older instance still runs");
    let words = older.failed().unwrap();
    assert!(words.contains("instance `same` was fenced"), "{words}");
    assert!(older.stop().is_err());
    let outcomes = bench.read(bench.names.outcomes(), sent);
    let mut ids: Vec<_> = outcomes.iter().map(|outcome| outcome.json()["action_id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), sent);
    newer.stop().unwrap();
}

#[test]
fn a_state_directory_serves_one_process_and_must_be_writable() {
    let (_broker, bootstrap) = embedded();
    let bench = Bench::new(&bootstrap, "directory", 1, DEDUP);
    let processor = bench.start("one");
    let error = bench.try_start("two", &bench.state.path().join("one")).err().unwrap();
    assert!(matches!(error, Error::StateDirInUse(_)), "{error}");
    let error = bench.try_start("two", std::path::Path::new("/proc/acteon")).err().unwrap();
    assert!(matches!(error, Error::StateDir { .. }) && error.to_string().contains("/proc/acteon"), "{error}");
    processor.stop().unwrap();
}

#[test]
fn answers_to_commits_that_come_late_or_never_lose_and_double_nothing() {
    let (broker, bootstrap) = embedded();
    let bench = Bench::new(&bootstrap, "commits", 3, DEDUP);
    let processor = bench.start("one");
    let mut sent = 0;
    for round in 0..6 {
        match round % 3 {
            0 => broker.faults().drop_responses(ApiKey::EndTxn, 1),
            1 => broker.faults().delay_end_txn(Duration::from_millis(3_000), 1),
            _ => broker.faults().drop_responses(ApiKey::TxnOffsetCommit, 1),
        }
        bench.produce(bench.names.actions(), &borrowed(&keyed(sent..sent + 40)));
        sent += 40;
        bench.read(bench.names.outcomes(), sent);
    }
    // Each action was new once, and all of them are known by now.
    bench.produce(bench.names.actions(), &borrowed(&keyed(0..sent)));
    let outcomes = bench.read(bench.names.outcomes(), 2 * sent);
    let count = |kind: &str| outcomes.iter().filter(|outcome| outcome.json()["outcome"] == kind).count();
    assert_eq!((count("dispatched"), count("deduplicated")), (sent, sent));
    assert_eq!(bench.read(&bench.names.dispatch("email"), sent).len(), sent);
    processor.stop().unwrap();
}

#[test]
fn inputs_too_large_or_too_deep_are_set_aside_with_their_bytes() {
    let (_broker, bootstrap) = embedded();
    let bench = Bench::new(&bootstrap, "large", 1, DEDUP);
    let processor = bench.start("one");
    let (key, mut large) = action("large", 0, "");
    large.resize(1024 * 1024 + 1, b' ');
    let deep = format!(r#","extra":{}{}"#, "[".repeat(80), "]".repeat(80));
    let (_, deep) = action("deep", 0, &deep);
    bench.produce(bench.names.actions(), &[(key.as_str(), large.clone()), (key.as_str(), deep)]);
    bench.produce(bench.names.actions(), &borrowed(&keyed(0..3)));
    bench.read(bench.names.outcomes(), 3);
    let letters = bench.read(bench.names.dlq(), 2);
    let code = |n: usize| letters[n].headers.iter().find(|(name, _)| name == "acteon-dlq-code").unwrap().1.clone();
    assert_eq!((code(0), code(1)), ("TOO_LARGE".to_owned(), "TOO_DEEP".to_owned()));
    assert_eq!(letters[0].value.as_deref(), Some(large.as_slice()));
    assert_eq!(letters[0].key.as_deref(), Some(key.as_bytes()));
    processor.stop().unwrap();
}

#[test]
fn a_second_result_for_a_dispatch_is_dropped_and_commands_are_obeyed() {
    let (_broker, bootstrap) = embedded();
    let bench = Bench::new(&bootstrap, "results", 2, DEDUP);
    let processor = bench.start("one");
    bench.produce(bench.names.actions(), &borrowed(&[action("a", 1, r#","dedup_key":"k""#)]));
    let dispatch = bench.read(&bench.names.dispatch("email"), 1)[0].json();
    let mut result = json!({
        "result": {"delivered": {"status": "success", "body": {"ok": true}, "headers": {}}},
        "attempts": 1, "started_at": 0, "duration_ms": 1,
    });
    for field in ["dispatch_id", "action_id", "namespace", "tenant", "provider", "action_type", "decided_at", "source"]
    {
        result[field] = dispatch[field].clone();
    }
    let bytes = serde_json::to_vec(&result).unwrap();
    bench.produce(bench.names.results(), &[("n:t1", bytes.clone()), ("n:t1", bytes)]);
    let outcomes = bench.read(bench.names.outcomes(), 2);
    assert_eq!(outcomes[1].json()["outcome"], "executed");
    let command = json!({"id": "c", "namespace": "n", "tenant": "t1", "issued_at": 0,
        "command": {"forget_dedup_key": {"dedup_key": "k"}}});
    bench.produce(bench.names.commands(), &[("n:t1", serde_json::to_vec(&command).unwrap())]);
    // Commands come before actions that were sent at the same time, and the wait makes sure of it.
    wait_until(Duration::from_secs(1), || false);
    bench.produce(bench.names.actions(), &borrowed(&[action("b", 1, r#","dedup_key":"k""#)]));
    let outcomes = bench.read(bench.names.outcomes(), 4);
    let told = [&outcomes[2], &outcomes[3]].map(|outcome| outcome.json()["outcome"].clone());
    assert_eq!(told, ["command_done", "dispatched"]);
    processor.stop().unwrap();
}

#[test]
fn definitions_that_do_not_compile_leave_the_running_ones_in_place() {
    let (_broker, bootstrap) = embedded();
    let bench = Bench::new(&bootstrap, "definitions", 1, DEDUP);
    let processor = bench.start("one");
    bench.produce(bench.names.actions(), &borrowed(&[action("a", 1, r#","dedup_key":"k""#)]));
    bench.read(bench.names.outcomes(), 1);
    let version = processor.definitions_version();
    assert_eq!(bench.publish("rules:\n  - name: broken\n    action: {type: dedupe}\n").unwrap(), 1);
    bench.produce(bench.names.actions(), &borrowed(&[action("b", 1, r#","dedup_key":"k""#)]));
    assert_eq!(bench.read(bench.names.outcomes(), 2)[1].json()["outcome"], "deduplicated");
    assert_eq!(processor.definitions_version(), version);
    assert_eq!(bench.publish("rules:\n  - {name: no, action: {type: deny}}\n").unwrap(), 1);
    assert!(wait_until(LIMIT, || processor.definitions_version() > version));
    bench.produce(bench.names.actions(), &borrowed(&[action("c", 1, "")]));
    assert_eq!(bench.read(bench.names.outcomes(), 3)[2].json()["rule"], "no");
    processor.stop().unwrap();
}
