#![allow(clippy::unwrap_used, clippy::panic)]

use crate::effect::Recorder;
use crate::rig::{Rig, START, kinds, parts};
use acteon_schemas::SettingsDefinition;
use serde_json::{Value, json};

mod backfill;
mod chains;

const RULES: &str = "
rules:
  - name: later
    priority: 1
    condition: {field: action.payload.way, eq: later}
    action: {type: schedule, delay_seconds: 900}
  - name: asked
    priority: 2
    condition: {field: action.payload.way, eq: asked}
    action: {type: request_approval, notify_provider: email, timeout_seconds: 900}
  - name: tests
    priority: 3
    condition: {field: action.payload.way, eq: tests}
    action: {type: suppress}
";
const MINUTE: i64 = 60_000;

fn heartbeat() -> Value {
    json!({
        "id": "heartbeat", "name": "Heartbeat", "cron_expr": "*/5 * * * *", "timezone": "UTC",
        "action_template": {
            "provider": "webhook", "action_type": "device_lifecycle", "metadata": {"team": "ops"},
            "payload": {"event": "heartbeat_check", "check_id": "heartbeat-{{execution_time}}", "by": "{{recurring_id}}"},
        },
        "description": "every five minutes",
    })
}

/// The heartbeat with other fields.
fn with(fields: &Value) -> Value {
    let mut recurring = heartbeat();
    for (name, value) in fields.as_object().unwrap() {
        recurring[name] = value.clone();
    }
    recurring
}

fn create(rig: &mut Rig, recurring: &Value) -> Value {
    rig.command(&json!({"create_recurring": {"recurring": recurring}})).0
}

/// A task with one recurring action.
fn created(fields: &Value) -> Rig {
    let mut rig = Rig::new(parts(RULES));
    let answer = create(&mut rig, &with(fields));
    assert!(answer["code"].is_null(), "{answer}");
    rig
}

fn of(rig: &mut Rig, command: &str) -> Value {
    rig.command(&json!({command: {"recurring_id": "heartbeat"}})).0
}

/// The ids of the actions that were decided.
fn ids(effects: &Recorder) -> Vec<&str> {
    effects.outcomes.iter().map(|outcome| outcome["action_id"].as_str().unwrap()).collect()
}

#[test]
fn every_occurrence_goes_through_the_rules_once() {
    let mut rig = Rig::new(parts(RULES));
    let answer = create(&mut rig, &heartbeat());
    let wanted = json!({
        "id": "heartbeat", "name": "Heartbeat", "next_execution_at": "2026-03-02T15:05:00Z", "status": "active",
    });
    assert_eq!(answer, wanted);
    assert_eq!(rig.advance_to(START + 5 * MINUTE - 1), Recorder::default());
    let first = rig.advance_to(START + 5 * MINUTE);
    assert_eq!(kinds(&first.outcomes), ["dispatched"]);
    let outcome = &first.outcomes[0];
    assert_eq!(
        (&outcome["action_id"], &outcome["released_by"]),
        (&json!("heartbeat@2026-03-02T15:05:00Z"), &json!("recurring"))
    );
    let dispatch = &first.dispatches[0];
    assert_eq!(
        dispatch["payload"],
        json!({"event": "heartbeat_check", "check_id": "heartbeat-2026-03-02T15:05:00Z", "by": "heartbeat"})
    );
    assert_eq!(dispatch["metadata"], json!({"team": "ops"}));
    let result = rig.result(dispatch, true);
    assert_eq!(kinds(&result.outcomes), ["executed"]);
    assert_eq!(result.audit[0]["id"], first.audit[0]["id"], "the result completes the decision's record");
    let hour = rig.advance_to(START + 60 * MINUTE);
    assert_eq!(hour.outcomes.len(), 11);
    let mut distinct: Vec<_> = hour.dispatches.iter().map(|dispatch| dispatch["dispatch_id"].to_string()).collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 11);
    let suppressed = json!({"action": {"provider": "webhook", "action_type": "a", "payload": {"way": "tests"}}});
    let mut recurring = with(&suppressed);
    recurring.as_object_mut().unwrap().remove("action_template");
    assert_eq!(kinds(&Rig::advance_to(&mut created_from(&recurring), START + 5 * MINUTE).outcomes), ["suppressed"]);
}

fn created_from(recurring: &Value) -> Rig {
    let mut rig = Rig::new(parts(RULES));
    create(&mut rig, recurring);
    rig
}

