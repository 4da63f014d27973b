#![allow(clippy::unwrap_used)]

use super::*;
use crate::view::audit::testing::record;
use serde_json::Value;

/// The data of all events of a record with these fields, and what is over with each.
fn events(changed: Value) -> Vec<(Value, Ends)> {
    let value = record("a", 1_767_225_600_000, changed).to_string();
    let told = Told::of(decode(value.as_bytes()).unwrap());
    let frames = told.events().into_iter().map(|event| {
        let text = told.frame(&event, &"7-1".parse().unwrap());
        let text = std::str::from_utf8(&text).unwrap().to_owned();
        let [first, id, data] = text.strip_suffix("\n\n").unwrap().split('\n').collect::<Vec<_>>()[..] else {
            return (Value::Null, event.ends);
        };
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!((first, id), (format!("event: {}", data["type"].as_str().unwrap()).as_str(), "id: 7-1"));
        assert!(EVENT_TYPES.contains(&event.event_type));
        (data, event.ends)
    });
    frames.collect()
}

#[test]
fn an_event_tells_of_its_action_and_keeps_its_payload_back() {
    let details = json!({"status": "partial", "body": "secret"});
    let changed = json!({"outcome": "executed", "outcome_details": details, "action_payload": {"card": "secret"},
        "metadata": {"owner": "secret"}, "completed_at": 1_767_225_600_250_i64});
    let expected = json!({
        "id": "7-1", "timestamp": "2026-01-01T00:00:00.250Z", "type": "action_dispatched", "namespace": "n", "tenant": "t",
        "provider": "p", "action_type": "x", "action_id": "a",
        "outcome": {"Executed": {"status": "partial", "body": null, "headers": {}}},
    });
    assert_eq!(events(changed), [(expected, Ends::Action)]);
}

#[test]
fn each_outcome_has_the_shape_of_the_api() {
    let cases = [
        ("deduplicated", json!({}), json!("Deduplicated")),
        ("suppressed", json!({"rule": "r"}), json!({"Suppressed": {"rule": "r"}})),
        (
            "throttled",
            json!({"retry_after_ms": 1_500, "retry_after_secs": 2}),
            json!({"Throttled": {"retry_after": {"secs": 1, "nanos": 500_000_000}}}),
        ),
        (
            "failed",
            json!({"code": "TIMEOUT", "message": "m", "retryable": true, "attempts": 4, "more": "x"}),
            json!({"Failed": {"code": "TIMEOUT", "message": "m", "retryable": true, "attempts": 4}}),
        ),
        (
            "rerouted",
            json!({"original_provider": "a", "new_provider": "b", "status": "partial"}),
            json!({"Rerouted": {"original_provider": "a", "new_provider": "b",
                "response": {"status": "partial", "body": null, "headers": {}}}}),
        ),
        (
            "circuit_open",
            json!({"provider": "a", "fallback_chain": ["b"]}),
            json!({"CircuitOpen": {"provider": "a", "fallback_chain": ["b"]}}),
        ),
        (
            "quota_exceeded",
            json!({"quota_id": "q", "tenant": "t", "limit": 1, "used": 2, "overage_behavior": "block"}),
            json!({"QuotaExceeded": {"tenant": "t", "limit": 1, "used": 2, "overage_behavior": "block"}}),
        ),
        (
            "silenced",
            json!({"silence_id": "s", "matched_rule": null}),
            json!({"Silenced": {"silence_id": "s", "matched_rule": null}}),
        ),
        ("cancelled", json!({"decision": "cancelled", "decided_by": "x"}), json!({"Cancelled": {"reason": "x"}})),
    ];
    for (outcome, details, expected) in cases {
        let found = events(json!({"outcome": outcome, "outcome_details": details}));
        assert_eq!(found.len(), 1, "{outcome}: {found:?}");
        assert_eq!((&found[0].0["outcome"], found[0].1), (&expected, Ends::Action), "{outcome}");
    }
}

#[test]
fn links_that_decide_are_never_told() {
    let details = json!({"approval_id": "i", "expires_at": "e", "notification_sent": true, "approve_url": "https://x"});
    let found = events(json!({"outcome": "pending_approval", "outcome_details": details}));
    let shown = &found[0].0["outcome"]["PendingApproval"];
    assert_eq!((&shown["approve_url"], &shown["reject_url"]), (&json!("[redacted]"), &json!("[redacted]")));
    assert_eq!((&found[1].0["type"], &found[1].0["approval_id"]), (&json!("approval_required"), &json!("i")));
    assert_eq!([found[0].1, found[1].1], [Ends::Nothing; 2]);
}

