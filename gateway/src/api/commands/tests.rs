#![allow(clippy::unwrap_used)]

use crate::api::testing::{Fate, Seen, Server};
use crate::log::Topic;
use serde_json::{Value, json};

const SCOPE: &str = "namespace=n&tenant=t";

/// Answers questions about lists with one entry, and all else with what was asked.
fn done(seen: &Seen) -> Fate {
    let command = &seen.value["command"];
    let name = command.as_object().unwrap().keys().next().unwrap().clone();
    let scope = |mut entry: Value| {
        entry["namespace"] = "n".into();
        entry["tenant"] = "t".into();
        entry
    };
    let result = match name.as_str() {
        "list_quotas" => json!({"count": 1, "quotas": [scope(json!({
            "id": "q", "max_actions": 5, "window": {"custom": {"seconds": 90}}, "overage_behavior": "block",
            "enabled": true, "labels": {"k": "v"}, "used": 2, "limit": 5, "remaining": 3, "resets_at": "later",
        }))]}),
        "list_silences" => json!({"count": 1, "silences": [scope(json!({"id": "s"}))]}),
        "list_groups" => json!({"count": 1, "groups": [{}]}),
        "show_retention" if seen.value["tenant"] == "new" => json!({"count": 0, "policies": []}),
        "show_retention" => json!({"count": 1, "policies": [scope(json!({
            "audit_ttl_seconds": 7, "compliance_hold": true, "enabled": true,
        }))]}),
        "show_recurring" => scope(json!({
            "id": "r", "cron_expr": "0 * * * *", "timezone": "UTC", "enabled": true, "status": "active", "provider": "p",
            "action_type": "a", "payload": {"x": 1}, "metadata": {}, "execution_count": 3, "overlap_policy": "skip",
        })),
        _ => scope(command.clone()),
    };
    Fate::Outcome("command_done", json!({"CommandDone": {"result": result}}))
}

fn refused(_: &Seen) -> Fate {
    Fate::Outcome("command_refused", json!({"CommandRefused": {"code": "GONE", "message": "too late"}}))
}

