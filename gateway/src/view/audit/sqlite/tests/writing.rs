use crate::view::audit::testing::{Fixture, TOPIC, batch, done, ids, record, sent};
use crate::view::audit::{
    ActionKey, Appended, AuditBatch, AuditFilter, AuditQuery, AuditStore as _, SqliteAuditStore, StoreError,
};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;

async fn shown(fixture: &Fixture, action_id: &str) -> Value {
    let key = ActionKey { action_id: action_id.to_owned(), ..ActionKey::default() };
    serde_json::to_value(fixture.store().get(key).await.unwrap().unwrap()).unwrap()
}

#[tokio::test]
async fn both_records_of_an_action_are_one_row_in_one_batch_and_in_two() {
    for together in [true, false] {
        let fixture = Fixture::new();
        let records = [sent("a", 1_000), sent("b", 1_000), done("a", 1_000, 20, json!({}))];
        if together {
            fixture.write(0, &records).await;
        } else {
            fixture.write(0, &records[..2]).await;
            fixture.write(2, &records[2..]).await;
        }
        let page = fixture.page(AuditQuery::default()).await;
        assert_eq!((page.total, ids(&page.records)), (Some(2), vec!["b".to_owned(), "a".to_owned()]));
        let a = shown(&fixture, "a").await;
        let expected = json!({
            "id": "audit of a", "action_id": "a", "chain_id": null, "namespace": "n", "tenant": "t", "provider": "p",
            "original_provider": null, "action_type": "x", "verdict": "modify", "matched_rule": "r",
            "outcome": "executed", "phase": "completed", "released_by": null, "action_payload": {"amount": 1},
            "verdict_details": null, "outcome_details": {"status": "success"}, "metadata": {"cluster": "prod"},
            "dispatched_at": "1970-01-01T00:00:01.000Z", "completed_at": "1970-01-01T00:00:01.020Z", "duration_ms": 20,
            "expires_at": null, "definitions_version": 3,
            "source": {"topic": "acteon.actions", "partition": 0, "offset": 1000}, "caller_id": null,
            "auth_method": null, "record_hash": null, "previous_hash": null, "sequence_number": null,
            "attachment_metadata": null, "signature": null, "signer_id": null, "kid": null, "canonical_hash": null,
        });
        assert_eq!(a, expected, "together: {together}");
        let b = shown(&fixture, "b").await;
        assert_eq!(
            (&b["outcome"], &b["completed_at"], &b["duration_ms"]),
            (&json!("dispatched"), &Value::Null, &json!(0))
        );
    }
}

#[tokio::test]
async fn a_fallback_that_took_the_action_is_the_provider_and_a_further_result_changes_it() {
    for together in [true, false] {
        let fixture = Fixture::new();
        let rerouted = json!({"outcome": "rerouted", "verdict": "reroute", "provider": "q", "original_provider": "p"});
        let records = [sent("a", 1), done("a", 1, 5, json!({"outcome": "failed"})), done("a", 1, 9, rerouted)];
        if together {
            fixture.write(0, &records).await;
        } else {
            for (offset, record) in (0..).zip(&records) {
                fixture.write(offset, std::slice::from_ref(record)).await;
            }
        }
        let a = shown(&fixture, "a").await;
        for (field, value) in [
            ("provider", json!("q")),
            ("original_provider", json!("p")),
            ("verdict", json!("reroute")),
            ("outcome", json!("rerouted")),
            ("duration_ms", json!(9)),
            ("matched_rule", json!("r")),
            ("action_payload", json!({"amount": 1})),
        ] {
            assert_eq!(a[field], value, "{field}, together: {together}");
        }
    }
}

#[tokio::test]
async fn a_result_whose_decision_is_gone_is_a_row_of_its_own() {
    let fixture = Fixture::new();
    fixture.write(0, &[done("a", 1, 2, json!({}))]).await;
    assert_eq!(shown(&fixture, "a").await["outcome"], "executed");
}

#[tokio::test]
async fn what_was_stored_is_left_out_when_it_comes_again() {
    let mut fixture = Fixture::new();
    let records: Vec<Value> = (0..10).map(|n| record(&format!("a{n}"), n, json!({}))).collect();
    fixture.write(0, &records[..4]).await;
    fixture.reopen();
    assert_eq!(fixture.store().offsets(TOPIC).await.unwrap(), BTreeMap::from([(0, 4)]));
    // A follower that begins too early, and one that sends the same batch twice.
    for (first, appended) in [(2, Appended { taken: 4, repeated: 2 }), (2, Appended { taken: 0, repeated: 6 })] {
        let again = batch(0, first, &records[2..8]);
        assert_eq!(fixture.store().append(again).await.unwrap(), appended);
    }
    fixture.write(8, &records[8..]).await;
    assert_eq!(fixture.found(AuditFilter::default()).await.len(), 10);
    assert_eq!(fixture.store().offsets(TOPIC).await.unwrap(), BTreeMap::from([(0, 10)]));
    assert_eq!(fixture.store().offsets("other").await.unwrap(), BTreeMap::new(), "offsets are the topic's");
}

