#![allow(clippy::unwrap_used, clippy::panic)]

use crate::rig::{Rig, START, kinds, parts};
use serde_json::{Value, json};

fn rig(rules: &str) -> Rig {
    Rig::new(parts(rules))
}

fn outcome(rig: &mut Rig, id: usize, payload: &Value) -> String {
    let effects = rig.action(&format!("a{id}"), payload);
    kinds(&effects.outcomes)[0].to_owned()
}

#[test]
fn a_quota_blocks_what_is_over_it_until_its_window_has_rolled_on() {
    for limit in [500, 200] {
        let mut rig =
            rig("rules:\n  - {name: tests, condition: {field: action.payload.test, eq: true}, action: {type: deny}}\n");
        let (set, _) = rig.command(&json!({"set_quota": {"quota": {"max_actions": limit, "window": "hourly"}}}));
        assert_eq!(
            (&set["limit"], &set["used"], &set["overage_behavior"]),
            (&json!(limit), &json!(0), &json!("block"))
        );
        for id in 0..limit {
            assert_eq!(outcome(&mut rig, id, &json!({})), "dispatched");
            assert_eq!(
                outcome(&mut rig, id, &json!({"test": true})),
                if id + 1 < limit { "suppressed" } else { "quota_exceeded" }
            );
        }
        let effects = rig.action("over", &json!({}));
        let told = &effects.outcomes[0]["detail"]["QuotaExceeded"];
        assert_eq!(told, &json!({"tenant": "t", "limit": limit, "used": limit, "overage_behavior": "block"}));
        let (listed, _) = rig.command(&json!({"list_quotas": {}}));
        let quota = &listed["quotas"][0];
        assert_eq!((&quota["remaining"], &quota["window"]), (&json!(0), &json!("hourly")));
        assert_eq!(quota["resets_at"], "2026-03-02T16:00:00Z");
        // A moment before the hour is over, nothing has rolled on.
        rig.now = START + 3_599_999;
        assert_eq!(outcome(&mut rig, 9_000, &json!({})), "quota_exceeded");
        rig.now = START + 3_600_000;
        assert_eq!(outcome(&mut rig, 9_001, &json!({})), "dispatched");
    }
}

#[test]
fn quotas_warn_degrade_and_notify() {
    let mut rig = rig("rules: []\n");
    let set = |rig: &mut Rig, behavior: Value, provider: Value| {
        let quota =
            json!({"id": "q", "max_actions": 1, "window": "60", "overage_behavior": behavior, "provider": provider});
        let (answer, _) = rig.command(&json!({"set_quota": {"quota": quota}}));
        assert_eq!(answer["window"], json!({"custom": {"seconds": 60}}), "{answer}");
    };
    set(&mut rig, json!({"degrade": {"fallback_provider": "sms"}}), json!("webhook"));
    assert_eq!(outcome(&mut rig, 0, &json!({})), "dispatched");
    let effects = rig.action("a1", &json!({}));
    let dispatch = &effects.dispatches[0];
    assert_eq!((&dispatch["provider"], &dispatch["original_provider"]), (&json!("sms"), &json!("webhook")));
    assert_eq!(effects.audit.len(), 2, "told once");
    assert_eq!(effects.audit[1]["outcome_details"]["quota"]["overage_behavior"], "degrade:sms");
    assert_eq!(rig.action("a2", &json!({})).audit.len(), 1);

    set(&mut rig, json!({"notify": {"target": "email"}}), json!(null));
    rig.now += 60_000;
    assert_eq!(rig.action("a3", &json!({})).dispatches.len(), 1);
    let effects = rig.action("a4", &json!({}));
    let providers: Vec<&Value> = effects.dispatches.iter().map(|dispatch| &dispatch["provider"]).collect();
    assert_eq!(providers, ["email", "webhook"]);
    let noticed = rig.result(&effects.dispatches[0], true);
    assert_eq!((noticed.outcomes.len(), &noticed.audit[0]["outcome"]), (0, &json!("notice_sent")));
    assert_eq!(rig.action("a5", &json!({})).dispatches.len(), 1, "once a window");

    let deleted = rig.command(&json!({"delete_quota": {"quota_id": "q"}})).0;
    assert_eq!(deleted["id"], "q");
    assert_eq!(rig.command(&json!({"delete_quota": {"quota_id": "q"}})).0["code"], "NOT_FOUND");
    assert_eq!(rig.action("a6", &json!({})).audit.len(), 1);
}

