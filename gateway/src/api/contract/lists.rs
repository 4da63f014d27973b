//! Lists and details of a tenant's state.

use super::{Contract, NUMBER, TEXT, TIME, action, has};
use serde_json::{Value, json};

const SCOPE: &str = "namespace=n&tenant=t";

/// An API on which one action of a type was sent.
async fn with(action_type: &str) -> (Contract, Value) {
    let contract = Contract::new().await;
    let sent = contract.server.post("/v1/dispatch", &action(action_type, "email").to_string()).await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    (contract, sent.body)
}

fn over(base: &Value, more: &Value) -> Value {
    let mut whole = base.clone();
    whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    whole
}

fn scope() -> Value {
    json!({"namespace": "n", "tenant": "t"})
}

#[tokio::test]
async fn events() {
    let (contract, sent) = with("firing").await;
    let fingerprint = sent["StateChanged"]["fingerprint"].as_str().unwrap();
    let event = json!({
        "fingerprint": fingerprint, "state": "firing", "action_type": "firing", "state_machine": "alert", "count": 1,
        "created_at": TIME, "updated_at": TIME,
    });
    let list = json!({"count": 1, "events": [event]});
    contract.check("GET", &format!("/v1/events?{SCOPE}"), &Value::Null, 200, &list).await;
    let more = json!({
        "labels": {}, "provider": "email", "action_id": TEXT, "active": true, "changed_at": TIME, "notified_at": TIME,
    });
    let path = format!("/v1/events/{fingerprint}");
    contract.check("GET", &format!("{path}?{SCOPE}"), &Value::Null, 200, &over(&event, &more)).await;
    let changed = json!({
        "fingerprint": fingerprint, "previous_state": "firing", "new_state": "resolved", "notify": true,
    });
    let to = over(&scope(), &json!({"to": "resolved"}));
    contract.check("PUT", &format!("{path}/transition"), &to, 200, &changed).await;
}

#[tokio::test]
async fn groups() {
    let (contract, sent) = with("event").await;
    let id = &sent["Grouped"]["group_id"];
    let group = json!({
        "group_id": id, "group_key": TEXT, "rule": "together", "provider": "email", "event_count": 1, "state": "pending",
        "notify_at": TIME, "created_at": TIME,
    });
    let list = json!({"count": 1, "total": 1, "groups": [group]});
    contract.check("GET", &format!("/v1/groups?{SCOPE}"), &Value::Null, 200, &list).await;
    let event = json!({
        "action_id": TEXT, "action_type": "event", "fingerprint": null, "status": null, "ends_at": null,
        "received_at": TIME, "notified": false,
    });
    let detail = json!({"group": group, "labels": {"payload.host": "h"}, "events": [TEXT], "event_details": [event]});
    let path = format!("/v1/groups/{}?{SCOPE}", id.as_str().unwrap());
    contract.check("GET", &path, &Value::Null, 200, &detail).await;
    let flushed = json!({"group_id": id, "event_count": 1, "notified": true, "status": "flushed"});
    contract.check("DELETE", &path, &Value::Null, 200, &flushed).await;
}

#[tokio::test]
async fn approvals() {
    let (contract, sent) = with("payment").await;
    let id = &sent["PendingApproval"]["approval_id"];
    let approval = json!({
        "token": id, "approval_id": id, "status": "pending", "rule": "ask", "action_id": TEXT, "provider": "email",
        "action_type": "payment", "created_at": TIME, "expires_at": TIME,
    });
    let list = json!({"count": 1, "approvals": [approval]});
    contract.check("GET", &format!("/v1/approvals?{SCOPE}"), &Value::Null, 200, &list).await;
    let links = contract.core.lock().unwrap().dispatches[0]["payload"].clone();
    let link = links["approval_url"].as_str().unwrap();
    let link = &link[link.find("/v1/").unwrap()..];
    let shown = link.replace("/approve", "");
    contract.check("GET", &shown, &Value::Null, 200, &over(&approval, &scope())).await;
    let decided = json!({"id": id, "approval_id": id, "status": "approved", "outcome": TEXT});
    contract.check("POST", link, &Value::Null, 200, &decided).await;
    let error = json!({"error": TEXT, "code": "CONFLICT", "message": TEXT, "retryable": false});
    contract.check("POST", &link.replace("/approve", "/reject"), &Value::Null, 409, &error).await;
}

