#![allow(clippy::unwrap_used, clippy::panic)]

use crate::effect::Recorder;
use crate::keys::Store;
use crate::rig::{Rig, kinds, parts};
use serde_json::{Value, json};

const RULES: &str = r"
rules:
  - {name: later, condition: {field: action.action_type, eq: later}, action: {type: schedule, delay_seconds: 60}}
  - {name: ask, condition: {field: action.action_type, eq: ask}, action: {type: request_approval, notify_provider: sms}}
  - {name: no, condition: {field: action.action_type, eq: no}, action: {type: suppress}}
  - {name: once, condition: {field: action.action_type, eq: once}, action: {type: deduplicate}}
  - {name: copy, continue: true, condition: {field: action.action_type, eq: copied}, action: {type: reroute, target_provider: sms}}
  - {name: more, condition: {field: action.action_type, eq: more}, action: {type: modify, changes: {customer: Bob}}}
";

/// A tenant with the profile `order` and its template `greeting`.
fn rig() -> Rig {
    let mut rig = Rig::new(parts(RULES));
    let greeting = json!({"name": "greeting", "content": "Hello {{ customer }}"});
    done(&mut rig, &json!({"create_template": {"template": greeting}}));
    let fields = json!({"subject": "Order {{ payload.id }}", "body": {"$ref": "greeting"}, "n": ["{{ id }}", 7]});
    done(&mut rig, &json!({"create_profile": {"profile": {"name": "order", "fields": fields}}}));
    rig
}

fn done(rig: &mut Rig, command: &Value) -> Value {
    let answer = rig.command(command).0;
    assert!(answer.get("code").is_none(), "{command}: {answer}");
    answer
}

/// An action of `tenant` that names a profile.
fn send(rig: &mut Rig, tenant: &str, action_type: &str, template: &Value) -> Recorder {
    rig.send(&json!({
        "id": format!("{action_type}-1"), "namespace": "n", "tenant": tenant, "provider": "webhook",
        "action_type": action_type, "template": template, "locale": "de", "payload": {"id": 7, "customer": "Ann"},
    }))
}

fn made() -> Value {
    json!({"id": 7, "customer": "Ann", "subject": "Order 7", "body": "Hello Ann", "n": [7, 7]})
}

#[test]
fn definitions_are_made_shown_changed_and_removed() {
    let mut rig = rig();
    let shown = done(&mut rig, &json!({"show_template": {"name": "greeting"}}));
    assert_eq!(
        shown,
        json!({
            "id": "n/t/greeting", "namespace": "n", "tenant": "t", "name": "greeting", "content": "Hello {{ customer }}",
            "created_at": "2026-03-02T15:00:00Z", "updated_at": "2026-03-02T15:00:00Z",
        })
    );
    rig.now += 1_000;
    let other = json!({"name": "greeting", "content": "Hi", "description": "d", "labels": {"team": "sre"}});
    let changed = done(&mut rig, &json!({"update_template": {"template": other}}));
    assert_eq!((&changed["content"], &changed["labels"]["team"]), (&json!("Hi"), &json!("sre")));
    assert_eq!(changed["created_at"], shown["created_at"]);
    assert_eq!(changed["updated_at"], "2026-03-02T15:00:01Z");

    let odd = json!({"name": "a/b ü", "content": ""});
    assert_eq!(done(&mut rig, &json!({"create_template": {"template": odd}}))["id"], "n/t/a%2Fb%20%C3%BC");
    let listed = done(&mut rig, &json!({"list_templates": {"page": {"limit": 1}}}));
    assert_eq!((&listed["count"], &listed["templates"][0]["name"]), (&json!(1), &json!("a/b ü")));
    let rest = done(&mut rig, &json!({"list_templates": {"page": {"after": listed["next"]}}}));
    assert_eq!((&rest["count"], &rest["templates"][0]["name"]), (&json!(1), &json!("greeting")));
    let profiles = done(&mut rig, &json!({"list_profiles": {}}));
    assert_eq!((&profiles["count"], &profiles["profiles"][0]["id"]), (&json!(1), &json!("n/t/order")));

    let (refused, effects) = rig.command(&json!({"delete_template": {"name": "greeting"}}));
    assert_eq!(refused["code"], "CONFLICT");
    assert!(refused["message"].as_str().unwrap().contains("the profile `order` refers to"), "{refused}");
    assert_eq!(
        effects.audit[0]["outcome_details"]["code"], "CONFLICT",
        "a change is audited, also one that is refused"
    );
    assert_eq!(done(&mut rig, &json!({"delete_profile": {"name": "order"}}))["name"], "order");
    done(&mut rig, &json!({"delete_template": {"name": "greeting"}}));
    done(&mut rig, &json!({"delete_template": {"name": "a/b ü"}}));
    assert!(rig.state.0.keys().all(|key| Store::of(key) != Some(Store::Template)), "nothing is left");
    let (_, effects) = rig.command(&json!({"list_templates": {}}));
    assert_eq!(effects.audit.len(), 0, "a question is not");
}

