//! What time does to events.

use super::*;

#[test]
fn an_alert_that_nobody_touches_goes_stale_and_is_forgotten() {
    let mut rig = rig(ALERTS, &[alert()]);
    fire(&mut rig, "firing");
    assert_eq!(moves(&rig.advance_to(rig.now + seconds(3599))), []);
    let timed_out = rig.advance_to(rig.now + seconds(1));
    assert_eq!(moves(&timed_out), [(Some("firing"), "stale", "timeout")]);
    assert_eq!(timed_out.audit[0]["outcome_details"]["state_machine"], "alert");
    assert!(timed_out.dispatches.is_empty() && timed_out.outcomes.is_empty());
    assert_eq!(state(&mut rig, "alert:prod:api"), "stale");
    rig.advance_to(rig.now + seconds(7 * 24 * 3600 - 1));
    assert_eq!(kept(&rig), 1);
    rig.advance_to(rig.now + seconds(1));
    assert_eq!(kept(&rig), 0);
    assert!(rig.state.0.is_empty(), "something is left of the event");
}

#[test]
fn a_timeout_tells_the_provider_where_it_is_meant_to() {
    let mut machine = alert();
    machine["timeouts"][0]["on_transition"] = json!({"notify": true, "metadata": {"page": "second line"}});
    let mut rig = rig(ALERTS, &[machine]);
    let fired = fire(&mut rig, "firing");
    let timed_out = rig.advance_to(rig.now + seconds(3600));
    assert_eq!(kinds(&timed_out.outcomes), ["dispatched"]);
    let change = &timed_out.dispatches[0]["payload"]["event"];
    assert_eq!((&change["reason"], &change["new_state"]), (&json!("timeout"), &json!("stale")));
    assert_eq!(change["metadata"]["page"], "second line");
    let ids: Vec<&Value> = [&fired, &timed_out].iter().map(|step| &step.dispatches[0]["dispatch_id"]).collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn moving_an_event_ends_its_timeout() {
    let mut rig = rig(ALERTS, &[alert()]);
    fire(&mut rig, "firing");
    transition(&mut rig, "alert:prod:api", "acknowledged");
    assert_eq!(moves(&rig.advance_to(rig.now + seconds(40 * 24 * 3600))), []);
    assert_eq!(state(&mut rig, "alert:prod:api"), "acknowledged", "what is not over is kept");
}

#[test]
fn an_alert_is_told_again_until_somebody_has_seen_it() {
    let mut machine = alert();
    machine["repeat_interval_seconds"] = json!(600);
    machine["timeouts"] = json!([]);
    let mut rig = rig(ALERTS, &[machine]);
    fire(&mut rig, "firing");
    let repeated = rig.advance_to(rig.now + seconds(1800));
    assert_eq!(kinds(&repeated.outcomes), ["dispatched", "dispatched", "dispatched"]);
    let mut ids: Vec<&str> = repeated.dispatches.iter().map(|told| told["dispatch_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(repeated.dispatches[0]["payload"]["event"]["reason"], "repeat");
    assert_eq!(moves(&repeated), []);
    // What comes in again meanwhile does not put it off.
    rig.advance_to(rig.now + seconds(599));
    fire(&mut rig, "firing");
    assert_eq!(rig.advance_to(rig.now + seconds(1)).dispatches.len(), 1);
    transition(&mut rig, "alert:prod:api", "acknowledged");
    assert_eq!(rig.advance_to(rig.now + seconds(86_400)).dispatches.len(), 0);
}

#[test]
fn the_settings_say_how_long_an_event_that_is_over_is_kept() {
    let mut parts = parts(ALERTS);
    parts.state_machines = vec![serde_json::from_value(alert()).unwrap()];
    parts.settings.event_ttl_seconds = Some(60);
    let mut rig = Rig::new(parts);
    fire(&mut rig, "firing");
    fire(&mut rig, "resolved");
    rig.advance_to(rig.now + seconds(59));
    assert_eq!(kept(&rig), 1);
    // Heard of again, it is kept longer.
    fire(&mut rig, "resolved");
    rig.advance_to(rig.now + seconds(59));
    assert_eq!(kept(&rig), 1);
    rig.advance_to(rig.now + seconds(1));
    assert_eq!(kept(&rig), 0);
}

#[test]
fn a_compliance_hold_keeps_an_event_until_it_is_lifted() {
    let mut rig = rig(ALERTS, &[alert()]);
    let keep = |rig: &mut Rig, retention: Value| rig.command(&json!({"set_retention": {"retention": retention}}));
    keep(&mut rig, json!({"compliance_hold": true, "event_ttl_seconds": 60}));
    fire(&mut rig, "firing");
    fire(&mut rig, "resolved");
    rig.advance_to(rig.now + seconds(400 * 86_400));
    assert_eq!(kept(&rig), 1);
    keep(&mut rig, json!({"event_ttl_seconds": 60}));
    rig.advance_to(rig.now + seconds(7 * 86_400));
    assert_eq!(kept(&rig), 0, "it is looked at once a week");
}

#[test]
fn a_timer_goes_by_the_machine_as_it_is_now() {
    let mut rig = rig(ALERTS, &[alert()]);
    fire(&mut rig, "firing");
    let mut slower = alert();
    slower["timeouts"][0]["after_seconds"] = json!(7200);
    rig.definitions = super::rig(ALERTS, &[slower]).definitions;
    assert_eq!(moves(&rig.advance_to(rig.now + seconds(3600))), []);
    assert_eq!(moves(&rig.advance_to(rig.now + seconds(3600))), [(Some("firing"), "stale", "timeout")]);
}

#[test]
fn a_clock_that_goes_back_does_not_undo_anything() {
    let mut rig = rig(ALERTS, &[alert()]);
    fire(&mut rig, "firing");
    rig.now -= seconds(3600);
    let again = fire(&mut rig, "firing");
    assert_eq!(again.outcomes[0]["detail"]["StateChanged"]["previous_state"], "firing");
    assert_eq!(moves(&rig.advance_to(rig.now + seconds(7200))).len(), 1, "the timeout holds from when it fired");
}
