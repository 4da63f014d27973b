//! Groups: when they are told of, to whom, and what is refused.

use crate::driver::{Driver, definitions};
use acteon_core::{MemoryState, Recorder, Stepped};
use acteon_schemas::Outcome;
use serde_json::{Value, json};

/// One task with rules, and a count of the actions that it was fed.
pub(crate) struct Bench {
    pub(crate) driver: Driver,
    fed: u32,
}

impl Bench {
    pub(crate) fn new(rules: &str) -> Self {
        Self { driver: Driver::new(definitions(rules, "allow")), fed: 0 }
    }

    /// Feeds an action with further fields, at a second.
    pub(crate) fn act(&mut self, second: i64, fields: Value) -> (Stepped, Recorder) {
        self.fed += 1;
        let mut action = json!({
            "id": format!("a{}", self.fed), "namespace": "n", "tenant": "t", "provider": "slack",
            "action_type": "alert", "payload": {},
        });
        let Value::Object(fields) = fields else { panic!("an action's fields are an object") };
        for (name, value) in fields {
            action[name] = value;
        }
        self.driver.feed("actions", second * 1_000, &serde_json::to_vec(&action).unwrap())
    }

    /// Feeds an action that must be grouped; returns the outcome's detail.
    pub(crate) fn grouped(&mut self, second: i64, fields: Value) -> Value {
        let (stepped, effects) = self.act(second, fields);
        assert_eq!(stepped, Stepped::Decided(Outcome::Grouped));
        assert_eq!(effects.outcomes[0]["outcome"], "grouped");
        effects.outcomes[0]["detail"]["Grouped"].clone()
    }

    pub(crate) fn until(&mut self, second: i64) -> Recorder {
        self.driver.advance(second * 1_000)
    }

    /// Feeds a command; returns its answer and what else it led to.
    pub(crate) fn command(&mut self, second: i64, command: Value) -> (Value, Recorder) {
        let mut record = json!({"id": "c", "namespace": "n", "tenant": "t", "issued_at": 0});
        record["command"] = command;
        let (stepped, effects) = self.driver.feed("commands", second * 1_000, &serde_json::to_vec(&record).unwrap());
        assert_eq!(stepped, Stepped::Commanded);
        (effects.outcomes.last().unwrap()["detail"].clone(), effects)
    }

    pub(crate) fn assert_nothing_left(&self) {
        assert_eq!(self.driver.state, MemoryState::default(), "state has leaked");
    }
}

/// The ids of the events that each notification tells of.
pub(crate) fn told(effects: &Recorder) -> Vec<Vec<String>> {
    let ids = |dispatch: &Value| {
        let events = dispatch["payload"]["events"].as_array().unwrap();
        assert_eq!(dispatch["payload"]["count"], events.len());
        events.iter().map(|event| event["action_id"].as_str().unwrap().to_owned()).collect()
    };
    effects.dispatches.iter().map(ids).collect()
}

const HUMIDITY: &str = "
rules:
  - name: group-humidity-readings
    priority: 4
    condition: {field: action.payload.sensor_type, eq: humidity}
    action: {type: group, group_by: [payload.floor], group_wait_seconds: 30}
  - {name: only-sensors, priority: 9, action: {type: suppress}}
";

fn humidity(floor: &str, value: i32) -> Value {
    json!({"action_type": "sensor_reading", "payload": {"sensor_type": "humidity", "floor": floor, "value": value}})
}