#[test]
fn what_is_no_outcome_has_events_of_its_own() {
    let chain = |outcome: &str, details: Value| json!({"phase": "progress", "chain_id": "c", "outcome": outcome, "outcome_details": details});
    let progress =
        |outcome: &str, details: Value| json!({"phase": "progress", "outcome": outcome, "outcome_details": details});
    let step = json!({"step": "s", "step_index": 1, "success": true, "duration_ms": 3, "next_step": "u"});
    let state = json!({"fingerprint": "f", "state_machine": "m", "previous_state": "a", "new_state": "b"});
    let timeout =
        json!({"fingerprint": "f", "state_machine": "m", "previous_state": "a", "new_state": "b", "reason": "timeout"});
    let refused = json!({"fingerprint": "f", "refused": {"code": "c", "message": "m"}});
    let ended = json!({"chain_name": "n", "status": "completed", "execution_path": ["s"]});
    let inner = json!({"chain_name": "n", "status": "completed", "execution_path": ["s"], "parent_chain_id": "p"});
    let cases = [
        (chain("chain_step_completed", step), "step_name", json!("s"), &["chain_step_completed", "chain_advanced"][..]),
        (
            chain("chain_step_failed", json!({"step": "s", "success": false})),
            "success",
            json!(false),
            &["chain_step_completed"],
        ),
        (chain("chain_completed", ended), "execution_path", json!(["s"]), &["chain_completed"]),
        (chain("chain_completed", inner), "status", json!("completed"), &["chain_completed"]),
        (progress("group_flushed", json!({"group_id": "g", "count": 3})), "event_count", json!(3), &["group_flushed"]),
        (
            progress("group_flushed", json!({"group_id": "g", "group_key": "k", "count": 1, "resolved": true})),
            "group_id",
            json!("g"),
            &["group_flushed", "group_resolved"],
        ),
        (progress("event_changed", timeout), "new_state", json!("b"), &["timeout"]),
        (progress("event_changed", state), "new_status", json!("b"), &["action_status_changed"]),
        (progress("event_changed", refused), "", Value::Null, &[]),
        (
            progress("approved", json!({"approval_id": "i", "decision": "approved"})),
            "decision",
            json!("approved"),
            &["approval_resolved"],
        ),
        (progress("notice_sent", json!({})), "", Value::Null, &[]),
        (json!({"outcome": "dispatched"}), "", Value::Null, &[]),
        (
            json!({"outcome": "dispatched", "released_by": "schedule"}),
            "action_id",
            json!("a"),
            &["scheduled_action_due"],
        ),
        (
            json!({"outcome": "grouped", "outcome_details": {"group_id": "g", "group_key": "k", "group_size": 2}}),
            "outcome",
            json!({"Grouped": {"group_id": "g", "group_size": 2, "notify_at": null}}),
            &["action_dispatched", "group_event_added"],
        ),
    ];
    for (changed, field, value, types) in cases {
        let found = events(changed.clone());
        let found_types: Vec<_> = found.iter().map(|(data, _)| data["type"].as_str().unwrap()).collect();
        assert_eq!(found_types, types, "{changed}");
        if let Some((first, _)) = found.first() {
            assert_eq!(first[field], value, "{changed}");
        }
    }
}

#[test]
fn a_chain_ends_those_who_follow_it_and_its_action_unless_it_is_another_ones_part() {
    let ended = |details: Value| {
        events(json!({"phase": "progress", "chain_id": "c", "outcome": "chain_failed", "outcome_details": details}))[0]
            .1
    };
    let (whole, part) = (ended(json!({})), ended(json!({"parent_chain_id": "p"})));
    let cases = [
        (Follows::Nothing, whole, false),
        (Follows::Chain, whole, true),
        (Follows::Chain, part, true),
        (Follows::Action, whole, true),
        (Follows::Action, part, false),
        (Follows::Chain, Ends::Nothing, false),
        (Follows::Action, Ends::Nothing, false),
    ];
    for (follows, ends, expected) in cases {
        assert_eq!(follows.ends(ends), expected, "{follows:?} {ends:?}");
    }
}
