//! Exactly once, with real processes: two processors and a connector work off actions while they are killed, stopped
//! and cut off from the broker at random; what is left in the topics must be what a plain model comes to.
//!
//! Beside the actions that the model foretells there are some that live for a while: they are scheduled, grouped, wait for
//! approval, recur, or begin a chain or an event. For them, the laws of [`acteon_testkit::life`] must hold once all of it
//! is over.
//!
//! The plan (what is sent, and who is hit when) is made from a seed, which is printed; `SEED=…` makes the same plan again.
//! Pauses last longer than sessions, and some longer than transactions may.
//!
//! `ACTEON_FULL=1` gives the test on Apache Kafka its full size: 200,000 actions and 10,000 that live for a while, 24 kills,
//! about five minutes on an idle machine.

mod cluster;
mod fleet;
mod judge;
mod life;
mod log;
mod outlet;
mod plan;
mod traffic;

use acteon_testkit::clock;
use cluster::Cluster;
use fleet::Fleet;
use log::Log;
use plan::{Event, Plan, Scale};
use std::time::{Duration, Instant};
use traffic::Sent;

/// Longest wait for everything to be worked off once nobody is hit any more.
const DRAIN_LIMIT: Duration = Duration::from_secs(180);

const FULL: Scale = Scale {
    actions: 200_000,
    lives: 10_000,
    tenants: 400,
    kills: 24,
    pauses: 4,
    reloads: 3,
    restarts: 1,
    seconds: 150,
};
const SHORT: Scale =
    Scale { actions: 30_000, lives: 1_500, tenants: 100, kills: 6, pauses: 1, reloads: 1, restarts: 1, seconds: 30 };
const EMBEDDED: Scale =
    Scale { actions: 20_000, lives: 1_000, tenants: 80, kills: 8, pauses: 1, reloads: 1, restarts: 1, seconds: 20 };
/// One of the processors has the broker in its process: hit, it takes that with it.
const DEV: Scale =
    Scale { actions: 20_000, lives: 1_000, tenants: 80, kills: 8, pauses: 1, reloads: 1, restarts: 1, seconds: 30 };

#[test]
fn exactly_once_on_kafka() {
    let full = std::env::var_os("ACTEON_FULL").is_some();
    run("kafka", Cluster::kafka(), if full { FULL } else { SHORT });
}

#[test]
fn exactly_once_on_the_embedded_broker() {
    run("embedded", Cluster::embedded(), EMBEDDED);
}

#[test]
fn exactly_once_with_the_broker_in_the_same_process() {
    run("acteon dev", Cluster::dev(), DEV);
}

fn run(name: &str, mut cluster: Cluster, scale: Scale) {
    let seed = match std::env::var("SEED") {
        Ok(text) => text.parse().expect("SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    eprintln!("exactly once on {name}: SEED={seed}");
    let plan = Plan::new(seed, scale);
    let began = clock::now();
    let mut fleet = Fleet::start(&cluster);
    let log = Log::new(cluster.bootstrap());
    // A broker that is about to lead a new partition can refuse a producer's first batch and take the second one; sent again,
    // the first one then counts as a repetition, and is lost.
    log.wait_until_stable(DRAIN_LIMIT);
    let producer = {
        let (bootstrap, plan) = (cluster.bootstrap().to_owned(), plan.clone());
        std::thread::spawn(move || traffic::send(&bootstrap, &plan))
    };
    let lives = {
        let (bootstrap, plan) = (cluster.bootstrap().to_owned(), plan.clone());
        std::thread::spawn(move || life::send(&bootstrap, &plan))
    };
    disturb(&plan, &mut cluster, &mut fleet);
    let sent: Sent = producer.join().expect("everything is sent");
    let disturbed = began.elapsed();
    log.wait_until_done(&sent, DRAIN_LIMIT, || fleet.watch());
    lives.join().expect("everything that lives is sent");
    life::wait_until_over(&log, DRAIN_LIMIT, || fleet.watch());
    fleet.stop(|| log.wait_until_consumed(DRAIN_LIMIT));
    cluster.take_over(&fleet);
    log.wait_until_stable(DRAIN_LIMIT);
    let drained = began.elapsed();
    let judged = judge::judge(&log, &fleet, &sent);
    let count = |words| fleet.lines(words);
    eprintln!(
        "exactly once on {name}: {sent:?}, {} kills, {} pauses, {} graceful \
         restarts, {} broker restarts; {} assignments, {} revocations, {} \
         losses, {} recoveries, {} restored records, {} stores continued; disturbed for {disturbed:.0?}, drained after {drained:.0?}, all in \
         {:.0?}\n{judged}",
        scale.kills,
        scale.pauses,
        scale.reloads,
        scale.restarts,
        count("partitions assigned"),
        count("partitions revoked"),
        count("partitions lost"),
        count("transaction dropped"),
        fleet.restored(),
        fleet.continued(),
        began.elapsed(),
    );
}

/// Lets everything happen that the plan has.
fn disturb(plan: &Plan, cluster: &mut Cluster, fleet: &mut Fleet) {
    let began = clock::now();
    for (at, event) in &plan.events {
        wait_until(began + *at);
        eprintln!("{:6.1} s: {event:?}", began.elapsed().as_secs_f64());
        match event {
            Event::Kill { victims, down } => {
                victims.iter().for_each(|victim| fleet.kill(*victim));
                std::thread::sleep(*down);
                victims.iter().for_each(|victim| fleet.start_again(*victim));
            }
            Event::Pause { victim, down } => fleet.pause(*victim, *down),
            Event::Reload(victim) => fleet.reload(*victim),
            Event::Fail { calls, status } => fleet.fail(*calls, *status),
            Event::RestartBroker => cluster.restart(fleet),
        }
    }
}

fn wait_until(at: Instant) {
    std::thread::sleep(at.saturating_duration_since(clock::now()));
}
