//! The `curl` commands of the documents that Acteon was specified by, run by a shell as they are printed there: only
//! `localhost:8080` is where the test's gateway listens, and placeholders (`FINGERPRINT`, `GROUP_KEY`) stand for what the
//! answers before have told. Several have no content type, and none has an id.

use crate::dev::Dev;
use crate::pipeline::copy_rules;
use crate::support::root;
use acteon_testkit::process::Process;
use acteon_testkit::wait_until;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// An example's `acteon dev`, whose providers write to the log.
struct Example {
    dev: Dev,
    _dir: TempDir,
}

impl Example {
    fn start(config: &str) -> Self {
        Self::start_with(config, str::to_owned)
    }

    /// With its rules edited.
    fn start_with(config: &str, edit: impl Fn(&str) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let example = fs::read_to_string(root().join("examples").join(config)).unwrap();
        copy_rules(&example, dir.path(), &edit);
        let (mut text, mut in_provider) = (String::new(), false);
        for line in example.lines() {
            if line.starts_with('[') {
                in_provider = line == "[[providers]]";
            }
            let kept = match line {
                line if in_provider && line.starts_with("name = ") => format!("{line}\ntype = \"log\""),
                line if in_provider && !line.starts_with('[') => continue,
                line if line.starts_with("directory = ") => format!("directory = {:?}", dir.path().join("rules")),
                line => line.to_owned(),
            };
            text.push_str(&kept);
            text.push('\n');
        }
        let config = dir.path().join("acteon.toml");
        fs::write(&config, text).unwrap();
        let dev = Dev::start(&dir.path().join("data"), &config);
        let ready = || crate::support::http(dev.http(), "GET", "/ready", "").status == 200;
        assert!(wait_until(LIMIT, ready), "{}", dev.output());
        Self { dev, _dir: dir }
    }

    /// Runs a command line, and returns what it prints.
    fn shell(&self, line: &str) -> String {
        let line = line.replace("localhost:8080", self.dev.http()).replace("127.0.0.1:8080", self.dev.http());
        let output = Command::new("bash").args(["-c", &line]).output().unwrap();
        assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// As [`Example::shell`], of JSON.
    fn run(&self, line: &str) -> Value {
        let text = self.shell(line);
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{line}\n{text}"))
    }

    /// Runs a question until its answer is one.
    #[track_caller]
    fn until(&self, line: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let came = wait_until(LIMIT, || {
            last = self.run(line);
            holds(&last)
        });
        assert!(came, "{line}\n{last:#}");
        last
    }

    /// Runs what moves an event, from a state to another.
    #[track_caller]
    fn moves(&self, line: &str, previous: &str, new: &str) {
        let changed = self.run(line);
        assert_eq!((&changed["previous_state"], &changed["new_state"]), (&json!(previous), &json!(new)), "{changed}");
    }
}

fn records(answer: &Value) -> usize {
    answer["records"].as_array().map_or(0, Vec::len)
}

#[test]
fn an_alert_goes_through_its_states() {
    let example = Example::start("advanced-patterns/alert-lifecycle.toml");
    let fired = example.run(
        r#"curl -X POST http://localhost:8080/v1/dispatch \
  -d '{"namespace":"monitoring","tenant":"t1","provider":"pagerduty",
       "action_type":"alert","payload":{},"status":"firing",
       "metadata":{"labels":{"cluster":"prod","service":"api"}}}'"#,
    );
    let changed = &fired["StateChanged"];
    assert_eq!((&changed["previous_state"], &changed["new_state"]), (&Value::Null, &json!("firing")), "{fired}");
    let fingerprint = changed["fingerprint"].as_str().unwrap();
    for (line, previous, new) in [
        (
            r#"curl -X PUT http://localhost:8080/v1/events/FINGERPRINT/transition \
  -d '{"to_state":"acknowledged","namespace":"monitoring","tenant":"t1"}'"#,
            "firing",
            "acknowledged",
        ),
        (
            r#"curl -X PUT http://localhost:8080/v1/events/FINGERPRINT/transition \
  -d '{"to_state":"resolved","namespace":"monitoring","tenant":"t1"}'"#,
            "acknowledged",
            "resolved",
        ),
    ] {
        example.moves(&line.replace("FINGERPRINT", fingerprint), previous, new);
    }
    example.dev.stop();
}

