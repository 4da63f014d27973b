//! An alert from its first sign to its end.

use super::*;

const PROD: &str = "alert:prod:api";

#[test]
fn an_alert_fires_is_acknowledged_and_resolved() {
    let mut rig = rig(ALERTS, &[alert()]);
    let fired = fire(&mut rig, "firing");
    assert_eq!(kinds(&fired.outcomes), ["state_changed", "dispatched"]);
    assert_eq!(
        fired.outcomes[0]["detail"]["StateChanged"],
        json!({"fingerprint": PROD, "previous_state": null, "new_state": "firing", "notify": true})
    );
    assert_eq!(
        (&fired.outcomes[0]["is_final"], &fired.outcomes[0]["rule"]),
        (&json!(true), &json!("alert-state-machine"))
    );
    assert_eq!(fired.outcomes[1]["released_by"], "event");
    let told = &fired.dispatches[0];
    let change = json!({
        "fingerprint": PROD, "state_machine": "alert", "previous_state": null, "new_state": "firing", "reason": "action",
    });
    assert_eq!(told["payload"], json!({ "event": change }));
    assert_eq!((&told["metadata"]["new_state"], &told["metadata"]["cluster"]), (&json!("firing"), &json!("prod")));
    assert_eq!(told["metadata"].get("previous_state"), None);
    assert_eq!((&told["status"], &told["fingerprint"]), (&json!("firing"), &json!(PROD)));

    // The same again is not told again.
    let again = fire(&mut rig, "firing");
    assert_eq!(kinds(&again.outcomes), ["state_changed"]);
    assert_eq!(
        again.outcomes[0]["detail"]["StateChanged"],
        json!({"fingerprint": PROD, "previous_state": "firing", "new_state": "firing", "notify": false})
    );
    assert!(again.dispatches.is_empty());

    let (answer, effects) = transition(&mut rig, PROD, "acknowledged");
    assert_eq!(
        answer,
        json!({"fingerprint": PROD, "previous_state": "firing", "new_state": "acknowledged", "notify": false})
    );
    assert_eq!(moves(&effects), [(Some("firing"), "acknowledged", "command")]);
    // The other spelling; and nothing happens to who asks twice.
    let resolve = json!({"transition": {"fingerprint": PROD, "to_state": "resolved"}});
    assert_eq!(rig.command(&resolve).0["previous_state"], "acknowledged");
    let (twice, effects) = rig.command(&resolve);
    assert_eq!((&twice["previous_state"], moves(&effects).len()), (&json!("resolved"), 0));
    let shown = show(&mut rig, PROD);
    assert_eq!((&shown["count"], &shown["state_machine"]), (&json!(2), &json!("alert")));
    assert_eq!((&shown["previous_state"], &shown["labels"]["service"]), (&json!("acknowledged"), &json!("api")));
}

#[test]
fn a_refused_move_names_the_allowed_ones_and_changes_nothing() {
    let rules = "
rules:
  - {name: once, priority: 1, action: {type: deduplicate, ttl_seconds: 600}}
  - name: machine
    priority: 5
    condition: {field: action.action_type, eq: alert}
    action: {type: state_machine, state_machine: alert, fingerprint_fields: [action_type]}
";
    let mut rig = rig(rules, &[alert()]);
    let send =
        |rig: &mut Rig, status: &str| rig.send(&action("alert", &json!({"status": status, "dedup_key": status})));
    send(&mut rig, "resolved");
    let before = rig.state.clone();
    for (status, expected) in [
        ("firing", "no transition from `resolved` to `firing`; none is allowed from `resolved`"),
        ("burning", "state machine `alert` has no state `burning`; its states are `firing`, `acknowledged`"),
    ] {
        let refused = send(&mut rig, status);
        let failed = &refused.outcomes[0]["detail"]["Failed"];
        assert_eq!((kinds(&refused.outcomes), &failed["code"]), (vec!["failed"], &json!("INVALID_TRANSITION")));
        assert!(failed["message"].as_str().unwrap().contains(expected), "{failed}");
        assert!(refused.dispatches.is_empty());
        assert_eq!(rig.state, before, "what was refused has been counted");
    }
    let (refused, _) = transition(&mut rig, "alert", "firing");
    assert_eq!(refused["code"], "CONFLICT");
    assert!(refused["message"].as_str().unwrap().contains("event `alert`: state machine `alert` has no transition"));
}

#[test]
fn unknown_events_and_other_tenants_are_not_found() {
    let mut rig = rig(ALERTS, &[alert()]);
    let (unknown, _) = transition(&mut rig, "nothing", "resolved");
    assert_eq!(unknown, json!({"code": "NOT_FOUND", "message": "no event `nothing` in n/t"}));
    fire(&mut rig, "firing");
    for command in
        [json!({"transition": {"fingerprint": PROD, "to": "resolved"}}), json!({"show_event": {"fingerprint": PROD}})]
    {
        let (answer, _) = rig.command_of("other", None, &command);
        assert_eq!(answer["message"], format!("no event `{PROD}` in n/other"));
    }
    assert_eq!(rig.command_of("other", None, &json!({"list_events": {}})).0["count"], 0);
    assert_eq!(state(&mut rig, PROD), "firing");
}