/// Method, path, body and the command that it is.
type Case = (&'static str, String, Value, Value);

fn about_events_groups_and_approvals() -> Vec<Case> {
    let signed = "sig=ab&expires_at=5&kid=k";
    let link = json!({"sig": "ab", "expires_at": 5, "kid": "k"});
    vec![
        (
            "GET",
            format!("/v1/events?{SCOPE}&status=open&limit=5"),
            json!({}),
            json!({"list_events": {"state": "open", "page": {"limit": 5}}}),
        ),
        ("GET", format!("/v1/events/a%2Fb?{SCOPE}"), json!({}), json!({"show_event": {"fingerprint": "a/b"}})),
        (
            "PUT",
            "/v1/events/e/transition".to_owned(),
            json!({"to_state": "done"}),
            json!({"transition": {"fingerprint": "e", "to": "done"}}),
        ),
        ("GET", format!("/v1/groups?{SCOPE}"), json!({}), json!({"list_groups": {"page": {}}})),
        ("GET", format!("/v1/groups/g?{SCOPE}"), json!({}), json!({"show_group": {"group": "g"}})),
        ("DELETE", format!("/v1/groups/g?{SCOPE}"), json!({}), json!({"flush_group": {"group": "g"}})),
        (
            "GET",
            format!("/v1/approvals?{SCOPE}&status=pending"),
            json!({}),
            json!({"list_approvals": {"status": "pending", "page": {}}}),
        ),
        (
            "GET",
            format!("/v1/approvals/n/t/i?{signed}"),
            json!({}),
            json!({"show_approval": {"approval_id": "i", "link": link}}),
        ),
        (
            "POST",
            format!("/v1/approvals/n/t/i/approve?{signed}"),
            json!({}),
            json!({"approve": {"approval_id": "i", "link": link}}),
        ),
        (
            "POST",
            format!("/v1/approvals/n/t/i/reject?{signed}"),
            json!({}),
            json!({"reject": {"approval_id": "i", "link": link}}),
        ),
    ]
}

fn about_chains_and_the_rest() -> Vec<Case> {
    vec![
        (
            "GET",
            format!("/v1/chains?{SCOPE}&status=running&after=x"),
            json!({}),
            json!({"list_chains": {"status": "running", "page": {"after": "x"}}}),
        ),
        ("GET", format!("/v1/chains/c?{SCOPE}"), json!({}), json!({"show_chain": {"chain_id": "c"}})),
        (
            "POST",
            "/v1/chains/c/cancel".to_owned(),
            json!({"reason": "r"}),
            json!({"cancel_chain": {"chain_id": "c", "reason": "r"}}),
        ),
        ("POST", "/v1/chains/c/pause".to_owned(), json!({}), json!({"pause_chain": {"chain_id": "c"}})),
        ("POST", "/v1/chains/c/resume".to_owned(), json!({}), json!({"resume_chain": {"chain_id": "c"}})),
        (
            "POST",
            "/v1/chains/c/signal/s".to_owned(),
            json!({"payload": {"x": 1}}),
            json!({"signal": {"chain_id": "c", "signal": "s", "payload": {"x": 1}}}),
        ),
        ("GET", format!("/v1/scheduled?{SCOPE}"), json!({}), json!({"list_scheduled": {"page": {}}})),
        ("DELETE", format!("/v1/scheduled/a?{SCOPE}"), json!({}), json!({"cancel_scheduled": {"action_id": "a"}})),
        ("GET", format!("/v1/recurring/r?{SCOPE}"), json!({}), json!({"show_recurring": {"recurring_id": "r"}})),
        ("POST", "/v1/recurring/r/pause".to_owned(), json!({}), json!({"pause_recurring": {"recurring_id": "r"}})),
        ("DELETE", format!("/v1/recurring/r?{SCOPE}"), json!({}), json!({"delete_recurring": {"recurring_id": "r"}})),
        (
            "GET",
            format!("/v1/silences?{SCOPE}&include_expired=true"),
            json!({}),
            json!({"list_silences": {"include_expired": true}}),
        ),
        (
            "PUT",
            "/v1/silences/s".to_owned(),
            json!({"comment": "c"}),
            json!({"update_silence": {"silence_id": "s", "comment": "c"}}),
        ),
        ("DELETE", format!("/v1/quotas/q?{SCOPE}"), json!({}), json!({"delete_quota": {"quota_id": "q"}})),
        ("DELETE", "/v1/retention/n:t".to_owned(), json!({}), json!({"delete_retention": {}})),
    ]
}

#[tokio::test]
async fn each_request_is_a_command() {
    let server = Server::start(done).await;
    let cases = about_events_groups_and_approvals().into_iter().chain(about_chains_and_the_rest());
    for (method, path, mut body, command) in cases {
        if method != "GET" && !path.contains('?') {
            body["namespace"] = "n".into();
            body["tenant"] = "t".into();
        }
        let answer = server.request(method, &path, "", &body.to_string()).await;
        assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        let seen = server.seen().pop().unwrap();
        assert_eq!((seen.topic, seen.key.as_str()), (Topic::Commands, "n:t"), "{method} {path}");
        assert_eq!(seen.value["command"], command, "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_made_is_201_and_what_is_changed_keeps_the_rest() {
    let server = Server::start(done).await;
    let last = || server.seen().pop().unwrap().value["command"].clone();
    let made = json!({"namespace": "n", "tenant": "t", "max_actions": 5, "window": 90, "per_principal": true});
    assert_eq!(server.post("/v1/quotas", &made.to_string()).await.status, 201);
    assert_eq!(last(), json!({"set_quota": {"quota": {"max_actions": 5, "window": "90", "per_principal": true}}}));
    let answer = server.request("PUT", &format!("/v1/quotas/q?{SCOPE}"), "", r#"{"max_actions":6}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let quota = &last()["set_quota"]["quota"];
    assert_eq!((&quota["id"], &quota["max_actions"], &quota["window"]), (&json!("q"), &json!(6), &json!("90")));
    assert_eq!(quota["labels"], json!({"k": "v"}));

    let made = json!({"namespace": "n", "tenant": "t", "provider": "p", "action_type": "a", "cron_expression": "0 * * * *",
        "payload": {"x": 1}, "labels": {"k": "v"}});
    assert_eq!(server.post("/v1/recurring", &made.to_string()).await.status, 201);
    let recurring = &last()["create_recurring"]["recurring"];
    assert_eq!((&recurring["action"]["payload"], &recurring["labels"]), (&json!({"x": 1}), &json!({"k": "v"})));
    let change = r#"{"namespace":"n","tenant":"t","payload":{"x":2},"cron_expr":"5 * * * *"}"#;
    let answer = server.request("PUT", "/v1/recurring/r", "", change).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let recurring = &last()["update_recurring"]["recurring"];
    assert_eq!(
        (&recurring["cron_expression"], &recurring["action"]["payload"]),
        (&json!("5 * * * *"), &json!({"x": 2}))
    );
    assert_eq!((&recurring["overlap_policy"], &recurring["action"]["provider"]), (&json!("skip"), &json!("p")));

    let made = r#"{"namespace":"n","tenant":"new","audit_ttl_seconds":5,"compliance_hold":false,"labels":{"k":"v"}}"#;
    let answer = server.post("/v1/retention", made).await;
    assert_eq!((answer.status, &answer.body["id"]), (201, &json!("n:t")), "{answer:?}");
    let again = server.post("/v1/retention", &made.replace("new", "t")).await;
    assert_eq!((again.status, &again.body["code"]), (409, &json!("CONFLICT")));
    let answer = server.request("PUT", "/v1/retention/n:t", "", r#"{"event_ttl_seconds":9}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let retention = &last()["set_retention"]["retention"];
    assert_eq!((&retention["audit_ttl_seconds"], &retention["event_ttl_seconds"]), (&json!(7), &json!(9)));
    assert_eq!(retention["compliance_hold"], true);

    let made = r#"{"namespace":"n","tenant":"t","matchers":[{"name":"a","value":"b"}],"duration_seconds":60}"#;
    assert_eq!(server.post("/v1/silences", made).await.status, 201);
}

#[tokio::test]
async fn entries_of_lists_are_found_by_id() {
    let server = Server::start(done).await;
    let get = |path: String| {
        let server = &server;
        async move { server.request("GET", &path, "", "").await }
    };
    let usage = get(format!("/v1/quotas/q/usage?{SCOPE}")).await;
    assert_eq!((&usage.body["used"], &usage.body["remaining"]), (&json!(2), &json!(3)), "{usage:?}");
    assert_eq!(get(format!("/v1/quotas/q?{SCOPE}")).await.body["id"], "q");
    assert_eq!(get(format!("/v1/silences/s?{SCOPE}")).await.body["id"], "s");
    assert_eq!(get("/v1/retention/n:t".to_owned()).await.body["id"], "n:t");
    assert_eq!(get(format!("/v1/groups?{SCOPE}")).await.body["total"], 1);
    for path in [format!("/v1/quotas/x?{SCOPE}"), format!("/v1/silences/x?{SCOPE}"), "/v1/retention/x".to_owned()] {
        let answer = get(path).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!("NOT_FOUND")), "{answer:?}");
    }
}

#[tokio::test]
async fn refusals_and_bad_requests_have_their_status() {
    let server = Server::start(refused).await;
    let answer = server.request("GET", &format!("/v1/chains/c?{SCOPE}"), "", "").await;
    assert_eq!(
        (answer.status, &answer.body["code"], &answer.body["message"]),
        (410, &json!("GONE"), &json!("too late"))
    );
    let before = server.seen().len();
    let long = "x".repeat(300);
    let cases = [
        ("POST", "/v1/approvals/n/t/i/approve".to_owned(), "", 403, "FORBIDDEN"),
        ("POST", "/v1/approvals/n/t/i/approve?sig=ab".to_owned(), "", 403, "FORBIDDEN"),
        ("GET", "/v1/approvals/n/t/i".to_owned(), "", 403, "FORBIDDEN"),
        ("POST", "/v1/approvals/n/t/i/approve?sig=ab&expires_at=soon".to_owned(), "", 400, "INVALID_QUERY"),
        ("GET", "/v1/events".to_owned(), "", 400, "INVALID_QUERY"),
        ("GET", format!("/v1/events?{SCOPE}&limit=many"), "", 400, "INVALID_QUERY"),
        ("GET", format!("/v1/events?{SCOPE}&state=open"), "", 400, "INVALID_QUERY"),
        ("GET", "/v1/events/%ff?namespace=n&tenant=t".to_owned(), "", 400, "INVALID_PATH"),
        ("GET", format!("/v1/chains/{long}?{SCOPE}"), "", 422, "INVALID_FIELD"),
        ("PUT", "/v1/events/e/transition".to_owned(), "", 422, "INVALID_BODY"),
        ("PUT", "/v1/events/e/transition".to_owned(), "{", 400, "INVALID_JSON"),
        ("PUT", "/v1/events/e/transition".to_owned(), r#"{"to":1,"namespace":"n","tenant":"t"}"#, 422, "INVALID_BODY"),
        (
            "PUT",
            "/v1/events/e/transition".to_owned(),
            r#"{"to":"a","namespace":"","tenant":"t"}"#,
            422,
            "INVALID_FIELD",
        ),
        ("POST", "/v1/chains/c/cancel".to_owned(), r#"{"namespace":"n","tenant":"t","why":"x"}"#, 422, "INVALID_BODY"),
        (
            "POST",
            "/v1/quotas".to_owned(),
            r#"{"namespace":"n","tenant":"t","max_actions":-1,"window":"daily"}"#,
            422,
            "INVALID_BODY",
        ),
        (
            "POST",
            "/v1/quotas".to_owned(),
            r#"{"namespace":"n","tenant":"t","max_actions":1,"window":[]}"#,
            422,
            "INVALID_BODY",
        ),
        (
            "POST",
            "/v1/quotas".to_owned(),
            r#"{"namespace":"n","tenant":"t","max_actions":1,"window":"daily","per_principal":"yes"}"#,
            422,
            "INVALID_BODY",
        ),
        ("PUT", "/v1/quotas/q".to_owned(), r#"{"max_actions":1}"#, 422, "INVALID_BODY"),
        ("POST", "/v1/retention".to_owned(), r#"{"namespace":"n","tenant":"t","labels":{"k":1}}"#, 422, "INVALID_BODY"),
        ("DELETE", "/v1/retention/x".to_owned(), "", 404, "NOT_FOUND"),
        ("PATCH", "/v1/quotas/q".to_owned(), "", 405, "METHOD_NOT_ALLOWED"),
    ];
    for (method, path, body, status, code) in cases {
        let answer = server.request(method, &path, "", body).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{method} {path}: {answer:?}");
    }
    assert_eq!(server.seen().len(), before, "nothing was sent");
}

#[tokio::test]
async fn a_link_that_is_only_opened_decides_nothing() {
    let server = Server::start(done).await;
    let page = server
        .text("GET /v1/approvals/n/t/i/approve?sig=ab&expires_at=5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("<form method=\"post\">"), "{page}");
    assert!(server.seen().is_empty());
}