/// The loop that sends alerts of a cluster.
const CLUSTER_ALERTS: &str = r#"for i in $(seq 1 5); do
  curl -s -X POST http://localhost:8080/v1/dispatch \
    -d "{\"namespace\":\"monitoring\",\"tenant\":\"t1\",\"provider\":\"slack\",
         \"action_type\":\"cluster_alert\",\"payload\":{\"seq\":$i},
         \"metadata\":{\"labels\":{\"cluster\":\"prod\",\"severity\":\"warning\"}}}"
done"#;

#[test]
fn alerts_are_grouped_and_routed() {
    let example = Example::start("advanced-patterns/acteon.toml");
    let health = example.run("curl http://127.0.0.1:8080/health");
    assert_eq!(health["status"], "ok");
    let answers = example.shell(CLUSTER_ALERTS);
    assert_eq!(answers.matches("\"Grouped\"").count(), 5, "{answers}");
    // They say nothing of whose groups are meant.
    let listed = example.until("curl -s http://localhost:8080/v1/groups | jq .", |listed| listed["total"] == 1);
    assert_eq!(listed["groups"][0]["event_count"], 5, "{listed}");
    let key = listed["groups"][0]["group_id"].as_str().unwrap();
    let line = "curl -s -X DELETE http://localhost:8080/v1/groups/GROUP_KEY";
    let flushed = example.run(&line.replace("GROUP_KEY", key));
    assert_eq!((&flushed["status"], &flushed["event_count"]), (&json!("flushed"), &json!(5)), "{flushed}");

    let critical = r#"curl -s -X POST http://localhost:8080/v1/dispatch \
  -H "Content-Type: application/json" \
  -d '{
    "namespace": "monitoring",
    "tenant": "acme-corp",
    "provider": "slack",
    "action_type": "alert",
    "payload": {
      "severity": "critical",
      "message": "Database unreachable"
    },
    "dedup_key": "db-unreachable"
  }' | jq ."#;
    let warning = critical
        .replace("critical", "warning")
        .replace("Database unreachable", "Response times elevated")
        .replace(",\n    \"dedup_key\": \"db-unreachable\"", "");
    assert!(example.run(&warning)["Executed"].is_object(), "a warning goes to its provider");
    let rerouted = example.run(critical);
    let routed = (&rerouted["Rerouted"]["original_provider"], &rerouted["Rerouted"]["new_provider"]);
    assert_eq!(routed, (&json!("slack"), &json!("webhook")), "{rerouted}");
    assert_eq!(example.run(critical), json!("Deduplicated"));
    example.dev.stop();
}

