//! What lives for a while: its traffic, and the time until all of it is over.

use super::fleet::PARTITIONS;
use super::log::{Log, each};
use super::outlet::{Outlet, due};
use super::plan::Plan;
use acteon_core::due_at;
use acteon_schemas::tenant_key;
use acteon_testkit::clock;
use acteon_testkit::life::{NAMESPACE, Pace, Traffic, owns};
use acteon_testkit::model::Topic;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Message as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long things wait.
pub(crate) const PACE: Pace = Pace::Brisk;
/// Actions to one command.
const ACTIONS_A_COMMAND: usize = 3;
/// One action in so many goes to any partition.
const ASTRAY: u32 = 20;
/// Longest wait for what each run has: a recurring action occurs each minute.
const KINDS_LIMIT: Duration = Duration::from_secs(150);
/// Time between two actions, and their commands, that are sent until the run has all kinds.
const MORE_INTERVAL: Duration = Duration::from_millis(100);
/// Timers due later than this are not waited for, in milliseconds: what is over is forgotten a day later.
const HORIZON_MS: i64 = 2 * 3600 * 1000;
/// Time between two looks at everything.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Outcomes of what lives for a while that each run has.
pub(crate) const KINDS: [&str; 14] = [
    "released_by recurring",
    "grouped",
    "released_by group",
    "scheduled",
    "cancelled",
    "released_by schedule",
    "pending_approval",
    "expired",
    "released_by approval",
    "state_changed",
    "released_by event",
    "chain_started",
    "chain_completed",
    "chain_cancelled",
];

struct Sender {
    outlet: Outlet,
    rng: fastrand::Rng,
    traffic: Traffic,
    /// Reads outcomes, which say what commands can be about.
    outcomes: BaseConsumer,
    /// Of [`KINDS`], those that were not told of yet.
    missing: BTreeSet<&'static str>,
}

/// Sends all of a plan, and sees to it that nothing goes on for ever.
pub(crate) fn send(bootstrap: &str, plan: &Plan) {
    let mut sender = Sender {
        outlet: Outlet::new(bootstrap),
        rng: fastrand::Rng::with_seed(plan.life_seed),
        traffic: Traffic::default(),
        outcomes: Log::new(bootstrap).follow("outcomes"),
        missing: KINDS.into(),
    };
    let (began, whole) = (clock::now(), Duration::from_secs(plan.scale.seconds));
    let mut number = 0;
    while number < plan.scale.lives {
        sender.see();
        while number < due(began.elapsed(), whole, plan.scale.lives) {
            sender.action();
            if number.is_multiple_of(ACTIONS_A_COMMAND) {
                sender.command();
            }
            number += 1;
        }
        sender.outlet.poll();
    }
    sender.complete();
    for (tenant, command) in sender.traffic.settle() {
        sender.send("commands", &tenant, &command, None);
    }
    sender.outlet.finish();
}

impl Sender {
    /// Takes in what was told since.
    fn see(&mut self) {
        each(&self.outcomes, |message| {
            let value = message.payload().unwrap_or_default();
            let key = message.key().unwrap_or_default();
            if !key.starts_with(NAMESPACE.as_bytes()) {
                return;
            }
            let outcome: Value = serde_json::from_slice(value).unwrap();
            self.missing.remove(outcome["outcome"].as_str().unwrap_or_default());
            if let Some(by) = outcome["released_by"].as_str() {
                self.missing.remove(format!("released_by {by}").as_str());
            }
            self.traffic.see(&outcome);
        });
    }

    /// Sends a little more until the run has all kinds: while a machine is busy, each request for approval may expire before
    /// somebody answers it.
    fn complete(&mut self) {
        let mut next = clock::now();
        let is_complete = acteon_testkit::wait_until(KINDS_LIMIT, || {
            self.see();
            // A recurring action takes its time.
            if self.missing.iter().any(|kind| *kind != "released_by recurring") && clock::now() >= next {
                next = clock::now() + MORE_INTERVAL;
                self.action();
                self.command();
            }
            self.outlet.poll();
            self.missing.is_empty()
        });
        assert!(is_complete, "after {KINDS_LIMIT:?} the run has no {:?}", self.missing);
    }

    fn command(&mut self) {
        let (tenant, command) = self.traffic.command(&mut self.rng);
        self.send("commands", &tenant, &command, None);
    }

    fn action(&mut self) {
        let tenant = Traffic::tenant(&mut self.rng);
        let action = self.traffic.action(&mut self.rng, &tenant, clock::unix_ms());
        let partition = (self.rng.u32(0..ASTRAY) == 0).then(|| self.rng.i32(0..PARTITIONS));
        self.send("actions", &tenant, &action, partition);
    }

    fn send(&self, topic: &str, tenant: &str, value: &Value, partition: Option<i32>) {
        let key = tenant_key(NAMESPACE, tenant);
        self.outlet.produce(topic, partition, Some(&key), Some(value.to_string().as_bytes()));
    }
}

/// Waits until nothing is left that will happen by itself. `watch` is called now and then.
pub(crate) fn wait_until_over(log: &Log, limit: Duration, mut watch: impl FnMut()) {
    let deadline = clock::now() + limit;
    while let Err(left) = look(log) {
        assert!(clock::now() < deadline, "after {limit:?}, {left}");
        watch();
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// Looks for what is left: inputs, calls without a result, and timers. All of it is seen at one moment, since nothing is
/// written between the first look at the topics' ends and the last.
fn look(log: &Log) -> Result<(), String> {
    let ends = log.ends()?;
    let behind = log.behind();
    if !behind.is_empty() {
        return Err(format!("not consumed: {behind:?}"));
    }
    let mut calls = BTreeSet::new();
    let id_of = |value: Option<&[u8]>| {
        let json: Value = serde_json::from_slice(value?).ok()?;
        json["dispatch_id"].as_str().filter(|_| json["namespace"] == NAMESPACE).map(str::to_owned)
    };
    for name in ["dispatch.email", "dispatch.webhook"] {
        log.read(name, &mut |message| calls.extend(id_of(message.payload())));
    }
    log.read("results", &mut |message| {
        if let Some(id) = id_of(message.payload()) {
            calls.remove(&id);
        }
    });
    if !calls.is_empty() {
        return Err(format!("{} calls have no result yet", calls.len()));
    }
    let mut timers: BTreeMap<(i32, Vec<u8>), i64> = BTreeMap::new();
    log.read("changelog", &mut |message| {
        let key = message.key().unwrap_or_default();
        if !owns(Topic::Changelog, Some(key), None) {
            return;
        }
        let place = (message.partition(), key.to_vec());
        match message.payload().and_then(|value| due_at(key, value)) {
            Some(due) if due < clock::unix_ms() + HORIZON_MS => timers.insert(place, due),
            _ => timers.remove(&place),
        };
    });
    match timers.first_key_value() {
        Some(((partition, key), due)) => {
            let (in_ms, key) = (due - clock::unix_ms(), String::from_utf8_lossy(key));
            Err(format!("{} timers are left; one of task {partition} is due in {in_ms} ms: {key}", timers.len()))
        }
        None if log.ends().as_ref() != Ok(&ends) => Err("records are still being written".to_owned()),
        None => Ok(()),
    }
}