#[test]
fn a_quota_that_warns_lets_all_pass_and_tells_once_a_window() {
    for (window, seconds) in [("hourly", 3_600), ("60", 60)] {
        let mut rig = rig("rules: []\n");
        let quota = json!({"id": "q", "max_actions": 2, "window": window, "overage_behavior": {"warn": {}}});
        rig.command(&json!({"set_quota": {"quota": quota}}));
        let length = seconds * 1_000;
        // When each action comes, whether it is over the quota, and whether that is told.
        for (id, (at, over, told)) in [
            (0, false, false),
            (1, false, false),
            (2, true, true),
            (3, true, false),
            (length - 1, true, false),
            (length, true, false),
            (length + 1, true, false),
            (length + 2, true, true),
            (length + 3, true, false),
            // Nothing is left in the window: it is another time that the quota is exceeded.
            (3 * length, false, false),
            (3 * length + 1, false, false),
            (3 * length + 2, true, true),
        ]
        .into_iter()
        .enumerate()
        {
            rig.now = START + at;
            let effects = rig.action(&format!("a{id}"), &json!({}));
            assert_eq!(effects.dispatches.len(), 1, "{window}: {at}: none is kept back, and no notice is sent");
            assert_eq!(effects.dispatches[0]["provider"], "webhook");
            let (decided, others) = effects.audit.split_last().unwrap();
            let noted = &decided["outcome_details"]["quota"]["overage_behavior"];
            assert_eq!(noted, &if over { json!("warn") } else { json!(null) }, "{window}: {at}");
            let outcomes: Vec<&str> = kinds(others);
            assert_eq!(outcomes, if told { vec!["quota_exceeded"] } else { vec![] }, "{window}: {at}");
        }
    }
}

