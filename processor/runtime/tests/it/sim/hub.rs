//! What the processes of a simulated world share, and the seam that every call of a worker to the outside goes through:
//! there a process may crash, an error be returned, or the world go on without it.

use super::broker::Broker;
use super::life::Tenants;
use super::plant::Plant;
use super::restorer::SimRestorer;
use super::sink::SimSink;
use super::source::SimSource;
use super::store::{Disk, SimStores};
use super::timers::Sown;
use super::traffic::Traffic;
use acteon_core::Definitions;
use acteon_runtime::{Clock, LogError, Worker};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// When a simulated world begins, in milliseconds since 1970.
pub const START: i64 = 1_700_000_000_000;
/// Deepest nesting of frozen calls.
const MAX_DEPTH: usize = 2;
/// Most processes at a time.
pub const PROCESSES: usize = 3;

pub type SimWorker = Worker<SimSource, SimSink, SimRestorer, SimStores, SimClock>;

/// One worker of one incarnation of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    pub process: usize,
    pub worker: usize,
    pub incarnation: u64,
}

/// When a fault strikes: before a call has taken effect, or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The process dies; its answer is never seen.
    Crash(When),
    /// The call fails, or only seems to.
    Error(When),
    /// The process stands still while the world goes on.
    Freeze(When),
}

pub struct Shared {
    pub broker: Broker,
    pub rng: fastrand::Rng,
    /// Faults in ten thousand calls; none when the world is being healed.
    pub fault_rate: u32,
    /// How far each process's wall clock is off, in milliseconds.
    pub skew: [i64; PROCESSES],
    pub traffic: Traffic,
    /// The tenants of the laws, where the world has them.
    pub tenants: Option<Tenants>,
    /// The timers that are to fire.
    pub sown: Sown,
    pub disks: BTreeMap<(usize, i32), Disk>,
    /// The incarnation that each group member belongs to.
    pub members: BTreeMap<u64, u64>,
    pub dead: BTreeSet<u64>,
    /// Incarnations that stand still: no call returns, no heartbeat is sent.
    pub frozen: BTreeSet<u64>,
    /// How many processes have been started.
    pub incarnations: u64,
    pub depth: usize,
    /// What was seen to be wrong while the world was running.
    pub violations: Vec<String>,
    /// What happened, where someone wants to read it.
    pub trace: Option<Vec<String>>,
    /// How often each kind of thing happened.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Shared {
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        let now = self.broker.now - START;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:>9} ms {:width$}{}", "", text(), width = self.depth * 2));
        }
    }

    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub fn is_planted(&self, plant: Plant) -> bool {
        self.broker.plant == Some(plant)
    }

    /// Lets time pass; what lives shows signs of it.
    pub fn advance(&mut self, ms: i64) {
        let broker = &mut self.broker;
        broker.now += ms;
        for (member, incarnation) in &self.members {
            if !self.dead.contains(incarnation) && !self.frozen.contains(incarnation) {
                broker.group.heartbeat(*member, broker.now);
            }
        }
        broker.write_some_markers();
        broker.group.expire(broker.now);
        broker.expire_transactions();
    }

    fn draw(&mut self, name: &'static str, may_fail: bool) -> Fault {
        // Calls that are made all the time would leave none for others.
        let rate = match name {
            "send" | "poll" | "attend" => self.fault_rate / 10,
            "restore" => self.fault_rate / 2,
            _ => self.fault_rate * 2,
        };
        if rate == 0 || self.rng.u32(0..10_000) >= rate {
            return Fault::None;
        }
        let when = if self.rng.bool() { When::Before } else { When::After };
        let fault = match self.rng.u8(0..10) {
            0..=2 => Fault::Crash(when),
            3..=6 if may_fail => Fault::Error(when),
            7..=9 if self.depth < MAX_DEPTH => Fault::Freeze(when),
            _ => Fault::None,
        };
        match fault {
            Fault::None => {}
            Fault::Crash(_) => self.count("crash in a call"),
            Fault::Error(_) => self.count("error of a call"),
            Fault::Freeze(_) => self.count("freeze in a call"),
        }
        fault
    }
}

/// A place for a worker; it is empty while the worker runs, or its process is down.
pub struct Seat {
    pub who: Who,
    pub worker: Option<SimWorker>,
}

pub struct Hub {
    shared: Mutex<Shared>,
    pub seats: Mutex<Vec<Seat>>,
    pub definitions: Arc<Definitions>,
}

impl Hub {
    pub fn new(shared: Shared, definitions: Arc<Definitions>) -> Self {
        Self { shared: Mutex::new(shared), seats: Mutex::default(), definitions }
    }

    pub fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }
}

/// One worker's way to the outside.
#[derive(Clone)]
pub struct Seam {
    pub hub: Arc<Hub>,
    pub who: Who,
}

impl Seam {
    /// Makes a call, or something in its place. `may_fail`: whether it can return an error by chance.
    pub fn call<T>(
        &self,
        name: &'static str,
        may_fail: bool,
        effect: impl FnOnce(&mut Shared) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let Who { process, worker, incarnation } = self.who;
        let fault = {
            let mut shared = self.hub.shared();
            if shared.dead.contains(&incarnation) {
                return Err(dead());
            }
            let fault = shared.draw(name, may_fail);
            if fault != Fault::None {
                shared.note(|| format!("{process}.{worker} {name}: {fault:?}"));
            }
            fault
        };
        if fault == Fault::Freeze(When::Before) {
            self.freeze()?;
        }
        let result = match fault {
            Fault::Crash(When::Before) => Err(self.kill()),
            Fault::Error(When::Before) => Err(failed(name)),
            _ => effect(&mut self.hub.shared()),
        };
        match fault {
            Fault::Crash(When::After) => Err(self.kill()),
            Fault::Error(When::After) => result.and_then(|_| Err(failed(name))),
            Fault::Freeze(When::After) => self.freeze().and(result),
            _ => result,
        }
    }

    fn kill(&self) -> LogError {
        self.hub.shared().dead.insert(self.who.incarnation);
        dead()
    }

    /// Stands still while the world goes on.
    fn freeze(&self) -> Result<(), LogError> {
        {
            let mut shared = self.hub.shared();
            shared.frozen.insert(self.who.incarnation);
            shared.depth += 1;
        }
        super::world::go_on(&self.hub);
        let mut shared = self.hub.shared();
        shared.depth -= 1;
        shared.frozen.remove(&self.who.incarnation);
        if shared.dead.contains(&self.who.incarnation) { Err(dead()) } else { Ok(()) }
    }

    pub fn is_dead(&self) -> bool {
        self.hub.shared().dead.contains(&self.who.incarnation)
    }
}

fn dead() -> LogError {
    LogError::Fatal("the process is dead".to_owned())
}

fn failed(name: &str) -> LogError {
    LogError::Retriable(format!("{name} failed by chance"))
}

/// A process's clocks: both go with true time, the wall's is off and can jump.
pub struct SimClock(pub Seam);

impl Clock for SimClock {
    fn wall(&self) -> i64 {
        let shared = self.0.hub.shared();
        shared.broker.now + shared.skew[self.0.who.process]
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.hub.shared().broker.now - START).unwrap())
    }
}
