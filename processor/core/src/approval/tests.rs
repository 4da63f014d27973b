#![allow(clippy::unwrap_used, clippy::panic)]

use crate::definitions::Definitions;
use crate::effect::Recorder;
use crate::rig::{Rig, START, kinds, parts};
use crate::secrets::Secrets;
use serde_json::{Value, json};

const RULES: &str = "
rules:
  - name: high-value
    priority: 3
    condition: {field: action.payload.total, gte: 500}
    action: {type: request_approval, notify_provider: email, timeout_seconds: 60, message: Needs a manager}
  - name: blocked
    priority: 4
    condition: {field: action.payload.blocked, eq: true}
    action: {type: deny}
  - name: later
    priority: 10
    condition: {field: action.payload.later, eq: true}
    action: {type: schedule, delay_seconds: 30}
  - name: once
    priority: 15
    action: {type: deduplicate, ttl_seconds: 300, key_fields: [action.payload.order]}
  - name: few
    priority: 20
    action: {type: throttle, max_count: 2, window_seconds: 60}
";

/// A task that holds one action, the id of the request, and what came of the action.
fn held() -> (Rig, String, Recorder) {
    let mut rig = Rig::new(parts(RULES));
    let effects = rig.action("a1", &json!({"total": 750, "order": 1}));
    let id = effects.outcomes[0]["detail"]["PendingApproval"]["approval_id"].as_str().unwrap().to_owned();
    (rig, id, effects)
}

/// The link that a notification carries, as a command brings it.
fn link(notification: &Value) -> Value {
    let url = notification["payload"]["approval_url"].as_str().unwrap();
    let value = |name: &str| {
        let query = url.split_once('?').unwrap().1;
        query.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap().to_owned()
    };
    json!({"sig": value("sig="), "expires_at": value("expires_at=").parse::<i64>().unwrap(), "kid": value("kid=")})
}

fn approve(rig: &mut Rig, id: &str, link: Option<&Value>) -> (Value, Recorder) {
    rig.command(&json!({"approve": {"approval_id": id, "link": link}}))
}

fn reject(rig: &mut Rig, id: &str, link: Option<&Value>) -> (Value, Recorder) {
    rig.command(&json!({"reject": {"approval_id": id, "link": link, "reason": "too much"}}))
}

#[test]
fn an_action_is_held_and_a_person_is_told() {
    let (_, id, effects) = held();
    let [outcome] = effects.outcomes.as_slice() else { panic!("{:?}", effects.outcomes) };
    assert_eq!((&outcome["outcome"], &outcome["rule"]), (&json!("pending_approval"), &json!("high-value")));
    let base = format!("http://127.0.0.1:8080/v1/approvals/n/t/{id}");
    assert_eq!(
        outcome["detail"]["PendingApproval"],
        json!({
            "approval_id": id, "expires_at": "2026-03-02T15:01:00Z", "approve_url": format!("{base}/approve"),
            "reject_url": format!("{base}/reject"), "notification_sent": true,
        })
    );
    let [notice] = effects.dispatches.as_slice() else { panic!("{:?}", effects.dispatches) };
    assert_eq!(notice["context"], json!({"notice": {"of": "approval"}}));
    assert_eq!((&notice["provider"], &notice["action_type"]), (&json!("email"), &json!("approval_notification")));
    let payload = notice["payload"].as_object().unwrap();
    let names: Vec<&str> = payload.keys().map(String::as_str).collect();
    let mut wanted = [
        "subject",
        "body",
        "message",
        "approval_url",
        "reject_url",
        "action_id",
        "action_type",
        "namespace",
        "tenant",
        "expires_at",
        "approval_id",
    ];
    wanted.sort_unstable();
    let mut found = names.clone();
    found.sort_unstable();
    assert_eq!(found, wanted);
    assert!(payload["approval_url"].as_str().unwrap().starts_with(&format!("{base}/approve?sig=")));
    assert!(payload["reject_url"].as_str().unwrap().ends_with("&expires_at=1772463660&kid=k1"));
    assert!(payload["body"].as_str().unwrap().contains(payload["reject_url"].as_str().unwrap()));
}

