//! `acteon dlq`: what could not be delivered or read is listed, sent again and dropped.

use crate::dev::Dev;
use crate::support::http;
use acteon_testkit::http::{Receiver, Reply};
use acteon_testkit::wait_until;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

fn config(dir: &std::path::Path, receiver: &Receiver) -> std::path::PathBuf {
    let (config, rules) = (dir.join("acteon.toml"), dir.join("rules"));
    fs::create_dir(&rules).unwrap();
    let text = format!(
        "[rules]\ndirectory = {rules:?}\n[[providers]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"{}\"\n\
         max_retries = 0\n",
        receiver.url()
    );
    fs::write(&config, text).unwrap();
    config
}

/// The lines of `dlq list --json`.
fn listed(dev: &Dev, args: &[&str]) -> Vec<Value> {
    let ran = dev.acteon(&[&["dlq", "list", "--json"], args].concat(), "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn fail(dev: &Dev, id: &str) {
    let action =
        json!({"id": id, "namespace": "n", "tenant": "t", "provider": "hook", "action_type": "x", "payload": {}});
    assert_eq!(dev.produce(&action.to_string())[&1]["outcome"], "failed");
}

#[test]
fn a_failed_dispatch_is_shown_replayed_with_its_key_and_marked() {
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().unwrap());
    receiver.respond(Reply::status(400));
    let dev = Dev::start(&dir.path().join("data"), &config(dir.path(), &receiver));
    fail(&dev, "a-1");
    fail(&dev, "a-2");
    assert!(wait_until(LIMIT, || listed(&dev, &[]).len() == 2));
    let entries = listed(&dev, &["--provider", "hook", "--tenant", "t", "--code", "VALIDATION", "--since", "1h"]);
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(listed(&dev, &["--provider", "other"]).len(), 0);
    let first = entries.iter().find(|entry| entry["action_id"] == "a-1").unwrap();
    assert_eq!((&first["holds"], &first["attempts"]), (&json!("dispatch"), &json!(1)));
    let id = first["id"].as_str().unwrap();
    let table = dev.acteon(&["dlq", "list"], "").stdout;
    assert!(table.contains("HOLDS") && table.contains(id), "{table}");

    let shown = dev.acteon(&["dlq", "show", id, "--json"], "");
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((&shown["value"]["action_id"], &shown["value"]["provider"]), (&json!("a-1"), &json!("hook")));
    for id in ["0/123456", "39362/7"] {
        let ran = dev.acteon(&["dlq", "show", id], "");
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.error().contains(&format!("there is no dead letter {id}")), "{}", ran.stderr);
        let answer = http(dev.http(), "GET", &format!("/v1/dlq/{id}"), "");
        assert_eq!(answer.status, 404, "{}", answer.text);
    }

    receiver.respond(Reply::status(200));
    let ran = dev.acteon(&["dlq", "replay", id, "--by", "ann"], "");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1 dead letter replayed\n"), "{}", ran.stderr);
    let requests = || receiver.requests();
    assert!(wait_until(LIMIT, || requests().len() == 3));
    let of_first: Vec<_> = requests().into_iter().filter(|request| request.json().unwrap()["id"] == "a-1").collect();
    let keys: Vec<_> = of_first.iter().map(|request| request.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!((keys.len(), &keys[0]), (2, &keys[1]));
    let outcomes = || dev.acteon(&["tail", "outcomes", "--from-beginning", "--no-follow", "--json"], "").stdout;
    let executed = |line: &str| line.contains(r#""action_id":"a-1""#) && line.contains(r#""outcome":"executed""#);
    assert!(wait_until(LIMIT, || outcomes().lines().any(executed)), "{}", outcomes());

    let again = dev.acteon(&["dlq", "replay", id], "");
    assert_eq!(again.code, 1);
    assert!(again.error().contains("was replayed before"), "{}", again.stderr);
    assert_eq!(listed(&dev, &[]).len(), 1);
    let all = listed(&dev, &["--resolved"]);
    assert_eq!(all.iter().filter(|entry| entry["resolution"] == "replayed").count(), 1, "{all:?}");

    let ran = dev.acteon(&["dlq", "drop", "--all", "--provider", "hook"], "");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1 dead letter dropped\n"), "{}", ran.stderr);
    assert_eq!(dev.acteon(&["dlq", "list"], "").stdout, "none\n");
    // The marks are no dead letters.
    let tail = dev.acteon(&["tail", "dlq", "--from-beginning", "--no-follow", "--json"], "");
    assert_eq!((tail.stdout.lines().count(), tail.stderr.as_str()), (2, ""));
    dev.stop();
}

#[test]
fn a_record_that_was_not_read_goes_back_to_where_it_came_from() {
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().unwrap());
    let dev = Dev::start(&dir.path().join("data"), &config(dir.path(), &receiver));
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", dev.kafka()).create().unwrap();
    producer.send(BaseRecord::to("acteon.actions").key("n:t").payload("not json")).unwrap();
    producer.flush(LIMIT).unwrap();
    assert!(wait_until(LIMIT, || listed(&dev, &[]).len() == 1));
    let entry = listed(&dev, &["--namespace", "n"]).remove(0);
    assert_eq!((&entry["code"], &entry["holds"]), (&json!("INVALID_JSON"), &json!("record")));
    let id = entry["id"].as_str().unwrap();
    assert!(dev.acteon(&["dlq", "show", id], "").stdout.ends_with("\nnot json\n"));

    let ran = dev.acteon(&["dlq", "replay", "--all", "--code", "INVALID_JSON", "--json"], "");
    assert_eq!((ran.code, ran.stdout.trim()), (0, json!({"id": id, "status": "replayed"}).to_string().as_str()));
    // It can't be read now either: another dead letter, of the record behind.
    let anew = || listed(&dev, &[]);
    assert!(wait_until(LIMIT, || anew().first().is_some_and(|found| found["id"] != id)), "{:?}", anew());
    assert_ne!(anew()[0]["source"], entry["source"]);
    dev.stop();
}

#[test]
fn a_wrong_choice_is_refused() {
    for (args, part) in [
        (&["dlq", "replay"][..], "<IDS>..."),
        (&["dlq", "drop", "3"], "partition/offset"),
        (&["dlq", "drop", "--all", "3/4"], "cannot be used"),
        (&["dlq", "list", "--since", "yesterday"], "as in 12h"),
    ] {
        let ran = crate::support::acteon(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(part), "{args:?}: {}", ran.stderr);
    }
}
