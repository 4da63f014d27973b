//! Events of actions that go to their provider all the same, and what rules ask of them.

use super::*;

fn cluster_down(rig: &mut Rig, cluster: &str, status: &str) -> Recorder {
    rig.send(&action("cluster_down", &json!({"status": status, "metadata": {"cluster": cluster}})))
}

fn pod(rig: &mut Rig, labels: &Value) -> String {
    let effects = rig.send(&action("pod_crash", &json!({"metadata": labels})));
    effects.outcomes[0]["outcome"].as_str().unwrap().to_owned()
}

#[test]
fn pods_are_silent_while_their_own_cluster_is_down() {
    let mut rig = rig(ALERTS, &[alert()]);
    let (prod, dev) = (json!({"cluster": "prod"}), json!({"cluster": "dev"}));
    assert_eq!(pod(&mut rig, &prod), "dispatched");
    let down = cluster_down(&mut rig, "prod", "firing");
    assert_eq!((kinds(&down.outcomes), down.outcomes[0].get("released_by")), (vec!["dispatched"], None));
    assert_eq!(moves(&down), [(None, "firing", "action")]);
    assert_eq!(pod(&mut rig, &prod), "suppressed");
    assert_eq!(pod(&mut rig, &dev), "dispatched");
    assert_eq!(pod(&mut rig, &json!({})), "dispatched", "no cluster is no cluster that is down");
    // Another tenant has clusters of its own.
    let other = json!({"namespace": "n", "tenant": "u", "provider": "webhook", "action_type": "pod_crash", "payload": {},
        "metadata": {"cluster": "prod"}});
    assert_eq!(kinds(&rig.send(&other).outcomes), ["dispatched"]);
    cluster_down(&mut rig, "prod", "resolved");
    assert_eq!(pod(&mut rig, &prod), "dispatched");
    // The end of the event is no end of its life: it may begin again.
    cluster_down(&mut rig, "prod", "firing");
    assert_eq!(pod(&mut rig, &prod), "suppressed");
}

#[test]
fn of_two_events_with_one_label_the_other_one_stays_active() {
    let mut rig = rig(ALERTS, &[alert()]);
    let down = |rig: &mut Rig, fingerprint: &str, status: &str| {
        let more =
            json!({"status": status, "fingerprint": fingerprint, "metadata": {"cluster": "prod", "zone": "prod"}});
        rig.send(&action("cluster_down", &more))
    };
    let prod = json!({"cluster": "prod"});
    down(&mut rig, "network", "firing");
    down(&mut rig, "power", "firing");
    down(&mut rig, "network", "resolved");
    assert_eq!(pod(&mut rig, &prod), "suppressed");
    transition(&mut rig, "power", "closed");
    assert_eq!(pod(&mut rig, &prod), "dispatched");
    assert_eq!(kept(&rig), 2, "the index keeps what is over");
    rig.advance_to(rig.now + seconds(8 * 24 * 3600));
    assert!(rig.state.0.is_empty());
}

#[test]
fn an_event_of_a_machine_is_active_until_time_ends_it() {
    let rules = ALERTS.replace("[cluster_down,", "[alert,");
    let mut rig = rig(&rules, &[alert()]);
    fire(&mut rig, "firing");
    assert_eq!(pod(&mut rig, &json!({"cluster": "prod"})), "suppressed");
    rig.advance_to(rig.now + seconds(3600));
    assert_eq!(pod(&mut rig, &json!({"cluster": "prod"})), "dispatched");
}