#[test]
fn the_signature_is_in_the_notification_alone() {
    let (mut rig, id, effects) = held();
    let link = link(&effects.dispatches[0]);
    let sig = link["sig"].as_str().unwrap().to_owned();
    assert_eq!(sig.len(), 64);
    let mut seen = vec![json!([effects.outcomes, effects.audit])];
    let mut see = |(answer, effects): (Value, Recorder)| {
        seen.push(json!([answer, effects.outcomes, effects.audit, effects.dispatches]));
    };
    let answered = rig.result(&effects.dispatches[0], true);
    see((Value::Null, answered));
    see(rig.command(&json!({"show_approval": {"approval_id": id, "link": link}})));
    see(rig.command(&json!({"list_approvals": {}})));
    see(reject(&mut rig, &id, Some(&json!({"sig": sig, "expires_at": 1, "kid": "k1"}))));
    see(approve(&mut rig, &id, Some(&link)));
    see(approve(&mut rig, &id, Some(&link)));
    let expired = rig.advance_to(START + 90_000_000);
    see((Value::Null, expired));
    assert!(rig.state.0.values().all(|value| !String::from_utf8_lossy(value).contains(&sig)));
    for told in seen {
        assert!(!told.to_string().contains(&sig), "{told}");
    }
}

#[test]
fn an_approved_action_goes_on_behind_the_rule_and_meets_the_others_in_their_order() {
    for (payload, at_once, later) in [
        (json!({"total": 750, "order": 1}), "dispatched", vec![]),
        (json!({"total": 750, "order": 1, "later": true}), "scheduled", vec!["dispatched"]),
        // Whoever was approved is not blocked.
        (json!({"total": 750, "order": 1, "blocked": true}), "dispatched", vec![]),
        (json!({"total": 750, "order": 7}), "deduplicated", vec![]),
        (json!({"total": 750, "order": 1, "crowd": true}), "throttled", vec![]),
    ] {
        let mut rig = Rig::new(parts(RULES));
        rig.action("first", &json!({"order": 7}));
        if payload["crowd"] == true {
            rig.action("second", &json!({"order": 8}));
        }
        let effects = rig.action("a1", &payload);
        let id = effects.outcomes[0]["detail"]["PendingApproval"]["approval_id"].as_str().unwrap().to_owned();
        let (answer, effects) = approve(&mut rig, &id, None);
        assert_eq!(answer, json!({"id": id, "approval_id": id, "status": "approved", "outcome": at_once}), "{payload}");
        assert_eq!(kinds(&effects.outcomes), [at_once], "{payload}");
        assert_eq!(effects.outcomes[0]["released_by"], "approval");
        assert_eq!(kinds(&effects.audit), ["approved", at_once, "command_done"], "{payload}");
        let approved = &effects.audit[0];
        assert_eq!((&approved["phase"], &approved["matched_rule"]), (&json!("progress"), &json!("high-value")));
        assert_eq!(approved["outcome_details"]["decided_by"], "ann");
        assert_eq!(kinds(&rig.advance_to(START + 30_000).outcomes), later, "{payload}");
    }
}

#[test]
fn a_request_expires_exactly_at_its_time() {
    let (mut rig, id, _) = held();
    assert_eq!(kinds(&rig.advance_to(START + 59_999).outcomes), [""; 0]);
    let expired = rig.advance_to(START + 60_000);
    let [outcome] = expired.outcomes.as_slice() else { panic!("{:?}", expired.outcomes) };
    assert_eq!((&outcome["outcome"], &outcome["rule"]), (&json!("expired"), &json!("high-value")));
    assert_eq!(outcome["detail"]["ApprovalResolved"]["decision"], "expired");
    assert_eq!(expired.dispatches, [Value::Null; 0]);
    for answer in [approve(&mut rig, &id, None).0, reject(&mut rig, &id, None).0] {
        assert_eq!(answer["code"], "GONE");
        assert_eq!(answer["message"], format!("approval `{id}` expired at 2026-03-02T15:01:00Z"));
    }
}

#[test]
fn the_last_millisecond_counts_and_the_next_does_not() {
    for (at, code) in [(59_999, Value::Null), (60_000, json!("GONE")), (61_000, json!("GONE"))] {
        for linked in [false, true] {
            let (mut rig, id, effects) = held();
            // The timer has not fired: commands may come first.
            rig.now = START + at;
            let link = linked.then(|| link(&effects.dispatches[0]));
            let (answer, effects) = approve(&mut rig, &id, link.as_ref());
            assert_eq!(answer["code"], code, "{at} {linked}");
            assert_eq!(effects.dispatches.len(), usize::from(code.is_null()));
            let after = rig.advance_to(START + 61_000);
            assert_eq!(kinds(&after.outcomes), vec!["expired"; usize::from(!code.is_null())], "{at} {linked}");
        }
    }
}