#[tokio::test]
async fn partitions_have_offsets_of_their_own_and_a_late_one_does_not_go_back() {
    let fixture = Fixture::new();
    let mut both = batch(0, 7, &[record("a", 1, json!({}))]);
    both.push(3, 2, record("b", 2, json!({})).to_string().as_bytes()).unwrap();
    fixture.store().append(both).await.unwrap();
    let stored = BTreeMap::from([(0, 8), (3, 3)]);
    assert_eq!(fixture.store().offsets(TOPIC).await.unwrap(), stored);
    fixture.store().append(batch(3, 0, &[record("c", 3, json!({}))])).await.unwrap();
    assert_eq!(fixture.store().offsets(TOPIC).await.unwrap(), stored);
    assert_eq!(fixture.found(AuditFilter::default()).await, ["b", "a"]);
    fixture.store().reset_offset(TOPIC, 3, 0).await.unwrap();
    fixture.store().append(batch(3, 0, &[record("c", 3, json!({}))])).await.unwrap();
    assert_eq!(fixture.found(AuditFilter::default()).await, ["c", "b", "a"]);
}

#[tokio::test]
async fn the_same_record_from_another_offset_is_not_there_twice() {
    let fixture = Fixture::new();
    let records = [sent("a", 1), done("a", 1, 5, json!({}))];
    fixture.write(0, &records).await;
    fixture.store().reset_offset(TOPIC, 0, 0).await.unwrap();
    fixture.write(0, &records).await;
    assert_eq!(fixture.found(AuditFilter::default()).await, ["a"]);
    assert_eq!(shown(&fixture, "a").await["outcome"], "executed", "a decision does not undo a result");
}

/// A process that is cut off between two batches, and reads on from what is stored, has each record once; whatever the batches
/// are.
#[tokio::test]
async fn crashes_between_batches_lose_and_double_nothing() {
    let records: Vec<Value> = (0..40)
        .flat_map(|n| {
            let id = format!("a{n}");
            [sent(&id, n), done(&id, n, 3, json!({}))]
        })
        .collect();
    for size in [1, 3, 7, 80] {
        let mut fixture = Fixture::new();
        loop {
            let next = fixture.store().offsets(TOPIC).await.unwrap().get(&0).copied().unwrap_or(0);
            let from = usize::try_from(next).unwrap();
            if from == records.len() {
                break;
            }
            let to = (from + size).min(records.len());
            fixture.write(next, &records[from..to]).await;
            // Committed, and cut off before it knew.
            fixture.write(next, &records[from..to]).await;
            fixture.reopen();
        }
        let page = fixture.page(AuditQuery { limit: 1000, ..AuditQuery::default() }).await;
        assert_eq!(page.records.len(), 40, "batches of {size}");
        assert!(page.records.iter().all(|record| record.duration_ms == Some(3)), "batches of {size}");
    }
}

#[tokio::test]
async fn what_can_not_be_read_is_passed_over() {
    let fixture = Fixture::new();
    let mut batch = AuditBatch::new(TOPIC);
    for (offset, value) in (0..).zip([&b""[..], b"{", b"\x00\x00", b"[1]", br#"{"id":"i"}"#]) {
        assert!(batch.push(0, offset, value).is_err(), "{value:?}");
    }
    batch.push(0, 5, record("a", 1, json!({})).to_string().as_bytes()).unwrap();
    fixture.store().append(batch).await.unwrap();
    assert_eq!(fixture.found(AuditFilter::default()).await, ["a"]);
    assert_eq!(fixture.store().offsets(TOPIC).await.unwrap(), BTreeMap::from([(0, 6)]));
}

#[tokio::test]
async fn expired_records_go_and_others_stay() {
    let fixture = Fixture::new();
    let records: Vec<Value> = [("a", Some(10)), ("b", Some(11)), ("c", None)]
        .into_iter()
        .map(|(id, expires_at)| record(id, 1, json!({"expires_at": expires_at})))
        .collect();
    fixture.write(0, &records).await;
    assert_eq!(fixture.store().expire(9).await.unwrap(), 0);
    assert_eq!(fixture.store().expire(10).await.unwrap(), 1);
    assert_eq!(fixture.found(AuditFilter::default()).await, ["c", "b"]);
    assert_eq!(fixture.store().expire(i64::MAX).await.unwrap(), 1);
    assert_eq!(fixture.found(AuditFilter::default()).await, ["c"]);
}

#[tokio::test]
async fn an_empty_file_gets_its_indexes_once_it_is_filled() {
    let mut fixture = Fixture::empty();
    for first in [0, 2] {
        fixture.write(first, &[record("a", first, json!({})), record("b", first + 1, json!({}))]).await;
        assert_eq!(fixture.indexes(), ["audit_record"]);
        fixture.reopen();
    }
    for _ in 0..2 {
        fixture.store().filled().await.unwrap();
        assert_eq!(fixture.indexes().len(), 8);
    }
    assert_eq!(fixture.found(AuditFilter::default()).await, ["b", "a", "b", "a"]);
}

#[tokio::test]
async fn files_that_do_not_fit_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text");
    std::fs::write(&text, "no database, but text of some length").unwrap();
    let newer = directory.path().join("newer");
    drop(SqliteAuditStore::open(&newer).unwrap());
    Connection::open(&newer).unwrap().execute("INSERT INTO schema_version VALUES (99)", []).unwrap();
    let within_a_file = text.join("audit.sqlite");
    for (path, part) in [(&text, "not a database"), (&newer, "version 99"), (&within_a_file, "can't open")] {
        let error = SqliteAuditStore::open(path).err().unwrap();
        assert!(matches!(error, StoreError::Open { .. } | StoreError::Newer { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(part) && error.contains(&*path.to_string_lossy()), "{error}");
    }
}