#[test]
fn a_step_that_is_made_again_makes_the_same_effects_and_one_that_was_committed_makes_none() {
    let mut rig = created(&json!({}));
    let before = rig.state.clone();
    let first = rig.fire_late(START + 5 * MINUTE + 20);
    let after = rig.state.clone();
    rig.state = before;
    assert_eq!(rig.fire_late(START + 5 * MINUTE + 20), first);
    assert_eq!(rig.state, after);
    assert_eq!(rig.fire_late(START + 5 * MINUTE + 20), Recorder::default(), "it is not due again");
}

#[test]
fn what_comes_too_late_is_passed_over_and_counted() {
    for (late, ran, missed) in [
        (0, Some("15:05:00"), 0),
        (MINUTE, Some("15:05:00"), 0),
        (MINUTE + 1, None, 1),
        (5 * MINUTE - 1, None, 1),
        (5 * MINUTE, Some("15:10:00"), 1),
        (6 * MINUTE, Some("15:10:00"), 1),
        (6 * MINUTE + 1, None, 2),
        (24 * 60 * MINUTE, Some("15:05:00"), 288),
    ] {
        let mut rig = created(&json!({}));
        let effects = rig.fire_late(START + 5 * MINUTE + late);
        let ids = ids(&effects);
        assert_eq!(ids.len(), usize::from(ran.is_some()), "{late}");
        assert!(ran.is_none_or(|ran| ids[0].contains(ran)), "{late}: {ids:?}");
        let skipped = effects.audit.iter().find(|record| record["outcome"] == "recurring_skipped");
        let found = skipped.map_or(0, |record| record["outcome_details"]["occurrences"].as_i64().unwrap());
        assert_eq!(found, missed, "{late}");
        let shown = of(&mut rig, "show_recurring");
        assert_eq!(shown["skipped_count"], missed, "{late}");
        assert!(shown["next_execution_at"].as_str().unwrap() > crate::time::rfc3339(rig.now).as_str());
        // Nothing is made up for.
        let next = rig.advance_to(rig.now + 5 * MINUTE);
        assert_eq!(next.outcomes.len(), 1);
    }
    let mut rig = created(&json!({}));
    let effects = rig.fire_late(START + 17 * MINUTE);
    let record = &effects.audit[0];
    assert_eq!(
        (&record["phase"], &record["action_id"]),
        (&json!("progress"), &json!("heartbeat@2026-03-02T15:15:00Z"))
    );
    assert_eq!(
        record["outcome_details"],
        json!({
            "recurring_id": "heartbeat", "reason": "missed", "occurrences": 3,
            "first": "2026-03-02T15:05:00Z", "last": "2026-03-02T15:15:00Z",
        })
    );
}

#[test]
fn an_outage_of_a_year_is_looked_over_with_an_end() {
    let mut rig = created(&json!({"cron_expr": "* * * * *"}));
    let year = 365 * 24 * 60 * MINUTE;
    let effects = rig.fire_late(START + year + 10);
    assert_eq!(ids(&effects), ["heartbeat@2027-03-02T15:00:00Z"]);
    let details = &effects.audit[0]["outcome_details"];
    assert_eq!((&details["occurrences"], &details["more"]), (&json!(10_000), &json!(true)));
}

#[test]
fn pauses_begin_and_end() {
    let mut rig = created(&json!({}));
    assert_eq!(of(&mut rig, "resume_recurring")["code"], "CONFLICT");
    let answer = of(&mut rig, "pause_recurring");
    assert_eq!((&answer["status"], &answer["next_execution_at"]), (&json!("paused"), &Value::Null));
    assert_eq!(of(&mut rig, "pause_recurring")["code"], "CONFLICT");
    assert_eq!(rig.advance_to(START + 12 * MINUTE), Recorder::default());
    let answer = of(&mut rig, "resume_recurring");
    assert_eq!((&answer["status"], &answer["next_execution_at"]), (&json!("active"), &json!("2026-03-02T15:15:00Z")));
    assert_eq!(ids(&rig.advance_to(START + 19 * MINUTE)), ["heartbeat@2026-03-02T15:15:00Z"]);
    assert_eq!(of(&mut rig, "delete_recurring")["status"], "deleted");
    assert_eq!(rig.advance_to(START + 60 * MINUTE), Recorder::default());
    for command in ["show_recurring", "pause_recurring", "resume_recurring", "delete_recurring"] {
        assert_eq!(of(&mut rig, command)["message"], "no recurring action `heartbeat` in n/t", "{command}");
    }
    let other = json!({"show_recurring": {"recurring_id": "heartbeat"}});
    create(&mut rig, &heartbeat());
    assert_eq!(rig.command_of("u", None, &other).0["code"], "NOT_FOUND");
    let mut paused = created(&json!({"enabled": false}));
    assert_eq!(of(&mut paused, "show_recurring")["status"], "paused");
    assert_eq!(of(&mut paused, "resume_recurring")["status"], "active");
}