#[test]
fn an_order_is_placed_by_its_action_and_moved_by_commands() {
    let mut rig = rig("rules: []", &[order()]);
    let id = "order-lifecycle-001";
    let placed = rig.send(&action("place_order", &json!({"payload": {"order_id": id}})));
    assert_eq!(kinds(&placed.outcomes), ["dispatched"]);
    assert_eq!(placed.dispatches[0]["payload"], json!({"order_id": id}), "it goes as it came");
    assert_eq!(moves(&placed), [(None, "placed", "action")]);
    let (refused, _) = transition(&mut rig, id, "shipped");
    assert_eq!(refused["code"], "CONFLICT");
    assert!(refused["message"].as_str().unwrap().contains("allowed from `placed`: `confirmed`"), "{refused}");
    for (to, dispatched) in [("confirmed", 0), ("shipped", 0), ("delivered", 1)] {
        let (answer, effects) = transition(&mut rig, id, to);
        assert_eq!((&answer["new_state"], effects.dispatches.len()), (&json!(to), dispatched));
        assert_eq!(answer["notify"], dispatched > 0);
    }
    // An order without an id makes no event; one that repeats itself moves none.
    rig.send(&action("place_order", &json!({})));
    let again = rig.send(&action("place_order", &json!({"payload": {"order_id": id}})));
    assert_eq!((moves(&again).len(), kept(&rig)), (0, 1));
    assert_eq!(show(&mut rig, id)["count"], 2);
}

#[test]
fn notifications_of_a_tracked_event_go_where_its_action_went() {
    let rules = "
rules:
  - {name: mark, priority: 1, action: {type: modify, changes: {marked: true}}}
  - {name: once, priority: 2, action: {type: deduplicate, ttl_seconds: 600}}
  - {name: text, priority: 3, action: {type: reroute, target_provider: sms}}
";
    let mut rig = rig(rules, &[order()]);
    let placed = action("place_order", &json!({"payload": {"order_id": "7"}, "status": "shipped", "dedup_key": "k"}));
    rig.send(&placed);
    let (_, effects) = transition(&mut rig, "7", "delivered");
    assert_eq!(kinds(&effects.outcomes), ["dispatched"], "its own gates let it pass");
    assert_eq!(
        (&effects.dispatches[0]["provider"], &effects.dispatches[0]["payload"]["marked"]),
        (&json!("sms"), &json!(true))
    );
}

#[test]
fn a_move_that_a_tracked_action_may_not_make_is_noted_and_does_not_stop_it() {
    let mut rig = rig("rules: []", &[order()]);
    let send = |rig: &mut Rig, status: &str| {
        rig.send(&action("place_order", &json!({"payload": {"order_id": "7"}, "status": status})))
    };
    send(&mut rig, "confirmed");
    let refused = send(&mut rig, "delivered");
    assert_eq!(kinds(&refused.outcomes), ["dispatched"]);
    assert_eq!(moves(&refused), [(Some("confirmed"), "confirmed", "action")]);
    let noted = &refused.audit[0]["outcome_details"]["refused"];
    assert_eq!(noted["code"], "INVALID_TRANSITION");
    assert!(noted["message"].as_str().unwrap().contains("allowed from `confirmed`: `shipped`"));
    assert_eq!(state(&mut rig, "7"), "confirmed");
}

#[test]
fn free_form_events_go_anywhere_and_are_forgotten() {
    let mut rig = rig("rules: []", &[]);
    rig.send(&action("ship", &json!({"fingerprint": "parcel-1"})));
    assert_eq!(state(&mut rig, "parcel-1"), "open");
    for to in ["lost", "found", "lost"] {
        assert_eq!(transition(&mut rig, "parcel-1", to).0["new_state"], to);
    }
    rig.send(&action("ship", &json!({"fingerprint": "parcel-1", "status": "delivered"})));
    let shown = show(&mut rig, "parcel-1");
    assert_eq!(
        (&shown["state"], &shown["previous_state"], &shown["active"]),
        (&json!("delivered"), &json!("lost"), &json!(false))
    );
    assert_eq!(shown["state_machine"], Value::Null);
    rig.send(&action("mail", &json!({})));
    assert_eq!(kept(&rig), 1, "an action that tells of no event makes none");
    rig.advance_to(rig.now + seconds(7 * 24 * 3600));
    assert!(rig.state.0.is_empty());
}

