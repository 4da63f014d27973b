//! What the run left behind, compared with the model, and with itself.

use super::fleet::{Fleet, PARTITIONS};
use super::life::{KINDS, PACE};
use super::log::{Log, PREFIX, TOPICS, header};
use super::traffic::Sent;
use acteon_core::is_expired;
use acteon_core::keys::Store;
use acteon_schemas::headers;
use acteon_testkit::clock;
use acteon_testkit::life;
use acteon_testkit::model::{Evidence, Record, Report, Topic, Violation, check};
use rdkafka::message::Message as _;
use rocksdb::{DB, IteratorMode, Options};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Words of log lines that must not be: a store that was dropped, inputs lost or set aside, a thread that failed.
const NEVER: [&str; 6] = [
    "restoring all of it",
    "records were deleted before they were processed",
    "input set aside",
    "panicked",
    "processor stops",
    "dispatch given up",
];

/// State by partition and key.
type State = BTreeMap<(i32, Vec<u8>), Vec<u8>>;

/// Asserts that all is as it must be; returns what to tell about it.
pub(crate) fn judge(log: &Log, fleet: &Fleet, sent: &Sent) -> String {
    let now = clock::unix_ms();
    NEVER.into_iter().for_each(|words| fleet.assert_no_line(words));
    let (evidence, lives) = gather(log, now, |_, _| 1);
    let report = held(check(&evidence));
    let lives = held(life::check(&lives));
    for kind in KINDS {
        assert!(lives.outcomes.contains_key(kind), "the run has no `{kind}`: {lives:?}");
    }
    let decisions: usize = report.decisions.values().sum();
    assert_eq!(decisions, sent.actions, "each action was decided");
    assert_eq!((report.rekeyed, report.dead_letters), (sent.misplaced, sent.broken));
    let Some(dispatched) = report.decisions.get("dispatched") else { panic!("nothing was dispatched: {report:?}") };
    assert_eq!(report.completions, *dispatched, "each dispatch has its last outcome");
    for outcome in ["deduplicated", "throttled", "suppressed", "failed"] {
        assert!(report.decisions.contains_key(outcome), "the run has all outcomes: {report:?}");
    }
    stores_hold_what_was_logged(log, fleet, now);
    let calls = each_webhook_was_called(log, fleet);
    damage_is_noticed(log, now, &report, &lives);
    let Report { completions, rekeyed, dead_letters, state_entries, .. } = report;
    format!(
        "{decisions} decisions as the model has them {:?}, {completions} completions, {rekeyed} re-keyed, {dead_letters} \
         dead letters, {state_entries} entries of state; {calls}; {} actions and {} commands that live for a while, with {} \
         dispatches and {:?}; no violation",
        report.decisions, lives.actions, lives.commands, lives.dispatches, lives.outcomes
    )
}

/// What a check reports, if nothing is wrong.
fn held<T>(checked: Result<T, Vec<Violation>>) -> T {
    checked.unwrap_or_else(|violations| {
        let mut text = String::new();
        violations.iter().for_each(|violation| writeln!(text, "{violation}").unwrap());
        panic!("{} violations:\n{text}", violations.len())
    })
}

/// Reads all topics. `copies` says how often a record is taken.
fn gather(log: &Log, now: i64, mut copies: impl FnMut(Topic, &Record<'_>) -> usize) -> (Evidence, life::Evidence) {
    let mut evidence = Evidence::new(PREFIX, PARTITIONS, now);
    let mut lives = life::Evidence::new(PREFIX, PACE);
    for (name, topic) in TOPICS {
        log.read(name, &mut |message| {
            let source = header(message, headers::ORIGIN).filter(|_| topic == Topic::Repartition);
            let source = source.or_else(|| header(message, headers::SOURCE));
            let (partition, offset) = (message.partition(), message.offset());
            let record = Record { partition, offset, key: message.key(), value: message.payload(), source };
            for _ in 0..copies(topic, &record) {
                evidence.add(topic, &record);
                lives.add(topic, &record);
            }
        });
    }
    (evidence, lives)
}

/// A record less or more is told, by the model and by the laws: this run's records, and the checks themselves, are able to
/// fail.
fn damage_is_noticed(log: &Log, now: i64, report: &Report, lives: &life::Report) {
    for (damaged, times, what) in [(Topic::Outcomes, 0, "lost"), (Topic::Dispatches, 2, "doubled")] {
        // Of both topics there are more.
        let mut left = [report.completions / 2, lives.dispatches / 2];
        let copies = |topic: Topic, record: &Record<'_>| {
            if topic != damaged {
                return 1;
            }
            let json: Option<Value> = record.value.and_then(|value| serde_json::from_slice(value).ok());
            let left = &mut left[usize::from(life::owns(topic, record.key, json.as_ref()))];
            let before = *left;
            *left = before.wrapping_sub(1);
            if before == 0 { times } else { 1 }
        };
        let (evidence, lives) = gather(log, now, copies);
        assert!(check(&evidence).is_err(), "a {what} record of {damaged:?} goes unnoticed by the model");
        assert!(life::check(&lives).is_err(), "a {what} record of {damaged:?} goes unnoticed by the laws");
    }
}

/// The stores of the processor that was stopped last hold what the changelogs hold, neither less nor more.
fn stores_hold_what_was_logged(log: &Log, fleet: &Fleet, now: i64) {
    let mut logged = State::new();
    for name in ["changelog", "changelog.expiring"] {
        log.read(name, &mut |message| {
            let key = (message.partition(), message.key().unwrap().to_vec());
            match message.payload() {
                Some(value) => logged.insert(key, value.to_vec()),
                None => logged.remove(&key),
            };
        });
    }
    let mut held = State::new();
    for partition in 0..PARTITIONS {
        let families = DB::list_cf(&Options::default(), fleet.store(partition)).unwrap();
        let db = DB::open_cf_for_read_only(&Options::default(), fleet.store(partition), &families, false).unwrap();
        for family in &families {
            for entry in db.iterator_cf(db.cf_handle(family).unwrap(), IteratorMode::Start) {
                let (key, value) = entry.unwrap();
                // The store's own records have no tag.
                if Store::of(&key).is_some() {
                    held.insert((partition, key.into_vec()), value.into_vec());
                }
            }
        }
    }
    // What is over may be gone from the one and not yet from the other.
    let lasting = |state: &mut State| {
        state.retain(|(_, key), value| !Store::of(key).is_some_and(Store::expires) || !is_expired(value, now));
    };
    lasting(&mut logged);
    lasting(&mut held);
    let lost: Vec<_> = logged.iter().filter(|(key, value)| held.get(*key) != Some(*value)).take(5).collect();
    let extra: Vec<_> = held.iter().filter(|(key, value)| logged.get(*key) != Some(*value)).take(5).collect();
    assert!(lost.is_empty() && extra.is_empty(), "stores and changelogs differ: lost {lost:02x?}, extra {extra:02x?}");
    assert!(!held.is_empty(), "there is state to compare");
}

/// Each dispatch to the webhook reached it, under its own idempotency key, and nothing else did.
fn each_webhook_was_called(log: &Log, fleet: &Fleet) -> String {
    let mut dispatched = BTreeSet::new();
    log.read("dispatch.webhook", &mut |message| {
        let dispatch: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        dispatched.insert(dispatch["dispatch_id"].as_str().unwrap().to_owned());
    });
    let calls = fleet.calls();
    let keys: BTreeSet<String> = calls.iter().cloned().collect();
    assert_eq!(keys, dispatched, "calls are those of the dispatches");
    format!("{} webhooks in {} calls", dispatched.len(), calls.len())
}