#[test]
fn humidity_is_told_of_once_a_floor() {
    let mut bench = Bench::new(HUMIDITY);
    let first = bench.grouped(100, humidity("2", 45));
    assert_eq!((first["group_size"].clone(), first["notify_at"].clone()), (json!(1), json!("1970-01-01T00:02:10Z")));
    let other = bench.grouped(101, humidity("3", 50));
    let second = bench.grouped(102, humidity("2", 55));
    assert_eq!((&second["group_id"], second["group_size"].as_u64()), (&first["group_id"], Some(2)));
    assert_ne!(other["group_id"], first["group_id"]);

    assert_eq!(told(&bench.until(129)), Vec::<Vec<String>>::new());
    let effects = bench.until(130);
    assert_eq!(told(&effects), [["a1", "a3"]]);
    let sent = &effects.dispatches[0];
    for (field, expected) in [
        ("namespace", json!("n")),
        ("tenant", json!("t")),
        ("provider", json!("slack")),
        ("action_type", json!("group_notification")),
        ("released_by", json!("group")),
    ] {
        assert_eq!(sent[field], expected, "{field}");
    }
    let payload = &sent["payload"];
    assert_eq!(payload["group_id"], first["group_id"]);
    assert_eq!(payload["group_key"], "payload.floor=2");
    assert_eq!(payload["rule"], "group-humidity-readings");
    assert_eq!(payload["labels"], json!({"payload.floor": "2"}));
    assert_eq!(
        (&payload["first_at"], &payload["last_at"]),
        (&json!("1970-01-01T00:01:40Z"), &json!("1970-01-01T00:01:42Z"))
    );
    assert_eq!(
        payload["events"][1],
        json!({
            "action_id": "a3", "action_type": "sensor_reading", "metadata": {}, "received_at": "1970-01-01T00:01:42Z",
            "payload": {"sensor_type": "humidity", "floor": "2", "value": 55},
        })
    );
    assert_eq!(told(&bench.until(131)), [["a2"]]);
    assert_eq!(told(&bench.until(100_000)), Vec::<Vec<String>>::new());
    bench.assert_nothing_left();
}

#[test]
fn a_flush_is_explained_and_its_ids_repeat() {
    let run = || {
        let mut bench = Bench::new(HUMIDITY);
        bench.act(0, humidity("2", 45));
        bench.act(1, humidity("2", 46));
        bench.until(30)
    };
    let effects = run();
    assert_eq!(effects, run());
    let flushed = &effects.audit[0];
    assert_eq!((&flushed["phase"], &flushed["outcome"]), (&json!("progress"), &json!("group_flushed")));
    assert_eq!((&flushed["verdict"], &flushed["matched_rule"]), (&json!("group"), &json!("group-humidity-readings")));
    assert_eq!(flushed["outcome_details"]["action_ids"], json!(["a1", "a2"]));
    assert_eq!(flushed["outcome_details"]["cause"], "time");
    assert_eq!(flushed["action_id"], effects.dispatches[0]["action_id"]);
    assert_eq!((effects.audit.len(), &effects.audit[1]["phase"]), (2, &json!("decided")));
    assert_ne!(effects.audit[1]["id"], flushed["id"]);
    assert_eq!(effects.outcomes.len(), 1);
    assert_eq!(effects.outcomes[0]["outcome"], "dispatched");
}

const CLUSTER: &str = "
rules:
  - name: group-cluster-alerts
    priority: 5
    condition: {field: action.action_type, starts_with: cluster_}
    action: {type: group, group_by: [metadata.cluster, action.metadata.severity], group_wait_seconds: 60,
             group_interval_seconds: 300, max_group_size: 7, template: summary}
";

fn cluster(severity: &str) -> Value {
    json!({"action_type": "cluster_alert", "metadata": {"labels": {"cluster": "prod", "severity": severity}}})
}

