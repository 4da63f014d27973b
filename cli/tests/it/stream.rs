//! The live stream and what is looked at beside it, on `acteon dev` over HTTP.

use crate::dev::Dev;
use crate::support::http;
use acteon_testkit::wait_until;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

const RULES: &str = r#"
rules:
  - name: together
    condition: {field: action.action_type, eq: alert}
    action: {type: group, group_by: [action_type], group_wait_seconds: 3600}
  - name: order
    condition: {field: action.action_type, eq: order}
    action: {type: chain, chain: ship}
"#;

fn configured(dir: &Path) -> PathBuf {
    let (config, rules) = (dir.join("acteon.toml"), dir.join("rules"));
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("rules.yaml"), RULES).unwrap();
    let text = format!(
        "[rules]\ndirectory = {rules:?}\n[server]\nmax_sse_connections_per_tenant = 1\n\
         [[providers]]\nname = \"log\"\ntype = \"log\"\n[circuit_breaker]\nenabled = true\n\
         [[chains.definitions]]\nname = \"ship\"\n\
         [[chains.definitions.steps]]\nname = \"pack\"\nprovider = \"log\"\naction_type = \"pack\"\n\
         [[chains.definitions.steps]]\nname = \"send\"\nprovider = \"log\"\naction_type = \"send\"\n"
    );
    fs::write(&config, text).unwrap();
    config
}

fn send(dev: &Dev, id: &str, action_type: &str) -> Value {
    let action = json!({
        "id": id, "namespace": "n", "tenant": "t", "provider": "log", "action_type": action_type,
        "payload": {"card": "4111111111111111"},
    });
    let answer = http(dev.http(), "POST", "/v1/dispatch", &action.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

/// An open stream.
struct Events(BufReader<TcpStream>);

impl Events {
    fn open(dev: &Dev, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(dev.http()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: t\r\n{headers}\r\n").unwrap();
        let mut events = Self(BufReader::new(stream));
        assert_eq!(events.line(), "HTTP/1.1 200 OK", "{path}");
        events
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The data of the next event of a type.
    fn next(&mut self, event: &str) -> Value {
        loop {
            if let Some(data) = self.line().strip_prefix("data: ") {
                let data: Value = serde_json::from_str(data).unwrap();
                if data["type"] == event {
                    return data;
                }
            }
        }
    }
}

#[test]
fn what_happens_is_streamed_and_can_be_caught_up_with() {
    let dir = tempfile::tempdir().unwrap();
    let (data, config) = (dir.path().join("data"), configured(dir.path()));
    let dev = Dev::start(&data, &config);
    let mut all = Events::open(&dev, "/v1/stream?namespace=n", "");
    send(&dev, "mail-1", "mail");
    let event = all.next("action_dispatched");
    assert_eq!((&event["action_id"], &event["namespace"]), (&json!("mail-1"), &json!("n")));
    assert_eq!(event["outcome"], json!({"Executed": {"status": "success", "body": null, "headers": {}}}));
    assert!(!event.to_string().contains("4111"), "no payload is told: {event}");
    let first = event["id"].as_str().unwrap().to_owned();

    send(&dev, "alert-1", "alert");
    assert_eq!(all.next("group_event_added")["event_count"], 1);
    let chain = send(&dev, "order-1", "order")["ChainStarted"]["chain_id"].as_str().unwrap().to_owned();
    assert_eq!(all.next("chain_step_completed")["step_name"], "pack");
    assert_eq!(all.next("chain_completed")["chain_id"], chain.as_str());

    let scope = "namespace=n&tenant=t";
    let mut one = Events::open(&dev, &format!("/v1/subscribe/chain/{chain}?{scope}"), "");
    assert_eq!(one.next("chain_completed")["execution_path"], json!(["pack", "send"]));
    one.next("subscription_end");
    drop(one);
    let held = Events::open(&dev, &format!("/v1/stream?{scope}"), "");
    let refused = http(dev.http(), "GET", &format!("/v1/stream?{scope}"), "");
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("TOO_MANY_STREAMS")), "{}", refused.text);
    drop(held);
    drop(all);
    dev.kill();

    // Another process goes on after an id of the one before.
    let dev = Dev::start(&data, &config);
    let mut again = Events::open(&dev, "/v1/stream?namespace=n", &format!("Last-Event-ID: {first}\r\n"));
    assert_eq!(again.next("group_event_added")["event_count"], 1);
    assert_eq!(again.next("chain_completed")["chain_id"], chain.as_str());
    send(&dev, "mail-2", "mail");
    assert_eq!(again.next("action_dispatched")["action_id"], "mail-2");
    dev.stop();
    again.next("subscription_end");
}

#[test]
fn groups_chains_providers_and_circuits_are_looked_at_without_their_tenant() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("data"), &configured(dir.path()));
    let get = |path: &str| http(dev.http(), "GET", path, "");
    send(&dev, "alert-1", "alert");
    assert!(wait_until(LIMIT, || get("/v1/groups").body["total"] == 1), "{}", get("/v1/groups").text);
    let group = get("/v1/groups").body["groups"][0].clone();
    assert_eq!((&group["tenant"], &group["event_count"]), (&json!("t"), &json!(1)));
    let path = format!("/v1/groups/{}", group["group_id"].as_str().unwrap());
    assert_eq!(get(&path).body["events"], json!(["alert-1"]), "{}", get(&path).text);
    let flushed = http(dev.http(), "DELETE", &path, "");
    assert_eq!((flushed.status, &flushed.body["notified"]), (200, &json!(true)), "{}", flushed.text);
    assert_eq!(http(dev.http(), "DELETE", "/v1/groups/none", "").status, 404);

    let chain = send(&dev, "order-1", "order")["ChainStarted"]["chain_id"].as_str().unwrap().to_owned();
    let history = || get(&format!("/v1/chains/{chain}/history?namespace=n&tenant=t"));
    assert!(wait_until(LIMIT, || history().body["status"] == "completed"), "{}", history().text);
    assert_eq!(history().body["steps"][1]["attempts"][0]["success"], true, "{}", history().text);
    let graph = get(&format!("/v1/chains/{chain}/dag?namespace=n&tenant=t"));
    let edge = json!({"source": "pack", "target": "send", "on_execution_path": true});
    assert_eq!((graph.status, &graph.body["edges"]), (200, &json!([edge])), "{}", graph.text);
    assert_eq!(get("/v1/chains/definitions").body["definitions"][0]["name"], "ship");
    assert_eq!(get("/v1/chains/definitions/ship").body["steps"][0]["name"], "pack");
    assert_eq!(get("/v1/chains/definitions/ship/dag").body["nodes"][1]["name"], "send");

    let health = || get("/v1/providers/health");
    let is_told = || health().body["providers"][0]["total_requests"].as_u64().is_some_and(|count| count >= 3);
    assert!(wait_until(LIMIT, is_told), "{}", health().text);
    assert_eq!(health().body["providers"][0]["circuit_breaker_state"], "closed");
    for base in ["/admin/circuit-breakers", "/v1/circuit-breakers"] {
        assert_eq!(get(base).body["circuit_breakers"][0]["state"], "closed", "{}", get(base).text);
    }
    assert_eq!(http(dev.http(), "POST", "/v1/circuit-breakers/log/trip", "").status, 200);
    let circuit = || get("/v1/circuit-breakers").body["circuit_breakers"][0].clone();
    assert!(wait_until(LIMIT, || circuit()["state"] == "open"), "{}", circuit());
    dev.stop();
}