#[tokio::test]
async fn chains() {
    let (contract, sent) = with("order").await;
    let id = &sent["ChainStarted"]["chain_id"];
    let chain = json!({
        "chain_id": id, "chain_name": "ship", "status": "waiting_signal", "current_step": 1, "total_steps": 2,
        "started_at": TIME, "updated_at": TIME,
    });
    let list = json!({"count": 1, "chains": [chain]});
    contract.check("GET", &format!("/v1/chains?{SCOPE}"), &Value::Null, 200, &list).await;
    let path = format!("/v1/chains/{}", id.as_str().unwrap());
    let detail = contract.named("GET", &format!("{path}?{SCOPE}"), &Value::Null).await;
    let (summary, step) = (chain.as_object().unwrap(), &detail["steps"][0]);
    for (name, shape) in summary.iter().chain(scope().as_object().unwrap()) {
        assert!(has(shape, &detail[name]), "{name}: {detail:#}");
    }
    assert_eq!(
        (&step["name"], &step["provider"], &step["status"]),
        (&json!("pack"), &json!("email"), &json!("completed"))
    );
    assert_eq!(step["response_body"], json!({"provider": "email", "logged": true}));
    assert!(has(&json!(TIME), &step["completed_at"]), "{detail:#}");
    assert_eq!((&detail["steps"][1]["name"], &detail["error"]), (&json!("wait"), &Value::Null), "{detail:#}");
    let reason = over(&scope(), &json!({"reason": "r", "cancelled_by": "me"}));
    let cancelled = contract.named("POST", &format!("{path}/cancel"), &reason).await;
    let told = ["status", "cancel_reason", "cancelled_by"].map(|name| cancelled[name].clone());
    assert_eq!(told, [json!("cancelled"), json!("r"), json!("me")], "{cancelled:#}");
}

#[tokio::test]
async fn scheduled() {
    let (contract, sent) = with("reminder").await;
    let id = sent["Scheduled"]["action_id"].as_str().unwrap();
    let held = json!({
        "id": id, "action_id": TEXT, "provider": "email", "action_type": "reminder", "held_by": "schedule",
        "scheduled_for": TIME, "created_at": TIME,
    });
    let list = json!({"count": 1, "scheduled": [held]});
    contract.check("GET", &format!("/v1/scheduled?{SCOPE}"), &Value::Null, 200, &list).await;
    let cancelled = json!({"action_id": TEXT, "scheduled_for": TIME, "status": "cancelled"});
    contract.check("DELETE", &format!("/v1/scheduled/{id}?{SCOPE}"), &Value::Null, 200, &cancelled).await;
}

