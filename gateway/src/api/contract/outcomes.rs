//! Outcomes: `POST /v1/dispatch` and its batch.

use super::{Contract, TEXT, TIME, action};
use serde_json::{Value, json};

fn answered(provider: &str) -> Value {
    json!({"status": "success", "body": {"provider": provider, "logged": true}, "headers": {}})
}

/// Action type, provider, and what becomes of it; in this order.
fn outcomes() -> Vec<(&'static str, &'static str, Value)> {
    let grouped = |size: u32| json!({"Grouped": {"group_id": TEXT, "group_size": size, "notify_at": TIME}});
    vec![
        ("mail", "email", json!({"Executed": answered("email")})),
        ("alert", "email", json!({"Executed": answered("email")})),
        ("alert", "email", json!("Deduplicated")),
        ("test", "email", json!({"Suppressed": {"rule": "never", "reason": "Test traffic"}})),
        ("banned", "email", json!({"Suppressed": {"rule": "denied"}})),
        (
            "urgent",
            "email",
            json!({"Rerouted": {"original_provider": "email", "new_provider": "sms", "response": answered("sms")}}),
        ),
        ("letter", "email", json!({"Executed": answered("email")})),
        ("letter", "email", json!({"Throttled": {"retry_after": {"secs": 60, "nanos": 0}}})),
        (
            "mail",
            "down",
            json!({"Failed": {"code": "TIMEOUT", "message": "too slow", "retryable": true, "attempts": 4}}),
        ),
        (
            "mail",
            "fax",
            json!({"Failed": {"code": "PROVIDER_NOT_FOUND", "message": TEXT, "retryable": false, "attempts": 0}}),
        ),
        ("event", "email", grouped(1)),
        ("event", "email", grouped(2)),
        (
            "firing",
            "email",
            json!({"StateChanged": {"fingerprint": TEXT, "previous_state": null, "new_state": "firing", "notify": true}}),
        ),
        (
            "payment",
            "email",
            json!({"PendingApproval": {
                "approval_id": TEXT, "expires_at": TIME, "approve_url": TEXT, "reject_url": TEXT, "notification_sent": true,
            }}),
        ),
        (
            "order",
            "email",
            json!({"ChainStarted": {"chain_id": TEXT, "chain_name": "ship", "total_steps": 2, "first_step": "pack"}}),
        ),
        ("reminder", "email", json!({"Scheduled": {"action_id": TEXT, "scheduled_for": TIME}})),
        (
            "quiet",
            "email",
            json!({"Muted": {"interval": "always", "reason": "mute_time_interval", "matched_rule": "quiet"}}),
        ),
    ]
}

#[tokio::test]
async fn each_outcome_has_its_shape() {
    let contract = Contract::new().await;
    for (action_type, provider, shape) in outcomes() {
        contract.check("POST", "/v1/dispatch", &action(action_type, provider), 200, &shape).await;
    }
}

#[tokio::test]
async fn outcomes_of_policies_have_their_shapes() {
    let contract = Contract::new().await;
    let send = |shape: Value| {
        let contract = &contract;
        async move { contract.check("POST", "/v1/dispatch", &action("mail", "email"), 200, &shape).await }
    };
    let quota = json!({"namespace": "n", "tenant": "t", "max_actions": 1, "window": "hourly"});
    let made = contract.server.post("/v1/quotas", &quota.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    send(json!({"Executed": answered("email")})).await;
    let exceeded = json!({"tenant": "t", "limit": 1, "used": 1, "overage_behavior": "block"});
    send(json!({"QuotaExceeded": exceeded})).await;

    let contract = Contract::new().await;
    let silence = json!({
        "namespace": "n", "tenant": "t", "duration_seconds": 60, "comment": "c",
        "matchers": [{"name": "action_type", "value": "mail", "op": "equal"}],
    });
    let made = contract.server.post("/v1/silences", &silence.to_string()).await;
    let silenced = json!({"Silenced": {"silence_id": made.body["id"], "matched_rule": null}});
    contract.check("POST", "/v1/dispatch", &action("mail", "email"), 200, &silenced).await;

    contract.server.post("/v1/circuit-breakers/tripped/trip", "").await;
    let open = json!({"CircuitOpen": {"provider": "tripped", "fallback_chain": []}});
    contract.check("POST", "/v1/dispatch", &action("letter", "tripped"), 200, &open).await;
}

#[tokio::test]
async fn a_batch_is_an_array_of_the_same_and_of_errors() {
    let contract = Contract::new().await;
    let batch = json!([action("banned", "email"), action("alert", "email"), action("alert", "email"), {"tenant": "t"}]);
    let failed = json!({"error": {"code": "INVALID_BODY", "message": TEXT, "retryable": false}});
    let shape = json!([{"Suppressed": {"rule": "denied"}}, {"Executed": answered("email")}, "Deduplicated", failed]);
    contract.check("POST", "/v1/dispatch/batch", &batch, 200, &shape).await;

    // The rules of a dry run are those of the rule book.
    let tried =
        json!({"DryRun": {"verdict": "allow", "matched_rule": null, "would_be_provider": "email", "note": TEXT}});
    contract.check("POST", "/v1/dispatch?dry_run=true", &action("mail", "email"), 200, &tried).await;
    let accepted = json!({"action_id": "a", "status": "accepted"});
    let server = crate::api::testing::Server::start(|_| crate::api::testing::Fate::Written).await;
    let mut sent = action("mail", "email");
    sent["id"] = json!("a");
    let answer = server.post("/v1/dispatch?wait=0", &sent.to_string()).await;
    assert_eq!((answer.status, &answer.body), (202, &accepted));
}

#[tokio::test]
async fn each_error_has_the_four_keys() {
    let contract = Contract::new().await;
    let error =
        |code: &str, retryable: bool| json!({"error": TEXT, "code": code, "message": TEXT, "retryable": retryable});
    for (method, path, body, status, code) in [
        ("POST", "/v1/dispatch", json!({}), 422, "INVALID_BODY"),
        ("POST", "/v1/dispatch?wait=1h", action("mail", "email"), 400, "INVALID_QUERY"),
        ("GET", "/v1/chains/none?namespace=n&tenant=t", Value::Null, 404, "NOT_FOUND"),
        ("GET", "/v1/chains?namespace=n", Value::Null, 400, "INVALID_QUERY"),
        ("GET", "/v1/events?namespace=n&tenant=t&after=zz", Value::Null, 422, "INVALID"),
        ("GET", "/v1/approvals/n/t/none", Value::Null, 403, "FORBIDDEN"),
    ] {
        contract.check(method, path, &body, status, &error(code, false)).await;
    }
}
