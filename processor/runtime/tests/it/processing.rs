//! A processor against Apache Kafka 4.1.

use crate::harness::{Bench, action, borrowed};
use acteon_testkit::kafka::Kafka;
use std::collections::BTreeMap;

const RULES: &str = "
rules:
  - name: dedup
    priority: 5
    condition: {field: action.action_type, eq: a}
    action: {type: deduplicate, ttl_seconds: 300}
  - name: urgent
    priority: 1
    condition: {field: action.payload.priority, eq: urgent}
    action: {type: reroute, target_provider: webhook}
";

#[test]
fn actions_are_decided_and_misplaced_or_broken_ones_are_not_lost() {
    let kafka = Kafka::shared().unwrap();
    let bench = Bench::new(kafka.bootstrap(), "basic", 4, RULES);
    let mut records: Vec<_> = (0..100).map(|i| action(&format!("a{i}"), i % 7, "")).collect();
    records.push(action("again", 0, r#","dedup_key":"k""#));
    records.push(action("again2", 0, r#","dedup_key":"k""#));
    // A key that is not the tenant's: it goes where the tenant lives.
    for i in 0..10 {
        records.push((format!("wrong{i}"), action(&format!("m{i}"), i, "").1));
    }
    records.push(("broken".into(), b"not json".to_vec()));
    let processor = bench.start("one");
    bench.produce(bench.names.actions(), &borrowed(&records));
    let outcomes = bench.read(bench.names.outcomes(), 112);
    let mut counts = BTreeMap::new();
    for outcome in &outcomes {
        let json = outcome.json();
        *counts.entry(json["outcome"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        let key = format!("n:{}", json["tenant"].as_str().unwrap());
        assert_eq!(outcome.partition, acteon_topology::partition_of(key.as_bytes(), 4), "{json}");
    }
    assert_eq!(counts, BTreeMap::from([("deduplicated".into(), 1), ("dispatched".into(), 111)]));
    assert_eq!(bench.read(&bench.names.dispatch("email"), 111).len(), 111);
    bench.read(bench.names.audit(), 112);
    let letters = bench.read(bench.names.dlq(), 1);
    assert_eq!(letters[0].value.as_deref(), Some(&b"not json"[..]));
    assert!(letters[0].headers.iter().any(|(name, value)| name == "acteon-dlq-code" && value == "INVALID_JSON"));
    assert!(processor.health().ready, "{:?}", processor.health());
    processor.stop().unwrap();
}
