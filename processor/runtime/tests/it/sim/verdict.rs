//! The end of a world: everything is healed and worked off, and what came out is compared with the model.

use super::broker::{Entry, Topic};
use super::hub::{Hub, PROCESSES, Shared};
use super::life;
use super::timers;
use super::traffic;
use super::world::{Course, start, stop, tick_all};
use acteon_core::{due_at, is_expired};
use acteon_runtime::Timer;
use acteon_schemas::headers;
use acteon_testkit::life::{Evidence as Lives, Pace, check as life_check};
use acteon_testkit::model::{Evidence, Record, Topic as Kind, check};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Most rounds that a healed world may need to come to rest.
const MAX_ROUNDS: u32 = 2_000;
/// The longest time-out of sessions and transactions, in milliseconds.
const TIME_OUT_MS: i64 = 70_000;
/// What is due so soon is worked off at its time, before a long time passes at once, in milliseconds: clocks that were ahead
/// stand still meanwhile.
const SOON_MS: i64 = 300_000;
/// What passes of it between two rounds, in milliseconds.
const BIT_MS: i64 = 1_000;

const KINDS: [(Topic, Kind); 11] = [
    (Topic::Actions, Kind::Actions),
    (Topic::Repartition, Kind::Repartition),
    (Topic::Commands, Kind::Commands),
    (Topic::Results, Kind::Results),
    (Topic::Outcomes, Kind::Outcomes),
    (Topic::Audit, Kind::Audit),
    (Topic::Email, Kind::Dispatches),
    (Topic::Webhook, Kind::Dispatches),
    (Topic::Dlq, Kind::DeadLetters),
    (Topic::Changelog, Kind::Changelog),
    (Topic::Expiring, Kind::Changelog),
];

/// Heals the world, waits until it is at rest, and says what is wrong.
pub fn reach(hub: &Arc<Hub>) -> Course {
    {
        let mut shared = hub.shared();
        shared.note(|| "the world is healed".to_owned());
        shared.fault_rate = 0;
        shared.traffic.settle();
        // Clocks are right.
        shared.skew = [0; PROCESSES];
        shared.broker.deliver_delayed();
        shared.broker.write_all_markers();
    }
    // Sessions and transactions of the dead time out, bit by bit: what lives meanwhile goes on.
    for _ in 0..TIME_OUT_MS / BIT_MS {
        go_round(hub);
        hub.shared().advance(BIT_MS);
    }
    let soon = {
        let mut shared = hub.shared();
        shared.broker.write_all_markers();
        shared.broker.now + SOON_MS
    };
    let mut rounds = 0;
    work_off(hub, &mut rounds, |shared| life::next_due(shared).filter(|due| *due < soon));
    {
        // All timers are due.
        let mut shared = hub.shared();
        let left = timers::last(&shared) - shared.broker.now;
        shared.advance(left.max(0));
    }
    work_off(hub, &mut rounds, |shared| {
        let fired = timers::have_fired(shared);
        if fired { life::next_due(shared) } else { Some(shared.broker.now) }
    });
    let owners = owners(hub);
    (0..PROCESSES).for_each(|process| stop(hub, process));
    let mut shared = hub.shared();
    if rounds == MAX_ROUNDS {
        shared.violations.push("no rest: the healed world makes no progress".to_owned());
    }
    let (evidence, lives) = evidence(&shared);
    match life_check(&lives) {
        Ok(report) => life::count(&mut shared, &report),
        Err(violations) => shared.violations.extend(violations.iter().map(ToString::to_string)),
    }
    match check(&evidence) {
        Ok(report) => {
            let decisions = report.decisions.values().sum::<usize>();
            *shared.counts.entry("decision").or_default() += decisions as u64;
            shared.note(|| format!("{report:?}"));
        }
        Err(violations) => shared.violations.extend(violations.iter().map(ToString::to_string)),
    }
    timers::check(&mut shared);
    check_stores(&mut shared, &owners);
    let digest = shared.trace.is_some().then(|| digest(&shared));
    Course {
        violations: std::mem::take(&mut shared.violations),
        trace: shared.trace.take().unwrap_or_default(),
        counts: std::mem::take(&mut shared.counts),
        digest,
    }
}

/// Runs the world until nothing is left to do, again and again when `next` has something to do at some time.
fn work_off(hub: &Arc<Hub>, rounds: &mut u32, next: impl Fn(&Shared) -> Option<i64>) {
    while *rounds < MAX_ROUNDS {
        if is_at_rest(hub) {
            let mut shared = hub.shared();
            let Some(due) = next(&shared) else { return };
            let left = due - shared.broker.now;
            shared.advance(left.max(0));
        }
        go_round(hub);
        *rounds += 1;
    }
}

/// Everybody runs once.
fn go_round(hub: &Arc<Hub>) {
    (0..PROCESSES).for_each(|process| start(hub, process));
    tick_all(hub);
    traffic::connect(&mut hub.shared());
}