#[test]
fn what_comes_within_the_interval_is_told_of_at_its_end() {
    let mut bench = Bench::new(CLUSTER);
    let sizes: Vec<Value> = (0..5).map(|seq| bench.grouped(seq, cluster("warning"))["group_size"].clone()).collect();
    assert_eq!(json!(sizes), json!([1, 2, 3, 4, 5]));
    let effects = bench.until(60);
    assert_eq!(told(&effects), [["a1", "a2", "a3", "a4", "a5"]]);
    assert_eq!(effects.dispatches[0]["extra"]["template"], "summary");
    assert_eq!(effects.dispatches[0]["metadata"], json!({"cluster": "prod", "severity": "warning"}));
    assert_eq!(effects.dispatches[0]["payload"]["group_key"], "metadata.cluster=prod,metadata.severity=warning");
    // The same group goes on: the next notification comes at 360 s, not after another wait.
    assert_eq!(bench.grouped(70, cluster("warning"))["notify_at"], "1970-01-01T00:06:00Z");
    assert_eq!(bench.grouped(359, cluster("warning"))["group_size"], 2);
    assert_eq!(told(&bench.until(359)), Vec::<Vec<String>>::new());
    assert_eq!(told(&bench.until(360)), [["a6", "a7"]]);
    // Nothing within the interval: the group ends, and the next event begins another one.
    assert_eq!(bench.until(660), Recorder::default());
    bench.assert_nothing_left();
    let (_, begun) = bench.act(661, cluster("warning"));
    assert_eq!(begun.outcomes[0]["detail"]["Grouped"]["notify_at"], "1970-01-01T00:12:01Z");
    assert_ne!(begun.outcomes[0]["detail"]["Grouped"]["group_id"], effects.dispatches[0]["payload"]["group_id"]);
}

#[test]
fn a_full_group_is_told_of_at_once() {
    let mut bench = Bench::new(CLUSTER);
    for seq in 0..6 {
        bench.grouped(seq, cluster("warning"));
    }
    let (stepped, effects) = bench.act(6, cluster("warning"));
    assert_eq!(stepped, Stepped::Decided(Outcome::Grouped));
    assert_eq!(
        effects.outcomes[0]["detail"]["Grouped"],
        json!({
            "group_id": effects.dispatches[0]["payload"]["group_id"], "group_size": 7,
            "notify_at": "1970-01-01T00:00:06Z",
        })
    );
    assert_eq!(told(&effects)[0].len(), 7);
    assert_eq!(effects.audit[1]["outcome_details"]["cause"], "full");
    // Full again within the interval: at once again, since it can't hold more.
    let again: Vec<Recorder> = (10..17).map(|second| bench.act(second, cluster("warning")).1).collect();
    assert_eq!(again.iter().map(|effects| effects.dispatches.len()).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 0, 1]);
    assert_ne!(again[6].dispatches[0]["dispatch_id"], effects.dispatches[0]["dispatch_id"]);
    bench.until(1_000);
    bench.assert_nothing_left();
}

#[test]
fn a_missing_field_groups_under_null() {
    let mut bench = Bench::new(HUMIDITY);
    let bare = || json!({"payload": {"sensor_type": "humidity"}});
    let null = || json!({"payload": {"sensor_type": "humidity", "floor": null}});
    let text = || json!({"payload": {"sensor_type": "humidity", "floor": "null"}});
    let first = bench.grouped(0, bare());
    assert_eq!(bench.grouped(0, null())["group_id"], first["group_id"]);
    assert_ne!(bench.grouped(0, text())["group_id"], first["group_id"]);
    let effects = bench.until(30);
    let labels: Vec<&Value> = effects.dispatches.iter().map(|sent| &sent["payload"]["labels"]).collect();
    assert!(labels.contains(&&json!({"payload.floor": null})), "{labels:?}");
}

#[test]
fn a_notification_meets_the_rules_behind_its_own() {
    let mut bench = Bench::new(
        "
rules:
  - {name: collect, priority: 1, action: {type: group, group_by: [], group_wait_seconds: 10}}
  - {name: mark, priority: 2, action: {type: modify, changes: {by: acteon}}}
  - name: readings-only
    priority: 3
    condition: {field: action.action_type, eq: alert}
    action: {type: reroute, target_provider: sms}
  - {name: never, priority: 4, condition: {field: action.payload.count, gt: 0}, action: {type: deny}}
  - {name: by-mail, priority: 5, action: {type: reroute, target_provider: email}}
",
    );
    bench.grouped(0, json!({}));
    let effects = bench.until(10);
    let sent = &effects.dispatches[0];
    assert_eq!((&sent["provider"], &sent["original_provider"]), (&json!("email"), &json!("slack")));
    assert_eq!((&sent["payload"]["by"], &sent["payload"]["group_key"]), (&json!("acteon"), &json!("*")));
    assert_eq!(effects.audit[1]["rewritten_by"], json!(["mark"]));
    assert_eq!(effects.audit[1]["outcome"], "dispatched");
}