#[test]
fn events_are_listed_by_their_state() {
    let mut rig = rig(ALERTS, &[alert()]);
    for (cluster, status) in [("a", "firing"), ("b", "resolved"), ("c", "firing")] {
        rig.send(&action("alert", &json!({"status": status, "metadata": {"cluster": cluster}})));
    }
    let (all, _) = rig.command(&json!({"list_events": {}}));
    assert_eq!(all["count"], 3);
    let (firing, _) = rig.command(&json!({"list_events": {"state": "firing"}}));
    let found: Vec<&str> =
        firing["events"].as_array().unwrap().iter().map(|event| event["fingerprint"].as_str().unwrap()).collect();
    assert_eq!(found, ["alert:a:", "alert:c:"]);
    assert_eq!(
        firing["events"][0],
        json!({
            "fingerprint": "alert:a:", "state": "firing", "action_type": "alert", "state_machine": "alert", "count": 1,
            "created_at": "2026-03-02T15:00:00Z", "updated_at": "2026-03-02T15:00:00Z",
        })
    );
}

#[test]
fn a_change_goes_on_behind_its_rule_where_later_rules_see_it() {
    let rules = format!(
        "{ALERTS}
  - name: escalate
    priority: 9
    condition: {{field: action.metadata.new_state, eq: resolved}}
    action: {{type: reroute, target_provider: sms}}
"
    );
    let mut machine = alert();
    machine["notify_on_create"] = json!(false);
    let effects = json!({"notify": true, "webhook_url": "https://hooks.example.com/x", "metadata": {"team": "ops"}});
    machine["transitions"][2]["on_transition"] = effects;
    let mut rig = rig(&rules, &[machine]);
    let fired = fire(&mut rig, "firing");
    assert_eq!((kinds(&fired.outcomes), fired.dispatches.len()), (vec!["state_changed"], 0));
    let labels = json!({"cluster": "prod", "service": "api"});
    let resolved =
        action("alert", &json!({"status": "resolved", "metadata": labels, "payload": {"event": "mine", "n": 1}}));
    let resolved = rig.send(&resolved);
    assert_eq!(kinds(&resolved.outcomes), ["state_changed", "dispatched"]);
    assert_eq!(resolved.outcomes[0]["detail"]["StateChanged"]["notify"], true);
    let told = &resolved.dispatches[0];
    assert_eq!((&told["provider"], &told["original_provider"]), (&json!("sms"), &json!("webhook")));
    assert_eq!(
        (&told["payload"]["event"], &told["payload"]["n"]),
        (&json!("mine"), &json!(1)),
        "the sender's own fields stay"
    );
    let change = &told["payload"]["acteon_event"];
    assert_eq!((&change["previous_state"], &change["new_state"]), (&json!("firing"), &json!("resolved")));
    assert_eq!(
        (&change["webhook_url"], &change["metadata"]["team"]),
        (&json!("https://hooks.example.com/x"), &json!("ops"))
    );
    assert_eq!(told["metadata"]["previous_state"], "firing");
}

#[test]
fn a_payload_that_is_no_object_goes_as_it_came() {
    let mut rig = rig(ALERTS, &[alert()]);
    let told = rig.send(&action("alert", &json!({"payload": [1, 2]})));
    assert_eq!(
        (&told.dispatches[0]["payload"], &told.dispatches[0]["metadata"]["new_state"]),
        (&json!([1, 2]), &json!("firing"))
    );
}

#[test]
fn two_machines_do_not_share_an_event() {
    let rules = "
rules:
  - name: alerts
    condition: {field: action.action_type, eq: alert}
    action: {type: state_machine, state_machine: alert, fingerprint_fields: [metadata.cluster]}
  - name: orders
    condition: {field: action.action_type, eq: other}
    action: {type: state_machine, state_machine: order, fingerprint_fields: [metadata.cluster]}
";
    let mut rig = rig(rules, &[alert(), order()]);
    let labels = json!({"metadata": {"cluster": "prod"}});
    rig.send(&action("alert", &labels));
    let refused = rig.send(&action("other", &labels));
    let failed = &refused.outcomes[0]["detail"]["Failed"];
    assert_eq!(failed["code"], "INVALID_FINGERPRINT");
    assert!(
        failed["message"].as_str().unwrap().contains("event `prod` belongs to state machine `alert`, not to `order`")
    );
}

#[test]
fn an_action_too_large_to_be_kept_is_told_without_its_payload() {
    let mut machine = alert();
    machine["transitions"][0]["on_transition"] = json!({"notify": true});
    let mut rig = rig(ALERTS, &[machine]);
    let large = json!({"status": "firing", "payload": {"text": "x".repeat(super::super::MAX_KEPT_ACTION_BYTES)}});
    rig.send(&action("alert", &large));
    let (_, effects) = transition(&mut rig, "alert::", "acknowledged");
    let payload = &effects.dispatches[0]["payload"];
    assert_eq!((payload.get("text"), &payload["event"]["new_state"]), (None, &json!("acknowledged")));
    let sizes: usize = rig.state.0.values().map(Vec::len).sum();
    assert!(sizes < 4096, "{sizes}");
}

#[test]
fn the_same_inputs_give_the_same_records() {
    let run = || {
        let mut rig = rig(ALERTS, &[alert()]);
        let mut all = vec![fire(&mut rig, "firing"), transition(&mut rig, PROD, "resolved").1];
        all.push(rig.advance_to(rig.now + seconds(8 * 24 * 3600)));
        (all, rig.state.clone())
    };
    assert_eq!(run(), run());
}