#[test]
fn an_edit_sets_the_next_occurrence_anew() {
    let update = |rig: &mut Rig, fields: Value| {
        rig.command(&json!({"update_recurring": {"recurring_id": "heartbeat", "recurring": with(&fields)}})).0
    };
    let mut rig = created(&json!({}));
    let answer = update(&mut rig, json!({"cron_expr": "0 9 * * *", "timezone": "America/New_York"}));
    assert_eq!(answer["next_execution_at"], "2026-03-03T14:00:00Z");
    // One that is due, and whose timer has not fired yet, still runs.
    let mut rig = created(&json!({}));
    rig.now = START + 5 * MINUTE + 100;
    assert_eq!(update(&mut rig, json!({"description": "other"}))["next_execution_at"], "2026-03-02T15:05:00Z");
    assert_eq!(ids(&rig.advance_to(rig.now)), ["heartbeat@2026-03-02T15:05:00Z"]);
    // What the definition does not say stays: a pause.
    of(&mut rig, "pause_recurring");
    assert_eq!(update(&mut rig, json!({}))["status"], "paused");
    assert_eq!(update(&mut rig, json!({"enabled": true}))["next_execution_at"], "2026-03-02T15:10:00Z");
    let before = rig.state.clone();
    assert_eq!(update(&mut rig, json!({"id": "other"}))["code"], "INVALID");
    assert_eq!(update(&mut rig, json!({"cron_expr": "61 * * * *"}))["code"], "INVALID");
    assert_eq!(rig.state, before);
}

#[test]
fn it_ends_when_it_is_told_to() {
    for (fields, runs) in [
        (json!({"max_executions": 2}), 2),
        (json!({"end_date": "2026-03-02T15:15:00Z"}), 3),
        (json!({"end_date": "2026-03-02T15:14:59Z"}), 2),
        (json!({"end_date": "2026-03-02T15:15:00Z", "max_executions": 1}), 1),
    ] {
        let mut rig = created(&fields);
        assert_eq!(rig.advance_to(START + 60 * MINUTE).outcomes.len(), runs, "{fields}");
        let shown = of(&mut rig, "show_recurring");
        assert_eq!((&shown["status"], &shown["next_execution_at"]), (&json!("completed"), &Value::Null), "{fields}");
        assert_eq!(shown["execution_count"], runs);
    }
    // A timer that fires after the end runs nothing that lies beyond it.
    let mut rig = created(&json!({"end_date": "2026-03-02T15:10:00Z"}));
    assert_eq!(rig.fire_late(START + 15 * MINUTE).outcomes, [Value::Null; 0]);
    assert_eq!(of(&mut rig, "show_recurring")["skipped_count"], 2);
}

/// A recurring action whose actions take a way through the rules.
fn overlapping(policy: &str, way: &str) -> Rig {
    let action = json!({"provider": "webhook", "action_type": "a", "payload": {"way": way}});
    created(&json!({"action_template": action, "overlap_policy": policy}))
}

#[test]
fn an_occurrence_waits_for_nobody_unless_it_shall() {
    for (policy, way, first, second) in [
        ("allow_all", "now", "dispatched", vec!["dispatched"]),
        ("skip", "now", "dispatched", vec![]),
        // A call that is under way can't be taken back.
        ("cancel_other", "now", "dispatched", vec!["dispatched"]),
        ("allow_all", "later", "scheduled", vec!["scheduled"]),
        ("skip", "later", "scheduled", vec![]),
        ("cancel_other", "later", "scheduled", vec!["cancelled", "scheduled"]),
        ("skip", "asked", "pending_approval", vec![]),
        ("cancel_other", "asked", "pending_approval", vec!["cancelled", "pending_approval"]),
        ("skip", "tests", "suppressed", vec!["suppressed"]),
    ] {
        let mut rig = overlapping(policy, way);
        assert_eq!(kinds(&rig.advance_to(START + 5 * MINUTE).outcomes), [first], "{policy} {way}");
        let effects = rig.advance_to(START + 10 * MINUTE);
        assert_eq!(kinds(&effects.outcomes), second, "{policy} {way}");
        if second.is_empty() {
            let details = &effects.audit[0]["outcome_details"];
            assert_eq!(details["reason"], "overlap");
            assert_eq!(details["previous_action_id"], "heartbeat@2026-03-02T15:05:00Z");
        }
        if second.first() == Some(&"cancelled") {
            let reason = &effects.outcomes[0]["detail"]["Cancelled"]["reason"];
            assert_eq!(reason, "the next occurrence of recurring action heartbeat");
            assert_eq!(effects.outcomes[0]["action_id"], "heartbeat@2026-03-02T15:05:00Z");
        }
    }
}