#[test]
fn the_first_decision_counts_and_the_second_learns_of_it() {
    for (first, second, status) in
        [("approve", "approve", "approved"), ("approve", "reject", "approved"), ("reject", "approve", "rejected")]
    {
        let (mut rig, id, _) = held();
        let decide = |rig: &mut Rig, what: &str| {
            if what == "approve" { approve(rig, &id, None) } else { reject(rig, &id, None) }
        };
        let (answer, effects) = decide(&mut rig, first);
        assert_eq!(answer["status"], status);
        assert_eq!(effects.dispatches.len(), usize::from(first == "approve"));
        if first == "reject" {
            let outcome = &effects.outcomes[0];
            assert_eq!((&outcome["outcome"], &outcome["rule"]), (&json!("rejected"), &json!("high-value")));
            let wanted = json!({"approval_id": id, "decision": "rejected", "decided_by": "ann"});
            assert_eq!(outcome["detail"]["ApprovalResolved"], wanted);
            assert_eq!(effects.audit[0]["outcome_details"]["reason"], "too much");
        }
        rig.now += 1_000;
        let (answer, effects) = decide(&mut rig, second);
        assert_eq!(answer["code"], "CONFLICT");
        assert_eq!(answer["message"], format!("approval `{id}` was {status} already by ann at 2026-03-02T15:00:00Z"));
        assert_eq!((effects.outcomes.len(), effects.dispatches.len()), (0, 0));
        // A decided request does not expire, and is forgotten after a day.
        assert_eq!(rig.advance_to(START + 86_399_999).outcomes, [Value::Null; 0]);
        assert_eq!(decide(&mut rig, second).0["code"], "CONFLICT");
        assert_eq!(rig.advance_to(START + 86_400_000).outcomes, [Value::Null; 0]);
        assert_eq!(decide(&mut rig, second).0["code"], "NOT_FOUND");
        assert!(rig.state.0.keys().all(|key| key[0] != crate::keys::Store::Approval as u8));
    }
}

#[test]
fn links_are_checked_before_anything_is_told() {
    let (mut rig, id, effects) = held();
    let good = link(&effects.dispatches[0]);
    let with = |name: &str, value: Value| {
        let mut link = good.clone();
        link[name] = value;
        link
    };
    let forged =
        [with("sig", json!("0".repeat(64))), with("expires_at", json!(9_999_999_999_i64)), with("kid", json!("k2"))];
    for link in &forged {
        for what in ["approve", "reject", "show_approval"] {
            let (answer, _) = rig.command(&json!({what: {"approval_id": id, "link": link}}));
            assert_eq!(answer["code"], "FORBIDDEN", "{what} {link}");
            // Nor does a forged link tell which requests there are.
            let (other, _) = rig.command(&json!({what: {"approval_id": "nothing", "link": link}}));
            assert_eq!(answer, other);
        }
    }
    let command = json!({"approve": {"approval_id": id, "link": good}});
    assert_eq!(rig.command_of("u", None, &command).0["code"], "FORBIDDEN");
    let (answer, _) = rig.command_of("u", None, &json!({"approve": {"approval_id": id}}));
    assert_eq!(answer["message"], format!("no approval `{id}` in n/u"));
    // Without the key's id, any key may have signed. Who clicked is not known.
    let (answer, effects) =
        rig.command_of("t", None, &json!({"approve": {"approval_id": id, "link": with("kid", Value::Null)}}));
    assert_eq!(answer["status"], "approved");
    assert_eq!(effects.audit[0]["outcome_details"]["decided_by"], "signed link");
}

#[test]
fn keys_can_be_changed_while_requests_wait() {
    let (mut rig, id, effects) = held();
    let link = link(&effects.dispatches[0]);
    let (old, new) = ((Some("k1".to_owned()), b"secret".to_vec()), (Some("k2".to_owned()), b"other".to_vec()));
    rig.definitions.secrets = Secrets { approval_keys: vec![new.clone()] };
    assert_eq!(approve(&mut rig, &id, Some(&link)).0["code"], "FORBIDDEN");
    rig.definitions.secrets = Secrets { approval_keys: vec![new, old] };
    let next = rig.action("a2", &json!({"total": 900, "order": 2}));
    assert!(next.dispatches[0]["payload"]["approval_url"].as_str().unwrap().ends_with("kid=k2"));
    assert_eq!(approve(&mut rig, &id, Some(&link)).0["status"], "approved");
}