#[tokio::test]
async fn recurring() {
    let contract = Contract::new().await;
    let body = over(
        &scope(),
        &json!({
            "provider": "email", "action_type": "mail", "payload": {"x": 1}, "cron_expression": "0 9 * * *", "name": "daily",
            "labels": {},
        }),
    );
    let brief = json!({"id": TEXT, "name": "daily", "next_execution_at": TIME, "status": "active"});
    let made = contract.check("POST", "/v1/recurring", &body, 201, &brief).await;
    let shown = over(
        &scope(),
        &json!({
            "id": made["id"], "name": "daily", "cron_expr": "0 9 * * *", "timezone": "UTC", "enabled": true,
            "status": "active", "provider": "email", "action_type": "mail", "next_execution_at": TIME,
            "last_execution_at": null, "execution_count": 0, "skipped_count": 0, "overlap_policy": "allow_all",
            "description": null, "created_at": TIME,
        }),
    );
    let list = json!({"count": 1, "recurring_actions": [shown]});
    contract.check("GET", &format!("/v1/recurring?{SCOPE}"), &Value::Null, 200, &list).await;
    let path = format!("/v1/recurring/{}", made["id"].as_str().unwrap());
    let more = json!({
        "payload": {"x": 1}, "metadata": {}, "dedup_key": null, "end_date": null, "max_executions": null,
    });
    contract.check("GET", &format!("{path}?{SCOPE}"), &Value::Null, 200, &over(&shown, &more)).await;
    let paused = over(&made, &json!({"status": "paused", "next_execution_at": null}));
    contract.check("POST", &format!("{path}/pause"), &scope(), 200, &paused).await;
    contract.check("POST", &format!("{path}/resume"), &scope(), 200, &brief).await;
    let past = over(&scope(), &json!({"start": "2026-03-01T00:00:00Z", "end": "2026-03-01T12:00:00Z"}));
    let run = json!({"id": made["id"], "executed": 1, "already_executed": 0});
    contract.check("POST", &format!("{path}/backfill"), &past, 200, &run).await;
    let changed = over(&scope(), &json!({"cron_expr": "0 10 * * *"}));
    contract.check("PUT", &path, &changed, 200, &brief).await;
    let deleted = json!({"id": made["id"], "name": "daily", "status": "deleted"});
    contract.check("DELETE", &format!("{path}?{SCOPE}"), &Value::Null, 200, &deleted).await;
}

#[tokio::test]
async fn quotas() {
    let contract = Contract::new().await;
    let own = json!({
        "max_actions": 5, "window": "90", "overage_behavior": {"degrade": {"fallback_provider": "sms"}},
        "description": "d", "labels": {"k": "v"},
    });
    let usage = over(
        &scope(),
        &json!({
            "used": 0, "limit": 5, "remaining": 5, "window": {"custom": {"seconds": 90}}, "resets_at": TIME,
            "overage_behavior": {"degrade": {"fallback_provider": "sms"}},
        }),
    );
    let quota = over(
        &usage,
        &json!({
            "id": TEXT, "max_actions": 5, "enabled": true, "description": "d", "labels": {"k": "v"}, "created_at": TIME,
            "updated_at": TIME,
        }),
    );
    let made = contract.check("POST", "/v1/quotas", &over(&own, &scope()), 201, &quota).await;
    let list = json!({"count": 1, "quotas": [quota]});
    contract.check("GET", &format!("/v1/quotas?{SCOPE}"), &Value::Null, 200, &list).await;
    let path = format!("/v1/quotas/{}", made["id"].as_str().unwrap());
    contract.check("GET", &format!("{path}/usage?{SCOPE}"), &Value::Null, 200, &usage).await;
    let weekly = over(&quota, &json!({"window": "weekly", "overage_behavior": "warn"}));
    let change = json!({"window": "weekly", "overage_behavior": "warn"});
    contract.check("PUT", &format!("{path}?{SCOPE}"), &change, 200, &weekly).await;
    contract.check("DELETE", &format!("{path}?{SCOPE}"), &Value::Null, 200, &weekly).await;
}

#[tokio::test]
async fn retention() {
    let contract = Contract::new().await;
    let policy = over(
        &scope(),
        &json!({
            "id": "n:t", "enabled": true, "compliance_hold": true, "audit_ttl_seconds": 86400, "description": "d",
        }),
    );
    let body = over(&scope(), &json!({"audit_ttl_seconds": 86400, "compliance_hold": true, "description": "d"}));
    contract.check("POST", "/v1/retention", &body, 201, &policy).await;
    let error = json!({"error": TEXT, "code": "CONFLICT", "message": TEXT, "retryable": false});
    contract.check("POST", "/v1/retention", &body, 409, &error).await;
    let list = json!({"count": 1, "policies": [policy]});
    contract.check("GET", &format!("/v1/retention?{SCOPE}"), &Value::Null, 200, &list).await;
    contract.check("GET", "/v1/retention/n:t", &Value::Null, 200, &policy).await;
    contract.check("DELETE", "/v1/retention/n:t", &Value::Null, 200, &policy).await;
}

