//! What happens in a run, made from its seed.

use std::time::Duration;

/// Longest time that a killed process stays away, in milliseconds.
const MAX_DOWN_MS: u64 = 2_000;
/// How long stopped processes stay away, in milliseconds, in turn: for longer than a transaction may last, so that the
/// coordinator ends what they have begun, and for longer than a session alone.
const PAUSES_MS: [std::ops::Range<u64>; 2] = [11_500..13_000, 4_000..7_000];
/// Kills in a hundred that hit everyone at once.
const ALL_AT_ONCE: u32 = 12;
/// Times that the webhook's receiver fails.
const FAILURES: usize = 4;

/// How large a run is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Actions, good and broken.
    pub(crate) actions: usize,
    /// Actions that live for a while, of tenants of their own.
    pub(crate) lives: usize,
    /// Tenants of the others.
    pub(crate) tenants: usize,
    /// `kill -9`s, at least.
    pub(crate) kills: usize,
    /// Processors stopped for longer than a session lasts.
    pub(crate) pauses: usize,
    /// Processors stopped gracefully and started again.
    pub(crate) reloads: usize,
    /// Broker restarts.
    pub(crate) restarts: usize,
    /// How long all that takes.
    pub(crate) seconds: u64,
}

/// A process that can be hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    One,
    Two,
    Connector,
}

impl Victim {
    pub(crate) const ALL: [Self; 3] = [Self::One, Self::Two, Self::Connector];
    const PROCESSORS: [Self; 2] = [Self::One, Self::Two];
}

#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// `kill -9`, and a new start after a while.
    Kill {
        victims: Vec<Victim>,
        down: Duration,
    },
    /// SIGSTOP, and SIGCONT when the group has given its partitions away.
    Pause {
        victim: Victim,
        down: Duration,
    },
    /// SIGTERM, and a new start: the process goes on from what it wrote to its disk.
    Reload(Victim),
    /// The receiver of webhooks answers so to the next calls.
    Fail {
        calls: usize,
        status: u16,
    },
    RestartBroker,
}

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) scale: Scale,
    /// What is sent is made from it.
    pub(crate) traffic_seed: u64,
    /// What lives for a while is made from it.
    pub(crate) life_seed: u64,
    /// What happens, and when, in order.
    pub(crate) events: Vec<(Duration, Event)>,
}

impl Plan {
    pub(crate) fn new(seed: u64, scale: Scale) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (traffic_seed, life_seed) = (rng.u64(..), rng.u64(..));
        let mut events: Vec<Event> = Vec::new();
        let mut kills = 0;
        while kills < scale.kills {
            let all = rng.u32(0..100) < ALL_AT_ONCE;
            let victims = if all { Victim::ALL.to_vec() } else { vec![Victim::ALL[rng.usize(0..3)]] };
            kills += victims.len();
            events.push(Event::Kill { victims, down: Duration::from_millis(rng.u64(0..=MAX_DOWN_MS)) });
        }
        for number in 0..scale.pauses {
            let victim = Victim::PROCESSORS[rng.usize(0..2)];
            let down = Duration::from_millis(rng.u64(PAUSES_MS[number % 2].clone()));
            events.push(Event::Pause { victim, down });
        }
        events.extend((0..scale.reloads).map(|_| Event::Reload(Victim::PROCESSORS[rng.usize(0..2)])));
        events.extend((0..scale.restarts).map(|_| Event::RestartBroker));
        for _ in 0..FAILURES {
            let status = [400, 422, 500, 503][rng.usize(0..4)];
            events.push(Event::Fail { calls: rng.usize(5..40), status });
        }
        rng.shuffle(&mut events);
        let slot = Duration::from_secs(scale.seconds) / u32::try_from(events.len()).unwrap();
        let moments = (0_u32..).map(|number| slot * number + slot.mul_f64(rng.f64()));
        let events = moments.zip(events).collect();
        Self { scale, traffic_seed, life_seed, events }
    }
}