#[test]
fn what_came_of_the_notification_is_recorded_and_nothing_else() {
    for (delivered, outcome) in [(true, "notice_sent"), (false, "notice_failed")] {
        let (mut rig, _, effects) = held();
        let told = rig.result(&effects.dispatches[0], delivered);
        assert_eq!(told.outcomes, [Value::Null; 0]);
        let [record] = told.audit.as_slice() else { panic!("{:?}", told.audit) };
        assert_eq!((&record["outcome"], &record["phase"]), (&json!(outcome), &json!("progress")));
        assert_eq!(record["outcome_details"]["notice_of"], "approval");
        assert_eq!(rig.result(&effects.dispatches[0], delivered), Recorder::default(), "a result counts once");
    }
}

#[test]
fn a_request_that_nobody_can_be_told_of_says_so() {
    let mut rig = Rig::new(parts(RULES));
    // A provider that is gone though rules name it: definitions are refused before, so this is the second line.
    std::sync::Arc::make_mut(&mut rig.definitions.providers).remove("email");
    let effects = rig.action("a1", &json!({"total": 750}));
    assert_eq!(effects.outcomes[0]["detail"]["PendingApproval"]["notification_sent"], false);
    assert_eq!(effects.audit[0]["outcome_details"]["notification_problem"], "no provider named `email` is configured");
    assert_eq!(effects.dispatches, [Value::Null; 0]);
    let rules = "rules:\n  - {name: r, action: {type: require_approval}}\n";
    let effects = Rig::new(parts(rules)).action("a1", &json!({}));
    assert_eq!(effects.outcomes[0]["detail"]["PendingApproval"]["notification_sent"], false);
}

#[test]
fn rules_are_refused_without_a_key_or_with_an_unknown_provider() {
    for keys in [vec![], vec![(None, Vec::new())]] {
        let parts = crate::Parts { secrets: Secrets { approval_keys: keys }, ..parts(RULES) };
        let error = Definitions::compile(7, parts).unwrap_err().to_string();
        assert!(error.contains("rules.yaml:3") && error.contains("`[server] approval_secret`"), "{error}");
    }
    let rules = RULES.replace("email", "pigeon");
    let error = Definitions::compile(7, parts(&rules)).unwrap_err().to_string();
    assert!(error.contains("pigeon"), "{error}");
}

#[test]
fn lists_show_what_is_asked_for() {
    let (mut rig, id, _) = held();
    let rejected =
        rig.action("a2", &json!({"total": 900})).outcomes[0]["detail"]["PendingApproval"]["approval_id"].clone();
    rig.now += 1_500;
    reject(&mut rig, rejected.as_str().unwrap(), None);
    let mut list = |command: Value| rig.command(&command).0;
    assert_eq!(list(json!({"list_approvals": {}}))["count"], 2);
    let pending = json!({
        "token": id, "approval_id": id, "status": "pending", "rule": "high-value", "action_id": "a1",
        "provider": "webhook", "action_type": "order", "created_at": "2026-03-02T15:00:00Z",
        "expires_at": "2026-03-02T15:01:00Z", "message": "Needs a manager",
    });
    assert_eq!(list(json!({"list_approvals": {"status": "pending"}})), json!({"approvals": [pending], "count": 1}));
    let found = list(json!({"list_approvals": {"status": "rejected"}}));
    assert_eq!(found["approvals"][0]["decided_at"], "2026-03-02T15:00:01.500Z");
    assert_eq!(found["approvals"][0]["decided_by"], "ann");
    assert_eq!(list(json!({"list_approvals": {"status": "lost"}}))["code"], "INVALID");
    assert_eq!(list(json!({"show_approval": {"approval_id": id}}))["namespace"], "n");
    assert_eq!(list(json!({"show_approval": {"approval_id": "x"}}))["code"], "NOT_FOUND");
    rig.now = START + 60_000;
    assert_eq!(rig.command(&json!({"list_approvals": {"status": "expired"}})).0["count"], 1);
}