#[test]
fn a_payload_is_told_of_as_it_was_when_it_was_grouped() {
    let mut bench = Bench::new(
        "
rules:
  - {name: mark, priority: 1, action: {type: modify, changes: {zone: main}}}
  - {name: collect, priority: 2, action: {type: group, group_by: [payload.zone], group_wait_seconds: 10}}
",
    );
    bench.grouped(0, json!({"payload": {"n": 1}}));
    bench.grouped(0, json!({"payload": {"n": 2}, "provider": "sms"}));
    let payload = bench.until(10).dispatches[0]["payload"].clone();
    assert_eq!(payload["events"][0]["payload"], json!({"n": 1, "zone": "main"}));
    assert_eq!(payload["events"][0].get("provider"), None);
    assert_eq!(payload["events"][1]["provider"], "sms");
}

#[test]
fn a_group_without_a_provider_fails_when_it_is_told_of() {
    let mut bench = Bench::new(HUMIDITY);
    let mut lost = humidity("2", 1);
    lost["provider"] = json!("pigeon");
    bench.grouped(0, lost);
    let effects = bench.until(30);
    assert_eq!(effects.dispatches, Vec::<Value>::new());
    assert_eq!(effects.outcomes[0]["detail"]["Failed"]["code"], "PROVIDER_NOT_FOUND");
    assert_eq!(effects.outcomes[0]["released_by"], "group");
    bench.until(1_000);
    bench.assert_nothing_left();
}

#[test]
fn large_events_are_told_of_before_they_are_too_much_for_a_record() {
    let mut bench = Bench::new(HUMIDITY);
    let large = |bytes: usize| json!({"payload": {"sensor_type": "humidity", "text": "x".repeat(bytes)}});
    bench.grouped(0, large(300_000));
    bench.grouped(1, large(300_000));
    let (_, early) = bench.act(2, large(300_000));
    assert_eq!(told(&early), [["a1", "a2"]]);
    assert_eq!(early.audit[0]["outcome_details"]["cause"], "bytes");
    assert_eq!(early.outcomes[1]["detail"]["Grouped"]["group_size"], 1);
    assert!(serde_json::to_vec(&early.dispatches[0]).unwrap().len() < acteon_schemas::MAX_RECORD_BYTES);
    // One that is too large by itself goes on at once.
    let (stepped, alone) = bench.act(3, large(400_000));
    assert_eq!(stepped, Stepped::Decided(Outcome::Dispatched));
    assert_eq!((&alone.dispatches[0]["action_id"], &alone.outcomes[0]["released_by"]), (&json!("a4"), &json!("group")));
    assert_eq!(alone.audit[0]["outcome_details"]["cause"], "event_too_large");
    assert_eq!(told(&bench.until(1_000)), [["a3"]]);
    bench.assert_nothing_left();
}

#[test]
fn a_payload_too_deep_for_a_notification_goes_on_by_itself() {
    let mut bench = Bench::new("rules: [{name: all, action: {type: group, group_by: []}}]");
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let (stepped, alone) = bench.act(0, json!({ "payload": deep(61) }));
    assert_eq!(stepped, Stepped::Decided(Outcome::Dispatched));
    assert_eq!(alone.audit[0]["outcome_details"]["cause"], "event_too_deep");
    bench.grouped(0, json!({ "payload": deep(60) }));
    let sent = serde_json::to_vec(&bench.until(30).dispatches[0]).unwrap();
    acteon_schemas::check_depth(&sent).unwrap();
}

