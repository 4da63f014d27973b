use crate::view::audit::testing::{Fixture, batch, done, ids, record, sent};
use crate::view::audit::{AuditFilter, AuditQuery, AuditStore as _, MAX_PAGE_BYTES, Position};
use serde_json::{Value, json};

#[tokio::test]
async fn pages_have_limits_offsets_and_an_end() {
    let fixture = Fixture::new();
    let records: Vec<Value> = (0..5).map(|n| record(&format!("a{n}"), n, json!({}))).collect();
    fixture.write(0, &records).await;
    let cases: [(u32, u64, &[&str], bool); 7] = [
        (2, 0, &["a4", "a3"], true),
        (2, 2, &["a2", "a1"], true),
        (2, 3, &["a1", "a0"], false),
        (2, 4, &["a0"], false),
        (5, 0, &["a4", "a3", "a2", "a1", "a0"], false),
        (1000, 0, &["a4", "a3", "a2", "a1", "a0"], false),
        (2, 5, &[], false),
    ];
    for (limit, offset, expected, more) in cases {
        let page = fixture.page(AuditQuery { limit, offset, ..AuditQuery::default() }).await;
        assert_eq!(ids(&page.records), expected, "{limit} from {offset}");
        assert_eq!((page.total, page.next.is_some()), (Some(5), more), "{limit} from {offset}");
    }
    let page = fixture.page(AuditQuery { count: false, ..AuditQuery::default() }).await;
    assert_eq!(page.total, None);
}

/// Walks all pages of `limit`, writing another record of each kind between two of them, and says what was seen.
async fn walk(fixture: &Fixture, filter: &AuditFilter, limit: u32, newer: &[Value]) -> Vec<String> {
    let (mut seen, mut after, mut offset) = (Vec::new(), None, 100);
    loop {
        let query = AuditQuery { filter: filter.clone(), limit, after, ..AuditQuery::default() };
        let page = fixture.page(query).await;
        assert!(page.records.len() <= limit as usize);
        assert!(page.records.is_sorted_by_key(|record| std::cmp::Reverse(Position::of(record))));
        seen.extend(ids(&page.records));
        let Some(next) = page.next else { return seen };
        after = Some(next);
        fixture.store().append(batch(1, offset, newer)).await.unwrap();
        offset += 100;
    }
}

#[tokio::test]
async fn cursors_stay_right_while_records_arrive_and_change() {
    for limit in [1, 2, 3, 7, 50] {
        let fixture = Fixture::new();
        // Three at a time have the same millisecond.
        let records: Vec<Value> = (0..20).map(|n| sent(&format!("a{n}"), n / 3)).collect();
        fixture.write(0, &records).await;
        let expected: Vec<String> = (0..20).rev().map(|n| format!("a{n}")).collect();
        let newer = [
            record("new", 1_000, json!({})),
            record("also new", 1_000, json!({})),
            // What changes a row does not move it.
            done("a19", 6, 30, json!({})),
            done("a0", 0, 30, json!({})),
        ];
        let seen = walk(&fixture, &AuditFilter::default(), limit, &newer).await;
        assert_eq!(seen, expected, "pages of {limit}");
    }
}

#[tokio::test]
async fn cursors_keep_to_the_filter() {
    let fixture = Fixture::new();
    let records: Vec<Value> = (0..20)
        .map(|n| record(&format!("a{n}"), n / 3, json!({"tenant": if n % 2 == 0 { "t" } else { "u" }})))
        .collect();
    fixture.write(0, &records).await;
    let filter = AuditFilter {
        namespace: Some("n".to_owned()),
        tenant: Some("u".to_owned()),
        from: Some(1),
        to: Some(5),
        ..AuditFilter::default()
    };
    let expected: Vec<String> = (3..18).rev().filter(|n| n % 2 == 1).map(|n| format!("a{n}")).collect();
    for limit in [1, 2, 3, 50] {
        let newer = [record("new", 5_000, json!({"tenant": "u"})), record("hidden", 3, json!({"tenant": "v"}))];
        assert_eq!(walk(&fixture, &filter, limit, &newer).await, expected, "pages of {limit}");
    }
}

#[tokio::test]
async fn a_page_of_large_records_ends_early_and_goes_on() {
    let fixture = Fixture::new();
    let payload = "x".repeat(1_000_000);
    let count = MAX_PAGE_BYTES / payload.len() + 3;
    for n in 0..count {
        let at = i64::try_from(n).unwrap();
        fixture.write(at, &[record(&format!("a{n}"), at, json!({"action_payload": payload}))]).await;
    }
    let query = AuditQuery { limit: 1000, ..AuditQuery::default() };
    let first = fixture.page(query.clone()).await;
    assert!((1..count).contains(&first.records.len()), "{}", first.records.len());
    assert_eq!(first.total, Some(count as u64));
    let rest = fixture.page(AuditQuery { after: first.next, ..query }).await;
    assert_eq!(first.records.len() + rest.records.len(), count);
    assert_eq!(rest.next, None);
}
