//! The laws of events.

use super::*;

/// An event that began, was left alone for too long, and was set back by a command; its provider was told of the first
/// two.
pub(super) fn add(run: &mut Run) {
    let action = ("alerts", 7);
    run.told("begins", action, "state_changed", 9_000, json!({"outcome_details": details(None, "firing", "action")}));
    told_of(run, "begin-told", (None, "firing", "action"), 9_000);
    let moved = |name: &str, from: &str, to: &str, reason: &str, after_ms: i64| {
        json!({"id": name, "phase": "progress", "action_id": action.0, "outcome": "event_changed",
            "dispatched_at": AT + after_ms, "outcome_details": details(Some(from), to, reason)})
    };
    run.add("stales", Topic::Audit, moved("stales", "firing", "stale", "timeout", 24_000));
    told_of(run, "stale-told", (Some("firing"), "stale", "timeout"), 24_000);
    let command = json!({"transition": {"fingerprint": "f", "to": "firing"}});
    run.command("set-back", 3, &command, 25_000, None);
    run.add("fires-again", Topic::Audit, moved("fires-again", "stale", "firing", "command", 25_000));
    run.state.push(stored("f", "firing"));
}

fn details(previous: Option<&str>, new: &str, reason: &str) -> Value {
    json!({"fingerprint": "f", "previous_state": previous, "new_state": new, "reason": reason})
}

fn told_of(run: &mut Run, name: &'static str, (previous, new, reason): (Option<&str>, &str, &str), after_ms: i64) {
    let payload = json!({"event": details(previous, new, reason)});
    run.called(name, ("alerts", 7), "event", after_ms, json!({"payload": payload}));
}

fn stored(fingerprint: &str, state: &str) -> (Vec<u8>, Vec<u8>) {
    let key = [&[0x40, 0, 4][..], b"life", &[0, 1], b"t", fingerprint.as_bytes()].concat();
    let event = json!({"fingerprint": fingerprint, "state": state}).to_string();
    (key, [&[1, 0, 0, 0, 0, 0, 0, 0, 0][..], event.as_bytes()].concat())
}

fn holding(entries: &[(&str, &str)]) -> Run {
    let mut run = run();
    run.state.retain(|(key, _)| key[0] != 0x40);
    run.state.extend(entries.iter().map(|(fingerprint, state)| stored(fingerprint, state)));
    run
}

#[test]
fn each_event_moves_as_its_machine_says() {
    use Topic::Audit;
    let early = |audit: &mut Value| audit["dispatched_at"] = json!(AT + 23_999);
    let by_command = |audit: &mut Value| audit["outcome_details"]["reason"] = json!("command");
    let unknown = |audit: &mut Value| audit["outcome_details"]["new_state"] = json!("unheard");
    assert_told(vec![
        (lost("stales", &[Audit]), "event jumped"),
        (doubled("stales", &[Audit]), "event jumped"),
        (changed("stales", Audit, early), "event moved against its machine"),
        (changed("stales", Audit, by_command), "event moved against its machine"),
        (changed("begins", Audit, unknown), "event moved against its machine"),
        (lost("fires-again", &[Audit]), "event is in another state"),
        (holding(&[]), "event is in another state"),
        (holding(&[("f", "stale")]), "event is in another state"),
        (holding(&[("f", "firing"), ("g", "firing")]), "event from nowhere"),
    ]);
}

#[test]
fn each_move_is_told_of_once() {
    use Topic::{Audit, Dispatches, Outcomes, Results};
    let otherwise = |dispatch: &mut Value| dispatch["payload"]["event"]["new_state"] = json!("resolved");
    assert_told(vec![
        (lost("stale-told", &[Audit, Dispatches, Outcomes, Results]), "move not told of"),
        (doubled("stale-told", &[Dispatches]), "move told of twice"),
        (changed("begin-told", Dispatches, otherwise), "move told of twice"),
    ]);
}
