//! What a gateway answers while Apache Kafka is away, and that all goes on once it is back.

use crate::support::{HttpAnswer, acteon, http, listening, run};
use acteon_testkit::kafka::Kafka;
use acteon_testkit::wait_until;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(90);
const RULES: &str = "rules:\n  - name: never\n    condition: {field: action.action_type, eq: blocked}\n    \
                     action: {type: suppress}\n";

struct Gateway(String);

impl Gateway {
    fn get(&self, path: &str) -> HttpAnswer {
        http(&self.0, "GET", path, "")
    }

    fn dispatch(&self, id: &str) -> HttpAnswer {
        let action = json!({
            "id": id, "namespace": "n", "tenant": "t", "provider": "log", "action_type": "blocked", "payload": {},
        });
        http(&self.0, "POST", "/v1/dispatch", &action.to_string())
    }

    /// Ids of the actions in the audit view, ordered.
    fn audited(&self) -> Vec<String> {
        let answer = self.get("/v1/audit?namespace=n&tenant=t&limit=100");
        assert_eq!(answer.status, 200, "{}", answer.text);
        let ids = answer.body["records"].as_array().unwrap().iter().map(|record| record["action_id"].as_str().unwrap());
        let mut ids: Vec<String> = ids.map(str::to_owned).collect();
        ids.sort();
        ids
    }
}

#[test]
fn a_dispatch_while_kafka_is_away_is_refused_and_can_be_repeated() {
    let (mut kafka, dir) = (Kafka::start().unwrap(), tempfile::tempdir().unwrap());
    let (config, rules) = (dir.path().join("acteon.toml"), dir.path().join("rules"));
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("rules.yaml"), RULES).unwrap();
    let text = format!(
        "[processor]\nstate_dir = {:?}\n[rules]\ndirectory = {rules:?}\n[[providers]]\nname = \"log\"\ntype = \"log\"\n",
        dir.path().join("state")
    );
    fs::write(&config, text).unwrap();
    let servers = ["--bootstrap-servers", kafka.bootstrap()];
    let applied = acteon(&[&["topology", "apply", "-c", config.to_str().unwrap()], &servers[..]].concat());
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    let mut process = run(kafka.bootstrap(), &config, &[]);
    let gateway = Gateway(listening(&mut process, LIMIT));
    assert!(wait_until(LIMIT, || gateway.get("/ready").status == 200), "{}", process.tail());
    let before = gateway.dispatch("before");
    assert_eq!((before.status, &before.body["Suppressed"]["rule"]), (200, &json!("never")), "{}", before.text);
    assert!(wait_until(LIMIT, || gateway.audited() == ["before"]), "{}", process.tail());

    kafka.kill().unwrap();
    let refused = gateway.dispatch("meanwhile");
    assert_eq!((refused.status, &refused.body["code"]), (503, &json!("KAFKA_UNAVAILABLE")), "{}", refused.text);
    assert_eq!(refused.body["retryable"], Value::Bool(true), "{}", refused.text);
    assert!(refused.text.to_lowercase().contains("\r\nretry-after: "), "{}", refused.text);
    // What it has, it still tells.
    assert_eq!(gateway.audited(), ["before"]);
    assert_eq!(gateway.get("/health").status, 200);

    kafka.restart().unwrap();
    let repeated = || gateway.dispatch("meanwhile").status == 200;
    assert!(wait_until(LIMIT, repeated), "{}\n{}", gateway.dispatch("meanwhile").text, process.tail());
    assert!(wait_until(LIMIT, || gateway.audited().contains(&"meanwhile".to_owned())), "{}", process.tail());
    assert!(process.terminate(LIMIT).unwrap().success(), "{}", process.tail());
}