#[test]
fn sensor_readings_are_audited() {
    let example = Example::start("aws-event-pipeline/acteon.toml");
    let put = example.run(
        r#"curl -X POST http://localhost:8080/v1/dispatch \
  -H "Content-Type: application/json" \
  -d '{
    "namespace": "iot",
    "tenant": "smartbuilding-hq",
    "provider": "telemetry-archive",
    "action_type": "put_object",
    "payload": {
      "key": "reports/daily-summary.json",
      "body": "{\"total_readings\": 1234, \"anomalies\": 3}",
      "content_type": "application/json"
    }
  }'"#,
    );
    assert_eq!(put["Executed"]["status"], "success", "{put}");
    let reading = |kind: &str, payload: &str| {
        format!(
            r#"curl -s http://localhost:8080/v1/dispatch -d '{{"namespace":"iot","tenant":"smartbuilding-hq",
            "provider":"telemetry-normalizer","action_type":"{kind}","payload":{payload}}}'"#
        )
    };
    let fanned = example.run(&reading("sensor_reading", r#"{"sensor_type":"temperature","value":90,"device_id":"d"}"#));
    assert_eq!(fanned["Rerouted"]["new_provider"], "alert-fanout", "{fanned}");
    let test = example.run(&reading("sensor_reading", r#"{"sensor_type":"humidity","value":9,"environment":"test"}"#));
    assert!(test["Suppressed"].is_object(), "{test}");
    let all = r#"curl -s "http://localhost:8080/v1/audit?namespace=iot&tenant=smartbuilding-hq&limit=50" | jq ."#;
    example.until(all, |answer| records(answer) == 3);
    let suppressed =
        r#"curl -s "http://localhost:8080/v1/audit?namespace=iot&tenant=smartbuilding-hq&outcome=suppressed" | jq ."#;
    example.until(suppressed, |answer| records(answer) == 1 && answer["records"][0]["outcome"] == "suppressed");
    let fanout = r#"curl -s "http://localhost:8080/v1/audit?namespace=iot&tenant=smartbuilding-hq&provider=alert-fanout" | jq ."#;
    example.until(fanout, |answer| records(answer) == 1 && answer["records"][0]["outcome"] == "rerouted");
    example.dev.stop();
}

/// What a stream has told so far, in order: the outcomes of actions and the states of orders.
fn told(stream: &str) -> Vec<String> {
    let events = stream.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let told = events.filter_map(|event| match event["type"].as_str()? {
        "action_dispatched" => event["outcome"].as_object()?.keys().next().cloned(),
        "action_status_changed" => Some(event["new_status"].as_str()?.to_owned()),
        _ => None,
    });
    told.collect()
}

#[test]
fn orders_are_confirmed_shipped_delivered_streamed_and_audited() {
    let example = Example::start_with("ecommerce-order-pipeline/acteon.toml", crate::shop::by_day);
    // It never ends, so it is listened to beside the rest.
    let listen = r#"curl -N "http://localhost:8080/v1/stream?namespace=ecommerce""#;
    let line = format!("exec {}", listen.replace("localhost:8080", example.dev.http()));
    let mut listener = Process::command("bash").args(["-c", &line]).start().unwrap();
    assert!(wait_until(LIMIT, || !listener.stdout().is_empty()), "{}", listener.tail());

    let order = |id: &str, cents: u32, country: &str| {
        format!(
            r#"curl -s http://localhost:8080/v1/dispatch -d '{{"namespace":"ecommerce","tenant":"acme-store",
            "provider":"payment-gateway","action_type":"place_order",
            "payload":{{"order_id":"{id}","total_cents":{cents},"shipping_country":"{country}"}}}}'"#
        )
    };
    let placed = example.run(&order("order-lifecycle-001", 7_999, "US"));
    assert_eq!(placed["Executed"]["status"], "success", "{placed}");
    for (line, previous, new) in [
        (
            r#"curl -X PUT "http://localhost:8080/v1/events/order-lifecycle-001/transition" \
  -H "Content-Type: application/json" \
  -d '{"to": "confirmed", "namespace": "ecommerce", "tenant": "acme-store"}'"#,
            "placed",
            "confirmed",
        ),
        (
            r#"curl -X PUT "http://localhost:8080/v1/events/order-lifecycle-001/transition" \
  -H "Content-Type: application/json" \
  -d '{"to": "shipped", "namespace": "ecommerce", "tenant": "acme-store"}'"#,
            "confirmed",
            "shipped",
        ),
        (
            r#"curl -X PUT "http://localhost:8080/v1/events/order-lifecycle-001/transition" \
  -H "Content-Type: application/json" \
  -d '{"to": "delivered", "namespace": "ecommerce", "tenant": "acme-store"}'"#,
            "shipped",
            "delivered",
        ),
    ] {
        example.moves(line, previous, new);
    }
    assert!(example.run(&order("order-2", 75_000, "US"))["PendingApproval"].is_object());
    assert!(example.run(&order("order-3", 5_000, "NK"))["Suppressed"].is_object());

    let all = r#"curl -s "http://localhost:8080/v1/audit?namespace=ecommerce&tenant=acme-store&limit=50" | jq ."#;
    example.until(all, |answer| records(answer) >= 6);
    for (line, outcome) in [
        (
            r#"curl -s "http://localhost:8080/v1/audit?namespace=ecommerce&tenant=acme-store&outcome=suppressed" | jq ."#,
            "suppressed",
        ),
        (
            r#"curl -s "http://localhost:8080/v1/audit?namespace=ecommerce&tenant=acme-store&outcome=pending_approval" | jq ."#,
            "pending_approval",
        ),
    ] {
        let answer = example.until(line, |answer| records(answer) == 1);
        assert_eq!(answer["records"][0]["outcome"], outcome, "{answer}");
    }
    let expected = ["Executed", "confirmed", "shipped", "delivered", "PendingApproval", "Suppressed"];
    let heard = || told(&listener.stdout());
    let complete = || expected.iter().all(|one| heard().iter().any(|told| told == one));
    assert!(wait_until(LIMIT, complete), "{:?}\n{}", heard(), listener.tail());
    listener.kill_9().unwrap();
    example.dev.stop();
}