#[test]
fn a_tenant_has_so_many_groups() {
    let mut bench = Bench::new(HUMIDITY);
    for floor in 0..10_000 {
        bench.grouped(0, humidity(&floor.to_string(), 1));
    }
    let (stepped, alone) = bench.act(1, humidity("attic", 1));
    assert_eq!(stepped, Stepped::Decided(Outcome::Dispatched));
    assert_eq!(alone.audit[0]["outcome_details"]["cause"], "too_many_groups");
    // Groups that exist take part still, and other tenants have their own.
    bench.grouped(1, humidity("7", 2));
    let mut other = humidity("attic", 1);
    other["tenant"] = json!("u");
    bench.grouped(1, other);
}

#[test]
fn groups_are_listed_shown_and_flushed() {
    let mut bench = Bench::new(CLUSTER);
    let id = bench.grouped(0, cluster("warning"))["group_id"].clone();
    bench.grouped(1, cluster("critical"));
    let (list, _) = bench.command(2, json!({"list_groups": {}}));
    let list = &list["CommandDone"]["result"];
    assert_eq!(list["count"], 2);
    let warning = list["groups"].as_array().unwrap().iter().find(|group| group["group_id"] == id).unwrap();
    assert_eq!(
        *warning,
        json!({
            "group_id": id, "group_key": "metadata.cluster=prod,metadata.severity=warning",
            "rule": "group-cluster-alerts", "provider": "slack", "event_count": 1, "state": "pending",
            "notify_at": "1970-01-01T00:01:00Z", "created_at": "1970-01-01T00:00:00Z",
        })
    );
    let (shown, _) = bench.command(3, json!({"show_group": {"group": id}}));
    let shown = &shown["CommandDone"]["result"];
    assert_eq!((&shown["group"], &shown["events"]), (warning, &json!(["a1"])));
    assert_eq!(shown["labels"]["metadata.cluster"], "prod");

    let key = json!({"flush_group": {"group": warning["group_key"]}});
    let (done, effects) = bench.command(4, key.clone());
    assert_eq!(
        done["CommandDone"]["result"],
        json!({"group_id": id, "event_count": 1, "notified": true, "status": "flushed"})
    );
    assert_eq!(told(&effects), [["a1"]]);
    assert_eq!(effects.audit[0]["outcome_details"]["cause"], "command");
    assert_eq!(bench.command(5, key).0["CommandRefused"]["code"], "CONFLICT");
    let (list, _) = bench.command(5, json!({"list_groups": {}}));
    let states = list["CommandDone"]["result"]["groups"].as_array().unwrap();
    assert!(states.iter().any(|group| group["state"] == "notified" && group["notify_at"] == json!(null)));
    for command in ["flush_group", "show_group"] {
        let (refused, _) = bench.command(6, json!({command: {"group": "nothing"}}));
        assert_eq!(refused["CommandRefused"]["code"], "NOT_FOUND", "{command}");
    }
    assert_eq!(told(&bench.until(1_000)), [["a2"]]);
    bench.assert_nothing_left();
}

#[test]
fn a_key_of_two_groups_asks_for_an_id() {
    let mut bench = Bench::new(
        "
rules:
  - {name: a, priority: 1, condition: {field: action.action_type, eq: a}, action: {type: group, group_by: [tenant]}}
  - {name: b, priority: 2, condition: {field: action.action_type, eq: b}, action: {type: group, group_by: [tenant]}}
",
    );
    bench.grouped(0, json!({"action_type": "a"}));
    let id = bench.grouped(0, json!({"action_type": "b"}))["group_id"].clone();
    let (refused, _) = bench.command(1, json!({"flush_group": {"group": "tenant=t"}}));
    assert_eq!(refused["CommandRefused"]["code"], "CONFLICT");
    assert_eq!(told(&bench.command(1, json!({"flush_group": {"group": id}})).1), [["a2"]]);
}
