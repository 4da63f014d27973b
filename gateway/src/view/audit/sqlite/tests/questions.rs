use crate::view::audit::sqlite::readers::MAX_WAITING;
use crate::view::audit::testing::{Fixture, done, record, sent};
use crate::view::audit::{ActionKey, AuditFilter, AuditQuery, AuditStore as _, StoreError};
use serde_json::{Value, json};

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn each_filter_finds_its_records() {
    let fixture = Fixture::new();
    let rerouted = json!({"verdict": "reroute", "outcome": "rerouted", "provider": "q", "original_provider": "p"});
    let step = json!({"phase": "progress", "outcome": "chain_step_completed", "chain_id": "c1", "verdict": "chain"});
    fixture
        .write(
            0,
            &[
                record("a", 10, json!({"namespace": "other"})),
                record("b", 20, json!({"tenant": "other"})),
                record("c", 30, json!({"provider": "r", "action_type": "y"})),
                record("d", 40, rerouted),
                record("e", 50, json!({"matched_rule": null, "verdict": "deny"})),
                record("f", 60, step),
            ],
        )
        .await;
    let all = AuditFilter::default;
    let cases: [(AuditFilter, &[&str]); 22] = [
        (all(), &["f", "e", "d", "c", "b", "a"]),
        (AuditFilter { namespace: some("n"), ..all() }, &["f", "e", "d", "c", "b"]),
        (AuditFilter { namespace: some("N"), ..all() }, &[]),
        (AuditFilter { tenant: some("t"), ..all() }, &["f", "e", "d", "c", "a"]),
        (AuditFilter { namespace: some("n"), tenant: some("other"), ..all() }, &["b"]),
        (AuditFilter { provider: some("r"), ..all() }, &["c"]),
        (AuditFilter { provider: some("q"), ..all() }, &["d"]),
        (AuditFilter { provider: some("p"), ..all() }, &["f", "e", "d", "b", "a"]),
        (AuditFilter { action_type: some("y"), ..all() }, &["c"]),
        (AuditFilter { outcome: some("rerouted"), ..all() }, &["d"]),
        (AuditFilter { outcome: some("executed"), ..all() }, &[]),
        (AuditFilter { verdict: some("deny"), ..all() }, &["e"]),
        (AuditFilter { matched_rule: some("r"), namespace: some("other"), ..all() }, &["a"]),
        (AuditFilter { chain_id: some("c1"), ..all() }, &["f"]),
        (AuditFilter { caller_id: some("x"), ..all() }, &[]),
        (AuditFilter { signer_id: some("x"), ..all() }, &[]),
        (AuditFilter { kid: some("x"), ..all() }, &[]),
        (AuditFilter { from: Some(50), ..all() }, &["f", "e"]),
        (AuditFilter { to: Some(20), ..all() }, &["b", "a"]),
        (AuditFilter { from: Some(20), to: Some(30), ..all() }, &["c", "b"]),
        (AuditFilter { from: Some(51), to: Some(59), ..all() }, &[]),
        (AuditFilter { provider: some("' OR 1 --"), ..all() }, &[]),
    ];
    for (filter, expected) in cases {
        assert_eq!(fixture.found(filter.clone()).await, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn an_action_is_told_by_its_newest_record_and_a_step_only_where_there_is_no_other() {
    let fixture = Fixture::new();
    let with_id = |id: &str, mut record: Value| {
        record["id"] = json!(id);
        record
    };
    fixture
        .write(
            0,
            &[
                with_id("1", record("a", 10, json!({"outcome": "scheduled"}))),
                with_id("2", sent("a", 20)),
                with_id("2", done("a", 20, 5, json!({"released_by": "schedule"}))),
                with_id("3", record("a", 30, json!({"phase": "progress", "outcome": "chain_completed"}))),
                with_id("4", record("a", 5, json!({"namespace": "other", "outcome": "throttled"}))),
                with_id("5", record("s", 1, json!({"phase": "progress", "outcome": "group_flushed"}))),
            ],
        )
        .await;
    let cases = [
        ("a", None, None, Some("2")),
        ("a", Some("n"), Some("t"), Some("2")),
        ("a", Some("other"), None, Some("4")),
        ("a", None, Some("other"), None),
        ("s", None, None, Some("5")),
        ("b", None, None, None),
        ("", None, None, None),
    ];
    for (action_id, namespace, tenant, expected) in cases {
        let key = ActionKey {
            action_id: action_id.to_owned(),
            namespace: namespace.map(str::to_owned),
            tenant: tenant.map(str::to_owned),
        };
        let found = fixture.store().get(key.clone()).await.unwrap();
        assert_eq!(found.map(|record| record.id).as_deref(), expected, "{key:?}");
    }
}

#[tokio::test]
async fn more_questions_than_may_wait_are_refused() {
    let fixture = Fixture::new();
    fixture.write(0, &[record("a", 1, json!({}))]).await;
    let questions = (0..MAX_WAITING * 2).map(|_| fixture.store().query(AuditQuery::default()));
    let answers = futures::future::join_all(questions).await;
    let refused = answers.iter().filter(|answer| matches!(answer, Err(StoreError::Busy { .. }))).count();
    assert!((1..=MAX_WAITING).contains(&refused), "{refused} were refused");
    assert!(answers.iter().flatten().all(|page| page.total == Some(1)), "the others are answered");
    assert!(fixture.store().query(AuditQuery::default()).await.is_ok(), "and later ones too");
}

#[tokio::test]
async fn questions_are_answered_while_nothing_can_be_written() {
    let fixture = Fixture::new();
    fixture.write(0, &[record("a", 1, json!({}))]).await;
    let mut other = rusqlite::Connection::open(fixture.path()).unwrap();
    let writing = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    writing.execute("DELETE FROM audit", []).unwrap();
    assert_eq!(fixture.found(AuditFilter::default()).await, ["a"], "what is not committed is not seen");
    writing.commit().unwrap();
    assert!(fixture.found(AuditFilter::default()).await.is_empty());
}
