#![allow(clippy::unwrap_used)]

use super::*;
use crate::provider::aws::samples::short;

#[test]
fn a_batch_is_complete_at_either_limit() {
    let mut open = Open::new();
    let first = open.add(0, 1);
    assert!(first.ready.is_empty());
    let number = first.opened.unwrap();
    for entry in 1..9 {
        let added = open.add(entry, 1);
        assert!(added.ready.is_empty() && added.opened.is_none());
    }
    let full = open.add(9, 1);
    assert_eq!((full.ready, full.opened), (vec![(0..10).collect::<Vec<_>>()], None));
    assert_eq!(open.close(number), None, "it went when it was full");

    open.add(20, MAX_BATCH_BYTES - 1);
    let over = open.add(21, 2);
    assert_eq!(over.ready, vec![vec![20]]);
    let number = over.opened.unwrap();
    assert_eq!(open.close(number), Some(vec![21]));
    assert_eq!(open.close(number), None);

    let large = open.add(30, MAX_BATCH_BYTES * 2);
    assert_eq!((large.ready, large.opened), (vec![vec![30]], None), "a large one goes alone and at once");
    open.add(40, 1);
    let both = open.add(41, MAX_BATCH_BYTES);
    assert_eq!(both.ready, vec![vec![40], vec![41]]);
}

fn ok(entry: u32) -> Outcome {
    Outcome::delivered(&entry)
}

#[tokio::test]
async fn calls_share_a_request_and_each_has_its_outcome() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let batcher = Batcher::new(move |entries: Vec<u32>| {
        lock(&seen).push(entries.len());
        Box::pin(async move {
            let bad = |entry: &u32| entry.is_multiple_of(5);
            let failed = || Outcome::retry(code::RATE_LIMITED, "later", None);
            Ok(entries.iter().map(|entry| if bad(entry) { failed() } else { ok(*entry) }).collect())
        })
    });
    let outcomes = join_all((0..23).map(|entry| batcher.send(entry, 10))).await;
    for (entry, outcome) in outcomes.iter().enumerate() {
        let wanted = if entry % 5 == 0 { "retry RATE_LIMITED".to_owned() } else { format!("delivered {entry}") };
        assert_eq!(short(outcome), wanted);
    }
    let mut sizes = lock(&requests).clone();
    sizes.sort_unstable();
    assert_eq!(sizes, [3, 10, 10]);
}

#[tokio::test]
async fn a_bad_entry_spoils_no_other() {
    let batcher = Batcher::new(|entries: Vec<u32>| {
        Box::pin(async move {
            if entries.contains(&3) {
                return Err(Outcome::reject(code::VALIDATION, "one of them is bad"));
            }
            Ok(entries.into_iter().map(ok).collect())
        })
    });
    let outcomes = join_all((0..5).map(|entry| batcher.send(entry, 10))).await;
    let short: Vec<String> = outcomes.iter().map(short).collect();
    assert_eq!(short, ["delivered 0", "delivered 1", "delivered 2", "reject VALIDATION", "delivered 4"]);
}

#[tokio::test]
async fn a_failed_request_fails_all_of_it_and_a_short_answer_the_rest() {
    let down = Batcher::new(|_: Vec<u32>| Box::pin(async { Err(Outcome::retry(code::CONNECTION, "down", None)) }));
    for outcome in join_all((0..3).map(|entry| down.send(entry, 10))).await {
        assert_eq!(short(&outcome), "retry CONNECTION");
    }
    let brief = Batcher::new(|_: Vec<u32>| Box::pin(async { Ok(vec![ok(7)]) }));
    let outcomes = join_all((0..2).map(|entry| brief.send(entry, 10))).await;
    assert_eq!((short(&outcomes[0]), short(&outcomes[1])), ("delivered 7".into(), "retry EXECUTION_FAILED".into()));
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_is_given_up() {
    let (ended, end) = oneshot::channel::<()>();
    let ended = Arc::new(Mutex::new(Some(ended)));
    let batcher = Batcher::new(move |_: Vec<u32>| {
        // Dropped with the request.
        let guard = lock(&ended).take();
        Box::pin(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
            Ok(Vec::new())
        })
    });
    let call = tokio::time::timeout(Duration::from_millis(50), batcher.send(1, 10));
    assert!(call.await.is_err());
    assert!(tokio::time::timeout(Duration::from_secs(5), end).await.unwrap().is_err(), "it ended without an answer");
}
