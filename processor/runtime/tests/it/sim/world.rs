//! The scheduler: one seed makes one course of events.

use super::broker::Broker;
use super::hub::{Hub, PROCESSES, START, Seam, Seat, Shared, SimClock, SimWorker, Who};
use super::life::Tenants;
use super::plant::Plant;
use super::restorer::SimRestorer;
use super::sink::SimSink;
use super::source::SimSource;
use super::store::SimStores;
use super::timers;
use super::traffic::{self, Traffic};
use super::verdict;
use acteon_core::Definitions;
use acteon_runtime::{CommitLimits, Worker, WorkerConfig, WorkerError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Farthest that a wall clock is off, in milliseconds; it jumps by twice as much at most.
pub const MAX_SKEW_MS: i64 = 120_000;
/// Names of the topics read.
pub const INPUTS: [&str; 4] = ["acteon.actions", "acteon.repartition", "acteon.commands", "acteon.results"];
/// What passes when each worker has run once, in milliseconds.
pub const ROUND_MS: i64 = 20;
/// Rounds in which others take over what a process that stands still has left.
const ROUNDS_TO_TAKE_OVER: u32 = 10;
const HOUR_MS: i64 = 3600 * 1000;

/// What became of a seed.
pub struct Course {
    pub violations: Vec<String>,
    /// What happened, where it was asked for.
    pub trace: Vec<String>,
    /// How often each kind of thing happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// A digest of all that was committed, where a trace was asked for.
    pub digest: Option<u64>,
}

/// Runs a seed to its end.
pub fn run(seed: u64, plant: Option<Plant>, verbose: bool, definitions: &Arc<Definitions>) -> Course {
    let mut rng = fastrand::Rng::with_seed(seed);
    let is_brisk = seed % 2 == 1;
    let partitions = rng.i32(3..=4);
    let steps = rng.u32(150..=400);
    let timeouts = (rng.i64(2_000..10_000), rng.i64(2_000..60_000));
    let mut broker = Broker::new(partitions, START, rng.fork(), timeouts);
    broker.plant = plant;
    let sown = timers::sow(&mut broker, &mut rng);
    let shared = Shared {
        broker,
        fault_rate: [0, 30, 100, 300][rng.usize(0..4)],
        skew: std::array::from_fn(|_| skew(&mut rng, is_brisk)),
        rng,
        traffic: Traffic::default(),
        tenants: is_brisk.then(Tenants::default),
        sown,
        disks: BTreeMap::new(),
        members: BTreeMap::new(),
        dead: BTreeSet::new(),
        frozen: BTreeSet::new(),
        incarnations: 0,
        depth: 0,
        violations: Vec::new(),
        trace: verbose.then(Vec::new),
        counts: BTreeMap::new(),
    };
    let hub = Arc::new(Hub::new(shared, Arc::clone(definitions)));
    (0..PROCESSES).for_each(|process| start(&hub, process));
    for _ in 0..steps {
        step(&hub);
    }
    verdict::reach(&hub)
}

/// Lets the world go on while a call stands still: for a moment, or until others have taken over.
pub fn go_on(hub: &Arc<Hub>) {
    let (steps, pause) = {
        let mut shared = hub.shared();
        let pause = if shared.rng.bool() { shared.rng.i64(2_000..20_000) } else { 0 };
        (shared.rng.u32(1..20), pause)
    };
    if pause > 0 {
        hub.shared().advance(pause);
        (0..ROUNDS_TO_TAKE_OVER).for_each(|_| tick_all(hub));
    }
    (0..steps).for_each(|_| step(hub));
}

/// Something happens.
fn step(hub: &Arc<Hub>) {
    let (dice, process) = {
        let mut shared = hub.shared();
        (shared.rng.u32(0..1000), shared.rng.usize(0..PROCESSES))
    };
    match dice {
        0..300 => tick_any(hub),
        300..500 => (0..=dice % 4).for_each(|_| tick_all(hub)),
        500..640 => traffic::produce(&mut hub.shared()),
        640..670 => traffic::command(&mut hub.shared()),
        670..755 => traffic::connect(&mut hub.shared()),
        755..880 => {
            let mut shared = hub.shared();
            let is_brisk = shared.tenants.is_some();
            let ms = pause(&mut shared.rng, is_brisk);
            shared.note(|| format!("{ms} ms pass"));
            shared.advance(ms);
        }
        880..925 => start(hub, process),
        925..940 => crash(hub, process),
        940..950 => stop(hub, process),
        950..960 => freeze(hub, process),
        960..970 => hub.shared().broker.group.shuffle(),
        970..985 => clean(&mut hub.shared()),
        985..992 => {
            let mut shared = hub.shared();
            let is_brisk = shared.tenants.is_some();
            let skew = skew(&mut shared.rng, is_brisk);
            shared.skew[process] = skew;
            shared.note(|| format!("clock of {process} is {skew} ms off"));
        }
        _ => hub.shared().broker.deliver_delayed(),
    }
}

/// How far a clock is off. A task that moves to one that is ahead sees that time pass at once.
fn skew(rng: &mut fastrand::Rng, is_brisk: bool) -> i64 {
    let most = if is_brisk && rng.u32(0..8) > 0 { MAX_SKEW_MS / 12 } else { MAX_SKEW_MS };
    rng.i64(-most..=most)
}

/// How long nothing happens: mostly a moment, seldom hours. Where it `is_brisk`, most of what takes a while ends before its
/// time-out.
fn pause(rng: &mut fastrand::Rng, is_brisk: bool) -> i64 {
    match rng.u32(0..1000) {
        0..600 => rng.i64(1..500),
        600..970 if is_brisk => rng.i64(500..3_000),
        600..900 => rng.i64(500..8_000),
        970..985 if is_brisk => rng.i64(8_000..40_000),
        900..985 => rng.i64(8_000..120_000),
        985..997 => rng.i64(120_000..HOUR_MS),
        _ => rng.i64(HOUR_MS..60 * HOUR_MS),
    }
}

/// Brokers clean their logs.
fn clean(shared: &mut Shared) {
    use super::broker::Topic;
    let partition = shared.rng.i32(0..shared.broker.partitions);
    shared.note(|| format!("changelogs of task {partition} are cleaned"));
    shared.broker.compact(Topic::Changelog, partition);
    shared.broker.compact(Topic::Expiring, partition);
    shared.broker.retain(partition);
}

/// Starts a process, if it is down.
pub fn start(hub: &Arc<Hub>, process: usize) {
    let mut seats = hub.seats.lock().unwrap();
    if seats.iter().any(|seat| seat.who.process == process) {
        return;
    }
    let mut shared = hub.shared();
    shared.incarnations += 1;
    let incarnation = shared.incarnations;
    let limits = CommitLimits {
        interval_ms: shared.rng.u64(1..200),
        max_records: shared.rng.usize(1..60),
        max_bytes: shared.rng.usize(1_000..200_000),
    };
    let (partitions, workers) = (shared.broker.partitions, shared.rng.usize(1..=2));
    shared.note(|| format!("process {process} starts with {workers} workers"));
    drop(shared);
    for worker in 0..workers {
        let who = Who { process, worker, incarnation };
        let seam = Seam { hub: Arc::clone(hub), who };
        let config = WorkerConfig { partitions, limits, topics: INPUTS.map(str::to_owned) };
        let connect = {
            let seam = seam.clone();
            Box::new(move || SimSink::connect(seam.clone()))
        };
        let worker = Worker::new(
            config,
            SimClock(seam.clone()),
            SimSource::new(seam.clone()),
            connect,
            SimRestorer::new(seam.clone()),
            SimStores(seam),
        );
        seats.push(Seat { who, worker: Some(worker) });
    }
}

fn tick_any(hub: &Arc<Hub>) {
    let count = hub.seats.lock().unwrap().len();
    if count > 0 {
        let place = hub.shared().rng.usize(0..count);
        let who = hub.seats.lock().unwrap()[place].who;
        tick(hub, who);
    }
}

/// Each worker runs once, and a moment passes.
pub fn tick_all(hub: &Arc<Hub>) {
    let seats: Vec<Who> = hub.seats.lock().unwrap().iter().map(|seat| seat.who).collect();
    seats.into_iter().for_each(|who| tick(hub, who));
    hub.shared().advance(ROUND_MS);
}

/// Takes a worker out of its seat, if it can run.
fn take(hub: &Hub, who: Who) -> Option<SimWorker> {
    if hub.shared().frozen.contains(&who.incarnation) {
        return None;
    }
    hub.seats.lock().unwrap().iter_mut().find(|seat| seat.who == who)?.worker.take()
}

/// Runs a worker's tick; it may end the process.
pub fn tick(hub: &Arc<Hub>, who: Who) {
    let Some(mut worker) = take(hub, who) else { return };
    let result = worker.tick(&hub.definitions);
    let is_dead = hub.shared().dead.contains(&who.incarnation);
    match result {
        Ok(_) if !is_dead => {
            if let Some(seat) = hub.seats.lock().unwrap().iter_mut().find(|seat| seat.who == who) {
                seat.worker = Some(worker);
            }
        }
        result => {
            hub.shared().note(|| format!("{}.{} ends: {result:?}", who.process, who.worker));
            hub.shared().count("worker ended");
            if let (Err(WorkerError::Store(error)), false) = (&result, is_dead) {
                hub.shared().violations.push(format!("worker ended over a sound disk: {error}"));
            }
            hub.seats.lock().unwrap().retain(|seat| seat.who != who);
            drop(worker);
            // The others of its process end with it: in order, if they still can.
            if is_dead { crash(hub, who.process) } else { stop(hub, who.process) }
        }
    }
}

/// Takes the workers of a process out of their seats; those that are inside a call end when it returns.
fn leave_seats(hub: &Hub, process: usize) -> Vec<(Who, SimWorker)> {
    let mut seats = hub.seats.lock().unwrap();
    let of_process = seats.iter_mut().filter(|seat| seat.who.process == process);
    of_process.filter_map(|seat| Some((seat.who, seat.worker.take()?))).collect()
}

/// Kills a process.
fn crash(hub: &Arc<Hub>, process: usize) {
    let incarnation = {
        let seats = hub.seats.lock().unwrap();
        seats.iter().find(|seat| seat.who.process == process).map(|seat| seat.who.incarnation)
    };
    if let Some(incarnation) = incarnation {
        let mut shared = hub.shared();
        shared.note(|| format!("process {process} is killed"));
        shared.count("process killed");
        shared.dead.insert(incarnation);
    }
    for (who, worker) in leave_seats(hub, process) {
        drop(worker);
        hub.seats.lock().unwrap().retain(|seat| seat.who != who);
    }
}

/// Stops a process in order, unless it stands still.
pub fn stop(hub: &Arc<Hub>, process: usize) {
    let is_frozen = {
        let (seats, shared) = (hub.seats.lock().unwrap(), hub.shared());
        seats.iter().any(|seat| seat.who.process == process && shared.frozen.contains(&seat.who.incarnation))
    };
    if is_frozen {
        return;
    }
    let workers = leave_seats(hub, process);
    let left: Vec<Who> = workers.iter().map(|(who, _)| *who).collect();
    for (who, mut worker) in workers {
        let result = worker.shut_down();
        hub.shared().note(|| format!("{process}.{} stops: {result:?}", who.worker));
    }
    // Only now may the process be started again.
    hub.seats.lock().unwrap().retain(|seat| !left.contains(&seat.who));
}

/// A process stands still from one of its ticks to another, for longer than its session lasts or not.
fn freeze(hub: &Arc<Hub>, process: usize) {
    let incarnation = {
        let (seats, mut shared) = (hub.seats.lock().unwrap(), hub.shared());
        let idle = |seat: &&Seat| seat.who.process == process && seat.worker.is_some();
        let Some(seat) = seats.iter().find(idle) else { return };
        // Frozen inside a call, or two calls deep already.
        if shared.depth > 0 || !shared.frozen.insert(seat.who.incarnation) {
            return;
        }
        shared.note(|| format!("process {process} stands still"));
        shared.depth += 1;
        seat.who.incarnation
    };
    go_on(hub);
    let mut shared = hub.shared();
    shared.depth -= 1;
    shared.frozen.remove(&incarnation);
    shared.note(|| format!("process {process} goes on"));
}