#[tokio::test]
async fn silences() {
    let contract = Contract::new().await;
    let matcher = json!({"name": "action_type", "value": "a.*", "op": "regex"});
    let body = over(&scope(), &json!({"matchers": [matcher], "duration_seconds": 60, "comment": "c"}));
    let silence = over(
        &scope(),
        &json!({
            "id": TEXT, "matchers": [matcher], "status": "active", "starts_at": TIME, "ends_at": TIME, "comment": "c",
            "created_by": null, "created_at": TIME,
        }),
    );
    let made = contract.check("POST", "/v1/silences", &body, 201, &silence).await;
    let list = json!({"count": 1, "silences": [silence]});
    contract.check("GET", &format!("/v1/silences?{SCOPE}"), &Value::Null, 200, &list).await;
    let path = format!("/v1/silences/{}", made["id"].as_str().unwrap());
    let change = over(&scope(), &json!({"comment": "d"}));
    contract.check("PUT", &path, &change, 200, &over(&silence, &json!({"comment": "d"}))).await;
    let over = over(&silence, &json!({"comment": "d", "status": "expired"}));
    contract.check("DELETE", &format!("{path}?{SCOPE}"), &Value::Null, 200, &over).await;
}

#[tokio::test]
async fn circuits_and_rules_and_the_process() {
    let contract = Contract::new().await;
    for base in ["/admin", "/v1"] {
        let path = format!("{base}/circuit-breakers/tripped");
        let circuit = json!({
            "provider": "tripped", "state": "open", "failures": NUMBER, "opened_at": TIME, "probe_at": null,
            "reason": TEXT, "message": TEXT,
        });
        contract.check("POST", &format!("{path}/trip"), &Value::Null, 200, &circuit).await;
        let closed = over(&circuit, &json!({"state": "closed", "opened_at": null, "reason": null}));
        contract.check("POST", &format!("{path}/reset"), &Value::Null, 200, &closed).await;
    }
    let rule = |name: &str, priority: i32, enabled: bool, description: Value| {
        json!({
            "name": name, "priority": priority, "enabled": enabled, "description": description, "source": TEXT,
            "switched": false,
        })
    };
    let rules = json!([
        rule("no-tests", 0, true, json!("Test traffic")),
        rule("shout", 5, true, json!(null)),
        rule("mark", 9, false, json!(null)),
    ]);
    contract.check("GET", "/v1/rules", &Value::Null, 200, &rules).await;
    let reloaded = json!({"reloaded": 3, "loaded": 3, "directory": "rules", "errors": []});
    contract.check("POST", "/v1/rules/reload", &Value::Null, 200, &reloaded).await;
    for path in ["/health", "/metrics"] {
        let answer = contract.server.get(path).await;
        let named = super::document::check(&contract.document, "GET", path, 200, &answer.body);
        assert_eq!((answer.status, named), (200, Ok(())), "{path}");
    }
    let shown = contract.server.get("/health").await.body;
    assert_eq!(shown["metrics"]["dispatched"], 0);
}

#[tokio::test]
async fn a_token_is_good_for_its_own_list_alone() {
    let (contract, _) = with("firing").await;
    let mut other = action("firing", "email");
    other["payload"]["host"] = json!("other");
    contract.server.post("/v1/dispatch", &other.to_string()).await;
    let first = contract.server.get(&format!("/v1/events?{SCOPE}&limit=1")).await.body;
    let next = first["next"].as_str().unwrap();
    let second = contract.server.get(&format!("/v1/events?{SCOPE}&limit=1&after={next}")).await.body;
    assert_eq!((&second["count"], &second["next"]), (&json!(1), &Value::Null), "{second}");
    assert_ne!(first["events"], second["events"]);
    let error = json!({"error": TEXT, "code": "INVALID", "message": TEXT, "retryable": false});
    for path in [
        format!("/v1/chains?{SCOPE}&after={next}"),
        format!("/v1/events?namespace=n&tenant=u&after={next}"),
        format!("/v1/groups?{SCOPE}&after={next}"),
    ] {
        contract.check("GET", &path, &Value::Null, 422, &error).await;
    }
}

