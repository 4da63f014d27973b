#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::{Value, json};

fn identity(id: &str) -> Identity<'_> {
    Identity { namespace: "n".into(), tenant: "t".into(), id: id.into() }
}

fn waiting() -> Arc<Waiting> {
    Arc::new(Waiting::new("actions", "results"))
}

/// An outcome record of the tenant `t`, with `more` fields.
fn record(id: &str, outcome: &str, source: (&str, i64), more: &Value) -> Vec<u8> {
    let mut record = json!({
        "action_id": id, "namespace": "n", "tenant": "t", "provider": "p", "action_type": "a", "outcome": outcome,
        "detail": {"Detail": source.1}, "is_final": true, "decided_at": 0,
        "source": {"topic": source.0, "partition": 0, "offset": source.1},
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        record[name] = value.clone();
    }
    serde_json::to_vec(&record).unwrap()
}

/// The offset in the detail of a reply, if one has come.
fn told(pending: &mut Pending) -> Option<i64> {
    match pending.reply.try_recv() {
        Ok(Reply::Outcome(_, detail)) => serde_json::from_slice::<Value>(&detail).unwrap()["Detail"].as_i64(),
        _ => None,
    }
}

#[test]
fn the_place_tells_actions_with_one_id_apart() {
    let waiting = waiting();
    let mut first = waiting.begin(identity("same"), Asks::Outcome).unwrap();
    let mut second = waiting.begin(identity("same"), Asks::Outcome).unwrap();
    waiting.delivered(first.ticket(), Ok((0, 1)));
    waiting.heard(&record("same", "suppressed", ("actions", 9), &json!({})));
    // The second one's place is not known yet.
    waiting.heard(&record("same", "suppressed", ("actions", 2), &json!({})));
    assert_eq!((told(&mut first), told(&mut second)), (None, None));
    waiting.delivered(second.ticket(), Ok((0, 2)));
    assert_eq!((told(&mut first), told(&mut second)), (None, Some(2)));
    waiting.heard(&record("same", "suppressed", ("actions", 1), &json!({})));
    assert_eq!(told(&mut first), Some(1));
    assert_eq!(waiting.count.load(Ordering::SeqCst), 0);
    assert!(waiting.lock().by_identity.is_empty());
}

#[test]
fn an_outcome_of_a_call_goes_to_the_oldest() {
    let waiting = waiting();
    let mut first = waiting.begin(identity("same"), Asks::Outcome).unwrap();
    let mut second = waiting.begin(identity("same"), Asks::Outcome).unwrap();
    waiting.heard(&record("same", "executed", ("results", 7), &json!({})));
    assert_eq!((told(&mut first), told(&mut second)), (Some(7), None));
}

#[test]
fn what_is_no_answer_is_passed_over() {
    let waiting = waiting();
    let mut action = waiting.begin(identity("a"), Asks::Outcome).unwrap();
    waiting.delivered(action.ticket(), Ok((0, 5)));
    let cases = [
        record("a", "dispatched", ("actions", 5), &json!({"is_final": false})),
        record("a", "executed", ("results", 1), &json!({"released_by": "schedule"})),
        record("a", "chain_completed", ("results", 1), &json!({"chain_id": "c"})),
        record("a", "suppressed", ("actions", 5), &json!({"tenant": "other"})),
        record("a", "suppressed", ("repartition", 5), &json!({})),
        record("a", "command_done", ("commands", 5), &json!({})),
        record("b", "executed", ("results", 1), &json!({})),
        b"no JSON".to_vec(),
    ];
    for case in &cases {
        waiting.heard(case);
        assert_eq!(told(&mut action), None, "{}", String::from_utf8_lossy(case));
    }
    waiting.heard(&record("a", "chain_started", ("actions", 5), &json!({"chain_id": "c"})));
    assert_eq!(told(&mut action), Some(5));
}

#[test]
fn a_command_is_answered_by_its_answer_alone() {
    let waiting = waiting();
    let mut command = waiting.begin(identity("c"), Asks::Answer).unwrap();
    waiting.heard(&record("c", "executed", ("results", 1), &json!({})));
    assert_eq!(told(&mut command), None);
    waiting.heard(&record("c", "command_refused", ("commands", 3), &json!({})));
    assert_eq!(told(&mut command), Some(3));
}

const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn after_its_time_a_request_settles_for_the_record_being_written() {
    let waiting = waiting();
    let begin = |id| waiting.begin(identity(id), Asks::Outcome).unwrap();
    let (written, later, lost, unknown) = (begin("a"), begin("b"), begin("c"), begin("d"));
    waiting.delivered(written.ticket(), Ok((0, 1)));
    assert_eq!(written.within(SHORT, LONG).await, Some(Reply::Written));
    let ticket = later.ticket();
    let wait = tokio::spawn(later.within(SHORT, LONG));
    tokio::time::sleep(Duration::from_millis(20)).await;
    waiting.delivered(ticket, Ok((0, 2)));
    assert_eq!(wait.await.unwrap(), Some(Reply::Written));
    waiting.delivered(lost.ticket(), Err("no broker".to_owned()));
    assert_eq!(lost.within(SHORT, LONG).await, Some(Reply::Lost("no broker".to_owned())));
    assert_eq!(unknown.within(SHORT, SHORT).await, None);
}

#[tokio::test]
async fn a_wait_that_is_dropped_leaves_nothing_behind() {
    let waiting = waiting();
    let first = waiting.begin(identity("a"), Asks::Outcome).unwrap();
    let second = waiting.begin(identity("a"), Asks::Outcome).unwrap();
    assert_eq!(first.within(Duration::ZERO, Duration::ZERO).await, None);
    assert_eq!(waiting.count.load(Ordering::SeqCst), 1);
    drop(second);
    assert_eq!(waiting.count.load(Ordering::SeqCst), 0);
    assert!(waiting.lock().by_identity.is_empty());
}

#[test]
fn early_outcomes_and_waits_are_limited() {
    let waiting = waiting();
    let pending = waiting.begin(identity("a"), Asks::Outcome).unwrap();
    for offset in 0..40 {
        waiting.heard(&record("a", "suppressed", ("actions", offset), &json!({})));
    }
    assert_eq!(waiting.lock().slots[&pending.ticket()].early.len(), MAX_EARLY);
    let same: Vec<Pending> = (1..MAX_SAME_ID).map(|_| waiting.begin(identity("a"), Asks::Outcome).unwrap()).collect();
    assert_eq!(waiting.begin(identity("a"), Asks::Outcome).err(), Some(Refused::SameId));
    let ids: Vec<String> = (same.len() + 1..MAX_WAITING).map(|id| id.to_string()).collect();
    let all: Vec<Pending> = ids.iter().map(|id| waiting.begin(identity(id), Asks::Outcome).unwrap()).collect();
    assert_eq!(waiting.begin(identity("b"), Asks::Outcome).err(), Some(Refused::Full));
    drop((pending, same, all));
    assert!(waiting.lock().by_identity.is_empty());
}