#[test]
fn bad_definitions_are_refused_and_say_why() {
    let mut rig = rig();
    let template = |value: Value| json!({"create_template": {"template": value}});
    let profile = |fields: Value| json!({"create_profile": {"profile": {"name": "p", "fields": fields}}});
    let many: serde_json::Map<String, Value> = (0..65).map(|n| (format!("f{n}"), json!(n))).collect();
    let long = |bytes: usize| "x".repeat(bytes);
    for (command, code, part) in [
        (template(json!({"name": "greeting", "content": ""})), "CONFLICT", "`greeting` already"),
        (template(json!({"name": "x", "content": "{{ a"})), "INVALID", "`content`: bad template"),
        (template(json!({"name": "x", "content": "{% set a = 1 %}"})), "INVALID", "`content`: the statement `set`"),
        (template(json!({"name": "x", "content": long(32_769)})), "INVALID", "`content`: a text of 32769 bytes"),
        (template(json!({"name": "x", "content": "", "description": long(1_025)})), "INVALID", "`description`"),
        (template(json!({"name": "x", "content": "", "labels": {"": "x"}})), "INVALID", "`labels`"),
        (profile(json!({})), "INVALID", "`fields` has 0 entries"),
        (profile(json!(many)), "INVALID", "`fields` has 65 entries"),
        (profile(json!({"a": long(32_768)})), "INVALID", "`fields` has 32776 bytes"),
        (profile(json!({"a": [{"$ref": "gone"}]})), "INVALID", "`fields.a`: n/t has no template `gone`"),
        (profile(json!({"a": {"$ref": "greeting", "b": 1}})), "INVALID", "`fields.a`: a `$ref` is not alone"),
        (profile(json!({"a": {"b": "{{ x | shout }}"}})), "INVALID", "`fields.a`: bad template: unknown filter"),
        (json!({"update_template": {"template": {"name": "x", "content": ""}}}), "NOT_FOUND", "no template `x`"),
        (json!({"update_profile": {"profile": {"name": "x", "fields": {"a": 1}}}}), "NOT_FOUND", "no profile `x`"),
        (json!({"delete_template": {"name": "x"}}), "NOT_FOUND", "n/t has no template `x` of its own"),
        (json!({"delete_profile": {"name": "x"}}), "NOT_FOUND", "no profile `x`"),
        (json!({"show_template": {"name": "order"}}), "NOT_FOUND", "no template `order`"),
        (json!({"show_profile": {"name": "greeting"}}), "NOT_FOUND", "no profile `greeting`"),
        (json!({"list_templates": {"page": {"after": "zz"}}}), "INVALID", "`after`"),
    ] {
        let before = rig.state.clone();
        let (refused, _) = rig.command(&command);
        assert_eq!(refused["code"], code, "{command}: {refused}");
        assert!(refused["message"].as_str().unwrap().contains(part), "{command}: {refused}");
        assert_eq!(rig.state, before, "{command}");
    }
}

#[test]
fn a_tenant_has_so_many_and_no_more() {
    let mut rig = rig();
    let profile = |n: usize| json!({"create_profile": {"profile": {"name": format!("p{n}"), "fields": {"a": 1}}}});
    for n in 1..200 {
        done(&mut rig, &profile(n));
    }
    assert_eq!(rig.command(&profile(200)).0["code"], "LIMIT");
    assert_eq!(rig.command_of("other", None, &profile(200)).0["name"], "p200");
    done(&mut rig, &json!({"delete_profile": {"name": "p1"}}));
    done(&mut rig, &profile(200));
    let template = |n: usize| json!({"create_template": {"template": {"name": format!("t{n}"), "content": ""}}});
    for n in 1..500 {
        done(&mut rig, &template(n));
    }
    assert_eq!(rig.command(&template(500)).0["code"], "LIMIT");
}

#[test]
fn an_action_is_dispatched_with_what_its_profile_makes() {
    let mut rig = rig();
    let effects = send(&mut rig, "t", "order", &json!("order"));
    let dispatch = &effects.dispatches[0];
    assert_eq!((&dispatch["payload"], &dispatch["rendered_by"]), (&made(), &json!("order")));
    assert_eq!(dispatch["extra"], json!({"locale": "de"}), "the connector shall not look for the profile");
    assert_eq!(effects.audit[0]["action_payload"], json!({"id": 7, "customer": "Ann"}), "the action as it came");

    // As it is after a restart, and after what `modify` has done.
    let mut later = Rig::new(parts(RULES));
    later.state = rig.state.clone();
    let effects = send(&mut later, "t", "more", &json!("order"));
    assert_eq!(effects.dispatches[0]["payload"]["body"], "Hello Bob");

    // Of what is no profile of the tenant, the connector knows.
    for (tenant, template) in [("t", json!("other")), ("t", json!("greeting")), ("u", json!("order")), ("t", json!(7))]
    {
        let effects = send(&mut rig, tenant, "order", &template);
        let dispatch = &effects.dispatches[0];
        assert_eq!(dispatch["payload"], json!({"id": 7, "customer": "Ann"}), "{template}");
        assert_eq!(dispatch["extra"], json!({"locale": "de", "template": template}));
        assert_eq!(dispatch.get("rendered_by"), None);
    }
    let effects = send(&mut rig, "t", "order", &json!("x".repeat(10_000)));
    assert_eq!(effects.dispatches.len(), 1);

    done(&mut rig, &json!({"update_template": {"template": {"name": "greeting", "content": "Hi {{ customer }}"}}}));
    let effects = send(&mut rig, "t", "order", &json!("order"));
    assert_eq!(effects.dispatches[0]["payload"]["body"], "Hi Ann", "at once");
}

