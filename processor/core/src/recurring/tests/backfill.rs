use super::{MINUTE, create, created, heartbeat, ids, of, with};
use crate::effect::Recorder;
use crate::rig::{Rig, START};
use serde_json::{Value, json};

fn backfill(rig: &mut Rig, start: &str, end: &str, limit: Option<u32>) -> (Value, Recorder) {
    let day = |time: &str| format!("2026-03-02T{time}Z");
    rig.command(&json!({"backfill_recurring": {
        "recurring_id": "heartbeat", "start": day(start), "end": day(end), "limit": limit,
    }}))
}

fn times(effects: &Recorder) -> Vec<String> {
    ids(effects)
        .iter()
        .map(|id| id.trim_start_matches("heartbeat@2026-03-02T").trim_end_matches(":00Z").to_owned())
        .collect()
}

#[test]
fn what_was_missed_runs_on_request_and_once() {
    let mut rig = created(&json!({}));
    rig.advance_to(START + 11 * MINUTE);
    // An outage from 15:11 to 15:27: 15:15 and 15:20 are missed, and 15:25 comes too late.
    rig.fire_late(START + 27 * MINUTE);
    rig.advance_to(START + 31 * MINUTE);
    let (answer, effects) = backfill(&mut rig, "15:00:00", "15:31:00", None);
    // 15:05, 15:10 and 15:30 have run; 15:00 was before it was made.
    assert_eq!(times(&effects), ["15:00", "15:15", "15:20", "15:25"]);
    assert_eq!(answer, json!({"id": "heartbeat", "executed": 4, "already_executed": 3}));
    assert_eq!(effects.dispatches.len(), 4);
    assert_eq!(effects.outcomes[1]["released_by"], "recurring");
    let (answer, effects) = backfill(&mut rig, "15:00:00", "15:31:00", None);
    assert_eq!(answer, json!({"id": "heartbeat", "executed": 0, "already_executed": 7}));
    assert_eq!(effects.outcomes, [Value::Null; 0]);
    let shown = of(&mut rig, "show_recurring");
    assert_eq!((&shown["execution_count"], &shown["last_execution_at"]), (&json!(7), &json!("2026-03-02T15:30:00Z")));
    assert_eq!(times(&rig.advance_to(START + 35 * MINUTE)), ["15:35"]);
}

#[test]
fn ids_are_those_that_the_occurrence_would_have_had() {
    let mut on_time = created(&json!({}));
    let ran = on_time.advance_to(START + 5 * MINUTE);
    let mut paused = created(&json!({}));
    of(&mut paused, "pause_recurring");
    paused.now = START + 6 * MINUTE;
    let (_, later) = backfill(&mut paused, "15:05:00", "15:06:00", None);
    for field in ["dispatch_id", "action_id", "payload", "source"] {
        assert_eq!(ran.dispatches[0][field], later.dispatches[0][field], "{field}");
    }
    assert_eq!(of(&mut paused, "show_recurring")["status"], "paused");
}

#[test]
fn a_part_says_where_the_next_one_begins() {
    let mut rig = created(&json!({"cron_expr": "* * * * *", "enabled": false}));
    rig.now = START + 60 * MINUTE;
    let (answer, effects) = backfill(&mut rig, "15:00:30", "15:10:00", Some(4));
    assert_eq!(times(&effects), ["15:01", "15:02", "15:03", "15:04"]);
    assert_eq!(answer["next_start"], "2026-03-02T15:05:00Z");
    let (answer, effects) = backfill(&mut rig, "15:05:00", "15:10:00", Some(5));
    assert_eq!(times(&effects).len(), 5);
    assert_eq!(answer.get("next_start"), None);
    // Large actions make small parts.
    let payload = json!({"provider": "webhook", "action_type": "a", "payload": "x".repeat(1024 * 1000)});
    let large = with(&json!({"id": "heartbeat", "action_template": payload}));
    rig.command(&json!({"update_recurring": {"recurring_id": "heartbeat", "recurring": large}}));
    let (answer, _) = backfill(&mut rig, "14:00:00", "15:00:00", None);
    assert_eq!((&answer["executed"], &answer["next_start"]), (&json!(5), &json!("2026-03-02T14:25:00Z")));
}

#[test]
fn it_stays_within_the_limits_of_the_action() {
    let mut rig = created(&json!({"max_executions": 3, "end_date": "2026-03-02T15:20:00Z"}));
    rig.advance_to(START + 6 * MINUTE);
    let (answer, effects) = backfill(&mut rig, "14:40:00", "15:06:00", None);
    assert_eq!(times(&effects), ["14:40", "14:45"]);
    assert_eq!(answer["executed"], 2);
    assert_eq!(of(&mut rig, "show_recurring")["status"], "completed");
    assert_eq!(rig.advance_to(START + 60 * MINUTE), Recorder::default());
    // What is due is left to its timer.
    let mut rig = created(&json!({}));
    rig.now = START + 5 * MINUTE + 30;
    let (answer, _) = rig.command(&json!({"backfill_recurring": {
        "recurring_id": "heartbeat", "start": "2026-03-02T15:05:00Z", "end": "2026-03-02T15:05:00.010Z",
    }}));
    assert_eq!(answer["executed"], 0);
    assert_eq!(times(&rig.advance_to(rig.now)), ["15:05"]);
}

#[test]
fn what_can_not_be_is_refused() {
    let mut rig = created(&json!({}));
    rig.now = START + 60 * MINUTE;
    let before = rig.state.clone();
    for (start, end, limit, wanted) in [
        ("15:10:00", "15:10:00", None, "`end`"),
        ("15:10:00", "15:05:00", None, "is not after `start`"),
        ("15:10:00", "16:00:01", None, "has not passed yet"),
        ("yesterday", "15:05:00", None, "`start`"),
        ("15:10:00", "never", None, "`end`"),
        ("15:00:00", "15:10:00", Some(0), "`limit`: is 0; expected 1 to 1000"),
        ("15:00:00", "15:10:00", Some(1_001), "`limit`"),
    ] {
        let (answer, _) = backfill(&mut rig, start, end, limit);
        assert_eq!(answer["code"], "INVALID", "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(wanted), "{answer}");
    }
    assert_eq!(rig.state, before);
    of(&mut rig, "delete_recurring");
    assert_eq!(backfill(&mut rig, "15:00:00", "15:10:00", None).0["code"], "NOT_FOUND");
    assert_eq!(create(&mut rig, &heartbeat())["status"], "active");
}