#[test]
fn bad_commands_are_refused_and_say_why() {
    let mut rig = rig("rules: []\n");
    let silence = |silence: Value| json!({"create_silence": {"silence": silence}});
    let quota = |quota: Value| json!({"set_quota": {"quota": quota}});
    let host = json!([{"name": "host", "value": "a"}]);
    for (command, part) in [
        (quota(json!({"max_actions": 1, "window": "yearly"})), "`window`: `yearly`"),
        (quota(json!({"max_actions": 1, "window": "0"})), "`window`"),
        (quota(json!({"max_actions": 1, "window": "31622401"})), "`window`"),
        (
            quota(json!({"max_actions": 1, "window": "daily", "provider": "pigeon"})),
            "`provider`: no provider named `pigeon`",
        ),
        (
            quota(json!({"max_actions": 1, "window": "daily", "overage_behavior": {"notify": {"target": "x"}}})),
            "`target`",
        ),
        (
            quota(json!({"max_actions": 1, "window": "daily", "provider": "sms",
                "overage_behavior": {"degrade": {"fallback_provider": "sms"}}})),
            "is the provider that the quota is for",
        ),
        (silence(json!({"matchers": [], "duration_seconds": 1})), "`matchers` has 0"),
        (silence(json!({"matchers": host})), "one of `ends_at` and `duration_seconds`"),
        (silence(json!({"matchers": host, "ends_at": "soon"})), "`soon` is not a time"),
        (
            silence(json!({"matchers": host, "ends_at": "2026-03-02T14:00:00Z", "starts_at": "2026-03-02T13:00:00Z"})),
            "would have ended",
        ),
        (silence(json!({"matchers": host, "duration_seconds": 0})), "ends before it begins"),
        (
            silence(json!({"matchers": [{"name": "h", "value": "a)|(b", "op": "regex"}], "duration_seconds": 9})),
            "matcher `h`",
        ),
        (json!({"set_retention": {"retention": {"audit_ttl_seconds": 0}}}), "`audit_ttl_seconds`"),
    ] {
        let (answer, _) = rig.command(&command);
        assert_eq!(answer["code"], "INVALID", "{command}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(part), "{command}: {answer}");
    }
    assert_eq!(rig.command(&json!({"delete_silence": {"silence_id": "x"}})).0["code"], "NOT_FOUND");
    assert_eq!(rig.command(&json!({"delete_retention": {}})).0["code"], "NOT_FOUND");
}

#[test]
fn silences_match_labels_and_fields_while_they_last() {
    for (matchers, silenced) in [
        (json!([{"name": "payload.host", "value": "db-1"}]), true),
        (json!([{"name": "payload.host", "value": "db", "op": "regex"}]), false),
        (json!([{"name": "payload.host", "value": "db-[0-9]", "op": "regex"}]), true),
        (json!([{"name": "payload.host", "value": "web.*", "op": "not_regex"}]), true),
        (json!([{"name": "action_type", "value": "order"}, {"name": "provider", "value": "sms"}]), false),
        (json!([{"name": "payload.size", "value": "3"}]), true),
        (json!([{"name": "missing label", "value": ""}]), true),
        (json!([{"name": "missing", "value": "", "op": "not_equal"}]), false),
    ] {
        let mut rig = rig("rules:\n  - {name: once, action: {type: deduplicate, ttl_seconds: 60}}\n");
        let silence = json!({"id": "s", "matchers": matchers, "duration_seconds": 60, "comment": "works"});
        let (created, _) = rig.command(&json!({"create_silence": {"silence": silence}}));
        assert_eq!((&created["status"], &created["created_by"]), (&json!("active"), &json!("ann")), "{created}");
        let payload = json!({"host": "db-1", "size": 3});
        let expected = if silenced { "silenced" } else { "dispatched" };
        assert_eq!(outcome(&mut rig, 1, &payload), expected, "{matchers}");
        rig.now += 59_999;
        assert_eq!(outcome(&mut rig, 2, &payload), expected, "{matchers}");
        rig.now += 1;
        // What was silenced was not remembered as seen.
        assert_eq!(outcome(&mut rig, 1, &payload), "dispatched");
    }
}

#[test]
fn silences_are_changed_ended_and_listed() {
    let mut rig = rig("rules: []\n");
    let silence = json!({"matchers": [{"name": "provider", "value": "webhook"}], "duration_seconds": 60});
    let id = rig.command(&json!({"create_silence": {"silence": silence}})).0["id"].clone();
    let longer = json!({"update_silence": {"silence_id": id, "ends_at": "2026-03-02T16:00:00Z", "comment": "more"}});
    assert_eq!(rig.command(&longer).0["comment"], "more");
    rig.now += 61_000;
    assert_eq!(outcome(&mut rig, 0, &json!({})), "silenced");
    assert_eq!(rig.command(&json!({"delete_silence": {"silence_id": id}})).0["status"], "expired");
    assert_eq!(outcome(&mut rig, 1, &json!({})), "dispatched");
    assert_eq!(rig.command(&longer).0["code"], "CONFLICT");
    assert_eq!(rig.command(&json!({"list_silences": {}})).0["count"], 0);
    assert_eq!(rig.command(&json!({"list_silences": {"include_expired": true}})).0["count"], 1);
    rig.now += 5 * 24 * 3_600_000;
    assert_eq!(rig.command(&json!({"list_silences": {"include_expired": true}})).0["count"], 0);
}

#[test]
fn intervals_mute_the_rule_that_decides() {
    let mut parts = parts(
        "rules:\n  - {name: night, condition: {field: action.payload.n, eq: 1}, mute_time_intervals: [office], action: {type: allow}}\n  - {name: day, active_time_intervals: [office], action: {type: allow}}\n",
    );
    let office = json!({"name": "office", "location": "America/New_York", "time_ranges": [{"times": [{"start": "09:00", "end": "17:00"}]}]});
    parts.time_intervals = vec![serde_json::from_value(office).unwrap()];
    let mut rig = Rig::new(parts);
    let effects = rig.action("a", &json!({"n": 1}));
    let muted = json!({"interval": "office", "reason": "mute_time_interval", "matched_rule": "night"});
    assert_eq!(effects.outcomes[0]["detail"]["Muted"], muted);
    assert_eq!(outcome(&mut rig, 1, &json!({})), "dispatched");
    rig.now += 7 * 3_600_000;
    assert_eq!(outcome(&mut rig, 2, &json!({"n": 1})), "dispatched");
    let effects = rig.action("b", &json!({}));
    assert_eq!(effects.outcomes[0]["detail"]["Muted"]["reason"], "active_time_interval");
}

#[test]
fn what_ends_before_it_goes_on_is_neither_silenced_nor_muted() {
    let file = |action: &str| {
        format!(
            "rules:\n  - {{name: r, condition: {{field: action.payload.n, eq: 1}}, mute_time_intervals: [always], \
             action: {action}}}\n"
        )
    };
    for (action, payload, muted, silenced) in [
        ("{type: allow}", 1, "muted", "silenced"),
        ("{type: reroute, target_provider: sms}", 1, "muted", "silenced"),
        ("{type: schedule, delay_seconds: 60}", 1, "muted", "silenced"),
        ("{type: group, group_by: [payload.n], group_wait_seconds: 60}", 1, "muted", "silenced"),
        ("{type: request_approval, notify_provider: sms, timeout_seconds: 60}", 1, "muted", "silenced"),
        ("{type: suppress}", 1, "suppressed", "suppressed"),
        ("{type: deny}", 1, "suppressed", "suppressed"),
        ("{type: throttle, max_count: 1, window_seconds: 60}", 1, "dispatched", "throttled"),
        ("{type: allow}", 2, "dispatched", "silenced"),
    ] {
        let mut parts = parts(&file(action));
        parts.time_intervals = vec![serde_json::from_value(json!({"name": "always", "time_ranges": [{}]})).unwrap()];
        let mut rig = Rig::new(parts);
        assert_eq!(outcome(&mut rig, 0, &json!({"n": payload})), muted, "{action}");
        let silence = json!({"matchers": [{"name": "namespace", "value": "n"}], "duration_seconds": 60});
        rig.command(&json!({"create_silence": {"silence": silence}}));
        rig.now += 1;
        assert_eq!(outcome(&mut rig, 1, &json!({"n": payload})), silenced, "{action}: a silence comes first");
    }
}

#[test]
fn retention_says_when_audit_records_may_go() {
    let mut rig = rig("rules: []\n");
    assert_eq!(rig.action("a", &json!({})).audit[0].get("expires_at"), None);
    let set = |retention: Value| json!({"set_retention": {"retention": retention}});
    rig.command(&set(json!({"audit_ttl_seconds": 60})));
    let effects = rig.action("b", &json!({}));
    assert_eq!(effects.audit[0]["expires_at"], START + 60_000);
    assert_eq!(rig.result(&effects.dispatches[0], true).audit[0]["expires_at"], START + 60_000);
    assert_eq!(rig.command(&json!({"show_retention": {}})).0["policies"][0]["audit_ttl_seconds"], 60);
    rig.command(&set(json!({"audit_ttl_seconds": 60, "compliance_hold": true})));
    assert_eq!(rig.action("c", &json!({})).audit[0].get("expires_at"), None);
    rig.command(&json!({"delete_retention": {}}));
    assert_eq!(rig.command(&json!({"show_retention": {}})).0["count"], 0);
}

#[test]
fn a_tenant_s_own_interval_counts_before_the_configuration_s() {
    let mut parts = parts(
        "rules:\n  - {name: quiet, condition: {field: action.payload.n, eq: 1}, mute_time_intervals: [always, mine], action: {type: allow}}\n  - {name: open, active_time_intervals: [mine], action: {type: allow}}\n",
    );
    parts.time_intervals = vec![serde_json::from_value(json!({"name": "always", "time_ranges": [{}]})).unwrap()];
    let mut rig = Rig::new(parts);
    assert_eq!(outcome(&mut rig, 0, &json!({"n": 1})), "muted");
    assert_eq!(outcome(&mut rig, 1, &json!({})), "dispatched", "`mine` is not there: it restricts nobody");
    let never = |name: &str| json!({"name": name, "time_ranges": [{"years": ["1970"]}]});
    let create = |interval: Value| json!({"create_time_interval": {"interval": interval}});
    assert_eq!(rig.command(&create(never("always"))).0["tenant"], "t");
    assert_eq!(outcome(&mut rig, 2, &json!({"n": 1})), "dispatched", "the tenant's own never holds");
    rig.command(&create(never("mine")));
    let effects = rig.action("a", &json!({}));
    let muted = json!({"interval": "mine", "reason": "active_time_interval", "matched_rule": "open"});
    assert_eq!(effects.outcomes[0]["detail"]["Muted"], muted);
    let update =
        json!({"update_time_interval": {"interval": {"name": "mine", "time_ranges": [{}], "description": "d"}}});
    assert_eq!(rig.command(&update).0["description"], "d");
    assert_eq!(outcome(&mut rig, 3, &json!({})), "dispatched");
    assert_eq!(outcome(&mut rig, 4, &json!({"n": 1})), "muted");
    assert_eq!(rig.command(&json!({"list_time_intervals": {}})).0["count"], 2);
    let delete = |name: &str| json!({"delete_time_interval": {"name": name}});
    assert_eq!(rig.command(&delete("mine")).0["name"], "mine");
    assert_eq!(rig.command(&delete("always")).0["name"], "always");
    assert_eq!(outcome(&mut rig, 5, &json!({"n": 1})), "muted", "the configuration's counts again");

    assert_eq!(rig.command(&delete("mine")).0["code"], "NOT_FOUND");
    assert_eq!(rig.command(&update).0["code"], "NOT_FOUND");
    rig.command(&create(never("mine")));
    assert_eq!(rig.command(&create(never("mine"))).0["code"], "CONFLICT");
    let bad = json!({"name": "bad", "time_ranges": [{"months": ["13"]}]});
    assert_eq!(rig.command(&create(bad)).0["code"], "INVALID");
    for index in 1..100 {
        rig.command(&create(never(&format!("i{index}"))));
    }
    assert_eq!(rig.command(&create(never("more"))).0["code"], "LIMIT");
}

#[test]
fn quotas_count_by_sender() {
    let set = |quota: Value| json!({"set_quota": {"quota": quota}});
    let mut rig = rig("rules: []\n");
    let each = json!({"id": "each", "max_actions": 1, "window": "hourly", "per_principal": true});
    assert_eq!(rig.command(&set(each)).0["per_principal"], true);
    let mut number = 0;
    let mut send = |rig: &mut Rig, caller: Option<&str>| {
        number += 1;
        rig.send(&json!({
            "id": format!("a{number}"), "namespace": "n", "tenant": "t", "provider": "webhook", "action_type": "order",
            "payload": {}, "caller_id": caller,
        }))
    };
    for caller in [Some("alice"), Some("bob"), None] {
        let passed = send(&mut rig, caller);
        assert_eq!(passed.outcomes[0]["outcome"], "dispatched", "{caller:?}");
        assert_eq!(passed.audit[0].get("caller_id").and_then(Value::as_str), caller);
    }
    let over = send(&mut rig, Some("alice"));
    assert_eq!(over.outcomes[0]["outcome"], "quota_exceeded");
    assert_eq!(over.audit[0]["outcome_details"]["principal"], "alice");
    assert_eq!(send(&mut rig, None).audit[0]["outcome_details"]["principal"], "anonymous");
    assert_eq!(rig.command(&json!({"list_quotas": {}})).0["quotas"][0]["used"], 1, "by the one that has used most");

    // Counted together, nothing of before is left; and then one sender alone.
    rig.command(&set(json!({"id": "each", "max_actions": 1, "window": "hourly"})));
    assert_eq!(send(&mut rig, Some("alice")).outcomes[0]["outcome"], "dispatched");
    assert_eq!(send(&mut rig, Some("bob")).outcomes[0]["outcome"], "quota_exceeded");
    rig.command(&json!({"delete_quota": {"quota_id": "each"}}));
    let bob = json!({"id": "bob", "max_actions": 0, "window": "hourly", "principal": "bob"});
    assert_eq!(rig.command(&set(bob)).0["principal"], "bob");
    assert_eq!(send(&mut rig, Some("bob")).outcomes[0]["outcome"], "quota_exceeded");
    assert_eq!(send(&mut rig, Some("alice")).outcomes[0]["outcome"], "dispatched");
    assert_eq!(send(&mut rig, None).outcomes[0]["outcome"], "dispatched");
    let both = json!({"max_actions": 1, "window": "hourly", "principal": "bob", "per_principal": true});
    assert_eq!(rig.command(&set(both)).0["code"], "INVALID");
}
