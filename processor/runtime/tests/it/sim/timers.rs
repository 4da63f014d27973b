//! Timers in the simulated world: entries of the state that an earlier run has left, each due at some time. No feature
//! knows what they hold, so each is set aside when it fires: once, not before its time, and with its own bytes.

use super::broker::{Broker, Record, Topic};
use super::hub::{START, Shared};
use acteon_runtime::Timer;
use acteon_schemas::headers;
use std::collections::BTreeMap;

/// Most entries of a task.
const MAX_ENTRIES: u64 = 30;
/// The time over which they are due, in milliseconds.
const SPAN_MS: i64 = 20 * 60 * 1000;
/// What the source of a timer's dead letter begins with.
pub const SOURCE: &str = "timer/";

/// The entries that are to fire, with their values: by task and timer.
pub type Sown = BTreeMap<(i32, Timer), Vec<u8>>;

/// Leaves entries in the changelogs. Some have moved, and some are gone again.
pub fn sow(broker: &mut Broker, rng: &mut fastrand::Rng) -> Sown {
    let mut sown = Sown::new();
    for partition in 0..broker.partitions {
        // Many are due at the same moment.
        let common = START + rng.i64(0..SPAN_MS);
        for number in 0..rng.u64(0..MAX_ENTRIES) {
            let key = [&[0x20][..], &number.to_be_bytes()].concat();
            let mut due = || if rng.bool() { common } else { START + rng.i64(0..SPAN_MS) };
            let timer = Timer { due: due(), key: key.clone() };
            let value = |due: i64| [&[1_u8][..], &due.to_be_bytes(), b"not of any feature"].concat();
            let write = |broker: &mut Broker, value: Option<Vec<u8>>| {
                let record = Record { key: Some(key.clone()), value, headers: Vec::new() };
                broker.append(Topic::Changelog, partition, record);
            };
            if rng.u32(0..4) == 0 {
                write(broker, Some(value(START + rng.i64(0..SPAN_MS))));
            }
            write(broker, Some(value(timer.due)));
            if rng.u32(0..8) == 0 {
                write(broker, None);
            } else {
                let value = value(timer.due);
                sown.insert((partition, timer), value);
            }
        }
    }
    sown
}

/// Dead letters of timers: task, time, key and value.
fn letters(shared: &Shared) -> Vec<(i32, i64, Vec<u8>, Vec<u8>)> {
    let mut letters = Vec::new();
    for partition in 0..shared.broker.partitions {
        let mut from = 0;
        while let Some(entry) = shared.broker.read(Topic::Dlq, partition, from) {
            from = entry.offset + 1;
            let Some(record) = entry.record.as_ref().filter(|record| is_letter(record)) else { continue };
            let at = record.header(headers::AT).and_then(|at| at.parse().ok()).unwrap_or_default();
            letters.push((
                partition,
                at,
                record.key.clone().unwrap_or_default(),
                record.value.clone().unwrap_or_default(),
            ));
        }
    }
    letters
}

/// Whether a record is the dead letter of a timer.
pub fn is_letter(record: &Record) -> bool {
    record.header(headers::SOURCE).is_some_and(|source| source.starts_with(SOURCE))
}

/// When the last one is due.
pub fn last(shared: &Shared) -> i64 {
    shared.sown.keys().map(|(_, timer)| timer.due).max().unwrap_or(START)
}

/// Whether all have fired.
pub fn have_fired(shared: &Shared) -> bool {
    letters(shared).len() >= shared.sown.len()
}

/// Says which have not fired as they should.
pub fn check(shared: &mut Shared) {
    let letters = letters(shared);
    let mut wrong = Vec::new();
    for ((partition, timer), value) in &shared.sown {
        let own: Vec<_> = letters.iter().filter(|(of, _, key, _)| of == partition && *key == timer.key).collect();
        match own.as_slice() {
            [(_, at, _, bytes)] if *at >= timer.due && bytes == value => {}
            _ => wrong.push(format!("{timer:?} of task {partition} has fired as {own:?}")),
        }
    }
    if letters.len() > shared.sown.len() {
        wrong.push(format!("{} timers have fired instead of {}", letters.len(), shared.sown.len()));
    }
    *shared.counts.entry("timer").or_default() += letters.len() as u64;
    shared.violations.extend(wrong);
}