#[test]
fn the_one_before_is_over_when_its_result_is_in() {
    let mut rig = overlapping("skip", "now");
    let first = rig.advance_to(START + 5 * MINUTE);
    rig.result(&first.dispatches[0], false);
    assert_eq!(kinds(&rig.advance_to(START + 10 * MINUTE).outcomes), ["dispatched"]);
    // The result of an older one says nothing of it.
    rig.result(&first.dispatches[0], true);
    assert_eq!(kinds(&rig.advance_to(START + 15 * MINUTE).outcomes), [""; 0]);
    // One that never comes is not waited for for ever.
    let day = rig.advance_to(START + 24 * 60 * MINUTE + 10 * MINUTE);
    assert_eq!(ids(&day), ["heartbeat@2026-03-03T15:10:00Z"]);
}

#[test]
fn a_hold_is_followed_to_its_end() {
    // Held for 15 minutes, then dispatched, then answered.
    let mut rig = overlapping("skip", "later");
    assert_eq!(kinds(&rig.advance_to(START + 19 * MINUTE).outcomes), ["scheduled"]);
    let released = rig.advance_to(START + 24 * MINUTE);
    assert_eq!(kinds(&released.outcomes), ["dispatched"]);
    assert_eq!(released.outcomes[0]["released_by"], "schedule");
    assert_eq!(kinds(&rig.advance_to(START + 29 * MINUTE).outcomes), [""; 0], "its result is not in");
    rig.result(&released.dispatches[0], true);
    assert_eq!(kinds(&rig.advance_to(START + 30 * MINUTE).outcomes), ["scheduled"]);
    let mut rig = overlapping("skip", "later");
    let held = rig.advance_to(START + 5 * MINUTE);
    rig.command(&json!({"cancel_scheduled": {"action_id": held.outcomes[0]["action_id"]}}));
    assert_eq!(kinds(&rig.advance_to(START + 10 * MINUTE).outcomes), ["scheduled"]);
    let mut rig = overlapping("skip", "asked");
    let held = rig.advance_to(START + 5 * MINUTE);
    let id = &held.outcomes[0]["detail"]["PendingApproval"]["approval_id"];
    rig.command(&json!({"reject": {"approval_id": id}}));
    assert_eq!(kinds(&rig.advance_to(START + 10 * MINUTE).outcomes), ["pending_approval"]);
    // Expires at 15:25, before the occurrence of that time or after it: either is an end of waiting by 15:30.
    assert!(kinds(&rig.advance_to(START + 30 * MINUTE).outcomes).contains(&"expired"));
    assert_eq!(of(&mut rig, "show_recurring")["execution_count"], 3);
}