#[tokio::test]
async fn templates_and_profiles() {
    let contract = Contract::new().await;
    let greeting = over(&scope(), &json!({"name": "greeting", "content": "Hello {{ host }}"}));
    let times = json!({"created_at": TIME, "updated_at": TIME});
    let template = over(&over(&greeting, &times), &json!({"id": "n/t/greeting"}));
    contract.check("POST", "/v1/templates", &greeting, 201, &template).await;
    let error = json!({"error": TEXT, "code": "CONFLICT", "message": TEXT, "retryable": false});
    contract.check("POST", "/v1/templates", &greeting, 409, &error).await;
    let list = json!({"count": 1, "templates": [template]});
    contract.check("GET", &format!("/v1/templates?{SCOPE}"), &Value::Null, 200, &list).await;

    // The spellings of the original's examples.
    let fields = json!({"subject": {"inline": "{{ host | upper }}"}, "text": {"$ref": "greeting"}});
    let mail = over(&scope(), &json!({"name": "mail", "fields": fields}));
    let fields = json!({"subject": "{{ host | upper }}", "text": {"$ref": "greeting"}});
    let profile = over(&over(&mail, &times), &json!({"id": "n/t/mail", "fields": fields}));
    contract.check("POST", "/v1/templates/profiles", &mail, 201, &profile).await;
    let list = json!({"count": 1, "profiles": [profile]});
    contract.check("GET", &format!("/v1/templates/profiles?{SCOPE}"), &Value::Null, 200, &list).await;

    let rendered = json!({"rendered": {"subject": "H", "text": "Hello h"}});
    let request = over(&scope(), &json!({"profile": "mail", "payload": {"host": "h"}}));
    contract.check("POST", "/v1/templates/render", &request, 200, &rendered).await;
    let request = over(&scope(), &json!({"template": "greeting", "data": {"host": "h"}}));
    let rendered = json!({"rendered": {"content": "Hello h"}});
    contract.check("POST", "/v1/templates/render", &request, 200, &rendered).await;
    let mut sent = action("mailed", "email");
    sent["template"] = json!("mail");
    contract.named("POST", "/v1/dispatch", &sent).await;
    let payload = contract.core.lock().unwrap().dispatches[0]["payload"].clone();
    assert_eq!(payload, json!({"host": "h", "subject": "H", "text": "Hello h"}));

    // Their ids are what their paths end with, as the original's clients use them.
    let path = format!("/v1/templates/{}", template["id"].as_str().unwrap());
    contract.check("DELETE", &path, &Value::Null, 409, &error).await;
    let changed = over(&template, &json!({"content": "Hi", "description": "d", "labels": {"k": "v"}}));
    let change = json!({"body": "Hi", "description": "d", "labels": {"k": "v"}});
    contract.check("PUT", &path, &change, 200, &changed).await;
    contract.check("GET", &path, &Value::Null, 200, &changed).await;
    let other = format!("/v1/templates/profiles/{}", profile["id"].as_str().unwrap());
    contract.check("GET", &other, &Value::Null, 200, &profile).await;
    let described = over(&profile, &json!({"description": "d"}));
    contract.check("PUT", &other, &json!({"description": "d"}), 200, &described).await;
    contract.check("DELETE", &other, &Value::Null, 200, &described).await;
    contract.check("DELETE", &path, &Value::Null, 200, &changed).await;
    let error = json!({"error": TEXT, "code": "NOT_FOUND", "message": TEXT, "retryable": false});
    contract.check("GET", &path, &Value::Null, 404, &error).await;
    contract.check("GET", &other, &Value::Null, 404, &error).await;
}