#[test]
fn what_was_held_and_copies_are_rendered_when_they_go() {
    let mut rig = rig();
    assert_eq!(send(&mut rig, "t", "no", &json!("order")).dispatches.len(), 0);
    assert_eq!(send(&mut rig, "t", "later", &json!("order")).dispatches.len(), 0);
    let effects = rig.advance_to(rig.now + 60_000);
    assert_eq!((&effects.dispatches[0]["payload"], kinds(&effects.outcomes)), (&made(), vec!["dispatched"]));

    let asked = send(&mut rig, "t", "ask", &json!("order"));
    assert_eq!(asked.dispatches[0]["action_type"], "approval_notification");
    assert_eq!(asked.dispatches[0].get("rendered_by"), None);
    let approval = &asked.outcomes[0]["detail"]["PendingApproval"]["approval_id"];
    let (_, effects) = rig.command(&json!({"approve": {"approval_id": approval}}));
    assert_eq!(effects.dispatches[0]["payload"], made());

    let effects = send(&mut rig, "t", "copied", &json!("order"));
    let providers: Vec<&Value> = effects.dispatches.iter().map(|dispatch| &dispatch["provider"]).collect();
    assert_eq!(providers, ["sms", "webhook"]);
    assert!(effects.dispatches.iter().all(|dispatch| dispatch["payload"] == made()));
}

#[test]
fn an_action_whose_profile_fails_is_not_sent_and_counts_for_nothing() {
    let mut rig = rig();
    let broken = json!({"name": "broken", "fields": {"a": "fine", "sum": "{{ 1 / payload.customer }}"}});
    done(&mut rig, &json!({"create_profile": {"profile": broken}}));
    let effects = send(&mut rig, "t", "once", &json!("broken"));
    assert_eq!((kinds(&effects.outcomes), effects.dispatches.len()), (vec!["failed"], 0));
    let failed = &effects.outcomes[0]["detail"]["Failed"];
    assert_eq!((&failed["code"], &failed["retryable"]), (&json!("VALIDATION"), &json!(false)));
    assert!(failed["message"].as_str().unwrap().starts_with("field `sum` of profile `broken` can't be made: "));
    assert_eq!(effects.outcomes[0]["is_final"], true);
    assert_eq!(effects.audit[0]["outcome_details"]["code"], "VALIDATION");
    let effects = send(&mut rig, "t", "once", &json!("order"));
    assert_eq!(kinds(&effects.outcomes), ["dispatched"], "its key was not taken");

    let effects = send(&mut rig, "t", "copied", &json!("broken"));
    assert_eq!(kinds(&effects.outcomes), ["failed"]);
    let long = rig.send(&json!({
        "id": "long", "namespace": "n", "tenant": "t", "provider": "webhook", "action_type": "order",
        "template": "order", "payload": {"text": "x".repeat(70_000)},
    }));
    let message = long.outcomes[0]["detail"]["Failed"]["message"].as_str().unwrap();
    assert!(message.starts_with("profile `order` can't be used: the payload and the labels are longer"), "{message}");
}

#[test]
fn templates_can_be_tried_out() {
    let mut rig = rig();
    let payload = json!({"id": 7, "customer": "Ann"});
    for (template, expected) in [
        ("order", json!({"subject": "Order 7", "body": "Hello Ann", "n": [7, 7]})),
        ("greeting", json!({"content": "Hello Ann"})),
        ("{{ customer | upper }} {{ metadata.team }}", json!({"content": "ANN sre"})),
    ] {
        let request = json!({"template": template, "payload": payload, "metadata": {"team": "sre"}});
        let (rendered, effects) = rig.command(&json!({"render_template": {"request": request}}));
        assert_eq!(rendered, json!({"rendered": expected}), "{template}");
        assert_eq!((effects.dispatches.len(), effects.audit.len()), (0, 0));
    }
    for (template, code) in
        [("gone", "NOT_FOUND"), ("{{ 1 / payload.customer }}", "INVALID"), ("{{ a", "INVALID"), ("", "NOT_FOUND")]
    {
        let request = json!({"template": template, "payload": payload});
        assert_eq!(rig.command(&json!({"render_template": {"request": request}})).0["code"], code, "{template}");
    }
    let request = json!({"render_template": {"request": {"template": "order"}}});
    assert_eq!(rig.command_of("u", None, &request).0["code"], "NOT_FOUND", "another tenant's");
}