#[test]
fn what_is_refused_or_held_makes_no_event() {
    let rules = "
rules:
  - {name: wait, priority: 1, condition: {field: action.action_type, eq: later}, action: {type: schedule, delay_seconds: 60}}
  - {name: no, priority: 2, condition: {field: action.action_type, eq: never}, action: {type: deny}}
";
    let mut rig = rig(rules, &[]);
    let event = json!({"fingerprint": "f", "status": "open"});
    rig.send(&action("never", &event));
    rig.send(&action("later", &event));
    rig.send(&action("later", &json!({"provider": "nobody", "fingerprint": "g"})));
    assert_eq!(kept(&rig), 0);
    let released = rig.advance_to(rig.now + seconds(60));
    assert_eq!((kinds(&released.outcomes), moves(&released).len()), (vec!["dispatched", "failed"], 1));
    assert_eq!(kept(&rig), 1);
}

#[test]
fn a_grouped_action_has_an_event_where_a_machine_tracks_its_type() {
    let rules = format!(
        "{ALERTS}
  - name: group-cluster-alerts
    priority: 5
    condition: {{field: action.action_type, starts_with: cluster_}}
    action: {{type: group, group_by: [metadata.cluster], group_wait_seconds: 30}}
"
    );
    let mut tracking = alert();
    tracking["track"] = json!({"action_types": ["cluster_down"], "fingerprint_fields": ["metadata.cluster"]});
    let mut rig = rig(&rules, &[tracking]);
    let prod = json!({"cluster": "prod"});
    let grouped = rig.send(&action("cluster_down", &json!({"status": "firing", "metadata": prod})));
    assert_eq!((kinds(&grouped.outcomes), moves(&grouped).len()), (vec!["grouped"], 1));
    assert_eq!(pod(&mut rig, &prod), "suppressed");
    let flushed = rig.advance_to(rig.now + seconds(30));
    assert_eq!((flushed.dispatches.len(), moves(&flushed).len()), (1, 0));
    assert_eq!(show(&mut rig, "prod")["count"], 1);
}

#[test]
fn rules_ask_for_the_state_of_an_event() {
    let rules = "
rules:
  - name: known
    priority: 1
    condition: {call: event_in_state, args: [action.payload.parent, open]}
    action: {type: reroute, target_provider: sms}
  - name: closed
    priority: 2
    condition: {call: get_event_state, args: [action.payload.parent], eq: closed}
    action: {type: suppress}
";
    let mut rig = rig(rules, &[]);
    let long = "x".repeat(400);
    for parent in ["p", &long] {
        let child = action("child", &json!({"payload": {"parent": parent}}));
        assert_eq!(rig.send(&child).dispatches[0]["provider"], "webhook");
        rig.send(&action("parent", &json!({"fingerprint": parent})));
        assert_eq!(rig.send(&child).dispatches[0]["provider"], "sms");
        transition(&mut rig, parent, "closed");
        assert_eq!(kinds(&rig.send(&child).outcomes), ["suppressed"]);
    }
}

#[test]
fn a_machine_takes_on_an_event_that_was_free_form() {
    let mut rig = rig(ALERTS, &[alert()]);
    rig.send(&action("note", &json!({"fingerprint": "f", "status": "seen"})));
    let taken = rig.send(&action("alert", &json!({"fingerprint": "f"})));
    assert_eq!(
        taken.outcomes[0]["detail"]["StateChanged"],
        json!({"fingerprint": "f", "previous_state": "seen", "new_state": "firing", "notify": true})
    );
    // Without its machine it is free-form again.
    rig.definitions = super::rig("rules: []", &[]).definitions;
    assert_eq!(transition(&mut rig, "f", "anything").0["new_state"], "anything");
}

#[test]
fn an_event_keeps_no_more_labels_than_it_may() {
    let mut rig = rig("rules: []", &[]);
    let labels: serde_json::Map<String, Value> =
        (0..200).map(|n| (format!("l{n:03}"), json!(format!("v{n}")))).collect();
    rig.send(&action("a", &json!({"fingerprint": "f", "metadata": labels})));
    assert_eq!(show(&mut rig, "f")["labels"].as_object().unwrap().len(), super::super::MAX_LABELS);
    assert_eq!(kept(&rig), 1 + super::super::MAX_LABELS);
}