#[test]
fn what_can_not_be_is_refused_with_its_field() {
    let action = |fields: Value| {
        let mut action = json!({"provider": "webhook", "action_type": "a", "payload": {}});
        for (name, value) in fields.as_object().unwrap() {
            action[name] = value.clone();
        }
        json!({"action_template": action})
    };
    // Within the limit as it is written, and beyond it with the id in its places.
    let mut grown = action(json!({"payload": "{{recurring_id}}".repeat(10_000)}));
    grown["id"] = json!("x".repeat(200));
    for (fields, wanted) in [
        (json!({"cron_expr": "* * 32 * *"}), "`cron_expression`: day of month `32`"),
        (json!({"cron_expr": "0 0 * * * *"}), "has 6 fields; expected five"),
        (json!({"cron_expr": "0 0 30 2 *"}), "has no occurrence"),
        (json!({"timezone": "Mars/Base"}), "`timezone`: unknown zone `Mars/Base`"),
        (json!({"end_date": "soon"}), "`end_date`: `soon` is not a time"),
        (json!({"end_date": "2026-03-02T15:04:59Z"}), "`end_date`: there is no occurrence until"),
        (json!({"max_executions": 0}), "`max_executions`"),
        (json!({"id": ""}), "`id`: must not be empty"),
        (json!({"id": "x".repeat(201)}), "`id`: has 201 bytes"),
        (json!({"name": "x".repeat(257)}), "`name`: has 257 bytes"),
        (json!({"description": "x".repeat(5_000)}), "`description`"),
        (action(json!({"provider": ""})), "provider"),
        (action(json!({"action_type": ""})), "action_type"),
        (action(json!({"dedup_key": "x".repeat(1_025)})), "dedup_key"),
        (grown, "`action`"),
    ] {
        let mut rig = Rig::new(parts(RULES));
        let answer = create(&mut rig, &with(&fields));
        assert_eq!(answer["code"], "INVALID", "{wanted}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(wanted), "{wanted}: {answer}");
        assert!(rig.state.0.is_empty());
    }
}

#[test]
fn a_tenant_has_so_many_and_each_so_often() {
    let mut parts = parts(RULES);
    parts.settings = SettingsDefinition {
        max_recurring_actions_per_tenant: Some(2),
        min_recurring_interval_seconds: Some(300),
        ..SettingsDefinition::default()
    };
    let mut rig = Rig::new(parts);
    for (expression, code) in
        [("*/4 * * * *", json!("INVALID")), ("0,1 3 * * *", json!("INVALID")), ("*/5 * * * *", Value::Null)]
    {
        let answer = create(&mut rig, &with(&json!({"cron_expr": expression})));
        assert_eq!(answer["code"], code, "{expression}");
    }
    assert_eq!(create(&mut rig, &heartbeat())["code"], "CONFLICT");
    let unnamed = create(&mut rig, &with(&json!({"id": null})));
    assert_eq!(unnamed["id"].as_str().unwrap().len(), 36);
    let answer = create(&mut rig, &with(&json!({"id": "third"})));
    assert_eq!(answer["code"], "LIMIT");
    assert!(answer["message"].as_str().unwrap().contains("`max_recurring_actions_per_tenant`"));
    let other = json!({"create_recurring": {"recurring": heartbeat()}});
    assert_eq!(rig.command_of("u", None, &other).0["status"], "active");
}

#[test]
fn lists_show_how_it_stands() {
    let mut rig = created(&json!({}));
    rig.advance_to(START + 11 * MINUTE);
    let (list, _) = rig.command(&json!({"list_recurring": {}}));
    let wanted = json!({
        "id": "heartbeat", "name": "Heartbeat", "namespace": "n", "tenant": "t", "cron_expr": "*/5 * * * *",
        "timezone": "UTC", "enabled": true, "status": "active", "provider": "webhook", "action_type": "device_lifecycle",
        "next_execution_at": "2026-03-02T15:15:00Z", "last_execution_at": "2026-03-02T15:10:00Z", "execution_count": 2,
        "skipped_count": 0, "overlap_policy": "allow_all", "description": "every five minutes",
        "created_at": "2026-03-02T15:00:00Z",
    });
    assert_eq!(list, json!({"recurring_actions": [wanted], "count": 1}));
    let shown = of(&mut rig, "show_recurring");
    assert_eq!(shown["payload"], heartbeat()["action_template"]["payload"]);
    assert_eq!(shown["metadata"], json!({"team": "ops"}));
}

#[test]
fn a_zone_that_is_gone_stops_it_with_a_reason() {
    let mut rig = created(&json!({}));
    let (key, mut value) = rig.state.0.iter().next().map(|(key, value)| (key.clone(), value.clone())).unwrap();
    let at = value.windows(5).position(|bytes| bytes == br#""UTC""#).unwrap();
    value[at + 1..at + 4].copy_from_slice(b"XYZ");
    rig.state.0.insert(key, value);
    let effects = rig.advance_to(START + 60 * MINUTE);
    assert_eq!(kinds(&effects.audit), ["recurring_skipped"]);
    assert!(effects.audit[0]["outcome_details"]["reason"].as_str().unwrap().contains("unknown zone `XYZ`"));
    assert_eq!(of(&mut rig, "show_recurring")["status"], "paused");
    assert_eq!(of(&mut rig, "resume_recurring")["code"], "INVALID");
}