/// Whether nothing is left to do.
fn is_at_rest(hub: &Hub) -> bool {
    let running = {
        let seats = hub.seats.lock().unwrap();
        let tasks = seats.iter().filter_map(|seat| seat.worker.as_ref()).flat_map(|worker| worker.tasks());
        tasks.filter(|task| task.running).count()
    };
    let shared = hub.shared();
    let broker = &shared.broker;
    let read = |topic: Topic, partition: i32, from: i64| broker.read(topic, partition, from).is_none();
    let taken = Topic::ALL[..4].iter().all(|topic| {
        (0..broker.partitions)
            .all(|partition| broker.committed(*topic, partition).is_ok_and(|from| read(*topic, partition, from)))
    });
    let answered = [Topic::Email, Topic::Webhook].iter().all(|topic| {
        (0..broker.partitions_of(*topic)).all(|partition| {
            let from = shared.traffic.positions.get(&(*topic, partition)).copied().unwrap_or(0);
            read(*topic, partition, from)
        })
    });
    taken
        && answered
        && broker.group.is_settled()
        && !broker.has_open_transactions()
        && running == broker.partitions as usize
}

/// The process that each task runs in.
fn owners(hub: &Hub) -> BTreeMap<i32, usize> {
    let seats = hub.seats.lock().unwrap();
    let workers = seats.iter().filter_map(|seat| Some((seat.who.process, seat.worker.as_ref()?)));
    workers
        .flat_map(|(process, worker)| worker.tasks().into_iter().map(move |task| (task.partition, process)))
        .collect()
}

/// All committed entries of a partition.
pub fn entries(shared: &Shared, topic: Topic, partition: i32) -> impl Iterator<Item = &Entry> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let entry = shared.broker.read(topic, partition, from)?;
        from = entry.offset + 1;
        Some(entry)
    })
}

fn evidence(shared: &Shared) -> (Evidence, Lives) {
    let mut lives = Lives::new("acteon", Pace::AsWritten);
    let mut evidence = Evidence::new("acteon", shared.broker.partitions, shared.broker.now);
    for (topic, kind) in KINDS {
        for partition in 0..shared.broker.partitions_of(topic) {
            for entry in entries(shared, topic, partition) {
                let Some(record) = entry.record.as_ref().filter(|record| !timers::is_letter(record)) else { continue };
                let source = record.header(headers::ORIGIN).filter(|_| kind == Kind::Repartition);
                let source = source.or_else(|| record.header(headers::SOURCE));
                let (key, value) = (record.key.as_deref(), record.value.as_deref());
                let record = Record { partition, offset: entry.offset, key, value, source };
                evidence.add(kind, &record);
                if shared.tenants.is_some() {
                    lives.add(kind, &record);
                }
            }
        }
    }
    (evidence, lives)
}

/// Each running task's store holds what its changelogs hold.
fn check_stores(shared: &mut Shared, owners: &BTreeMap<i32, usize>) {
    let mut wrong = Vec::new();
    for (partition, process) in owners {
        let mut logged = BTreeMap::new();
        for topic in [Topic::Changelog, Topic::Expiring] {
            for record in entries(shared, topic, *partition).filter_map(|entry| entry.record.as_ref()) {
                let key = record.key.clone().unwrap_or_default();
                match &record.value {
                    Some(value) => logged.insert(key, value.clone()),
                    None => logged.remove(&key),
                };
            }
        }
        let Some(disk) = shared.disks.get(&(*process, *partition)) else { continue };
        // What is over by the latest of all clocks may be gone from one and not yet from the other.
        let now = shared.broker.now + super::world::MAX_SKEW_MS;
        let is_clock = |key: &[u8]| key == [0x01];
        let lasting = |(key, value): &(&Vec<u8>, &Vec<u8>)| is_clock(key) || !is_expired(value, now);
        let (held, logged): (Vec<_>, Vec<_>) =
            (disk.entries.iter().filter(lasting).collect(), logged.iter().filter(lasting).collect());
        for (key, value) in &disk.entries {
            let timer = due_at(key, value).map(|due| Timer { due, key: key.clone() });
            if timer.is_some_and(|timer| !disk.timers.contains(&timer)) {
                wrong.push(format!("store of task {partition} has lost the timer of {key:02x?}"));
            }
        }
        if held != logged {
            wrong.push(format!("store of task {partition} differs from its changelogs: {held:02x?} != {logged:02x?}"));
        }
    }
    shared.violations.extend(wrong);
}

fn digest(shared: &Shared) -> u64 {
    let mut hasher = DefaultHasher::new();
    for topic in Topic::ALL {
        for partition in 0..shared.broker.partitions_of(topic) {
            for entry in entries(shared, topic, partition) {
                entry.offset.hash(&mut hasher);
                entry.record.as_ref().and_then(|record| record.value.as_ref()).hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}
