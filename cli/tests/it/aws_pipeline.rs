//! `examples/aws-event-pipeline` by its own scripts, with moto in the place of AWS: what becomes of the 21 events and what
//! arrives, what happens while moto is away, and how all is as before when it is back. On `acteon dev`, and on three
//! processors, two gateways and two connectors on Apache Kafka.
//!
//! Groups wait 3 s in the place of 30, and energy readings 6 s in the place of 60; everything else is the example's own.

use crate::pipeline::LIMIT;
use crate::stage::Stage;
use crate::support::acteon;
use acteon_testkit::moto::Moto;
use acteon_testkit::wait_until;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const EXAMPLE: &str = "aws-event-pipeline";
const SCOPE: [&str; 4] = ["--namespace", "iot", "--tenant", "smartbuilding-hq"];
/// The account that the example's ARNs name.
const ACCOUNT: &str = "000000000000";

/// The example as it runs.
struct Building {
    // Before what it talks to, so that it goes first.
    stage: Stage,
    moto: Moto,
}

impl Building {
    fn start(on: impl Fn(&str, fn(&str) -> String, &[(&'static str, String)]) -> Stage) -> Self {
        let moto = Moto::start_as(ACCOUNT).unwrap();
        let environment = [
            ("AWS_ENDPOINT_URL", moto.url()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ];
        Self { stage: on(EXAMPLE, faster, &environment), moto }
    }

    /// Runs one of the example's scripts; returns whether it went well, and all that it said.
    fn try_script(&self, name: &str, args: &[&str]) -> (bool, String) {
        self.stage.try_script(&format!("{EXAMPLE}/scripts/{name}"), args)
    }

    /// Runs a script that must go well; returns what it said.
    #[track_caller]
    fn script(&self, name: &str, args: &[&str]) -> String {
        self.stage.script(&format!("{EXAMPLE}/scripts/{name}"), args)
    }

    /// Runs a command; returns what it printed.
    #[track_caller]
    fn acteon(&self, args: &[&str]) -> String {
        let config = self.stage.config();
        let common = ["--bootstrap-servers", self.stage.kafka(), "-c", config.to_str().unwrap()];
        let ran = acteon(&[args, &common].concat());
        assert_eq!(ran.code, 0, "{args:?}: {}\n{}\n{}", ran.stdout, ran.stderr, self.stage.tail());
        ran.stdout
    }

    /// Asks an operator's command; returns its answer.
    #[track_caller]
    fn ask(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.acteon(&[args, &["--json"]].concat())).unwrap()
    }

    /// Sends one of the example's files of actions; returns a row for each, in their order.
    #[track_caller]
    fn send(&self, file: &str) -> Vec<Value> {
        rows(&self.acteon(&["produce", &format!("examples/{EXAMPLE}/actions/{file}"), "--wait", "--json"]))
    }

    /// How the circuits of the detector and of the alerts stand.
    fn circuits(&self) -> [Value; 2] {
        let list = self.ask(&["providers", "list"]);
        let providers = list["providers"].as_array().unwrap();
        ["anomaly-detector", "alert-fanout"]
            .map(|name| providers.iter().find(|one| one["provider"] == name).unwrap()["state"].clone())
    }

    /// Waits until so many messages are in a queue; takes them and returns their bodies.
    #[track_caller]
    fn take(&self, queue: &str, count: usize) -> Vec<Value> {
        let mut bodies = Vec::new();
        let came = wait_until(LIMIT, || {
            bodies.extend(self.moto.take_messages(queue).unwrap());
            bodies.len() >= count
        });
        assert!(
            came && bodies.len() == count,
            "{queue}: {} of {count}: {bodies:?}\n{}",
            bodies.len(),
            self.stage.tail()
        );
        bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect()
    }

    /// The same for what came through the topic: what was published.
    #[track_caller]
    fn take_alerts(&self, count: usize) -> Vec<Value> {
        let told = self.take("alerts-inbox", count);
        let message = |envelope: &Value| {
            assert_eq!(envelope["TopicArn"], format!("arn:aws:sns:us-east-1:{ACCOUNT}:building-alerts"));
            serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap()
        };
        told.iter().map(message).collect()
    }

    /// Waits until so many chains have completed; returns all that have.
    #[track_caller]
    fn completed(&self, count: usize) -> Vec<Value> {
        let list = || self.ask(&[&["chains", "list", "--status", "completed", "--limit", "100"], &SCOPE[..]].concat());
        let ended = || list()["chains"].as_array().unwrap().len() == count;
        assert!(wait_until(LIMIT, ended), "{count}: {}\n{}", list(), self.stage.tail());
        list()["chains"].as_array().unwrap().clone()
    }

    /// The steps of a chain.
    fn chain(&self, id: &Value) -> Value {
        self.ask(&[&["chains", "show", id.as_str().unwrap()], &SCOPE[..]].concat())
    }
}

fn faster(text: &str) -> String {
    text.replace("group_wait_seconds: 30", "group_wait_seconds: 3").replace("delay_seconds: 60", "delay_seconds: 6")
}

fn json_lines(printed: &str) -> Vec<Value> {
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The rows that `acteon produce --wait --json` or a script printed, without the summary.
fn rows(printed: &str) -> Vec<Value> {
    let mut rows = json_lines(printed);
    rows.retain(|row| row["line"].is_u64());
    rows.sort_unstable_by_key(|row| row["line"].as_u64());
    rows
}

/// How many there are of each text at a pointer.
fn tally(values: &[Value], pointer: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for text in values.iter().filter_map(|value| value.pointer(pointer)) {
        *counts.entry(text.as_str().map_or_else(|| text.to_string(), str::to_owned)).or_default() += 1;
    }
    counts
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

/// The sensors whose readings go through the chain, two of them after a while.
const CHAINED: [(&str, usize); 7] = [
    ("temp-101", 1),
    ("temp-102", 1),
    ("temp-103", 1),
    ("temp-sensor-999", 3),
    ("temp-sensor-400", 1),
    ("energy-001", 1),
    ("energy-002", 1),
];

/// The table of the 21 events, line by line.
fn events_are_decided(building: &Building) {
    let rows = rows(&building.script("send-telemetry.sh", &["--json"]));
    let kinds: Vec<&str> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    let expected = [
        vec!["rerouted"; 4],
        vec!["chain_started"; 3],
        vec!["grouped"; 3],
        vec!["scheduled"; 2],
        vec!["chain_started"; 3],
        vec!["chain_started", "deduplicated"],
        vec!["suppressed"; 2],
        vec!["rerouted", "suppressed"],
    ]
    .concat();
    assert_eq!(kinds, expected, "{rows:?}");
    for (line, provider) in [(0, "alert-fanout"), (2, "alert-fanout"), (19, "event-bus")] {
        let detail = &rows[line]["detail"];
        assert_eq!(detail["new_provider"], provider, "{}", rows[line]);
    }
    assert_eq!(rows[20]["detail"]["rule"], "deny-unsigned-firmware");
}

/// What arrives of the 21 events, and nothing else does.
fn events_arrive(building: &Building) {
    let metrics = building.take("telemetry-metrics", 9 + 2);
    let (archived, groups): (Vec<Value>, Vec<Value>) =
        metrics.into_iter().partition(|body| body["processed"] == "true");
    assert_eq!(tally(&archived, "/device_id"), counts(CHAINED));
    assert_eq!(tally(&archived, "/value")["300"], 1, "numbers stay numbers");
    assert_eq!(tally(&groups, "/count"), counts([("1", 1), ("2", 1)]));

    let (from_chains, rerouted): (Vec<Value>, Vec<Value>) =
        building.take_alerts(9 + 4).into_iter().partition(|alert| alert["severity"] == "critical");
    assert_eq!(tally(&from_chains, "/device_id"), counts(CHAINED));
    let alarmed = [("temp-crit-001", 1), ("temp-crit-002", 1), ("motion-001", 1), ("motion-002", 1)];
    assert_eq!(tally(&rerouted, "/device_id"), counts(alarmed));
    assert_eq!(tally(&rerouted, "/pipeline_version"), counts([("2.0.0", 4)]));

    let (critical, online): (Vec<Value>, Vec<Value>) =
        building.take("events-inbox", 9 + 1).into_iter().partition(|event| event["source"] == "acteon.iot");
    assert_eq!(tally(&critical, "/detail-type"), counts([("CriticalAlert", 9)]));
    assert_eq!(tally(&critical, "/detail/device_id"), counts(CHAINED));
    assert_eq!(
        (&online[0]["source"], &online[0]["detail-type"], &online[0]["detail"]["firmware_version"]),
        (&json!("acteon"), &json!("device_lifecycle"), &json!("3.2.1"))
    );

    let chains = building.completed(18);
    assert_eq!(tally(&chains, "/chain_name"), counts([("telemetry-processing", 9), ("critical-alert", 9)]));
    let parent = chains.iter().find(|chain| chain["chain_name"] == "telemetry-processing").unwrap();
    let shown = building.chain(&parent["chain_id"]);
    let path = ["normalize", "detect-anomaly", "publish-event", "archive-metrics"];
    assert_eq!(shown["execution_path"], json!(path), "{shown}");
    // A function of moto's answers with its event.
    let answer = &shown["steps"][0]["response_body"];
    assert_eq!(answer["function_name"], "telemetry-normalizer", "{shown}");
    assert!(answer["response"]["device_id"].is_string(), "{shown}");

    assert_eq!(building.send("daily-summary.ndjson")[0]["outcome"], "executed");
    let object = building.moto.object("building-telemetry", "raw/reports/daily-summary.json").unwrap();
    assert_eq!(object, r#"{"total_readings": 1234, "anomalies": 3}"#);
    assert_eq!(building.take("telemetry-dlq", 0), Vec::<Value>::new());
}

/// moto goes away: two failures open each circuit, and the fallbacks are called.
fn an_outage(building: &mut Building) {
    let (done, said) = building.try_script("outage.sh", &[]);
    assert!(!done && said.contains("stop LocalStack or moto first"), "{said}");
    building.moto.stop().unwrap();
    let (done, said) = building.try_script("setup.sh", &[]);
    assert!(!done && said.contains("nothing answers at http://127.0.0.1"), "{said}");

    let said = building.script("outage.sh", &[]);
    assert_eq!(building.circuits(), ["open", "open"], "{said}");
    let outcomes = json_lines(&building.acteon(&["tail", "outcomes", "--from-beginning", "--no-follow", "--json"]));
    let fell_back: Vec<&Value> =
        outcomes.iter().filter(|outcome| outcome["detail"]["Rerouted"]["new_provider"] == "local-fallback").collect();
    assert_eq!(fell_back.len(), 1, "{said}");
    assert_eq!(fell_back[0]["detail"]["Rerouted"]["circuit_open"], json!(["alert-fanout"]), "{said}");
    // Each call was made three times and can be made again, that of the detector by its fallback.
    let dead = json_lines(&building.acteon(&["dlq", "list", "--json"]));
    let (calls, chains): (Vec<Value>, Vec<Value>) = dead.into_iter().partition(|letter| letter["holds"] == "dispatch");
    assert_eq!(tally(&calls, "/provider"), counts([("alert-fanout", 2), ("dead-letter-queue", 1)]), "{said}");
    assert_eq!(tally(&calls, "/code"), counts([("CONNECTION", 3)]));
    assert_eq!(tally(&calls, "/attempts"), counts([("3", 3)]));
    assert_eq!(tally(&chains, "/code"), counts([("CHAIN_FAILED", 2)]));
}

/// moto is back: one call tries each circuit again, and then all is as before.
fn a_recovery(building: &mut Building) {
    building.moto.restart().unwrap();
    let said = building.script("recovery.sh", &[]);
    assert_eq!(building.circuits(), ["closed", "closed"], "{said}");
    let alerts = building.take_alerts(2);
    assert_eq!(tally(&alerts, "/device_id"), counts([("temp-crit-301", 1), ("temp-301", 1)]));
    assert_eq!(tally(&building.take("events-inbox", 1), "/detail/device_id"), counts([("temp-301", 1)]));
    assert_eq!(tally(&building.take("telemetry-metrics", 1), "/device_id"), counts([("temp-301", 1)]));
    building.completed(18 + 2);
    assert_eq!(building.take("telemetry-dlq", 0), Vec::<Value>::new(), "the detector is called again");

    // Of what could not be delivered nothing is lost.
    building.acteon(&["dlq", "replay", "--all", "--provider", "alert-fanout"]);
    let alerts = building.take_alerts(2);
    assert_eq!(tally(&alerts, "/device_id"), counts([("temp-crit-201", 1), ("temp-crit-202", 1)]));
    // The call of the detector goes where it was meant to go, now that this is possible.
    building.acteon(&["dlq", "replay", "--all", "--provider", "dead-letter-queue"]);
    let detected = || {
        let outcomes = json_lines(&building.acteon(&["tail", "outcomes", "--from-beginning", "--no-follow", "--json"]));
        outcomes.iter().any(|outcome| {
            let answer = &outcome["detail"]["Executed"]["body"];
            answer["function_name"] == "anomaly-detector" && answer["response"]["device_id"] == "temp-203"
        })
    };
    assert!(wait_until(LIMIT, detected), "{}", building.stage.tail());
    assert_eq!(building.take("telemetry-dlq", 0), Vec::<Value>::new());
}

/// While the detector alone is left alone, the dead-letter queue has its readings.
fn a_detector_out_of_service(building: &Building) {
    building.acteon(&["providers", "trip", "anomaly-detector", "--reason", "maintenance"]);
    assert!(wait_until(LIMIT, || building.circuits() == ["open", "closed"]), "{}", building.stage.tail());
    assert_eq!(building.send("closed.ndjson")[0]["outcome"], "chain_started");
    let body = building.take("telemetry-dlq", 1).remove(0);
    assert_eq!(body, json!({"device_id": "temp-301", "sensor_type": "temperature", "value": 21}));
    building.completed(18 + 4);
    assert_eq!(tally(&building.take("telemetry-metrics", 1), "/device_id"), counts([("temp-301", 1)]));
    assert_eq!(tally(&building.take_alerts(1), "/device_id"), counts([("temp-301", 1)]));
    building.acteon(&["providers", "reset", "anomaly-detector"]);
    assert!(wait_until(LIMIT, || building.circuits() == ["closed", "closed"]), "{}", building.stage.tail());
}

/// Quota, retention and heartbeat, and the report.
fn a_report(building: &Building) {
    let listed = |what: &str| building.ask(&[&[what, "list"], &SCOPE[..]].concat())["count"].clone();
    for _ in 0..2 {
        building.script("setup-api.sh", &[]);
        assert_eq!((listed("quotas"), listed("recurring")), (json!(1), json!(1)));
    }
    let report = building.script("show-report.sh", &[]);
    for part in ["chain_started", "telemetry-processing", "smartbuilding-hourly", "device-heartbeat", "alerts-inbox"] {
        assert!(report.contains(part), "{report} lacks {part}");
    }
    for _ in 0..2 {
        building.script("teardown.sh", &[]);
        assert_eq!((listed("quotas"), listed("recurring")), (json!(0), json!(0)));
    }
}

/// The 21 events, what arrives of them, and the report.
fn an_ordinary_day(building: &Building) {
    for _ in 0..2 {
        building.script("setup.sh", &[]);
    }
    events_are_decided(building);
    events_arrive(building);
}

#[test]
fn the_telemetry_pipeline_on_seven_processes_and_moto() {
    let mut building = Building::start(|example, edit, environment| Stage::fleet(example, edit, environment));
    an_ordinary_day(&building);
    an_outage(&mut building);
    a_recovery(&mut building);
    a_detector_out_of_service(&building);
    a_report(&building);
    building.stage.stop();
}

#[test]
fn the_telemetry_pipeline_on_acteon_dev_and_moto() {
    let building = Building::start(|example, edit, environment| Stage::dev(example, edit, environment));
    an_ordinary_day(&building);
    a_report(&building);
    building.stage.stop();
}
